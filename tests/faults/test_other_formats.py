"""Faults of providers that litellm reaches by ways of its own, which are not those of OpenAI's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests import messages
from tests.faults import scripts as does
from tests.faults.conftest import NEVER, frames
from tests.faults.scripts import SAID
from tests.faulty import Faulty, Json, Script
from tests.fleet import Fleet, fails, streams
from tests.servers import answer, chunk, chunks
from tests.upstream.conftest import events

LIKE_OPENAI = ("azure", "mistral", "hosted_vllm")
BROKE_OFF = "The provider broke off its answer"
EVENTS = messages.events("one", " two")
SOME = messages.frames(EVENTS[:5])
FULL = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


@pytest.fixture(scope="module", autouse=True)
async def _models(_fleet: Fleet, _faulty: Faulty) -> None:
    for provider in LIKE_OPENAI:
        at: Json = {"base_url": f"{_faulty.url}/v1", "provider": provider}
        at |= {"api_version": "2024-10-21"} if provider == "azure" else {}
        for group in (provider, f"{provider}-and-b"):
            await _fleet.register(group, "a", at, order=1, timeout=NEVER)
        await _fleet.register(f"{provider}-and-b", "b", order=2)
    at = {"base_url": _faulty.url, "provider": "anthropic"}
    well = {"base_url": f"{_fleet.gateway.provider.url}/b", "provider": "anthropic"}
    for group in ("claude", "claude-and-b"):
        named = {"model": "claude-sonnet-4-5", "timeout": NEVER}
        await _fleet.register(group, "a", at, order=1, **named)
    await _fleet.register("claude-and-b", "b", well, order=2, model="claude-sonnet-4-5")


# --- Like OpenAI's ------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", LIKE_OPENAI)
@pytest.mark.parametrize(
    ("script", "message"),
    [
        (
            does.streams(*SAID, does.MALFORMED, *does.REST),
            "The provider sent an event that is no JSON",
        ),
        (does.streams(*SAID, does.GARBLED_EVENT, *does.REST), "The provider's answer is no UTF-8"),
        # litellm makes a reason of its own up for the end that is told.
        (does.streams(*SAID, does.DONE), BROKE_OFF),
        (does.streams(*SAID, then=does.resets), BROKE_OFF),
    ],
)
async def test_a_stream_with_a_hole_is_not_passed_on_as_whole(
    fleet: Fleet, faulty: Faulty, provider: str, script: Script, message: str
) -> None:
    """litellm skips what it cannot read, of all these providers but Azure."""
    faulty.script = script
    seen = events(await fleet.chat(provider, stream=True))
    assert (seen.text, seen.done, seen.finish_reasons) == ("one two", False, [])
    assert (seen.error or {})["message"] == message
    row = await fleet.row()
    assert (row.outcome, row.completion_tokens, row.estimated) == ("cut", 2, True)


@pytest.mark.parametrize("provider", LIKE_OPENAI)
@pytest.mark.parametrize(
    ("script", "message"),
    [
        # In which litellm sees an answer without text, and its end.
        (does.answers(200, does.HELLO), BROKE_OFF),
        (does.streams(does.DONE), BROKE_OFF),
        (does.reads(does.resets), "The connection to the provider broke off"),
        (does.reads(does.closes), "The connection to the provider broke off"),
        (does.answers(200, does.HTML, "text/html"), "The provider answered with a web page"),
    ],
)
async def test_what_is_no_stream_fails_and_is_called_once(
    fleet: Fleet, faulty: Faulty, provider: str, script: Script, message: str
) -> None:
    """litellm would send what is broken off once more, unknown to limits and callers."""
    faulty.script = script
    fleet.does("b", streams(*frames(*chunks("from b"))))
    await fleet.set(num_retries=0)
    response = await fleet.chat(provider, stream=True)
    assert response.json()["error"]["message"].endswith(message)
    assert response.status_code == 502
    assert len(faulty.wires) == 1
    await fleet.set(num_retries=1)
    seen = events(await fleet.chat(f"{provider}-and-b", stream=True))
    assert (seen.text, seen.done) == ("from b", True)
    assert len(faulty.wires) == 2


@pytest.mark.parametrize("provider", LIKE_OPENAI)
async def test_whole_answers_are_called_for_once(
    fleet: Fleet, faulty: Faulty, provider: str
) -> None:
    faulty.script = does.reads(does.resets)
    await fleet.set(num_retries=0)
    assert (await fleet.chat(provider)).status_code == 502
    assert len(faulty.wires) == 1


@pytest.mark.parametrize("provider", LIKE_OPENAI)
async def test_a_text_about_the_end_is_no_end(fleet: Fleet, faulty: Faulty, provider: str) -> None:
    """litellm would leave it out, and all that follows."""
    texts = ("It ends with [DONE]", ", which is", " data: [DONE]\n\n")
    said = [chunk({"content": text}) for text in texts]
    faulty.script = does.streams(*said, chunk({}, "stop"), does.DONE)
    seen = events(await fleet.chat(provider, stream=True))
    assert (seen.text, seen.done, seen.finish_reasons) == ("".join(texts), True, ["stop"])


@pytest.mark.parametrize("provider", LIKE_OPENAI)
async def test_comments_and_names_of_events_do_no_harm(
    fleet: Fleet, faulty: Faulty, provider: str
) -> None:
    pieces = [
        *(b"\xef\xbb\xbf: waiting\n\n", b"event: message\nid: 1\nretry: 1000\n"),
        *(f"data:{json.dumps(piece)}\r\n\r\n".encode() for piece in chunks("Hello from")),
        b"event: done\ndata: [DONE]\n\n",
    ]
    faulty.script = does.streams(*pieces)
    seen = events(await fleet.chat(provider, stream=True))
    assert (seen.text, seen.done, seen.error) == ("Hello from", True, None)


# --- Anthropic's --------------------------------------------------------------------------------


def well(fleet: Fleet, stream: bool) -> None:
    """The other deployment answers as Anthropic does."""
    if stream:
        sent = messages.frames(messages.events("from", " b"))
        fleet.does("b", streams(*(str(piece).encode() for piece in sent)))
    else:
        fleet.does("b", lambda: answer(messages.message("from b")))


@pytest.mark.parametrize("stream", [False, True])
async def test_anthropic_is_overloaded(fleet: Fleet, faulty: Faulty, stream: bool) -> None:
    faulty.script = does.answers(529, FULL, retry_after="1")
    response = await fleet.chat("claude", stream=stream)
    assert (response.status_code, response.headers["retry-after"]) == (529, "1")
    assert response.json()["error"]["type"] == "overloaded_error"
    assert (len(faulty.wires), fleet.slept) == (2, [1.0])
    well(fleet, stream)
    response = await fleet.chat("claude-and-b", stream=stream)
    assert response.status_code == 200
    assert "from" in response.text
    rows = await fleet.gateway.rows(fleet.key_id, 2)
    assert [(row.outcome, row.status, row.retries) for row in rows] == [
        ("failed", 529, 1),
        ("complete", 200, 1),
    ]
    assert (rows[1].prompt_tokens, rows[1].completion_tokens) == (11, 6)


MIDWAY: list[tuple[Script, str]] = [
    (does.streams(*SOME, *messages.frames([FULL])), "Overloaded"),
    (does.streams(*SOME, 'event: content_block_delta\ndata: {"type": \n\n'), "no JSON"),
    (does.streams(*SOME, then=does.resets), "broke off"),
    (does.streams(*SOME), "broke off"),
]


@pytest.mark.parametrize(("script", "message"), MIDWAY)
async def test_chats_with_anthropic_that_break_midway(
    fleet: Fleet, faulty: Faulty, script: Script, message: str
) -> None:
    faulty.script = script
    well(fleet, True)
    seen = events(await fleet.chat("claude-and-b", stream=True))
    assert (seen.text, seen.done, seen.finish_reasons) == ("one two", False, [])
    assert message in (seen.error or {})["message"]
    row = await fleet.row()
    assert (row.outcome, row.status, row.completion_tokens) == ("cut", 200, 2)
    assert fleet.called == []


@pytest.mark.parametrize(("script", "message"), MIDWAY)
async def test_messages_that_break_midway(
    fleet: Fleet, faulty: Faulty, script: Script, message: str
) -> None:
    """Told as Anthropic tells it, and without the event that is the last."""
    faulty.script = script
    well(fleet, True)
    seen = messages.read(await send(fleet, "claude-and-b"))
    kinds = [each["type"] for each in seen]
    assert kinds[-1] == "error"
    assert "message_stop" not in kinds
    assert message in seen[-1]["error"]["message"]
    row = await fleet.row()
    assert (row.operation, row.outcome, row.completion_tokens) == ("/messages", "cut", 2)
    assert fleet.called == []


@pytest.mark.parametrize(
    "script",
    [
        does.streams(*messages.frames([EVENTS[0], EVENTS[1], FULL])),
        does.streams(*messages.frames(EVENTS[:3]), then=does.resets),
        does.streams(*messages.frames(EVENTS[:1]), "event: ping\ndata: {no\n\n"),
        does.streams(),
        does.reads(does.resets),
    ],
)
async def test_messages_that_fail_before_they_say_anything_go_elsewhere(
    fleet: Fleet, faulty: Faulty, script: Script
) -> None:
    faulty.script = script
    well(fleet, True)
    response = await send(fleet, "claude-and-b")
    seen = messages.read(response)
    assert [each["type"] for each in seen].count("message_start") == 1
    texts = [each["delta"].get("text", "") for each in seen if "text" in each.get("delta", {})]
    assert ("".join(texts), seen[-1]["type"]) == ("from b", "message_stop")
    assert response.headers["x-litellm-attempted-retries"] == "1"
    assert len(faulty.wires) == 1
    row = await fleet.row()
    assert (row.outcome, row.retries, row.prompt_tokens) == ("complete", 1, 11)


async def test_messages_fall_back_to_a_model_of_another_format(fleet: Fleet) -> None:
    """And the other way round: what is asked and answered is put into each provider's form."""
    await fleet.set(num_retries=0, fallbacks={"claude-and-b": ["first"], "first": ["claude-and-b"]})
    fleet.does("b", fails(500), streams(*frames(*chunks("from b"))))
    await fleet.register("claude of b", "b", {"provider": "anthropic"})
    await fleet.set(num_retries=0, fallbacks={"claude of b": ["first"]})
    seen = messages.read(await send(fleet, "claude of b"))
    texts = [each["delta"].get("text", "") for each in seen if "text" in each.get("delta", {})]
    assert ("".join(texts), seen[-1]["type"]) == ("from b", "message_stop")
    assert (await fleet.row()).served_model == "first"


async def send(fleet: Fleet, model: str, **more: Any) -> Any:
    body = {"model": model, "max_tokens": 64, "stream": True, **more}
    body["messages"] = [{"role": "user", "content": "hello"}]
    return await fleet.gateway.request("POST", "/v1/messages", fleet.key, body)
