"""Calls over HTTP, as OpenAI's clients make them."""

from __future__ import annotations

import json

import openai
import pytest
from openai.types.chat import ChatCompletionUserMessageParam
from starlette.responses import Response

from gateway.app import CALL_PREFIXES
from tests.servers import Gateway, answer, chunk, chunks, completion

HELLO: list[ChatCompletionUserMessageParam] = [{"role": "user", "content": "hello"}]


@pytest.mark.parametrize("prefix", CALL_PREFIXES)
async def test_the_official_client_gets_an_answer(gateway: Gateway, key: str, prefix: str) -> None:
    async with gateway.openai(key, prefix) as client:
        got = await client.chat.completions.create(model="gpt", messages=HELLO)
    assert got.choices[0].message.content == "Hello from the fake provider."
    assert got.model == "gpt"
    assert got.usage is not None
    assert got.usage.total_tokens == 17


@pytest.mark.parametrize("prefix", CALL_PREFIXES)
async def test_the_official_client_gets_a_stream(gateway: Gateway, key: str, prefix: str) -> None:
    gateway.provider.streams(chunks())
    async with gateway.openai(key, prefix) as client:
        stream = await client.chat.completions.create(model="gpt", messages=HELLO, stream=True)
        got = [event async for event in stream]
    text = "".join(event.choices[0].delta.content or "" for event in got)
    assert text == "Hello from the fake provider."
    assert got[-1].choices[0].finish_reason == "stop"
    assert {event.model for event in got} == {"gpt"}
    # The provider is asked for usage, the caller did not ask.
    assert gateway.provider.received[-1].body["stream_options"] == {"include_usage": True}
    assert all(event.usage is None for event in got)


async def test_usage_ends_a_stream_that_asks_for_it(gateway: Gateway, key: str) -> None:
    gateway.provider.streams(chunks())
    async with gateway.openai(key) as client:
        stream = await client.chat.completions.create(
            model="gpt", messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
        got = [event async for event in stream]
    assert got[-1].choices == []
    assert got[-1].usage is not None
    assert got[-1].usage.total_tokens == 17
    assert all(event.usage is None for event in got[:-1])


async def test_a_stream_is_server_sent_events_ending_in_done(gateway: Gateway, key: str) -> None:
    gateway.provider.streams(chunks("Hi"))
    response = await gateway.chat(key, stream=True)
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"
    events = response.text.split("\n\n")
    assert all(event.startswith("data: {") for event in events[:-2])
    assert events[-2:] == ["data: [DONE]", ""]


async def test_tools_there_and_back(gateway: Gateway, key: str) -> None:
    called = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "weather", "arguments": '{"city": "Berne"}'},
    }
    gateway.provider.does(answer(completion(None, tool_calls=[called])))
    async with gateway.openai(key) as client:
        got = await client.chat.completions.create(
            model="gpt",
            messages=HELLO,
            tools=[{"type": "function", "function": {"name": "weather", "parameters": {}}}],
        )
        message = got.choices[0].message
        assert message.content is None
        assert message.tool_calls is not None
        assert message.tool_calls[0].to_dict() == called
        again = await client.chat.completions.create(
            model="gpt",
            messages=[
                *HELLO,
                {"role": "assistant", "tool_calls": [called]},  # type: ignore[list-item]
                {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
            ],
        )
    assert again.choices[0].finish_reason == "tool_calls"
    assert gateway.provider.received[-1].body["messages"][-1]["content"] == "sunny"


async def test_errors_become_the_clients_own_exceptions(gateway: Gateway, key: str) -> None:
    async with gateway.openai(key) as client:
        with pytest.raises(openai.BadRequestError) as refused:
            await client.chat.completions.create(model="none", messages=HELLO)
        assert refused.value.param == "model"
    async with gateway.openai("sk-wrong-0123456789") as client:
        with pytest.raises(openai.AuthenticationError) as unknown:
            await client.chat.completions.create(model="gpt", messages=HELLO)
        assert unknown.value.type == "token_not_found_in_db"


async def test_a_fault_in_mid_stream_reaches_the_client_as_an_error(
    gateway: Gateway, key: str
) -> None:
    gateway.provider.streams(
        [chunk({"role": "assistant", "content": "Hel"}), 'data: {"error": {"message": "boom"}}\n\n']
    )
    response = await gateway.chat(key, stream=True)
    assert response.status_code == 200
    assert "[DONE]" not in response.text
    assert '"content":"Hel"' in response.text
    assert '{"error":{' in response.text.split("\n\n")[-2]
    async with gateway.openai(key) as client:
        stream = await client.chat.completions.create(model="gpt", messages=HELLO, stream=True)
        with pytest.raises(openai.APIError):
            _ = [event async for event in stream]


@pytest.mark.parametrize("stream", [False, True])
async def test_half_a_surrogate_pair_in_an_answer_arrives(
    gateway: Gateway, key: str, stream: bool
) -> None:
    if stream:
        half = json.dumps(chunk({"content": "a\ud83d"}))
        gateway.provider.streams([f"data: {half}\n\n", chunk({}, "stop")])
    else:
        gateway.provider.does(
            Response(json.dumps(completion("a\ud83d")), media_type="application/json")
        )
    response = await gateway.chat(key, stream=stream)
    assert response.status_code == 200
    assert r'"a\ud83d"' in response.text


async def test_models_are_listed_for_callers_in_openais_shape(gateway: Gateway, key: str) -> None:
    await gateway.add_model("a/b")
    for prefix in CALL_PREFIXES:
        async with gateway.openai(key, prefix) as client:
            listed = [model async for model in client.models.list()]
            assert [model.id for model in listed] == ["a/b", "gpt"]
            assert all(
                model.to_dict().keys() == {"id", "object", "created", "owned_by"}
                for model in listed
            )
            assert (await client.models.retrieve("a/b")).owned_by == "openai"
            with pytest.raises(openai.NotFoundError) as missing:
                await client.models.retrieve("none")
            assert missing.value.code == "model_not_found"


async def test_models_are_listed_for_admins_with_what_is_registered(gateway: Gateway) -> None:
    made = await gateway.add_model("m")
    listed = (await gateway.manage("GET", "/models")).json()
    assert listed["object"] == "list"
    assert listed["data"] == [made | {"owned_by": "openai"}]
    assert "sk-upstream" not in str(listed)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/models"),
        ("PATCH", "/models/gpt"),
        ("DELETE", "/models/gpt"),
        ("GET", "/keys"),
        ("POST", "/keys"),
        ("GET", "/keys/x"),
        ("DELETE", "/keys/x"),
    ],
)
async def test_a_gateway_key_manages_nothing(
    gateway: Gateway, key: str, method: str, path: str
) -> None:
    refused = await gateway.request(method, f"/api/v1/gateway{path}", key, {})
    assert (refused.status_code, refused.json()["error"]["type"]) == (401, "auth_error")
    assert (await gateway.manage("GET", "/models/gpt")).status_code == 200
    nobody = await gateway.request(method, f"/api/v1/gateway{path}", None, {})
    assert nobody.status_code == 401


async def test_an_admin_key_calls_too(gateway: Gateway) -> None:
    await gateway.add_model()
    assert (await gateway.chat(gateway.admin_key)).status_code == 200
