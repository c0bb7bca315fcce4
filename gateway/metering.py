"""What calls for pictures, sound and rerankings come to: at most before, and what was used after.

Providers bill these by token or by other units, depending on the model, and report less than of
chats. What is reported is taken as it is; what is not is counted here, in the measure that the
model has a price in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from gateway.audio_length import likely_milliseconds, most_milliseconds
from gateway.pricing import Prices
from gateway.records import Call, Content, Operation, Units, Upload, Usage
from gateway.tokens import likely_tokens, most_tokens
from gateway.unit_prices import pixels

Body = Mapping[str, Any]

METERED = frozenset(
    {
        Operation.IMAGE,
        Operation.IMAGE_EDIT,
        Operation.SPEECH,
        Operation.TRANSCRIPTION,
        Operation.RERANK,
    }
)
"""The operations that this module is for."""

# Roles and separators around a text.
_FRAME = 16

# gpt-image-1 takes 1,056 tokens for a picture of 1024x1024 and medium quality, and 6,240, one for
# 252 pixels, for the largest and best: https://platform.openai.com/docs/guides/image-generation.
# Gemini takes 2,520 at most, and thinks besides.
_TOKENS_OF_PICTURE = {"low": 272, "medium": 1056, "high": 4160}
_MOST_OF_PICTURE = 8000
_LEAST_PIXELS_A_TOKEN = 200
# Of one that is shown; with high fidelity 6,240 and some for the whole.
_MOST_OF_SHOWN = 10_000
_LIKELY_OF_SHOWN = 1000

# How long a letter takes: a digit may be read as a word. Then there are pauses.
_MOST_MS_A_CHARACTER = 1000
_LIKELY_MS_A_CHARACTER = 65
_PAUSES_MS = 10_000
# Of sound that is made: 25 at Gemini, and by OpenAI's price for a minute, 21.
_TOKENS_A_SECOND_MADE = 25
# Of sound that is heard: 10 at OpenAI, 32 at Gemini.
_TOKENS_A_SECOND_HEARD = 10
_MOST_TOKENS_A_SECOND_HEARD = 50
_PCM_BYTES_A_SECOND = 48_000
_LONGEST_TRANSCRIPT = 16_384

# https://docs.cohere.com/docs/rerank-overview and https://cohere.com/pricing: a search has up to
# 100 documents; one that is longer than 500 tokens with the query counts as several.
_DOCUMENTS_A_SEARCH = 100
_TOKENS_A_DOCUMENT = 500
# What is left of them beside a long query.
_LEAST_OF_DOCUMENT = 50


def most(call: Call, defaults: Body, prices: Prices | None) -> Usage:
    """A bound of what a call can come to; `defaults` are the model's own parameters."""
    asked = {**defaults, **call.body}
    match call.operation:
        case Operation.SPEECH:
            length = _most_spoken(asked)
            return Usage(
                prompt_tokens=_most_read(asked, "input", "instructions"),
                completion_tokens=_tokens(length, _TOKENS_A_SECOND_MADE),
                units=Units(characters=len(asked["input"]), milliseconds=length),
                estimated=True,
            )
        case Operation.TRANSCRIPTION:
            # Providers charge whole seconds.
            length = -(-most_milliseconds(_file(asked)) // 1000) * 1000
            heard = _tokens(length, _MOST_TOKENS_A_SECOND_HEARD)
            readable = prices.max_input_tokens if prices else None
            writable = prices.max_output_tokens if prices else None
            return Usage(
                prompt_tokens=min(heard, readable or heard) + _most_read(asked, "prompt"),
                completion_tokens=writable or _LONGEST_TRANSCRIPT,
                units=Units(milliseconds=length),
                estimated=True,
            )
        case Operation.RERANK:
            return Usage(
                prompt_tokens=_read_by_reranker(asked, most_tokens),
                units=Units(queries=_searches(asked, most_tokens)),
                estimated=True,
            )
        case _:
            count = _asked_for(asked)
            each = max(_MOST_OF_PICTURE, pixels(_said(asked, "size")) // _LEAST_PIXELS_A_TOKEN)
            return Usage(
                prompt_tokens=_most_read(asked, "prompt") + _MOST_OF_SHOWN * _shown(asked),
                completion_tokens=count * each,
                units=Units(
                    images=count, size=_said(asked, "size"), quality=_said(asked, "quality")
                ),
                estimated=True,
            )


def used(
    call: Call,
    defaults: Body,
    prices: Prices | None,
    reported: Usage | None,
    answer: Body | Content | None,
) -> Usage:
    """What a call has come to; without an answer, as far as it was sent."""
    asked = {**defaults, **call.body}
    guessed, units, exact = _counted(call.operation, asked, answer)
    if reported is not None and (prices is None or prices.charges(reported)):
        return reported
    by_unit = Usage(units=units)
    if prices is not None and prices.charges(by_unit):
        exact = exact and answer is not None and prices.sure(units)
        return replace(reported or by_unit, units=units, estimated=not exact)
    return reported or replace(guessed, units=units, estimated=True)


def _counted(
    operation: Operation, asked: Body, answer: Body | Content | None
) -> tuple[Usage, Units, bool]:
    """The tokens and units that it looks like, and whether the latter are exact."""
    match operation:
        case Operation.SPEECH:
            length = _spoken(asked, answer)
            made = _tokens(length, _TOKENS_A_SECOND_MADE)
            guessed = Usage(
                prompt_tokens=_likely_read(asked, "input", "instructions"),
                completion_tokens=made,
                audio_completion_tokens=made,
            )
            return guessed, Units(characters=len(asked["input"]), milliseconds=length), True
        case Operation.TRANSCRIPTION:
            length = likely_milliseconds(_file(asked))
            heard = _tokens(length, _TOKENS_A_SECOND_HEARD)
            guessed = Usage(
                prompt_tokens=heard + _likely_read(asked, "prompt"),
                completion_tokens=likely_tokens(_transcript(answer)),
                audio_prompt_tokens=heard,
            )
            return guessed, Units(milliseconds=length), False
        case Operation.RERANK:
            guessed = Usage(prompt_tokens=_read_by_reranker(asked, likely_tokens))
            return guessed, Units(queries=_searches(asked, likely_tokens)), False
        case _:
            body = answer if isinstance(answer, Mapping) else {}
            units = Units(
                images=len(body.get("data") or ()),
                # What was made, where the provider says so, rather than what was asked.
                size=_said(body, "size") or _said(asked, "size"),
                quality=_said(body, "quality") or _said(asked, "quality"),
            )
            each = _TOKENS_OF_PICTURE.get(units.quality, _TOKENS_OF_PICTURE["medium"])
            guessed = Usage(
                prompt_tokens=_likely_read(asked, "prompt") + _LIKELY_OF_SHOWN * _shown(asked),
                completion_tokens=units.images * each,
                image_prompt_tokens=_LIKELY_OF_SHOWN * _shown(asked),
                image_completion_tokens=units.images * each,
            )
            return guessed, units, True


def _most_read(asked: Body, *names: str) -> int:
    return sum(_FRAME + most_tokens(_said(asked, name)) for name in names if name in asked)


def _likely_read(asked: Body, *names: str) -> int:
    return sum(likely_tokens(_said(asked, name)) for name in names)


def _said(body: Body, name: str) -> str:
    value = body.get(name)
    return value if isinstance(value, str) else ""


def _asked_for(asked: Body) -> int:
    """How many pictures."""
    count = asked.get("n")
    return count if isinstance(count, int) and count > 1 else 1


def _shown(asked: Body) -> int:
    """How many pictures an edit begins with."""
    return len(asked.get("image") or ()) + ("mask" in asked)


def _file(asked: Body) -> bytes:
    file = asked["file"]
    assert isinstance(file, Upload)  # noqa: S101 - the bodies' rules have seen to it
    return file.data


def _transcript(answer: Body | Content | None) -> str:
    if isinstance(answer, Content):
        return answer.data.decode(errors="replace")
    return _said(answer, "text") if answer else ""


def _most_spoken(asked: Body) -> int:
    """Milliseconds."""
    speed = asked.get("speed")
    # OpenAI goes down to a quarter; a number without end would be nothing to reckon with.
    slowest = max(min(1.0, speed), 0.01) if isinstance(speed, int | float) else 1.0
    return int((len(asked["input"]) * _MOST_MS_A_CHARACTER + _PAUSES_MS) / slowest)


def _spoken(asked: Body, answer: Body | Content | None) -> int:
    """Milliseconds, by the answer where its bytes tell."""
    if isinstance(answer, Content):
        if asked.get("response_format") == "wav":
            return likely_milliseconds(answer.data)
        if asked.get("response_format") == "pcm":
            return len(answer.data) * 1000 // _PCM_BYTES_A_SECOND
    return len(asked["input"]) * _LIKELY_MS_A_CHARACTER


def _tokens(milliseconds: int, per_second: int) -> int:
    return -(-milliseconds * per_second // 1000)


def _documents(asked: Body) -> list[str]:
    return [item if isinstance(item, str) else str(item) for item in asked["documents"]]


def _read_by_reranker(asked: Body, count: Callable[[str], int]) -> int:
    """Tokens: the query is read with each document."""
    documents = _documents(asked)
    return sum(map(count, documents)) + len(documents) * (_FRAME + count(asked["query"]))


def _searches(asked: Body, count: Callable[[str], int]) -> int:
    room = max(_TOKENS_A_DOCUMENT - count(asked["query"]), _LEAST_OF_DOCUMENT)
    parts = sum(max(1, -(-count(document) // room)) for document in _documents(asked))
    return -(-parts // _DOCUMENTS_A_SEARCH)
