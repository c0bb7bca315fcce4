"""Pictures, sound and rerankings: what they cost by the table, to the nano-dollar."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.price_table import Variant, mode_of, table, variants
from gateway.pricing import prices_of
from gateway.records import Units, Usage
from gateway.unit_prices import pixels, unit_prices
from tests.test_pricing import cost_of, model, prices

LARGE, WIDE = "1024x1024", "1792x1024"


def images(count: int, quality: str = "", size: str = "") -> Usage:
    return Usage(units=Units(images=count, quality=quality, size=size))


@pytest.mark.parametrize(
    ("provider", "name", "usage", "cost"),
    [
        # 8.39233e-08 a pixel: 0.0879999582208.
        ("azure", "dall-e-3", images(1, "hd", LARGE), 87_999_958),
        ("azure", "dall-e-3", images(2, "hd", LARGE), 175_999_916),
        # 4.79562e-08: 0.0880000106….
        ("azure", "dall-e-3", images(1, "standard", "1024x1792"), 88_000_011),
        # What it makes if nothing is said: 4.19617e-08.
        ("azure", "dall-e-3", images(1), 44_000_032),
        # gpt-image-1 at Azure, by pixel too: 1.58945719e-07.
        ("azure", "gpt-image-1", images(1, "high", "1024x1536"), 249_999_999),
        ("openai", "gpt-image-1", images(3, "low", "1024x1536"), 48_000_000),
        # The dearest of the size, and of all.
        ("openai", "gpt-image-1", images(1, "auto", LARGE), 167_000_000),
        ("openai", "gpt-image-1", images(1), 250_000_000),
        ("openai", "gpt-image-1.5", images(1, "low", LARGE), 9_000_000),
        ("xai", "grok-imagine-image", images(2), 40_000_000),
        # The price of a picture that is shown is 0.0011 there.
        ("gemini", "gemini-3-pro-image-preview", images(1), 134_000_000),
        ("bedrock", "amazon.titan-image-generator-v2:0", images(1), 8_000_000),
        ("bedrock", "amazon.nova-canvas-v1:0", images(1, "", LARGE), 60_000_000),
        # 1.3e-09 a pixel.
        ("nscale", "black-forest-labs/FLUX.1-schnell", images(1, "", "512x512"), 340_787),
        ("openai", "tts-1", Usage(units=Units(characters=4096)), 61_440_000),
        ("openai", "tts-1-hd", Usage(units=Units(characters=1, milliseconds=9000)), 30_000),
        ("openai", "whisper-1", Usage(units=Units(milliseconds=3200)), 320_000),
        ("openai", "whisper-1", Usage(units=Units(milliseconds=5)), 500),
        # 7.167e-05 a second, and 0 for what is output.
        ("deepgram", "nova-3", Usage(units=Units(milliseconds=60_000)), 4_300_200),
        ("cohere", "rerank-v3.5", Usage(units=Units(queries=2)), 4_000_000),
        ("bedrock", "amazon.rerank-v1:0", Usage(units=Units(queries=1)), 1_000_000),
        ("openai", "omni-moderation-latest", Usage(prompt_tokens=1000), 0),
        # By tokens, where they are reported and have a price.
        (
            "openai",
            "gpt-image-1",
            Usage(
                prompt_tokens=1069,
                completion_tokens=400,
                image_prompt_tokens=1056,
                image_completion_tokens=400,
                units=Units(images=1),
            ),
            # 13 of text at 5e-06, 1056 of a picture at 1e-05, 400 at 4e-05.
            26_625_000,
        ),
        (
            "openai",
            "gpt-4o-transcribe",
            Usage(prompt_tokens=14, completion_tokens=5, audio_prompt_tokens=14),
            85_000,
        ),
        ("openai", "gpt-4o-transcribe", Usage(units=Units(milliseconds=1000)), 100_000),
        ("voyage", "rerank-2", Usage(prompt_tokens=26), 1_300),
    ],
)
def test_costs_by_the_table(provider: str, name: str, usage: Usage, cost: int) -> None:
    found = prices(provider, name)
    assert found.cost(usage) == cost
    assert found.charges(usage) == bool(cost)
    bound = found.worst(usage.prompt_tokens, usage.completion_tokens, units=usage.units)
    assert bound >= cost


def test_tokens_without_a_price_are_no_measure() -> None:
    """As a server reports them whose model is charged by piece."""
    found = prices("xai", "grok-imagine-image")
    assert found.cost(Usage(prompt_tokens=9, units=Units(images=1))) == 20_000_000
    assert found.cost(Usage(prompt_tokens=9)) is None
    assert not found.charges(Usage(prompt_tokens=9))


def test_what_has_no_price_costs_what_its_tokens_do() -> None:
    units = Units(queries=3)
    assert prices("openai", "gpt-4o").cost(Usage(units=units)) == 0
    assert prices("openai", "gpt-4o").cost(Usage(prompt_tokens=2, units=units)) == 5000
    assert prices("openai", "tts-1").cost(Usage(units=units)) is None


@pytest.mark.parametrize(
    ("given_prices", "usage", "cost"),
    [
        # A price by piece replaces those by token, and by quality.
        ({"output_cost_per_image": 0.03}, Usage(9, 400, units=Units(images=2)), 60_000_000),
        ({"output_cost_per_image": "0"}, images(2), 0),
        ({"input_cost_per_pixel": 1e-9}, images(1, "low", "10x10"), 100),
        ({"input_cost_per_pixel": 1e-9}, images(1, "low", "auto"), 1_572_864),
        # And the other way around.
        ({"input_cost_per_token": 1e-6}, Usage(9, 400, units=Units(images=2)), 9000),
        # Both are alternatives.
        (
            {"input_cost_per_token": 1e-6, "output_cost_per_image": 0.03},
            Usage(9, units=Units(images=2)),
            9000,
        ),
        ({"input_cost_per_token": 1e-6, "output_cost_per_image": 0.03}, images(2), 60_000_000),
        (
            {"input_cost_per_request": 0.001, "output_cost_per_image": 0.03},
            images(1),
            31_000_000,
        ),
    ],
)
def test_costs_by_given_prices(given_prices: dict[str, Any], usage: Usage, cost: int) -> None:
    found = prices("openai", "gpt-image-1", **given_prices)
    assert found.source == "override"
    assert found.cost(usage) == cost


def test_a_price_is_rounded_half_up() -> None:
    found = prices(input_cost_per_character=5e-10)
    assert [found.cost(Usage(units=Units(characters=n))) for n in (1, 2, 3)] == [1, 1, 2]


def test_prices_by_quality_and_size_are_found_as_others_are() -> None:
    by_base = variants(model("azure", "my-deployment", info={"base_model": "azure/dall-e-3"}))
    assert by_base.keys() == variants(model("azure", "dall-e-3")).keys()
    assert Variant("hd", LARGE) in by_base
    assert Variant("standard", WIDE) in by_base
    # Not those of another provider.
    assert variants(model("openai", "dall-e-3")) == {}
    assert prices_of(model("openai", "dall-e-3")) is None
    assert mode_of(model("azure", "dall-e-3")) == "image_generation"
    assert variants(model("openai", "gpt-4o")) == {}


def test_what_a_second_is_one_of_matters() -> None:
    """The table has prices of seconds for chats too: of waiting for their answers."""
    chats = [
        (entry["litellm_provider"], name)
        for name, entry in table().items()
        if entry.get("mode") == "chat" and entry.get("input_cost_per_second")
    ]
    assert chats
    for provider, name in chats:
        found = prices_of(model(provider, name))
        assert found is None or not found.charges(Usage(units=Units(milliseconds=1000)))


def test_whether_a_price_is_sure() -> None:
    found = prices("openai", "gpt-image-1")
    assert found.sure(Units(images=1, quality="low", size=LARGE))
    assert not found.sure(Units(images=1, quality="auto", size=LARGE))
    assert prices("xai", "grok-imagine-image").sure(Units(images=1))
    assert prices("openai", "tts-1").sure(Units(characters=3, milliseconds=100))
    by_second = prices(output_cost_per_second=0.1)
    assert not by_second.sure(Units(characters=3, milliseconds=100))
    assert not prices("openai", "gpt-4o").sure(Units(images=1))


def test_every_entry_for_units_can_be_read() -> None:
    """With a cost that a reservation covers, whatever was made."""
    made = Units(images=2, characters=10, milliseconds=10, queries=1)
    priced = 0
    for name, entry in table().items():
        found = prices_of(model(entry.get("litellm_provider") or "openai", name))
        if found and found.charges(Usage(units=made)):
            priced += 1
            usage = Usage(prompt_tokens=20, completion_tokens=20, units=made)
            assert 0 <= cost_of(found, usage) <= found.worst(20, 20, units=made), name
    assert priced > 400


@settings(max_examples=50)
@given(
    st.integers(0, 10),
    st.sampled_from(["", "auto", "low", "medium", "high", "hd", "standard", "x"]),
    st.sampled_from(["", "auto", LARGE, WIDE, "1024x1536", "7x7"]),
    st.sampled_from(
        [("openai", "gpt-image-1"), ("azure", "dall-e-3"), ("xai", "grok-imagine-image")]
    ),
)
def test_no_picture_is_dearer_than_the_dearest(
    count: int, quality: str, size: str, named: tuple[str, str]
) -> None:
    found = prices(*named)
    usage = images(count, quality, size)
    dearest = cost_of(found, images(1)) if named[0] != "azure" else 132_000_016
    assert cost_of(found, usage) <= count * dearest
    assert found.worst(0, 0, units=usage.units) == cost_of(found, usage)
    more = replace(usage, units=Units(images=count + 1, quality=quality, size=size))
    assert cost_of(found, more) > cost_of(found, usage)


def test_names_of_prices() -> None:
    assert unit_prices({"input_cost_per_token": 1}, {}) is None
    found = unit_prices({"output_cost_per_second": 0, "input_cost_per_second": "2e-4"}, {})
    assert found
    assert found.second == Fraction(2, 10_000)
    assert found.cost(Units(images=3)) is None
    assert (pixels(WIDE), pixels("auto"), pixels("1024-x-1024")) == (
        1_835_008,
        1_572_864,
        1_572_864,
    )
