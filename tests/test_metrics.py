"""What is counted, and how many labels there can be."""

from __future__ import annotations

import pytest

from gateway.metrics import OTHER, Metrics
from gateway.records import Call, Operation
from tests.ledgers import ledger_row
from tests.store.records import key

CALL = Call(Operation.CHAT, key("sk-a"), {"model": "gpt"}, "request-1")


def test_only_so_many_models_have_labels_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.metrics.MOST_MODELS", 2)
    metrics = Metrics(lambda deployment_id: None if deployment_id == "gone" else deployment_id)
    for deployment_id in ("a", "b", "c", "d", "gone", "a"):
        metrics.call(CALL, ledger_row(deployment_id=deployment_id, provider="openai"))
    found = {
        each.labels["model"]: each.value
        for family in metrics.collected().collect()
        for each in family.samples
        if each.name == "gateway_calls_total"
    }
    assert found == {"a": 2, "b": 1, OTHER: 3}


def test_a_call_without_a_price_costs_nothing() -> None:
    metrics = Metrics(str)
    metrics.call(CALL, ledger_row(deployment_id="a", cost=None))
    labels = {"model": "a", "provider": "openai"}
    assert metrics.collected().get_sample_value("gateway_cost_usd_total", labels) == 0
