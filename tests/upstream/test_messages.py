"""Anthropic's Messages: as they are at providers that take them, and as chats at others."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from functools import partial
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from gateway.errors import UpstreamError
from gateway.records import Call, Operation, Usage
from gateway.upstream import messages as upstream
from gateway.upstream.event_stream import EventReader
from gateway.upstream.reports import Witness
from tests import messages as wire
from tests.ends import NOTHING, held
from tests.published_usage import Row, Wire
from tests.servers import Gateway, Json, answer, chunk, chunks, completion, usage
from tests.store.records import key as a_key
from tests.upstream import answers
from tests.upstream.providers import SECRET

HELLO: Json = {"max_tokens": 64, "messages": [{"role": "user", "content": "hello"}]}
THOUGHTS = {"type": "thinking", "thinking": "Hm.", "signature": "c2lnbmVk"}
TOOL_USE = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Bern"}}
TOOLS = [
    {
        "name": "weather",
        "description": "of a city",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
    }
]


async def ask(
    gateway: Gateway,
    key: str,
    model: str = "fake-anthropic",
    path: str = "/v1/messages",
    headers: dict[str, str] | None = None,
    **more: Any,
) -> httpx.Response:
    return await gateway.request("POST", path, key, {"model": model, **HELLO, **more}, headers)


async def row_of(gateway: Gateway, response: httpx.Response) -> Any:
    """The ledger's row of a call."""
    await gateway.flush()
    pages = await gateway.app.state.services.store.ledger.after(0, 100_000)
    call_id = response.headers["x-litellm-call-id"]
    [row] = [row for _, row in pages if row.id == call_id]
    return row


# --- as they are ---


async def test_a_message_passes_untouched(gateway: Gateway, key: str) -> None:
    told = wire.message(
        "",
        content=[THOUGHTS, {"type": "text", "text": "Hi"}, TOOL_USE],
        stop_reason="tool_use",
        usage=wire.counts(service_tier="standard", inference_geo="global"),
        context_management={"applied_edits": []},
        container=None,
    )
    gateway.provider.does(answer(told))
    response = await ask(gateway, key)
    assert response.status_code == 200
    assert response.json() == told | {"model": "fake-anthropic"}
    assert list(response.json()) == list(told)


async def test_a_request_passes_untouched(gateway: Gateway, key: str) -> None:
    picture = {"type": "base64", "media_type": "image/png", "data": "aGVsbG8="}
    pages = {"type": "url", "url": "https://example.com/a.pdf"}
    body: Json = {
        "max_tokens": 4096,
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "image", "source": picture},
                    {"type": "document", "source": pages, "title": "A"},
                    {"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}},
                ],
            },
            {"role": "assistant", "content": [THOUGHTS, TOOL_USE]},
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "toolu_1",
                        "content": [{"type": "text", "text": "sunny"}],
                    }
                ],
            },
        ],
        "system": [{"type": "text", "text": "be kind", "cache_control": {"type": "ephemeral"}}],
        "stop_sequences": ["x"],
        "tools": [*TOOLS, {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "thinking": {"type": "enabled", "budget_tokens": 2000},
        "metadata": {"user_id": "someone"},
        "service_tier": "standard_only",
        "container": "container_1",
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "mcp_servers": [{"type": "url", "url": "https://example.com/mcp", "name": "a"}],
        "cache_control": {"type": "ephemeral"},
    }
    gateway.provider.does(answer(wire.message("Hi")))
    response = await ask(gateway, key, **body, path="/v1/messages?beta=true")
    assert response.status_code == 200, response.text
    [received] = gateway.provider.received
    sent = received.body
    assert sent.pop("stream") is False
    assert sent == body | {"model": "claude-3-5-sonnet-20241022"}
    assert received.path == "/v1/messages"


async def test_version_and_betas_are_passed_on_and_nothing_else(gateway: Gateway, key: str) -> None:
    gateway.provider.does(answer(wire.message("Hi")))
    given = {
        "anthropic-version": "2023-01-01",
        "anthropic-beta": "one-2025-01-01, two-2025-02-02",
        "anthropic-dangerous-direct-browser-access": "true",
        "x-app": "cli",
        "x-forwarded-for": "10.0.0.1",
    }
    assert (await ask(gateway, key, headers=given)).status_code == 200
    headers = gateway.provider.received[-1].headers
    assert headers["anthropic-version"] == "2023-01-01"
    betas = headers["anthropic-beta"].split(",")
    assert sorted(betas) == ["one-2025-01-01", "two-2025-02-02"]
    assert headers["x-api-key"] == SECRET
    assert not {"x-app", "x-forwarded-for", "authorization"} & set(headers)
    assert "cli" not in headers.values()


async def test_the_operators_betas_are_sent_with_the_callers(gateway: Gateway, key: str) -> None:
    await gateway.add_model(
        "betas",
        provider="anthropic",
        base_url=gateway.provider.url,
        litellm_params={
            "model": wire.MODEL,
            "extra_headers": {"Anthropic-Beta": "theirs-1", "x-own": "1"},
        },
    )
    gateway.provider.does(answer(wire.message("Hi")))
    await ask(gateway, key, "betas", headers={"anthropic-beta": "mine-2"})
    headers = gateway.provider.received[-1].headers
    assert sorted(headers["anthropic-beta"].split(",")) == ["mine-2", "theirs-1"]
    assert headers["x-own"] == "1"


async def test_a_stream_passes_untouched_but_for_the_model(gateway: Gateway, key: str) -> None:
    deltas = [
        {"type": "thinking_delta", "thinking": "Hm."},
        {"type": "signature_delta", "signature": "c2lnbmVk"},
    ]
    events = [
        wire.start(container=None),
        {"type": "ping"},
        *wire.block(0, {"type": "thinking", "thinking": "", "signature": ""}, *deltas),
        *wire.block(1, {"type": "text", "text": ""}, {"type": "text_delta", "text": "é\u2028 "}),
        *wire.block(2, TOOL_USE | {"input": {}}, {"type": "input_json_delta", "partial_json": "{"}),
        {"type": "an_event_of_the_future", "what": 1.50},
        *wire.end(wire.counts(server_tool_use={"web_search_requests": 0}), "tool_use"),
    ]
    gateway.provider.streams(wire.frames(events), done=False)
    seen = wire.read(await ask(gateway, key, stream=True))
    expected = json.loads(json.dumps(events))
    expected[0]["message"]["model"] = "fake-anthropic"
    assert [json.dumps(event) for event in seen] == [json.dumps(event) for event in expected]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 2000), max_size=8), st.sampled_from(["\n", "\r\n", "\r"]))
async def test_a_stream_may_come_in_any_pieces(cuts: list[int], end: str) -> None:
    sent = "".join(map(str, wire.frames(wire.events("one", "é"))))
    raw = b": hello\n" + sent.replace("\n", end).encode()
    edges = sorted({0, len(raw), *(min(cut, len(raw)) for cut in cuts)})

    async def pieces() -> Any:
        for a, b in itertools.pairwise(edges):
            yield raw[a:b]

    seen = [event async for batch in streamed(pieces()) for event, _ in batch]
    assert seen == wire.events("one", "é")


def streamed(pieces: Any) -> Any:
    call = Call(Operation.MESSAGES, a_key(), {"model": wire.MODEL, **HELLO}, "request")
    return upstream.stream(pieces, call, Witness("anthropic", Operation.MESSAGES))


# --- what is used ---


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("counts", "tokens", "cost"),
    [
        # Nano-dollars of Claude Sonnet 4.5: 3000 in, 15000 out, 300 read, 3750 and 6000 written.
        ({"input_tokens": 100, "output_tokens": 20}, (100, 20, 0, 0), 600_000),
        (
            {
                "input_tokens": 100,
                "cache_creation_input_tokens": 2000,
                "cache_read_input_tokens": 30_000,
                "cache_creation": {
                    "ephemeral_5m_input_tokens": 500,
                    "ephemeral_1h_input_tokens": 1500,
                },
                "output_tokens": 20,
                "service_tier": "standard",
                "server_tool_use": {"web_search_requests": 3},
            },
            (32_100, 20, 30_000, 2000),
            300_000 + 9_000_000 + 500 * 3750 + 1500 * 6000 + 300_000 + 30_000_000,
        ),
        (
            {
                "input_tokens": 10,
                "output_tokens": 5,
                "iterations": [
                    {"type": "compaction", "input_tokens": 1000, "output_tokens": 100},
                    {"type": "message", "input_tokens": 10, "output_tokens": 5},
                ],
            },
            (1010, 105, 0, 0),
            1010 * 3000 + 105 * 15_000,
        ),
    ],
)
async def test_usage_is_read_and_charged_to_the_nano_dollar(
    gateway: Gateway, key: str, stream: bool, counts: Json, tokens: Any, cost: int
) -> None:
    await gateway.add_model(
        "sonnet",
        provider="anthropic",
        base_url=gateway.provider.url,
        litellm_params={"model": wire.MODEL},
    )
    if stream:
        first = wire.start(usage=counts | {"output_tokens": 1, "iterations": None})
        rest = {
            name: value
            for name, value in counts.items()
            if name not in ("cache_creation", "service_tier")
        }
        events = [first, *wire.events("Hi")[1:-2], *wire.end(rest)]
        gateway.provider.streams(wire.frames(events), done=False)
    else:
        gateway.provider.does(answer(wire.message("Hi", usage=counts)))
    row = await row_of(gateway, await ask(gateway, key, "sonnet", stream=stream))
    found = (row.prompt_tokens, row.completion_tokens, row.cached_tokens, row.cache_write_tokens)
    assert (found, row.cost, row.estimated) == (tokens, cost, False)


@pytest.mark.parametrize("stream", [False, True])
async def test_where_nothing_is_reported_tokens_are_estimated(
    gateway: Gateway, key: str, stream: bool
) -> None:
    if stream:
        # A stream begins with a count of what is not said yet.
        events = [*wire.events("a" * 40)[:-2], {"type": "message_stop"}]
        gateway.provider.streams(wire.frames(events), done=False)
    else:
        gateway.provider.does(answer(wire.message("a" * 40, usage=None)))
    row = await row_of(gateway, await ask(gateway, key, stream=stream))
    assert (row.prompt_tokens, row.completion_tokens, row.estimated) == (9, 10, True)


async def test_tools_and_thoughts_count_in_an_estimate(gateway: Gateway, key: str) -> None:
    body: Json = {"system": "b" * 400, "tools": TOOLS}
    gateway.provider.does(answer(wire.message("", content=[THOUGHTS, TOOL_USE], usage=None)))
    row = await row_of(gateway, await ask(gateway, key, **body))
    # "Hm.", and a name with its arguments.
    assert row.completion_tokens == 1 + 6
    assert row.prompt_tokens > 100


# --- what goes wrong ---


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (529, "overloaded_error"),
    ],
)
async def test_a_refusal_keeps_status_type_and_words(
    gateway: Gateway, key: str, stream: bool, status: int, kind: str
) -> None:
    error = {"type": kind, "message": f"no: {SECRET}"}
    body = {"type": "error", "error": error, "request_id": "req_1"}
    gateway.provider.does(lambda: answer(body, status, {"retry-after": "7"}))
    response = await ask(gateway, key, stream=stream)
    assert response.status_code == status
    assert response.headers["retry-after"] == "7"
    told = response.json()
    assert told["type"] == "error"
    assert told["request_id"] == response.headers["request-id"]
    assert told["error"]["type"] == kind
    assert told["error"]["message"].endswith("no: [hidden]")
    assert (await row_of(gateway, response)).error == kind


@pytest.mark.parametrize(
    ("kind", "status"),
    [("overloaded_error", 529), ("rate_limit_error", 429), ("api_error", 500), ("new_error", 500)],
)
async def test_an_error_event_before_any_content_is_an_honest_status(
    gateway: Gateway, key: str, kind: str, status: int
) -> None:
    failure = {"type": "error", "error": {"type": kind, "message": "not now"}}
    events = [*wire.events("x")[:3], failure]
    gateway.provider.streams(wire.frames(events), done=False)
    response = await ask(gateway, key, stream=True)
    assert response.status_code == status
    assert response.json()["error"]["message"].endswith("not now")


async def test_an_error_event_within_is_told_and_ends_the_stream(
    gateway: Gateway, key: str
) -> None:
    secret = SECRET
    failure = {"type": "error", "error": {"type": "overloaded_error", "message": f"x {secret}"}}
    events = [*wire.events("x")[:4], failure, *wire.end()]
    gateway.provider.streams(wire.frames(events), done=False)
    response = await ask(gateway, key, stream=True)
    *before, last = wire.read(response)
    assert wire.types(before) == wire.types(wire.events("x")[:4])
    assert last["error"]["type"] == "overloaded_error"
    assert last["error"]["message"].endswith("x [hidden]")
    assert last["request_id"] == response.headers["request-id"]


@pytest.mark.parametrize(
    "broken",
    [
        [],
        wire.frames(wire.events("x")[-2:-1]),
        ["data: {not JSON}\n\n"],
        ["data: [1]\n\n"],
        ["data: {}\n\n"],
        ['event: x\ndata: {"type": "a\\nb"}\n\n'],
        ["data: [DONE]\n\n"],
    ],
)
async def test_a_stream_that_breaks_off_never_looks_whole(
    gateway: Gateway, key: str, broken: list[Json | str]
) -> None:
    begun = wire.frames(wire.events("x")[:4])
    # What comes together with the first word would have failed as a whole.
    gateway.provider.streams([*begun, *broken], done=False, pause=0.02)
    response = await ask(gateway, key, stream=True)
    assert wire.types(wire.read(response))[-1] == "error"
    assert (await row_of(gateway, response)).outcome == "cut"


@pytest.mark.parametrize("body", [{"id": "x"}, {"content": "x"}, [1], "x", None])
async def test_an_answer_that_is_no_message_is_none(gateway: Gateway, key: str, body: Any) -> None:
    gateway.provider.does(lambda: answer(body))
    response = await ask(gateway, key)
    assert response.status_code >= 500
    assert response.json()["error"]["type"] == "api_error"


async def test_half_a_surrogate_pair_passes(gateway: Gateway, key: str) -> None:
    gateway.provider.streams(wire.frames(wire.events("\ud83d", "\ude00")), done=False)
    seen = wire.read(await ask(gateway, key, stream=True))
    assert [event["delta"]["text"] for event in seen[3:5]] == ["\ud83d", "\ude00"]


async def test_a_failing_deployment_gives_way_to_a_fallback(gateway: Gateway, key: str) -> None:
    failure = {"type": "error", "error": {"type": "overloaded_error", "message": "not now"}}

    async def behaviour(request: Request) -> Response:
        if "chat" in request.url.path:
            parts: Any = chunks()
            content = "".join(f"data: {json.dumps(part)}\n\n" for part in parts)
            return Response(content + "data: [DONE]\n\n", media_type="text/event-stream")
        return Response("".join(map(str, wire.frames([wire.start(), failure]))))

    gateway.provider.behaviour = behaviour
    changed = {"fallbacks": {"fake-anthropic": ["fake-openai"]}}
    assert (await gateway.manage("PATCH", "/settings", changed)).status_code == 200
    try:
        response = await ask(gateway, key, stream=True)
    finally:
        await gateway.manage("PATCH", "/settings", {"fallbacks": None})
    seen = wire.read(response)
    assert response.headers["x-litellm-attempted-fallbacks"] == "1"
    assert [event["type"] for event in seen].count("message_start") == 1
    assert seen[-1]["type"] == "message_stop"


async def test_a_prompt_that_is_too_long_goes_to_a_model_that_reads_more(
    gateway: Gateway, key: str
) -> None:
    error = {
        "type": "invalid_request_error",
        "message": "prompt is too long: 210000 tokens > 200000",
    }

    async def behaviour(request: Request) -> Response:
        if "chat" in request.url.path:
            return answer(completion("Hi"))
        return answer({"type": "error", "error": error}, 400)

    gateway.provider.behaviour = behaviour
    changed = {"context_window_fallbacks": {"fake-anthropic": ["fake-openai"]}}
    assert (await gateway.manage("PATCH", "/settings", changed)).status_code == 200
    try:
        response = await ask(gateway, key)
    finally:
        await gateway.manage("PATCH", "/settings", {"context_window_fallbacks": None})
    assert response.json()["content"] == [{"type": "text", "text": "Hi"}]
    assert (await row_of(gateway, response)).fallbacks == 1


async def test_thoughts_of_another_model_do_not_end_a_conversation(
    gateway: Gateway, key: str
) -> None:
    """As after a fallback: only Anthropic signs thoughts, and refuses others."""
    error = {
        "type": "invalid_request_error",
        "message": "messages.1.content.0: Invalid `signature` in `thinking` block",
    }

    async def behaviour(request: Request) -> Response:
        if b"thinking" in await request.body():
            return answer({"type": "error", "error": error}, 400)
        return answer(wire.message("Hi"))

    gateway.provider.behaviour = behaviour
    thought = {"type": "thinking", "thinking": "Hm.", "signature": ""}
    said = [thought, {"type": "text", "text": "Well"}]
    messages = [*HELLO["messages"], {"role": "assistant", "content": said}, *HELLO["messages"]]
    response = await ask(gateway, key, messages=messages)
    assert response.status_code == 200, response.text
    assert gateway.provider.received[-1].body["messages"][1]["content"] == said[1:]


async def test_a_caller_who_leaves_cancels_the_request_at_once(gateway: Gateway, key: str) -> None:
    for model in ("fake-anthropic", "fake-openai"):
        gateway.provider.reset()
        said: list[Json | str] = (
            wire.frames(wire.events("one", "two"))[:5]
            if model == "fake-anthropic"
            else [chunk({"content": "one"}), chunk({"content": "two"})]
        )
        gateway.provider.streams(said, hang_after=len(said))
        body = {"model": model, "stream": True, **HELLO}
        headers = {"x-api-key": key}
        async with gateway.http.stream(
            "POST", f"{gateway.url}/v1/messages", json=body, headers=headers
        ) as response:
            async for line in response.aiter_lines():
                if "two" in line:
                    break
        loop = asyncio.get_running_loop()
        left = loop.time()
        await asyncio.wait_for(gateway.provider.left.wait(), 5)
        assert loop.time() - left < 0.5
        while held(gateway) != NOTHING:
            await asyncio.sleep(0.01)


# --- Amazon's ---


async def test_bedrock_takes_messages(gateway: Gateway, key: str) -> None:
    events = wire.events("one")
    events[-1] |= {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 11}}
    sent = b"".join(
        answers.amazon_event(
            "chunk", {"bytes": base64.b64encode(json.dumps(event).encode()).decode()}
        )
        for event in events
    )
    media_type = "application/vnd.amazon.eventstream"
    gateway.provider.does(lambda: Response(sent, media_type=media_type))
    given = {"anthropic-version": "2023-06-01", "anthropic-beta": "unheard-of-2030-01-01"}
    response = await ask(gateway, key, "fake-bedrock", stream=True, headers=given)
    seen = wire.read(response)
    assert wire.types(seen) == wire.types(events)
    assert seen[0]["message"]["model"] == "fake-bedrock"
    received = gateway.provider.received[-1]
    assert received.path.endswith("/invoke-with-response-stream")
    assert "unheard-of" not in json.dumps([received.body, received.headers])
    row = await row_of(gateway, response)
    assert (row.prompt_tokens, row.completion_tokens, row.estimated) == (11, 6, False)


async def test_who_leaves_bedrock_cancels_the_request(gateway: Gateway, key: str) -> None:
    async def endless() -> Any:
        try:
            for event in wire.events("one", "two")[:5]:
                data = base64.b64encode(json.dumps(event).encode()).decode()
                yield answers.amazon_event("chunk", {"bytes": data})
            await asyncio.sleep(60)
        finally:
            gateway.provider.left.set()

    media_type = "application/vnd.amazon.eventstream"
    gateway.provider.does(lambda: StreamingResponse(endless(), media_type=media_type))
    body = {"model": "fake-bedrock", "stream": True, **HELLO}
    async with gateway.http.stream(
        "POST", f"{gateway.url}/v1/messages", json=body, headers={"x-api-key": key}
    ) as response:
        async for line in response.aiter_lines():
            if "two" in line:
                break
    await asyncio.wait_for(gateway.provider.left.wait(), 5)


# --- as chats ---

GEMINI = {"promptTokenCount": 11, "candidatesTokenCount": 6, "totalTokenCount": 17}
FORMS: list[tuple[str, Wire, Json]] = [
    ("openai", "openai", usage()),
    ("hosted_vllm", "openai", usage()),
    ("gemini", "gemini", GEMINI),
    ("ollama", "ollama", {"prompt_eval_count": 11, "eval_count": 6}),
]
ROWS = {
    name: Row(name, name, "a-model", {}, Usage(), 0, form, reported)
    for name, form, reported in FORMS
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("served", ROWS)
async def test_other_providers_answer_a_chat(
    gateway: Gateway, key: str, served: str, stream: bool
) -> None:
    answers.give(gateway.provider, ROWS[served], stream)
    response = await ask(gateway, key, f"fake-{served}", stream=stream)
    if stream:
        seen = wire.read(response)
        assert wire.types(seen)[0] == "message_start"
        assert wire.types(seen)[-3:] == ["content_block_stop", "message_delta", "message_stop"]
        told = seen[0]["message"]
        said = "".join(e["delta"]["text"] for e in seen if e["type"] == "content_block_delta")
        stop, counted = seen[-2]["delta"], seen[-2]["usage"]
    else:
        told = stop = response.json()
        [block] = told["content"]
        said, counted = block["text"], told["usage"]
    assert (told["type"], told["role"], told["model"]) == (
        "message",
        "assistant",
        f"fake-{served}",
    )
    # Each piece of Gemini's here begins anew.
    assert said.endswith("Hello!")
    assert (stop["stop_reason"], stop["stop_sequence"]) == ("end_turn", None)
    assert (counted["input_tokens"], counted["output_tokens"]) == (11, 6)
    row = await row_of(gateway, response)
    assert (row.prompt_tokens, row.completion_tokens, row.estimated) == (11, 6, False)


async def test_a_request_is_translated(gateway: Gateway, key: str) -> None:
    messages = [
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "content": [{"type": "text", "text": "Well"}, TOOL_USE]},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "sunny"}],
        },
    ]
    headers = {"anthropic-version": "2023-06-01", "anthropic-beta": "one-2025-01-01"}
    response = await ask(
        gateway,
        key,
        "fake-openai",
        headers=headers,
        messages=messages,
        system=[{"type": "text", "text": "be kind"}],
        tools=TOOLS,
        tool_choice={"type": "any"},
        stop_sequences=["x"],
        temperature=0.5,
        metadata={"user_id": "someone"},
        thinking={"type": "enabled", "budget_tokens": 2000},
        service_tier="auto",
        context_management={"edits": [{"type": "compact_20260112"}]},
        cache_control={"type": "ephemeral"},
    )
    assert response.status_code == 200, response.text
    [received] = gateway.provider.received
    sent = received.body
    assert received.path == "/v1/chat/completions"
    assert not [name for name in received.headers if name.startswith("anthropic")]
    assert [message["role"] for message in sent["messages"]] == [
        "system",
        "user",
        "assistant",
        "tool",
    ]
    call = sent["messages"][2]["tool_calls"][0]
    assert json.loads(call["function"]["arguments"]) == TOOL_USE["input"]
    assert sent["tools"][0]["function"]["name"] == "weather"
    rest = {name: value for name, value in sent.items() if name not in ("messages", "tools")}
    assert rest == {
        "model": "gpt-4o",
        "max_tokens": 64,
        "stop": ["x"],
        "temperature": 0.5,
        "tool_choice": "required",
        "user": "someone",
    }


@pytest.mark.parametrize(
    ("asked", "effort"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 10_000}}, "high"),
        ({"thinking": {"type": "enabled", "budget_tokens": 10_000, "summary": "concise"}}, "high"),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}, "high"),
        ({"thinking": {"type": "disabled"}}, None),
    ],
)
async def test_thoughts_are_an_effort_where_the_model_reasons(
    gateway: Gateway, key: str, asked: Json, effort: str | None
) -> None:
    await gateway.add_model("thinker", litellm_params={"model": "o3-mini"})
    response = await ask(gateway, key, "thinker", **asked)
    assert response.status_code == 200, response.text
    [received] = gateway.provider.received
    assert received.path == "/v1/chat/completions"
    assert received.body.get("reasoning_effort") == effort


@pytest.mark.parametrize("stream", [False, True])
async def test_tool_calls_become_tool_use(gateway: Gateway, key: str, stream: bool) -> None:
    name = "a_tool_whose_name_is_longer_than_the_sixty_four_characters_of_openai"
    tools = [TOOLS[0] | {"name": name}]
    asked = asyncio.Event()

    async def behaviour(request: Request) -> Response:
        short = json.loads(await request.body())["tools"][0]["function"]["name"]
        assert len(short) <= 64
        asked.set()
        call = {
            "index": 0,
            "id": "call_1",
            "type": "function",
            "function": {"name": short, "arguments": '{"city": "Bern"}'},
        }
        if not stream:
            return answer(completion(None, tool_calls=[call]))
        parts = [
            chunk({"role": "assistant", "reasoning_content": "Hm."}),
            chunk({"tool_calls": [call]}),
            chunk({}, "tool_calls"),
            chunk({}) | {"choices": [], "usage": usage()},
        ]
        content = "".join(f"data: {json.dumps(part)}\n\n" for part in parts)
        return Response(content + "data: [DONE]\n\n", media_type="text/event-stream")

    gateway.provider.behaviour = behaviour
    response = await ask(gateway, key, "fake-hosted_vllm", stream=stream, tools=tools)
    assert asked.is_set()
    if stream:
        seen = wire.read(response)
        blocks = [e["content_block"] for e in seen if e["type"] == "content_block_start"]
        assert blocks[0] == {"type": "thinking", "thinking": "", "signature": ""}
        given = "".join(
            e["delta"].get("partial_json", "") for e in seen if "index" in e and "delta" in e
        )
        assert seen[-2]["delta"]["stop_reason"] == "tool_use"
        found = blocks[1] | {"input": json.loads(given)}
    else:
        told = response.json()
        assert told["stop_reason"] == "tool_use"
        [found] = told["content"]
    assert found == {"type": "tool_use", "id": "call_1", "name": name, "input": {"city": "Bern"}}


@pytest.mark.parametrize(
    "own", [{"container": "c"}, {"mcp_servers": [{"url": "https://example.com"}]}]
)
async def test_what_only_anthropic_does_is_refused_elsewhere(
    gateway: Gateway, key: str, own: Json
) -> None:
    response = await ask(gateway, key, "fake-openai", **own)
    assert response.status_code == 400
    assert next(iter(own)) in response.json()["error"]["message"]
    assert gateway.provider.received == []
    await gateway.manage("PATCH", "/settings", {"drop_params": True})
    try:
        assert (await ask(gateway, key, "fake-openai", **own)).status_code == 200
    finally:
        await gateway.manage("PATCH", "/settings", {"drop_params": None})
    assert not set(own) & set(gateway.provider.received[-1].body)


async def test_a_stream_of_a_chat_that_breaks_off_never_looks_whole(
    gateway: Gateway, key: str
) -> None:
    gateway.provider.streams([chunk({"content": "one"})], done=False)
    response = await ask(gateway, key, "fake-openai", stream=True)
    assert wire.types(wire.read(response))[-1] == "error"
    assert (await row_of(gateway, response)).outcome == "cut"


# --- counting ---


async def count(gateway: Gateway, key: str, model: str, **more: Any) -> httpx.Response:
    body = {"model": model, "messages": HELLO["messages"], **more}
    headers = {"anthropic-version": "2023-06-01", "anthropic-beta": "one-2025-01-01"}
    return await gateway.request("POST", "/v1/messages/count_tokens", key, body, headers)


async def test_anthropic_counts_tokens(gateway: Gateway, key: str) -> None:
    gateway.provider.does(answer({"input_tokens": 2095}))
    more: Json = {
        "system": "be kind",
        "tools": TOOLS,
        "thinking": {"type": "enabled", "budget_tokens": 2000},
        "tool_choice": {"type": "auto"},
    }
    response = await count(gateway, key, "fake-anthropic", **more)
    assert response.json() == {"input_tokens": 2095}
    [received] = gateway.provider.received
    assert received.path == "/v1/messages/count_tokens"
    assert received.body == more | {
        "model": "claude-3-5-sonnet-20241022",
        "messages": HELLO["messages"],
    }
    assert received.headers["x-api-key"] == SECRET
    assert "one-2025-01-01" in received.headers["anthropic-beta"]
    row = await row_of(gateway, response)
    assert (row.prompt_tokens, row.completion_tokens, row.cost) == (0, 0, 0)
    assert (row.outcome, row.operation) == ("complete", "/messages/count_tokens")


@pytest.mark.parametrize("status", [404, 405])
async def test_a_server_that_does_not_count_is_no_failure(
    gateway: Gateway, key: str, status: int
) -> None:
    gateway.provider.does(lambda: answer({"detail": "Not Found"}, status))
    response = await count(gateway, key, "fake-anthropic")
    assert response.json() == {"input_tokens": 9}


async def test_others_are_estimated_for(gateway: Gateway, key: str) -> None:
    response = await count(gateway, key, "fake-gemini", system="b" * 4000)
    assert 1000 < response.json()["input_tokens"] < 1100
    assert gateway.provider.received == []


@pytest.mark.parametrize(
    ("status", "kind"), [(401, "authentication_error"), (429, "rate_limit_error")]
)
async def test_a_refusal_to_count_is_told(
    gateway: Gateway, key: str, status: int, kind: str
) -> None:
    error = {"type": kind, "message": "no"}
    gateway.provider.does(lambda: answer({"type": "error", "error": error}, status))
    response = await count(gateway, key, "fake-anthropic")
    assert response.status_code == status
    assert response.json()["error"]["type"] == kind


async def test_a_stream_that_is_too_large_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "EventReader", partial(EventReader, most_bytes=1000))

    async def pieces() -> Any:
        yield b"data: "
        for _ in range(11):
            yield b"x" * 100

    with pytest.raises(UpstreamError) as raised:
        _ = [event async for event in streamed(pieces())]
    assert raised.value.status == 502
