"""OpenAI's Responses at eight providers: as they are where the provider has them, or a chat."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import httpx
import openai
import pytest
from starlette.responses import Response, StreamingResponse

from tests.responses import events, frames, numbered, response, text_item, wide_events
from tests.servers import Gateway, answer, chunk
from tests.upstream import strict
from tests.upstream.providers import SECRET, registration
from tests.upstream.response_events import HELLO, TOOLS, ask, read

Json = dict[str, Any]

NATIVE = ("openai", "azure", "hosted_vllm")
PATHS = {"openai": "/v1/responses", "azure": "/openai/responses", "hosted_vllm": "/v1/responses"}
# aimock answers Ollama without counts, and Mistral's streams as OpenAI's, whose usage is to be
# asked for.
NO_USAGE = ("ollama",)
NO_STREAMED_USAGE = ("ollama", "mistral")


# --- every provider ---


async def test_answer(gateway: Gateway, key: str, mocked: str) -> None:
    got = await ask(gateway, key, mocked)
    assert got.status_code == 200, got.text
    made = strict.response(got.json())
    assert (made.model, made.status, made.output_text) == (mocked, "completed", HELLO)
    assert made.id.startswith("resp_")
    assert abs(made.created_at - time.time()) < 3600
    assert made.usage
    if mocked not in NO_USAGE:
        counts = (made.usage.input_tokens, made.usage.output_tokens, made.usage.total_tokens)
        assert counts == (11, 6, 17)


async def test_stream(gateway: Gateway, key: str, mocked: str) -> None:
    seen = read(await ask(gateway, key, mocked, stream=True))
    # aimock leaves fields out that OpenAI's events have.
    for event in seen.told if mocked not in NATIVE else ():
        strict.response_event(event)
    whole = seen.last["response"]
    assert seen.last["type"] == "response.completed"
    assert (seen.text, strict.response(whole).output_text) == (HELLO, HELLO)
    named = [each["response"] for each in seen.told if "response" in each]
    assert {(each["id"], each["model"]) for each in named} == {(whole["id"], mocked)}
    assert seen.told[0]["type"] == "response.created"
    if mocked not in NO_STREAMED_USAGE:
        assert (whole["usage"]["input_tokens"], whole["usage"]["output_tokens"]) == (11, 6)


@pytest.mark.parametrize("stream", [False, True])
async def test_tools(gateway: Gateway, key: str, mocked: str, stream: bool) -> None:
    got = await ask(gateway, key, mocked, input="weather", tools=TOOLS, stream=stream)
    if stream:
        seen = read(got)
        for event in seen.told if mocked not in NATIVE else ():
            strict.response_event(event)
        body = seen.last["response"]
    else:
        assert got.status_code == 200, got.text
        body = got.json()
    [call] = [item for item in strict.response(body).output if item.type == "function_call"]
    assert (call.name, json.loads(call.arguments)) == ("get_weather", {"city": "Berne"})
    assert call.call_id
    # The conversation goes on with what was called, and what came of it.
    after = [
        {"role": "user", "content": "hello"},
        call.model_dump(exclude_unset=True),
        {"type": "function_call_output", "call_id": call.call_id, "output": "rain"},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]},
    ]
    again = await ask(gateway, key, mocked, input=after, tools=TOOLS)
    assert again.status_code == 200, again.text
    assert strict.response(again.json()).output_text == HELLO


@pytest.mark.parametrize("stream", [False, True])
async def test_refusals(gateway: Gateway, key: str, mocked: str, stream: bool) -> None:
    """As in a chat, before any byte of a stream, and without the provider's key."""
    limited = await ask(gateway, key, mocked, input="slow down", stream=stream)
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "7")
    assert limited.json()["error"]["message"] == "litellm.RateLimitError: Slow down please"
    denied = await ask(gateway, key, mocked, input="wrong key", stream=stream)
    assert denied.status_code == 401
    assert SECRET not in denied.text


@pytest.mark.parametrize("mocked", ["openai", "anthropic"], indirect=True)
async def test_official_client(gateway: Gateway, key: str, mocked: str) -> None:
    async with gateway.openai(key) as client:
        whole = await client.responses.create(model=mocked, input="hello")
        assert whole.output_text == HELLO
        async with client.responses.stream(model=mocked, input="hello") as stream:
            texts = [e.delta async for e in stream if e.type == "response.output_text.delta"]
            assert (await stream.get_final_response()).output_text == "".join(texts) == HELLO
        with pytest.raises(openai.RateLimitError) as raised:
            await client.responses.create(model=mocked, input="slow down")
    assert raised.value.response.headers["retry-after"] == "7"


# --- providers that have it ---


def plain(body: Json) -> Json:
    """Without what the gateway puts into a response."""
    return {name: value for name, value in body.items() if name not in ("id", "model")}


@pytest.mark.parametrize("name", NATIVE)
async def test_all_that_the_provider_says_is_passed_on(
    gateway: Gateway, key: str, name: str
) -> None:
    told = wide_events()
    for event in told:
        if "brand_new" not in json.dumps(event) and "obfuscation" not in event:
            strict.response_event(event)
    gateway.provider.does(answer(told[-1]["response"]))
    whole = await ask(gateway, key, f"fake-{name}")
    assert plain(whole.json()) == plain(told[-1]["response"])
    gateway.provider.streams(frames(told), done=False)
    seen = read(await ask(gateway, key, f"fake-{name}", stream=True))
    assert len(seen.told) == len(told)
    for got, sent in zip(seen.told, told, strict=True):
        bare, bare_sent = ({**each, "response": None} for each in (got, sent))
        assert bare == bare_sent
        assert plain(got.get("response", {})) == plain(sent.get("response", {}))


PARAMS: Json = {
    "input": [
        {"role": "developer", "content": "Be brief."},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"},
        {"type": "custom_tool_call", "call_id": "c1", "name": "apply_patch", "input": "***"},
        {"type": "custom_tool_call_output", "call_id": "c1", "output": "done"},
    ],
    "include": ["reasoning.encrypted_content"],
    "instructions": "You are Codex.",
    "max_output_tokens": 64,
    "max_tool_calls": 3,
    "metadata": {"a": "b"},
    "parallel_tool_calls": False,
    "prompt_cache_key": "session-1",
    "reasoning": {"effort": "medium", "summary": "auto"},
    "safety_identifier": "someone",
    "service_tier": "flex",
    "store": False,
    "text": {"verbosity": "low"},
    "tool_choice": "auto",
    "tools": [
        *TOOLS,
        {"type": "custom", "name": "apply_patch", "format": {"type": "text"}},
        {"type": "local_shell"},
        {"type": "web_search"},
        {"type": "mcp", "server_label": "own", "server_url": "litellm_proxy/mcp/own"},
    ],
    "truncation": "auto",
    "user": "someone",
}


@pytest.mark.parametrize("stream", [False, True])
async def test_the_provider_gets_what_was_asked(gateway: Gateway, key: str, stream: bool) -> None:
    """Nothing of litellm's, and no tools that it would run itself."""
    await gateway.add_model("codex", litellm_params={"model": "gpt-5.1-codex"})
    gateway.provider.streams(frames(events("Hi")), done=False)
    if not stream:
        gateway.provider.does(answer(response(text_item("Hi"))))
    more: Json = {"client_metadata": {"x-codex-installation-id": "1"}, "stream": stream}
    if stream:
        more["stream_options"] = {"include_obfuscation": False}
    got = await ask(gateway, key, "codex", **PARAMS, **more)
    assert got.status_code == 200, got.text
    [received] = gateway.provider.received
    assert received.path == "/v1/responses"
    sent = {name: value for name, value in more.items() if value}
    assert received.body == {"model": "gpt-5.1-codex", **PARAMS, **sent}
    assert received.headers["authorization"] == "Bearer sk-upstream-0123456789"


@pytest.mark.parametrize("name", NATIVE)
async def test_a_model_that_litellm_does_not_know_is_streamed_too(
    gateway: Gateway, key: str, name: str
) -> None:
    fields = registration(name, gateway.provider.url)
    fields["litellm_params"]["model"] = "brand-new"
    await gateway.add_model("new", **fields)
    gateway.provider.streams(frames(events("one", "two")), done=False)
    seen = read(await ask(gateway, key, "new", stream=True))

    assert seen.text == "onetwo"
    [received] = gateway.provider.received
    assert (received.path, received.body["stream"]) == (PATHS[name], True)


async def test_a_model_without_streams(gateway: Gateway, key: str) -> None:
    """litellm asks for a whole response, and cuts it up."""
    await gateway.add_model("o1", litellm_params={"model": "o1-pro"})
    gateway.provider.does(answer(response(text_item("one two three"))))
    seen = read(await ask(gateway, key, "o1", stream=True))
    assert (seen.text, seen.last["type"]) == ("one two three", "response.completed")
    assert "stream" not in gateway.provider.received[0].body


async def test_what_servers_leave_out(gateway: Gateway, key: str) -> None:
    """What OpenAI's type requires is there all the same."""
    bare = response(text_item("Hi"), usage={"input_tokens": 3, "output_tokens": 1})
    for name in ("parallel_tool_calls", "tool_choice", "tools"):
        del bare[name]
    bare["usage"]["total_tokens"] = 4
    gateway.provider.does(answer(bare))
    got = await ask(gateway, key, "fake-openai", tools=TOOLS)
    made = strict.response(got.json())
    assert (made.parallel_tool_calls, made.tool_choice, len(made.tools)) == (True, "auto", 1)
    assert made.usage
    assert made.usage.output_tokens_details.reasoning_tokens == 0


# --- streams that go wrong ---


def failed(code: str, message: str = f"No, {SECRET}") -> Json:
    error = {"code": code, "message": message}
    body = response(status="failed", error=error, usage=None)
    return {"type": "response.failed", "response": body}


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("server_error", 500),
        ("rate_limit_exceeded", 429),
        ("insufficient_quota", 429),
        ("server_is_overloaded", 503),
        ("context_length_exceeded", 400),
        ("image_too_large", 400),
        ("whatever", 500),
    ],
)
async def test_a_response_that_fails_before_it_says_anything(
    gateway: Gateway, key: str, code: str, status: int
) -> None:
    """The provider said 200 already, but the caller has an honest status, and another deployment
    might have had the call."""
    told = numbered(*events("Hi")[:2], failed(code))
    gateway.provider.streams(frames(told), done=False)
    seen = read(await ask(gateway, key, "fake-openai", stream=True))
    assert (seen.status, seen.told) == (status, [])
    gateway.provider.does(answer(failed(code)["response"]))
    whole = await ask(gateway, key, "fake-openai")
    assert whole.status_code == status
    for error in (seen.error, whole.json()["error"]):
        assert error
        assert error == {
            "message": "litellm.APIError: No, [hidden]",
            "type": error["type"],
            "param": None,
            "code": code,
        }


async def test_a_response_that_fails_midway(gateway: Gateway, key: str) -> None:
    """The provider's own event tells, once."""
    told = numbered(*events("one")[:5], failed("rate_limit_exceeded", "Slow down"))
    gateway.provider.streams(frames(told), done=False)
    seen = read(await ask(gateway, key, "fake-openai", stream=True))
    assert (seen.error, seen.text, seen.last["type"]) == (None, "one", "response.failed")
    assert seen.last["response"]["error"]["code"] == "rate_limit_exceeded"


FLAT = {"type": "error", "code": "server_error", "message": f"Oh, {SECRET}", "param": None}
NESTED = {"error": {"message": f"Oh, {SECRET}", "code": "server_error"}}


@pytest.mark.parametrize("event", [FLAT, {"type": "error", **NESTED}, NESTED])
async def test_error_event(gateway: Gateway, key: str, event: Json) -> None:
    broken = f"data: {json.dumps(event)}\n\n"
    gateway.provider.streams([*frames(events("one")[:5]), broken], done=False)
    seen = read(await ask(gateway, key, "fake-openai", stream=True))
    assert seen.error == {
        "type": "error",
        "code": "server_error",
        "message": "litellm.APIError: Oh, [hidden]",
        "param": None,
        "sequence_number": 5,
    }
    assert (seen.text, seen.last["type"]) == ("one", "response.output_text.delta")
    gateway.provider.streams([broken], done=False)
    early = read(await ask(gateway, key, "fake-openai", stream=True))
    assert (early.status, early.told) == (500, [])


@pytest.mark.parametrize(
    ("piece", "message"),
    [
        ('data: {"type": "response.output_te\n\n', "The provider sent an event that is no JSON"),
        ("data: [1]\n\n", "The provider sent an event that is no JSON"),
        ('data: {"delta": "x"}\n\n', "The provider sent an event of no type"),
        ("data: \xff\n\n", "The provider's answer is no UTF-8"),
        ("data: [DONE]\n\n", "The provider broke off its answer"),
        ("", "The provider broke off its answer"),
    ],
)
async def test_what_is_no_stream_of_events(
    gateway: Gateway, key: str, piece: str, message: str
) -> None:
    """Nothing is skipped, and nothing made up: the answer is cut."""
    raw = ["".join(map(str, frames(events("one")[:5]))), piece]

    def broken() -> Response:
        async def body() -> Any:
            for each in raw:
                yield each.encode("latin-1")
                # Or the two would be read as one.
                await asyncio.sleep(0.02)

        return StreamingResponse(body(), media_type="text/event-stream")

    gateway.provider.does(broken)
    seen = read(await ask(gateway, key, "fake-openai", stream=True))
    assert (seen.status, seen.text) == (200, "one"), seen.error
    assert seen.error
    assert seen.error["message"].startswith(message)
    assert (seen.error["code"], seen.error["sequence_number"]) == ("502", 5)


async def test_no_events_at_all(gateway: Gateway, key: str) -> None:
    gateway.provider.does(answer(response(text_item("Hi"))))
    seen = read(await ask(gateway, key, "fake-openai", stream=True))
    assert (seen.status, seen.told) == (502, [])


async def test_what_is_no_response(gateway: Gateway, key: str) -> None:
    gateway.provider.does(answer({"object": "response", "created_at": 1, "id": "r"}))
    assert (await ask(gateway, key, "fake-openai")).status_code == 502


async def test_a_provider_that_does_not_hang_up(gateway: Gateway, key: str) -> None:
    """With the last event all is there."""
    told = frames(events("one"))
    gateway.provider.streams(told, hang_after=len(told))
    seen = read(await ask(gateway, key, "fake-openai", stream=True))
    assert (seen.error, seen.last["type"]) == (None, "response.completed")


async def test_an_incomplete_response(gateway: Gateway, key: str) -> None:
    details = {"reason": "max_output_tokens"}
    last = response(text_item("one"), status="incomplete", incomplete_details=details)
    gateway.provider.streams(frames(events("one", last=last)), done=False)
    seen = read(await ask(gateway, key, "fake-openai", stream=True))
    assert seen.last["type"] == "response.incomplete"
    assert seen.last["response"]["incomplete_details"] == details


@pytest.mark.parametrize("model", ["fake-openai", "fake-mistral"])
@pytest.mark.parametrize("begun", [True, False])
async def test_who_leaves_has_the_request_cancelled(
    gateway: Gateway, key: str, model: str, begun: bool
) -> None:
    gateway.provider.hangs()
    if begun and model == "fake-mistral":
        gateway.provider.streams([chunk({"content": "one"})], hang_after=1)
    elif begun:
        told = frames(events("one")[:5])
        gateway.provider.streams(told, hang_after=len(told))
    url, headers = f"{gateway.url}/v1/responses", {"authorization": f"Bearer {key}"}
    body = {"model": model, "input": "hello", "stream": True}
    async with httpx.AsyncClient(timeout=30) as client:
        calling = asyncio.create_task(
            client.send(client.build_request("POST", url, json=body, headers=headers), stream=True)
        )
        if begun:
            async for line in (await calling).aiter_lines():
                if "output_text.delta" in line:
                    break
        else:
            while not gateway.provider.received:
                await asyncio.sleep(0.005)
            calling.cancel()
    await asyncio.wait_for(gateway.provider.left.wait(), 2)
