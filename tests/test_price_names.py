"""What can be given as a price, and what cannot."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.fields import WrongField
from gateway.litellm_names import OTHER_PRICES, TOKEN_PRICES, UNIT_PRICES, is_price
from gateway.price_names import check_prices
from gateway.price_table import table
from tests.published_usage import GPT_4O, Json


@pytest.mark.parametrize("name", sorted(TOKEN_PRICES))
@pytest.mark.parametrize("value", [0, 1, 0.5, "3e-7", "0", None])
def test_prices_that_can_be(name: str, value: Any) -> None:
    check_prices({name: value}, "litellm_params")


@pytest.mark.parametrize(("name", "modes"), UNIT_PRICES.items())
def test_prices_of_other_things_than_tokens(name: str, modes: frozenset[str]) -> None:
    """A second is one of sound in some models, and one of waiting in others."""
    for mode in modes:
        check_prices({name: 0.1}, "model_info", mode)
        with pytest.raises(WrongField):
            check_prices({name: -1}, "model_info", mode)
    with pytest.raises(WrongField) as refused:
        check_prices({name: 0.1}, "model_info", "chat")
    assert all(mode in str(refused.value) for mode in modes)


NO_PRICES: list[Any] = [-1, "x", "", [], {}, True, "nan", "inf", 1e7, "1/3", "1e-50", "1e999999"]


@pytest.mark.parametrize(
    ("named", "field"),
    [
        *(({"input_cost_per_token": value}, None) for value in NO_PRICES),
        ({"output_cost_per_token_above_200k_tokens_flex": -1}, None),
        ({"input_cost_per_second": 1}, None),
        ({"off_peak_pricing": {"hours_utc": "00:00-01:00"}}, None),
        ({"regional_endpoint_uplift_multiplier": 1.1}, None),
        ({"tiered_pricing": []}, None),
        ({"tiered_pricing": {"range": [0, 1]}}, None),
        ({"tiered_pricing": [{"input_cost_per_token": 1}]}, "tiered_pricing.0"),
        ({"tiered_pricing": [{"range": [0, 1]}]}, "tiered_pricing.0"),
        ({"tiered_pricing": [{"range": [1, 0], "input_cost_per_token": 1}]}, "tiered_pricing.0"),
        (
            {"tiered_pricing": [{"range": [0, 1], "input_cost_per_token": -1}]},
            "tiered_pricing.0.input_cost_per_token",
        ),
        (
            {"tiered_pricing": [{"range": [0, 1], "input_cost_per_token": 1, "quux": 1}]},
            "tiered_pricing.0.quux",
        ),
        ({"search_context_cost_per_query": 0.01}, None),
        ({"search_context_cost_per_query": {"quux": 0.01}}, None),
        (
            {"search_context_cost_per_query": {"search_context_size_low": -1}},
            "search_context_cost_per_query.search_context_size_low",
        ),
    ],
)
def test_prices_that_cannot_be(named: Json, field: str | None) -> None:
    with pytest.raises(WrongField) as refused:
        check_prices({"max_tokens": 1} | named, "litellm_params")
    assert refused.value.field == f"litellm_params.{field or next(iter(named))}"


def test_prices_of_the_table_can_be_given() -> None:
    """All that LiteLLM shows of a model, nulls too, can be put into its `model_info`."""
    for entry in table().values():
        mode = entry.get("mode")
        if mode == "search":
            continue
        named = {name: entry[name] for name in entry if is_price(name)}
        # Some have a price of another operation than their own.
        others = {name for name in UNIT_PRICES.keys() & named if mode not in UNIT_PRICES[name]}
        check_prices(named | dict.fromkeys(others), "model_info", mode)


def test_names_that_are_no_tokens_price_are_not() -> None:
    assert not TOKEN_PRICES & OTHER_PRICES
    assert all(is_price(name) for name in TOKEN_PRICES | OTHER_PRICES | set(GPT_4O))
