"""Prices: which are a model's, and what a usage costs by them, to the nano-dollar."""

from __future__ import annotations

from dataclasses import asdict, replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.litellm_names import TOKEN_PRICES
from gateway.price_table import table
from gateway.pricing import Prices, prices_of
from gateway.records import Model, Usage
from tests.published_usage import ROWS, Json, Row

MILLION = Usage(prompt_tokens=1_000_000, completion_tokens=1_000_000)


def model(
    provider: str = "openai",
    name: str = "nobody-has-this",
    params: Json | None = None,
    info: Json | None = None,
    base_url: str | None = None,
) -> Model:
    return Model("id", "m", provider, name, base_url, None, params or {}, {}, info or {}, 1, 1)


def prices(provider: str = "openai", name: str = "nobody-has-this", **params: Any) -> Prices:
    found = prices_of(model(provider, name, params))
    assert found
    return found


def cost_of(found: Prices, usage: Usage) -> int:
    cost = found.cost(usage)
    assert cost is not None
    return cost


EACH_ROW = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


# The published payloads


@EACH_ROW
def test_cost_by_the_table(row: Row) -> None:
    """The prices are pinned, so that one that changes with litellm does not go unseen."""
    found = prices(row.provider, row.model)
    assert {name: found.by_name[name] for name in row.prices} == row.prices
    assert found.source == "table"
    assert cost_of(found, row.usage) == row.cost


@EACH_ROW
def test_cost_by_given_prices(row: Row) -> None:
    """All prices that count are in the row."""
    found = prices(row.provider, f"own/{row.model}", **row.prices)
    assert found.source == "override"
    assert cost_of(found, row.usage) == row.cost


@EACH_ROW
def test_a_reservation_covers_the_cost(row: Row) -> None:
    found = prices(row.provider, row.model)
    usage = replace(row.usage, searches=0)
    reserved = found.worst(usage.prompt_tokens, usage.completion_tokens, usage.tier)
    assert reserved >= cost_of(found, usage)


# Given prices


def test_given_prices_go_before_the_table() -> None:
    found = prices_of(
        model(
            "openai",
            "gpt-4o",
            params={"input_cost_per_token": 1e-06},
            info={"input_cost_per_token": 2e-06, "output_cost_per_token": 3e-06},
        )
    )
    assert found
    assert found.source == "override"
    # 1,000,000 x 1,000 of litellm_params + 1,000,000 x 3,000 of model_info
    assert cost_of(found, MILLION) == 4 * 10**9
    # The table's price of what is cached stays: 1,000,000 x 1,250
    assert cost_of(found, Usage(prompt_tokens=10**6, cached_tokens=10**6)) == 1_250_000_000


def test_a_given_price_is_not_the_tables_for_long_prompts_and_tiers() -> None:
    found = prices("gemini", "gemini-2.5-pro", input_cost_per_token=1e-06)
    for tier in ("", "priority", "flex"):
        assert cost_of(found, Usage(prompt_tokens=300_000, tier=tier)) == 300_000_000
    assert "input_cost_per_token_priority" not in found.by_name
    # Completions go on by the table: 10 x 15,000
    assert cost_of(found, Usage(prompt_tokens=300_000, completion_tokens=10)) == 300_150_000


def test_a_given_price_replaces_tiered_ones() -> None:
    found = prices("dashscope", "qwen3-max", input_cost_per_token=1e-06)
    assert cost_of(found, Usage(prompt_tokens=200_000)) == 200_000_000
    assert "tiered_pricing" not in found.by_name


def test_given_tiers() -> None:
    tiers = [
        {"range": [1000, 2000], "input_cost_per_token": 2e-06},
        {"range": [0, 1000], "input_cost_per_token": "1e-6", "output_cost_per_token": 1e-05},
    ]
    found = prices("openai", "gpt-4o", tiered_pricing=tiers)
    assert cost_of(found, Usage(prompt_tokens=1000, completion_tokens=1)) == 1_010_000
    # Longer than the last range; the completion at the model's own price.
    assert cost_of(found, Usage(prompt_tokens=3000, completion_tokens=1)) == 6_010_000


@pytest.mark.parametrize("written", [3e-07, "3e-7", "0.0000003"])
def test_prices_are_what_is_written(written: Any) -> None:
    found = prices(input_cost_per_token=written)
    assert cost_of(found, Usage(prompt_tokens=10**9)) == 300 * 10**9
    assert found.by_name == {"input_cost_per_token": 3e-07}


def test_a_null_price_is_none() -> None:
    assert prices_of(model(params={"input_cost_per_token": None})) is None


def test_a_price_of_the_request() -> None:
    found = prices(input_cost_per_request=0.001)
    assert cost_of(found, Usage()) == 1_000_000
    assert found.worst(100, 100) == 1_000_000


@pytest.mark.parametrize(("tier", "cost"), [("", 10), ("flex", 5), ("priority", 10), ("quux", 10)])
def test_a_tier_without_a_price_costs_the_standard_one(tier: str, cost: int) -> None:
    found = prices(input_cost_per_token=1e-08, input_cost_per_token_flex=5e-09)
    assert cost_of(found, Usage(prompt_tokens=1, tier=tier)) == cost


def test_a_tier_asks_for_reasoning_what_it_asks_for_output() -> None:
    found = prices(
        output_cost_per_token=8e-09,
        output_cost_per_reasoning_token=3e-09,
        output_cost_per_token_flex=4e-09,
    )
    usage = Usage(completion_tokens=10, reasoning_tokens=6)
    # 4 x 8 + 6 x 3, and 10 x 4
    assert (cost_of(found, usage), cost_of(found, replace(usage, tier="flex"))) == (50, 40)


def test_several_thresholds() -> None:
    found = prices(
        input_cost_per_token=1e-09,
        input_cost_per_token_above_128k_tokens=2e-09,
        input_cost_per_token_above_256000_tokens=3e-09,
        output_cost_per_token_above_128k_tokens=5e-09,
    )
    lengths = (128_000, 128_001, 256_000, 256_001)
    assert [cost_of(found, Usage(prompt_tokens=n)) // n for n in lengths] == [1, 2, 2, 3]
    assert cost_of(found, Usage(prompt_tokens=256_001, completion_tokens=1)) == 768_008


def test_writing_to_the_cache_for_nothing_is_a_price() -> None:
    """DeepSeek's entries say so; it is no missing price."""
    found = prices(
        input_cost_per_token=1e-06,
        input_cost_per_token_above_128k_tokens=2e-06,
        cache_creation_input_token_cost=0.0,
    )
    for length in (1000, 200_000):
        assert cost_of(found, Usage(prompt_tokens=length, cache_write_tokens=length)) == 0


def test_fireworks_charges_half_for_what_is_cached() -> None:
    """Where the table does not say: docs.fireworks.ai/guides/prompt-caching."""
    found = prices("fireworks_ai", "nobody-has-this", input_cost_per_token=1e-06)
    assert cost_of(found, Usage(prompt_tokens=1000, cached_tokens=500)) == 750_000


@pytest.mark.parametrize(
    ("provider", "given", "cost"),
    [
        # https://docs.x.ai and https://platform.claude.com have one price for all models.
        ("xai", {}, 15_000_000),
        ("anthropic", {}, 30_000_000),
        ("openai", {}, 0),
        ("openai", {"search_context_size_medium": 0.02, "search_context_size_low": 1}, 60_000_000),
        (
            "perplexity",
            {"search_context_size_medium": 1, "search_context_size_low": 0.02},
            20_000_000,
        ),
        ("gemini", {"search_context_size_medium": 0.02}, 20_000_000),
    ],
)
def test_searches(provider: str, given: Json, cost: int) -> None:
    named: Json = {"search_context_cost_per_query": given} if given else {}
    found = prices(provider, input_cost_per_token=0, **named)
    assert cost_of(found, Usage(searches=3)) == cost


def test_newer_gemini_models_charge_each_search() -> None:
    entry = table()["gemini/gemini-3.1-pro-preview"]
    assert entry["web_search_billing_unit"] == "per_query"
    found = prices("gemini", "gemini-3.1-pro-preview")
    assert cost_of(found, Usage(searches=3)) == 3 * 14_000_000


@pytest.mark.parametrize(
    ("provider", "name", "base_url", "params", "tenths"),
    [
        ("openai", "gpt-5.4", None, {}, 10),
        ("openai", "gpt-5.4", "https://api.openai.com/v1", {}, 10),
        ("openai", "gpt-5.4", "https://eu.api.openai.com/v1", {}, 11),
        ("anthropic", "claude-opus-4-6", None, {"inference_geo": "us"}, 11),
        ("anthropic", "claude-opus-4-6", None, {"inference_geo": "global"}, 10),
    ],
)
def test_some_places_of_processing_are_dearer(
    provider: str, name: str, base_url: str | None, params: Json, tenths: int
) -> None:
    found = prices_of(model(provider, name, params, base_url=base_url))
    assert found
    plain = {"gpt-5.4": 2500, "claude-opus-4-6": 5000}[name]
    assert cost_of(found, Usage(prompt_tokens=100)) == plain * 10 * tenths
    # The operator's own price is what it is.
    given = params | {"input_cost_per_token": 1e-06}
    own = prices_of(model(provider, name, given, base_url=base_url))
    assert own
    assert cost_of(own, Usage(prompt_tokens=100)) == 100_000


def test_regions_of_vertex_are_dearer() -> None:
    name = next(
        name
        for name, entry in table().items()
        if "regional_endpoint_uplift_multiplier" in entry and entry["input_cost_per_token"]
    )
    costs = []
    for place in ({}, {"vertex_location": "global"}, {"vertex_location": "us-east5"}):
        found = prices_of(model("vertex_ai", name.removeprefix("vertex_ai/"), place))
        assert found
        costs.append(cost_of(found, Usage(prompt_tokens=10_000)))
    assert [cost / costs[0] for cost in costs] == [1, 1, 1.1]


def test_limits() -> None:
    found = prices("openai", "gpt-4o")
    assert (found.max_input_tokens, found.max_output_tokens) == (128_000, 16_384)
    given = prices_of(model("openai", "gpt-4o", info={"max_output_tokens": 100}))
    assert given
    assert (given.max_output_tokens, given.source) == (100, "table")
    assert prices(input_cost_per_token=1).max_output_tokens is None
    # An older name of the same, in some entries.
    assert prices("perplexity", "sonar").max_output_tokens == 128_000
    assert prices("openai", "text-embedding-3-small").max_output_tokens is None


# Laws


PER_TOKEN = st.decimals(0, "0.001", places=12).map(str)
GIVEN = st.dictionaries(
    st.builds(
        "{}{}".format,
        st.sampled_from(sorted(TOKEN_PRICES)),
        st.sampled_from(["", "", "_above_1k_tokens", "_flex", "_above_2k_tokens_flex"]),
    ),
    PER_TOKEN,
    min_size=1,
)
COUNT = st.integers(0, 4000)
USAGE = st.builds(
    Usage,
    **{name: COUNT for name in asdict(Usage()) if name.endswith("_tokens")},
    searches=st.integers(0, 3),
    tier=st.sampled_from(["", "flex", "priority"]),
)


@given(GIVEN, USAGE, COUNT, COUNT)
def test_no_call_costs_more_than_is_reserved(
    named: Json, usage: Usage, more: int, much_more: int
) -> None:
    found = prices(**named)
    bounds = usage.prompt_tokens + more, usage.completion_tokens + much_more
    cost = cost_of(found, replace(usage, searches=0))
    assert 0 <= cost <= found.worst(*bounds, tier=usage.tier)
    if usage.tier != "flex":
        assert cost <= found.worst(*bounds)


@given(GIVEN, USAGE, st.integers(1, 4000))
def test_more_of_the_same_costs_no_less(named: Json, usage: Usage, more: int) -> None:
    named = {name: price for name, price in named.items() if "_above_" not in name}
    found = prices(**named, input_cost_per_request=0)
    longer = replace(usage, completion_tokens=usage.completion_tokens + more)
    assert cost_of(found, longer) >= cost_of(found, usage)
    longer = replace(usage, prompt_tokens=usage.prompt_tokens + more)
    assert cost_of(found, longer) >= cost_of(found, usage)


@given(st.dictionaries(st.sampled_from(sorted(TOKEN_PRICES)), PER_TOKEN, min_size=1), USAGE, USAGE)
def test_prompt_and_completion_add_up(named: Json, one: Usage, other: Usage) -> None:
    """To the nano-dollar that rounding can take."""
    found = prices(**named)
    parts = [name for name in asdict(one) if "prompt" in name or "cache" in name]
    nothing: dict[str, Any] = dict.fromkeys(parts, 0)
    of_one = {name: getattr(one, name) for name in parts}
    prompt = replace(Usage(), **of_one)
    completion = replace(other, **nothing, searches=0, tier="")
    both = replace(completion, **of_one)
    assert abs(cost_of(found, both) - cost_of(found, prompt) - cost_of(found, completion)) <= 1


@given(PER_TOKEN, PER_TOKEN, PER_TOKEN, COUNT, COUNT, COUNT)
def test_arithmetic_is_exact(
    price: str, cached_price: str, output: str, prompt: int, cached: int, completion: int
) -> None:
    cached = min(cached, prompt)
    found = prices(
        input_cost_per_token=price,
        cache_read_input_token_cost=cached_price,
        output_cost_per_token=output,
    )
    usage = Usage(prompt_tokens=prompt, completion_tokens=completion, cached_tokens=cached)
    dollars = (
        (prompt - cached) * Decimal(price)
        + cached * Decimal(cached_price)
        + completion * Decimal(output)
    )
    assert cost_of(found, usage) == (dollars * 10**9).to_integral_value(ROUND_HALF_UP)


@given(USAGE)
def test_parts_beyond_their_total_are_cut(usage: Usage) -> None:
    """No token is charged twice, whatever is reported."""
    each: Json = dict.fromkeys(TOKEN_PRICES, 1e-09)
    found = prices(**each)
    usage = replace(usage, searches=0, tier="")
    assert cost_of(found, usage) == usage.total_tokens
