"""What providers report of pictures, sound and rerankings, read from litellm's answers."""

from __future__ import annotations

from typing import Any

import pytest
from litellm.types.rerank import RerankResponse

from gateway.records import Operation, Units, Usage
from gateway.upstream import rerank
from gateway.upstream.reports import Witness
from gateway.upstream.usage import (
    read_duration,
    read_image_usage,
    read_rerank_usage,
    read_transcription_usage,
)

Json = dict[str, Any]


@pytest.mark.parametrize(
    ("raw", "usage"),
    [
        ({}, None),
        # What litellm makes up where nothing is reported.
        ({"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}, None),
        ({"input_tokens": None, "output_tokens": "x"}, None),
        # All of gpt-image-1's output is a picture.
        (
            {"input_tokens": 5, "output_tokens": 9, "total_tokens": 14},
            Usage(prompt_tokens=5, completion_tokens=9, image_completion_tokens=9),
        ),
        # gpt-image-1.5 writes, too; Gemini thinks.
        (
            {
                "input_tokens": 50,
                "output_tokens": 30,
                "total_tokens": 85,
                "input_tokens_details": {"image_tokens": 40, "text_tokens": 10},
                "output_tokens_details": {"image_tokens": 20, "text_tokens": 10},
            },
            Usage(
                prompt_tokens=50,
                completion_tokens=35,
                image_prompt_tokens=40,
                image_completion_tokens=20,
                reasoning_tokens=5,
            ),
        ),
        # No part is more than the whole.
        (
            {
                "input_tokens": 5,
                "output_tokens": 5,
                "input_tokens_details": {"image_tokens": 40},
                "output_tokens_details": {"image_tokens": 20},
            },
            Usage(
                prompt_tokens=5,
                completion_tokens=5,
                image_prompt_tokens=5,
                image_completion_tokens=5,
            ),
        ),
    ],
)
def test_pictures(raw: Json, usage: Usage | None) -> None:
    assert read_image_usage(raw) == usage


@pytest.mark.parametrize(
    ("raw", "usage"),
    [
        ({}, None),
        ({"type": "tokens", "input_tokens": 0}, None),
        ({"type": "duration", "seconds": 4}, Usage(units=Units(milliseconds=4000))),
        ({"type": "duration", "seconds": None}, None),
        (
            {"type": "tokens", "input_tokens": 14, "output_tokens": 5},
            Usage(prompt_tokens=14, completion_tokens=5),
        ),
        (
            {
                "type": "tokens",
                "input_tokens": 14,
                "output_tokens": 5,
                "input_token_details": {"audio_tokens": 10, "text_tokens": 4},
            },
            Usage(prompt_tokens=14, completion_tokens=5, audio_prompt_tokens=10),
        ),
    ],
)
def test_transcriptions(raw: Json, usage: Usage | None) -> None:
    assert read_transcription_usage(raw) == usage


@pytest.mark.parametrize(
    ("seconds", "length"),
    [
        (3.2, 3200),
        (4, 4000),
        # As OpenAI once wrote it.
        ("3.2", 3200),
        (0.0004, 0),
        (0, None),
        (-1, None),
        (None, None),
        ("long", None),
        (float("nan"), None),
        (float("inf"), None),
        ([], None),
    ],
)
def test_durations(seconds: object, length: int | None) -> None:
    expected = None if length is None else Usage(units=Units(milliseconds=length))
    assert read_duration(seconds) == expected


@pytest.mark.parametrize(
    ("meta", "usage"),
    [
        ({}, None),
        ({"billed_units": None, "tokens": {}}, None),
        ({"billed_units": {"search_units": 2}}, Usage(units=Units(queries=2))),
        ({"billed_units": {"total_tokens": 38}}, Usage(prompt_tokens=38)),
        ({"tokens": {"input_tokens": 7, "output_tokens": 0}}, Usage(prompt_tokens=7)),
        # Fireworks has tokens; litellm says so of the searches too.
        (
            {"billed_units": {"search_units": 100}, "tokens": {"input_tokens": 100}},
            Usage(prompt_tokens=100),
        ),
    ],
)
def test_rerankings(meta: Json, usage: Usage | None) -> None:
    assert read_rerank_usage(meta) == usage


@pytest.mark.parametrize("provider", ["bedrock", "huggingface", "vertex_ai"])
def test_searches_that_litellm_makes_up_are_none(provider: str) -> None:
    answer = RerankResponse(
        id="r",
        results=[{"index": 0, "relevance_score": 0.5}],
        meta={"billed_units": {"search_units": 1}},
    )
    call: Any = None
    body, usage = rerank.whole(answer, call, Witness(provider, Operation.RERANK))
    assert (body, usage) == ({"id": "r", "results": answer.results}, None)
    body, usage = rerank.whole(answer, call, Witness("cohere", Operation.RERANK))
    assert usage == Usage(units=Units(queries=1))
    assert body["meta"] == answer.meta
