"""Responses of providers that have none: what their chats become."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.servers import Gateway, answer, chunk, completion
from tests.upstream import strict
from tests.upstream.response_events import HELLO, TOOLS, ask, read
from tests.upstream.test_responses import PARAMS

Json = dict[str, Any]


def chat_of(gateway: Gateway) -> Json:
    [received] = gateway.provider.received
    assert received.path == "/v1/chat/completions"
    return received.body


async def test_an_operator_can_have_a_server_asked_by_chat(gateway: Gateway, key: str) -> None:
    params = {"model": "brand-new", "use_chat_completions_api": True}
    await gateway.add_model("chatty", litellm_params=params)
    got = await ask(gateway, key, "chatty", **PARAMS)
    assert got.status_code == 200, got.text
    strict.response(got.json())
    chat = chat_of(gateway)
    assert chat["messages"][0] == {"role": "system", "content": "You are Codex."}
    names = [tool.get("function", tool).get("name") for tool in chat["tools"]]
    assert names[:2] == ["get_weather", "apply_patch"]
    assert (chat["reasoning_effort"], chat["max_tokens"]) == ("medium", 64)
    assert chat["prompt_cache_key"] == "session-1"
    for name in ("include", "input", "instructions", "store", "truncation", "client_metadata"):
        assert name not in chat
    # A chat is not touched by it.
    gateway.provider.received.clear()
    assert (await gateway.chat(key, "chatty")).status_code == 200
    assert set(chat_of(gateway)) == {"model", "messages"}


async def converse(
    gateway: Gateway, key: str, message: Json, finish: str = "stop", **params: Any
) -> tuple[Json, Json]:
    """A response made of a chat's message, whole and in a stream; they must say the same."""
    await gateway.add_model(
        "bridged", litellm_params={"model": "gpt-4o", "use_chat_completions_api": True}
    )
    whole = completion(None)
    whole["choices"][0] |= {"message": {"role": "assistant", **message}, "finish_reason": finish}
    gateway.provider.does(answer(whole))
    got = await ask(gateway, key, "bridged", **params)
    assert got.status_code == 200, got.text
    plain = got.json()
    strict.response(plain)
    calls = [{**call, "index": n} for n, call in enumerate(message.get("tool_calls", ()))]
    delta = {**message, "tool_calls": calls} if calls else message
    last = chunk({}) | {"choices": [], "usage": completion(None)["usage"]}
    gateway.provider.streams([chunk({"role": "assistant", **delta}), chunk({}, finish), last])
    seen = read(await ask(gateway, key, "bridged", stream=True, **params))
    for event in seen.told:
        strict.response_event(event)
    streamed = seen.last["response"]
    # Of thoughts that come in pieces litellm counts the tokens.
    for each in (streamed, plain):
        each["usage"]["output_tokens_details"].clear()
    assert without_ids(streamed) == without_ids(plain)
    done = [each["item"] for each in seen.told if each["type"] == "response.output_item.done"]
    assert sorted(done, key=json.dumps) == sorted(streamed["output"], key=json.dumps)
    return plain, streamed


def without_ids(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            name: without_ids(each)
            for name, each in value.items()
            if name not in ("id", "created_at")
        }
    return [without_ids(each) for each in value] if isinstance(value, list) else value


def called(name: str, arguments: str, call_id: str = "call_1") -> Json:
    function = {"name": name, "arguments": arguments}
    return {"id": call_id, "type": "function", "function": function}


async def test_custom_tools_and_namespaces(gateway: Gateway, key: str) -> None:
    """Codex' patches are texts, and the tools of its servers have a name and a namespace."""
    namespaced = {"type": "function", "name": "find", "parameters": {"type": "object"}}
    tools = [
        {"type": "custom", "name": "apply_patch", "format": {"type": "text"}},
        {"type": "namespace", "name": "files", "description": "", "tools": [namespaced]},
    ]
    patch = "*** Begin Patch\n"
    message = {
        "content": "Let me see.",
        "tool_calls": [
            called("apply_patch", json.dumps({"content": patch})),
            called("files__find", "{}", "call_2"),
        ],
    }
    whole, _ = await converse(gateway, key, message, "tool_calls", tools=tools)
    said, custom, found = whole["output"]
    assert said["content"][0]["text"] == "Let me see."
    assert (custom["type"], custom["name"], custom["input"]) == (
        "custom_tool_call",
        "apply_patch",
        patch,
    )
    assert (found["type"], found["namespace"], found["name"]) == ("function_call", "files", "find")


async def test_thoughts_and_citations(gateway: Gateway, key: str) -> None:
    cited = {"start_index": 0, "end_index": 2, "url": "https://example.com", "title": "t"}
    message = {
        "reasoning_content": "Hm.",
        "content": "So.",
        "annotations": [{"type": "url_citation", "url_citation": cited}],
    }
    whole, _ = await converse(gateway, key, message)
    thoughts, said = whole["output"]
    assert thoughts["summary"] == [{"type": "summary_text", "text": "Hm."}]
    assert said["content"][0]["annotations"] == [{"type": "url_citation", **cited}]


@pytest.mark.parametrize(
    ("finish", "status", "reason"),
    [
        ("length", "incomplete", "max_output_tokens"),
        ("content_filter", "incomplete", "content_filter"),
        ("stop", "completed", None),
    ],
)
async def test_ends(gateway: Gateway, key: str, finish: str, status: str, reason: object) -> None:
    whole, _ = await converse(gateway, key, {"content": "one"}, finish)
    assert whole["status"] == whole["output"][0]["status"] == status
    assert (whole["incomplete_details"] or {}).get("reason") == reason


async def test_nothing_said(gateway: Gateway, key: str) -> None:
    whole, _ = await converse(gateway, key, {"content": ""})
    assert [part["text"] for part in whole["output"][0]["content"]] == [""]


async def test_refusal(gateway: Gateway, key: str) -> None:
    whole, _ = await converse(gateway, key, {"content": None, "refusal": "No."})
    assert whole["output"][0]["content"] == [{"type": "refusal", "refusal": "No."}]


def thinking(*more: Json) -> list[Json | str]:
    """Anthropic's events of a thought, its signature, and what more."""
    start = {
        "type": "message_start",
        "message": {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude",
            "content": [],
            "usage": {"input_tokens": 11, "output_tokens": 1},
        },
    }
    told: list[Json] = [
        start,
        block(0, {"type": "thinking", "thinking": "", "signature": ""}),
        delta(0, {"type": "thinking_delta", "thinking": "Let me "}),
        delta(0, {"type": "thinking_delta", "thinking": "see."}),
        delta(0, {"type": "signature_delta", "signature": "c2lnbmVk"}),
        {"type": "content_block_stop", "index": 0},
        *more,
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use"},
            "usage": {"output_tokens": 6},
        },
        {"type": "message_stop"},
    ]
    return [f"event: {each['type']}\ndata: {json.dumps(each)}\n\n" for each in told]


def block(index: int, content: Json) -> Json:
    return {"type": "content_block_start", "index": index, "content_block": content}


def delta(index: int, change: Json) -> Json:
    return {"type": "content_block_delta", "index": index, "delta": change}


async def test_anthropics_thoughts_go_back_signed(gateway: Gateway, key: str) -> None:
    """Without its signature Anthropic takes no thought back beside the tool that it led to."""
    tool = block(1, {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {}})
    arguments = delta(1, {"type": "input_json_delta", "partial_json": '{"city": "Berne"}'})
    stop = {"type": "content_block_stop", "index": 1}
    gateway.provider.streams(thinking(tool, arguments, stop), done=False)
    params: Json = {"tools": TOOLS, "reasoning": {"effort": "low", "summary": "auto"}}
    await gateway.add_model(
        "claude",
        provider="anthropic",
        base_url=gateway.provider.url,
        litellm_params={"model": "claude-sonnet-4-5"},
    )
    seen = read(await ask(gateway, key, "claude", stream=True, **params))
    for event in seen.told:
        strict.response_event(event)
    thoughts, call = seen.last["response"]["output"]
    assert thoughts["summary"] == [{"type": "summary_text", "text": "Let me see."}]
    assert seen.last["response"]["usage"]["input_tokens"] == 11
    gateway.provider.received.clear()
    gateway.provider.streams(thinking(), done=False)
    done = {"type": "function_call_output", "call_id": call["call_id"], "output": "rain"}
    after = [{"role": "user", "content": "hello"}, thoughts, call, done]
    read(await ask(gateway, key, "claude", stream=True, input=after, **params))
    [received] = gateway.provider.received
    [_, assistant, result] = received.body["messages"]
    assert [part["type"] for part in assistant["content"]] == ["thinking", "tool_use"]
    assert assistant["content"][0]["thinking"] == "Let me see."
    assert assistant["content"][0]["signature"] == "c2lnbmVk"
    assert result["content"][0]["type"] == "tool_result"


async def test_a_search_by_anthropic_is_no_call_of_the_callers(gateway: Gateway, key: str) -> None:
    use = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
    query = delta(1, {"type": "input_json_delta", "partial_json": '{"query": "weather"}'})
    found = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}
    told = [
        block(1, use),
        query,
        {"type": "content_block_stop", "index": 1},
        block(2, found),
        {"type": "content_block_stop", "index": 2},
        block(3, {"type": "text", "text": ""}),
        delta(3, {"type": "text_delta", "text": "Rain."}),
        {"type": "content_block_stop", "index": 3},
    ]
    gateway.provider.streams(thinking(*told), done=False)
    tools = [{"type": "web_search"}]
    seen = read(await ask(gateway, key, "fake-anthropic", stream=True, tools=tools))
    kinds = [item["type"] for item in seen.last["response"]["output"]]
    assert kinds == ["reasoning", "web_search_call", "message"]
    search = seen.last["response"]["output"][1]
    assert search["action"] == {"type": "search", "query": "weather"}


async def test_what_codex_sends_is_taken_by_all(gateway: Gateway, key: str, mocked: str) -> None:
    """Also by providers that know little of it."""
    params = {name: value for name, value in PARAMS.items() if name not in ("reasoning", "input")}
    params["tools"] = [tool for tool in params["tools"] if tool["type"] != "mcp"]
    del params["service_tier"]
    content = [{"type": "input_text", "text": "hello"}]
    asked = [{"type": "message", "role": "user", "content": content}]
    got = await ask(gateway, key, mocked, input=asked, stream=True, **params)
    assert read(got).text == HELLO, got.text


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input"),
        ({"input": [{"role": "user", "content": 7}]}, "input"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}]}, "tools"),
        ({"moderation": {"model": "omni-moderation-latest"}}, "moderation"),
    ],
)
async def test_what_cannot_be_asked_by_chat(
    gateway: Gateway, key: str, params: Json, param: str
) -> None:
    got = await ask(gateway, key, "fake-anthropic", **params)
    assert got.status_code == 400, got.text
    assert got.json()["error"]["param"] == param
    assert gateway.provider.received == []
