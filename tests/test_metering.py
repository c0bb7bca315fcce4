"""What pictures, sound and rerankings come to: bounds, estimates, and which measure counts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import metering
from gateway.pricing import Prices
from gateway.records import Call, Content, Key, Operation, Units, Upload, Usage
from gateway.upstream.formats import FORMATS
from tests.media import MP3, PNG, picture, wav
from tests.test_pricing import prices

KEY = Key(id="k", kind="gateway", secret_hash="", hint="", created_at=0, updated_at=0)
PICTURE = Upload("cat.png", PNG, "image/png")


def call(operation: Operation, **body: Any) -> Call:
    return Call(operation, KEY, {"model": "m", **body}, "r")


def spoken(text: str, **body: Any) -> Call:
    return call(Operation.SPEECH, input=text, voice="alloy", **body)


def heard(data: bytes, **body: Any) -> Call:
    return call(Operation.TRANSCRIPTION, file=Upload("a.wav", data, "audio/wav"), **body)


def used(
    made: Call,
    found: Prices | None,
    answer: Any = None,
    reported: Usage | None = None,
    **defaults: Any,
) -> Usage:
    return metering.used(made, defaults, found, reported, answer)


def test_these_operations_are_all_that_are_not_measured_in_tokens_alone() -> None:
    assert set(FORMATS) >= metering.METERED


# Sound


def test_the_characters_of_a_text_are_exact() -> None:
    usage = used(
        spoken("Grüße!", instructions="softly"), prices("openai", "tts-1"), Content(MP3, "x")
    )
    assert usage == Usage(units=Units(characters=6, milliseconds=390))
    # Whether a call that was given up is charged is not known.
    assert used(spoken("Grüße!"), prices("openai", "tts-1")).estimated


@pytest.mark.parametrize(
    ("body", "answer", "length"),
    [
        # 20 characters at 65 ms.
        ({}, MP3, 1300),
        ({"response_format": "wav"}, wav(3200), 3200),
        ({"response_format": "pcm"}, bytes(96_000), 2000),
    ],
)
def test_sound_that_is_made_has_a_length(body: dict[str, Any], answer: bytes, length: int) -> None:
    # 2.5e-04 a second; of its tokens OpenAI says nothing.
    found = prices("openai", "gpt-4o-mini-tts")
    made = spoken("The quick brown fox.", **body)
    usage = used(made, found, Content(answer, "audio/x"))
    assert usage == Usage(units=Units(characters=20, milliseconds=length), estimated=True)
    assert found.cost(usage) == 250 * length
    most = metering.most(made, {}, found)
    bound = found.worst(most.prompt_tokens, most.completion_tokens, units=most.units)
    assert bound >= 250 * length
    # Here only tokens have a price: 5e-07 one of text, 1e-05 one of sound, 25 a second.
    found = prices("gemini", "gemini-2.5-flash-preview-tts")
    usage = used(made, found, Content(answer, "audio/x"))
    assert (usage.prompt_tokens, usage.completion_tokens) == (5, -(-length // 40))
    assert usage.estimated
    assert found.cost(usage) == 5 * 500 + usage.audio_completion_tokens * 10_000


def test_slow_speech_takes_longer() -> None:
    plain = metering.most(spoken("four"), {}, None)
    assert plain.units == Units(characters=4, milliseconds=14_000)
    for body, defaults in (({"speed": 0.25}, {}), ({}, {"speed": 0.25})):
        slow = metering.most(spoken("four", **body), defaults, None)
        assert slow.completion_tokens == 4 * plain.completion_tokens
    assert metering.most(spoken("four", speed=4.0), {}, None) == plain
    # Next to standing still.
    assert metering.most(spoken("four", speed=5e-324), {}, None).units is not None


def test_a_recording_that_nobody_measured_is_measured_here() -> None:
    found = prices("openai", "whisper-1")
    usage = used(heard(wav(3200)), found, {"text": "Hello."})
    assert usage == Usage(units=Units(milliseconds=3200), estimated=True)
    assert found.cost(usage) == 320_000
    by_token = prices("openai", "x", input_cost_per_token=1e-6, output_cost_per_token=1e-6)
    usage = used(heard(wav(3200), prompt="abcd"), by_token, Content(b"Hello you", "text/plain"))
    assert (usage.prompt_tokens, usage.completion_tokens) == (32 + 1, 3)
    assert usage.audio_prompt_tokens == 32


def test_what_is_reported_goes_before_what_is_counted() -> None:
    reported = Usage(units=Units(milliseconds=4000))
    assert used(heard(wav(3200)), prices("openai", "whisper-1"), {}, reported) is reported
    tokens = Usage(prompt_tokens=14, completion_tokens=5)
    assert used(heard(wav(3200)), prices("openai", "gpt-4o-transcribe"), {}, tokens) is tokens
    # Also where no price is known, …
    assert used(heard(wav(3200)), None, {}, tokens) is tokens
    # … but not where its measure has no price.
    usage = used(heard(wav(3200)), prices("openai", "whisper-1"), {}, tokens)
    assert (usage.prompt_tokens, usage.units) == (14, Units(milliseconds=3200))
    assert usage.estimated


@settings(max_examples=40)
@given(
    st.integers(0, 20_000),
    st.sampled_from(["whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe"]),
    st.text(max_size=40),
)
def test_a_transcription_costs_no_more_than_is_set_aside(
    length: int, name: str, prompt: str
) -> None:
    found = prices("openai", name)
    made = heard(wav(length), prompt=prompt)
    most = metering.most(made, {}, found)
    bound = found.worst(most.prompt_tokens, most.completion_tokens, units=most.units)
    for seconds in (length / 1000, -(-length // 1000)):
        by_second = Usage(units=Units(milliseconds=round(seconds * 1000)))
        cost = found.cost(by_second)
        assert cost is not None
        assert cost <= bound
    by_token = Usage(
        prompt_tokens=length // 100 + len(prompt.encode(errors="replace")), completion_tokens=2000
    )
    cost = found.cost(by_token)
    assert cost is None or cost <= bound
    cost = found.cost(used(made, found, {"text": "x"}))
    assert cost is not None
    assert cost <= bound


# Pictures


def test_pictures_are_counted_as_they_come() -> None:
    made = call(Operation.IMAGE, prompt="a cat", n=3, quality="hd", size="1024x1024")
    found = prices("azure", "dall-e-3")
    answer = {"data": [{"url": "x"}, {"url": "y"}]}
    usage = used(made, found, answer)
    assert usage == Usage(units=Units(images=2, quality="hd", size="1024x1024"))
    assert found.cost(usage) == 175_999_916
    most = metering.most(made, {}, found)
    assert most.units == Units(images=3, quality="hd", size="1024x1024")
    # What was made goes before what was asked.
    said = used(made, prices("openai", "gpt-image-1"), picture() | {"usage": None})
    assert said == Usage(units=Units(images=1, quality="low", size="1024x1536"))
    unsure = call(Operation.IMAGE, prompt="a cat", quality="auto")
    assert used(unsure, prices("openai", "gpt-image-1"), answer).estimated
    # The operator's own parameters count like the caller's.
    plain = call(Operation.IMAGE, prompt="a cat")
    assert used(plain, found, answer, quality="hd").units == Units(images=2, quality="hd")
    assert metering.most(plain, {"n": 4}, found).units == Units(images=4)


def test_pictures_without_any_report_are_guessed_in_tokens() -> None:
    found = prices("openai", "x", input_cost_per_token=1e-6, output_cost_per_image_token=1e-5)
    made = call(Operation.IMAGE_EDIT, prompt="abcd", image=[PICTURE], mask=PICTURE, quality="high")
    usage = used(made, found, {"data": [{"url": "x"}] * 2})
    assert usage.prompt_tokens == 2001
    assert usage.completion_tokens == usage.image_completion_tokens == 2 * 4160
    assert usage.estimated
    assert used(made, found, None).completion_tokens == 0


@settings(max_examples=40)
@given(
    st.integers(1, 4),
    st.sampled_from(["1024x1024", "1536x1024", "3840x2160", "auto"]),
    st.integers(0, 3),
    st.text(max_size=50),
)
def test_pictures_cost_no_more_than_is_set_aside(
    count: int, size: str, shown: int, prompt: str
) -> None:
    """With the most tokens that OpenAI and Gemini have been seen to take."""
    body = {"prompt": prompt, "n": count, "size": size, "image": [PICTURE] * shown}
    made = call(Operation.IMAGE_EDIT, **body)
    each = {"1024x1024": 4160, "1536x1024": 6208, "auto": 6240, "3840x2160": 13_400}[size]
    text = len(prompt.encode(errors="replace"))
    usage = Usage(
        prompt_tokens=text + shown * 6500,
        completion_tokens=count * each,
        image_prompt_tokens=shown * 6500,
        image_completion_tokens=count * each,
    )
    for provider, name in (
        ("openai", "gpt-image-1"),
        ("openai", "gpt-image-1-mini"),
        ("openai", "gpt-image-1.5"),
        ("gemini", "gemini-2.5-flash-image"),
    ):
        found = prices(provider, name)
        most = metering.most(made, {}, found)
        cost = found.cost(usage)
        assert cost is not None
        assert cost <= found.worst(most.prompt_tokens, most.completion_tokens, units=most.units)


# Rerankings


def ranked(query: str, documents: list[Any]) -> Call:
    return call(Operation.RERANK, query=query, documents=documents)


@pytest.mark.parametrize(
    ("documents", "searches"),
    [
        (["short"], 1),
        (["short"] * 100, 1),
        (["short"] * 101, 2),
        ([{"text": "short"}] * 250, 3),
        # 4 bytes a token; 500 tokens with the query's 1.
        (["x" * 1996] * 100, 1),
        (["x" * 2000] * 100, 2),
    ],
)
def test_searches_are_guessed_as_cohere_counts(documents: list[Any], searches: int) -> None:
    found = prices("cohere", "rerank-v3.5")
    made = ranked("why?", documents)
    usage = used(made, found, {"results": []})
    assert usage == Usage(units=Units(queries=searches), estimated=True)
    most = metering.most(made, {}, found)
    assert most.units is not None
    assert most.units.queries >= searches
    assert used(made, found, {}, Usage(units=Units(queries=9))).units == Units(queries=9)


def test_rerankers_that_count_tokens_read_the_query_with_each_document() -> None:
    found = prices("voyage", "rerank-2")
    made = ranked("why?", ["abcd", "efgh"])
    assert used(made, found, {}).prompt_tokens >= 4
    assert metering.most(made, {}, found).prompt_tokens >= 2 * 4 + 2 * 4
