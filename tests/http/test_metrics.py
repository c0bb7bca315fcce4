"""`/metrics` as Prometheus reads it, from a running gateway."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.app import create_app
from gateway.settings import Settings
from gateway.vault import WeakKey
from tests.servers import Gateway, answer, chunks, serving

DASHBOARD = Path(__file__).parents[2] / "docs" / "grafana-dashboard.json"
CHAT = {"operation": "/chat/completions", "model": "gpt", "provider": "openai"}

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def samples(gateway: Gateway) -> Samples:
    got = await gateway.request("GET", "/metrics", gateway.admin_key)
    assert got.status_code == 200, got.text
    assert got.headers["content-type"].startswith("text/plain; version=")
    return {
        (each.name, frozenset(each.labels.items())): each.value
        for family in text_string_to_metric_families(got.text)
        for each in family.samples
    }


def of(found: Samples, name: str, **labels: str) -> float:
    return found.get((name, frozenset(labels.items())), 0)


async def test_a_call_is_counted_as_the_ledger_has_it(gateway: Gateway) -> None:
    await gateway.add_model(
        litellm_params={"input_cost_per_token": 1e-3, "output_cost_per_token": 2e-3}
    )
    key = str((await gateway.issue_key())["key"])
    gateway.provider.streams(chunks())
    assert (await gateway.chat(key, stream=True)).status_code == 200
    gateway.provider.reset()
    assert (await gateway.chat(key)).status_code == 200
    await gateway.try_once()
    gateway.provider.does(answer({"error": {"message": "no"}}, 400))
    assert (await gateway.chat(key)).status_code == 400

    found = await samples(gateway)
    assert of(found, "gateway_calls_total", **CHAT, outcome="complete") == 2
    assert of(found, "gateway_calls_total", **CHAT, outcome="failed") == 1
    assert of(found, "gateway_call_duration_seconds_count", **CHAT) == 3
    assert of(found, "gateway_time_to_first_token_seconds_count", **CHAT) == 1
    model = {"model": "gpt", "provider": "openai"}
    assert of(found, "gateway_tokens_total", **model, type="input") == 22
    assert of(found, "gateway_tokens_total", **model, type="output") == 12
    assert of(found, "gateway_cost_usd_total", **model) == pytest.approx(0.022 + 0.024)
    route = {"method": "POST", "route": "/v1/chat/completions"}
    assert of(found, "gateway_http_requests_total", **route, status="200") == 2
    assert of(found, "gateway_http_requests_total", **route, status="400") == 1
    assert of(found, "gateway_http_request_duration_seconds_count", **route) == 3
    assert of(found, "gateway_models") == 1
    assert of(found, "gateway_keys") == 2
    assert of(found, "gateway_calls_in_progress") == 0
    assert of(found, "process_resident_memory_bytes") > 1_000_000


async def test_retries_and_fallbacks_are_counted_at_the_model_that_served(
    gateway: Gateway,
) -> None:
    await gateway.add_model("bad", base_url="http://127.0.0.1:9/v1")
    await gateway.add_model("good")
    settings = {"num_retries": 1, "fallbacks": [{"bad": ["good"]}], "retry_after": 0}
    assert (await gateway.manage("PATCH", "/settings", settings)).status_code == 200
    key = str((await gateway.issue_key())["key"])
    assert (await gateway.chat(key, "bad")).status_code == 200
    found = await samples(gateway)
    good = {"model": "good", "provider": "openai"}
    assert of(found, "gateway_fallbacks_total", **good) == 1
    assert of(found, "gateway_retries_total", **good) == 1


async def test_a_deployment_that_cools_down_is_told(gateway: Gateway) -> None:
    for url in ("http://127.0.0.1:9/v1", f"{gateway.provider.url}/v1"):
        await gateway.add_model(base_url=url, model_info={"id": "bad" if ":9" in url else "good"})
    settings = {"allowed_fails": 0, "cooldown_time": 60, "num_retries": 1}
    assert (await gateway.manage("PATCH", "/settings", settings)).status_code == 200
    key = str((await gateway.issue_key())["key"])
    for _ in range(20):
        got = await gateway.chat(key)
        assert got.status_code == 200, got.text
    found = await samples(gateway)
    assert of(found, "gateway_deployments_cooling_down", model="gpt") == 1


async def test_what_callers_choose_is_no_label(gateway: Gateway) -> None:
    await gateway.add_model("any/*", litellm_params={"model": "openai/*"})
    key = str((await gateway.issue_key())["key"])
    for name in ("any/one", "any/two", "none/three"):
        await gateway.chat(key, name)
    await gateway.request("GET", "/v1/models/four", key)
    await gateway.request("GET", "/five", key)
    await gateway.request("PROPFIND", "/v1/models", key)
    found = await samples(gateway)
    calls = {"operation": "/chat/completions", "provider": "openai", "outcome": "complete"}
    assert of(found, "gateway_calls_total", **calls, model="any/*") == 2
    unknown = {"operation": "/chat/completions", "provider": "", "outcome": "refused"}
    assert of(found, "gateway_calls_total", **unknown, model="") == 1
    requests = "gateway_http_requests_total"
    assert of(found, requests, method="GET", route="/v1/models/{name:path}", status="404") == 1
    assert of(found, requests, method="GET", route="(none)", status="404") == 1
    assert of(found, requests, method="(other)", route="/v1/models", status="405") == 1
    told = " ".join(value for _, labels in found for _, value in labels)
    assert not re.search("one|two|three|four|five|PROPFIND", told.replace("(none)", ""))


async def test_openmetrics_is_for_whoever_asks_for_it(gateway: Gateway) -> None:
    wanted = {"accept": "application/openmetrics-text; version=1.0.0"}
    got = await gateway.request("GET", "/metrics", gateway.admin_key, headers=wanted)
    assert got.headers["content-type"].startswith("application/openmetrics-text")
    assert got.text.endswith("# EOF\n")


async def test_metrics_are_for_admins_and_for_their_own_key(
    settings: Settings, gateway: Gateway, key: str
) -> None:
    assert (await gateway.request("GET", "/metrics", None)).status_code == 401
    assert (await gateway.request("GET", "/metrics", key)).status_code == 401
    secret = "sk-metrics-0123456789abcdef0123"
    app = create_app(replace(settings, metrics_key=secret))
    async with serving(app) as url:
        other = replace(gateway, url=url, app=app)
        assert (await other.request("GET", "/metrics", secret)).status_code == 200
        assert (await other.request("GET", "/metrics", gateway.admin_key)).status_code == 200
        for wrong in (None, key, secret + "0"):
            assert (await other.request("GET", "/metrics", wrong)).status_code == 401
        for path in ("/v1/models", "/api/v1/gateway/keys"):
            assert (await other.request("GET", path, secret)).status_code == 401


async def test_a_weak_key_for_metrics_is_refused(settings: Settings) -> None:
    app = create_app(replace(settings, metrics_key="sk-metrics"))
    with pytest.raises(WeakKey, match="GATEWAY_METRICS_KEY is too weak"):
        async with app.router.lifespan_context(app):
            pass


async def test_the_dashboard_asks_for_what_there_is(gateway: Gateway) -> None:
    """Each metric and label in the dashboard's queries is one of the gateway's."""
    await test_a_call_is_counted_as_the_ledger_has_it(gateway)
    await gateway.add_model("cooling")
    got = await gateway.request("GET", "/metrics", gateway.admin_key)
    known: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(got.text):
        for each in family.samples:
            known.setdefault(each.name, set()).update(each.labels)
    known.setdefault("gateway_deployments_cooling_down", set()).add("model")
    # Those of a gateway that has one; see tests/shared/test_outages.py.
    known["gateway_redis_up"] = set()
    known["gateway_decisions_without_redis_total"] = {"type", "outcome"}
    panels = json.loads(DASHBOARD.read_text())["panels"]
    queries = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    assert len(queries) >= 12
    asked = set()
    for query in queries:
        for name, labels in re.findall(r"\b((?:gateway|process)_\w+)(?:\{([^}]*)\})?", query):
            assert name in known, query
            assert set(re.findall(r"(\w+)(?:=~|!~|!=|=)", labels)) <= known[name] | {"instance"}, (
                query
            )
            asked.add(name)
        grouped = {
            each.strip() for by in re.findall(r"by \(([^)]*)\)", query) for each in by.split(",")
        }
        names = re.findall(r"\b(?:gateway|process)_\w+", query)
        assert grouped <= set.union({"instance"}, *(known[name] for name in names)), query
    families = {re.sub("_(total|bucket|count|sum)$", "", name) for name in asked}
    own = {family.name for family in text_string_to_metric_families(got.text)}
    shown = {name for name in own if name.startswith("gateway_")} - {
        "gateway_build_info",
        "gateway_build",
    }
    assert {
        re.sub("_total$", "", name) for name in shown if not name.endswith("_created")
    } <= families
