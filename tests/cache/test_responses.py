"""The cache of answers, over HTTP."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import httpx
import pytest
from starlette.types import Message

from gateway.cache.redis import PREFIX, RedisPlace
from gateway.http.requests import ClientGone
from gateway.http.sse import EventStream
from gateway.records import Call, Operation
from gateway.vault import hash_key
from tests import media
from tests.cache.conftest import Cached, Clock, hit
from tests.calls import REQUESTS, streamed, whole
from tests.servers import IN_BOTH_LANES, TESTER, Gateway, Json, answer, chunk, chunks, completion

WHOLE = (Operation.CHAT, Operation.COMPLETION, Operation.EMBEDDING, Operation.MESSAGES)
STREAMED = (Operation.CHAT, Operation.COMPLETION, Operation.MESSAGES)
MEDIA = (Operation.MODERATION, Operation.SPEECH, Operation.TRANSCRIPTION, Operation.RERANK)


async def send(cached: Cached, operation: Operation, **more: Any) -> httpx.Response:
    """Call the model of an operation, which is at Anthropic for Messages."""
    name = "claude" if operation is Operation.MESSAGES else "gpt"
    if name not in cached.gateway.app.state.services.registry.catalogue.groups:
        await cached.gateway.add_model(
            name, provider="anthropic", base_url=cached.gateway.provider.url
        )
    body = {"model": name} | REQUESTS[operation] | more
    return await cached.gateway.request("POST", f"/v1{operation}", cached.key, body)


def numbered(gateway: Gateway) -> None:
    """Have the provider give another answer each time."""
    given = iter(range(100))
    gateway.provider.does(lambda: answer(completion(f"answer {next(given)}")))


async def test_off_unless_asked_for(gateway: Gateway, key: str) -> None:
    responses = [await gateway.chat(key) for _ in range(2)]
    assert len(gateway.provider.received) == 2
    assert all("x-litellm-cache-key" not in response.headers for response in responses)


@IN_BOTH_LANES
@pytest.mark.parametrize("operation", WHOLE)
async def test_a_hit_is_the_first_answer_and_costs_nothing(
    cached: Cached, operation: Operation
) -> None:
    gateway = cached.gateway
    gateway.provider.does(answer(whole(operation)))
    first, second = [await send(cached, operation) for _ in range(2)]
    assert cached.calls == 1
    assert (hit(first), hit(second)) == (False, True)
    assert second.content == first.content
    assert second.headers["x-litellm-cache-key"] == first.headers["x-litellm-cache-key"]
    assert second.headers["x-litellm-response-cost"] == "0.0"
    assert second.headers["x-litellm-model-id"] == first.headers["x-litellm-model-id"]
    paid, free = await gateway.rows(cached.key_id, 2)
    assert (paid.cache_hit, free.cache_hit) == (False, True)
    assert paid.prompt_tokens == 11
    assert (free.prompt_tokens, free.completion_tokens, free.cost) == (0, 0, 0)
    assert (free.outcome, free.status, free.served_model) == ("complete", 200, paid.served_model)
    assert free.deployment_id == paid.deployment_id


def told(response: httpx.Response) -> list[object]:
    """The events of a stream, whatever spaces the provider puts into them."""
    lines = [line.partition("data: ")[2] for line in response.text.split("\n")]
    return [json.loads(line) for line in lines if line.startswith("{")]


@IN_BOTH_LANES
@pytest.mark.parametrize("operation", STREAMED)
async def test_a_stream_is_replayed_event_by_event(cached: Cached, operation: Operation) -> None:
    gateway = cached.gateway
    gateway.provider.streams(streamed(operation))
    first, second = [await send(cached, operation, stream=True) for _ in range(2)]
    assert cached.calls == 1
    assert (hit(first), hit(second)) == (False, True)
    assert told(second) == told(first)
    assert "[DONE]" in second.text or "message_stop" in second.text
    assert second.headers["x-litellm-response-cost"] == "0.0"
    paid, free = await gateway.rows(cached.key_id, 2)
    assert (free.cache_hit, free.outcome, free.cost, free.stream) == (True, "complete", 0, True)
    assert (free.prompt_tokens, free.completion_tokens) == (0, 0)
    assert paid.completion_tokens == 6
    assert free.first_token_ms is not None


@pytest.mark.parametrize("operation", MEDIA)
async def test_what_is_no_text_is_cached_too(cached: Cached, operation: Operation) -> None:
    gateway = cached.gateway
    await gateway.add_model("media", **media.at(operation, gateway.provider.url))
    gateway.provider.does(lambda: media.whole(operation))
    first, second = [await media.send(gateway, operation, cached.key) for _ in range(2)]
    assert (first.status_code, cached.calls) == (200, 1)
    assert (hit(first), hit(second)) == (False, True)
    assert second.content == first.content
    assert second.headers["content-type"] == first.headers["content-type"]
    _, free = await gateway.rows(cached.key_id, 2)
    assert (free.cache_hit, free.prompt_tokens, free.cost) == (True, 0, 0)


async def test_a_form_has_the_field_as_json(cached: Cached) -> None:
    gateway, operation = cached.gateway, Operation.TRANSCRIPTION
    await gateway.add_model("media", **media.at(operation, gateway.provider.url))
    gateway.provider.does(lambda: media.whole(operation))
    refused = await media.send(gateway, operation, cached.key, {"cache": "{"})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "cache")
    left = await media.send(gateway, operation, cached.key, {"cache": '{"use-cache": false}'})
    assert (left.status_code, hit(left)) == (200, None)
    other: media.Files = [("file", ("speech.wav", media.wav(100), "audio/wav"))]
    given = [
        await media.send(gateway, operation, cached.key, files=files) for files in (None, other)
    ]
    assert [hit(each) for each in given] == [False, False]


async def test_images_are_not_cached(cached: Cached) -> None:
    gateway, operation = cached.gateway, Operation.IMAGE
    await gateway.add_model("media", **media.at(operation, gateway.provider.url))
    gateway.provider.does(lambda: media.whole(operation))
    assert hit(await media.send(gateway, operation, cached.key)) is None


@IN_BOTH_LANES
async def test_usage_is_in_the_stream_of_whoever_asks(cached: Cached) -> None:
    cached.gateway.provider.streams(chunks())
    plain = await cached.chat(stream=True)
    asked = await cached.chat(stream=True, stream_options={"include_usage": True})
    assert cached.calls == 1
    assert '"usage"' not in plain.text
    assert '"total_tokens":17' in asked.text


async def test_streams_and_wholes_are_apart(cached: Cached) -> None:
    await cached.chat()
    cached.gateway.provider.streams(chunks())
    assert hit(await cached.chat(stream=True)) is False
    assert hit(await cached.chat()) is True
    assert hit(await cached.chat(stream=True)) is True
    assert cached.calls == 2


async def test_answers_stay_with_their_key(cached: Cached) -> None:
    numbered(cached.gateway)
    first = await cached.chat()
    other = await cached.chat(cached.other)
    assert hit(other) is False
    assert other.content != first.content
    assert other.headers["x-litellm-cache-key"] != first.headers["x-litellm-cache-key"]


async def test_a_namespace_of_the_callers_choice_leads_to_no_other_key(cached: Cached) -> None:
    await cached.chat(cache={"namespace": "ours"})
    assert hit(await cached.chat(cached.other, cache={"namespace": "ours"})) is False
    assert hit(await cached.chat()) is False
    assert hit(await cached.chat(cache={"namespace": "ours"})) is True


async def test_keys_share_answers_where_the_operator_says_so(cached: Cached) -> None:
    gateway = cached.gateway
    team = await gateway.manage("POST", "/teams", {"name": "us", "team_id": "us"})
    assert team.status_code == 201, team.text
    mates = [(await gateway.issue_key(team_id="us"))["key"] for _ in range(2)]
    await cached.configure(cache_params={"scope": "team"})
    assert [hit(await cached.chat(each)) for each in (*mates, cached.key, cached.other)] == [
        False,
        True,
        False,
        False,
    ]
    await cached.configure(cache_params={"scope": "all"})
    assert [hit(await cached.chat(each)) for each in (*mates, cached.key, cached.other)] == [
        False,
        True,
        True,
        True,
    ]


async def test_an_answer_ends_with_its_time(cached: Cached, clock: Clock) -> None:
    numbered(cached.gateway)
    await cached.configure(cache_params={"ttl": 60})
    first = await cached.chat()
    clock.now += 59.9
    assert hit(await cached.chat()) is True
    clock.now += 0.1
    again = await cached.chat()
    assert hit(again) is False
    assert again.content != first.content


async def test_a_request_sets_its_own_time_to_live(cached: Cached, clock: Clock) -> None:
    await cached.chat(cache={"ttl": 5})
    clock.now += 5
    assert hit(await cached.chat()) is False
    await cached.chat(cache={"no-cache": True, "ttl": 10_000})
    clock.now += 9_999
    assert hit(await cached.chat()) is True


@pytest.mark.parametrize("name", ["s-maxage", "s-max-age"])
async def test_a_request_says_how_old_an_answer_may_be(
    cached: Cached, clock: Clock, name: str
) -> None:
    await cached.chat()
    clock.now += 30
    assert hit(await cached.chat(cache={name: 30})) is True
    assert hit(await cached.chat(cache={name: 29})) is False
    # What came in its place is new.
    assert hit(await cached.chat(cache={name: 0})) is True


async def test_no_cache_calls_the_model_and_renews_the_answer(cached: Cached) -> None:
    numbered(cached.gateway)
    await cached.chat()
    renewed = await cached.chat(cache={"no-cache": True})
    assert hit(renewed) is False
    assert (await cached.chat()).content == renewed.content
    assert cached.calls == 2


async def test_no_store_leaves_nothing_behind(cached: Cached) -> None:
    assert hit(await cached.chat(cache={"no-store": True})) is False
    assert hit(await cached.chat()) is False
    # It may be answered by what is there.
    assert hit(await cached.chat(cache={"no-store": True})) is True


async def test_the_header_says_the_same(cached: Cached, clock: Clock) -> None:
    async def chat(directives: str) -> bool | None:
        body = {"model": "gpt", "messages": [{"role": "user", "content": "hello"}]}
        headers = {"cache-control": directives}
        return hit(
            await cached.gateway.request("POST", "/v1/chat/completions", cached.key, body, headers)
        )

    assert await chat("no-store") is False
    assert await chat("max-age=60") is False
    assert await chat("max-age=60") is True
    clock.now += 61
    assert await chat("s-maxage=60, x") is False
    assert await chat("no-cache") is False
    assert await chat("no-cache, no-store") is None


async def test_a_request_can_do_without(cached: Cached) -> None:
    await cached.chat()
    assert hit(await cached.chat(cache={"use-cache": False})) is None
    assert cached.calls == 2


async def test_a_request_opts_in(cached: Cached) -> None:
    for settings in ({"cache": False}, {"cache": True, "cache_params": {"mode": "default_off"}}):
        await cached.configure(**settings)
        assert hit(await cached.chat()) is None
        asked = [hit(await cached.chat(cache={"use-cache": True})) for _ in range(2)]
        assert asked[-1] is True


async def test_a_model_opts_in_and_out(cached: Cached) -> None:
    await cached.configure(cache=False)
    await cached.gateway.add_model("always", litellm_params={"model": "m", "caching": True})
    await cached.gateway.add_model("never", litellm_params={"model": "m", "caching": False})
    assert hit(await cached.chat(model="gpt")) is None
    assert [hit(await cached.chat(model="always")) for _ in range(2)] == [False, True]
    # What is the gateway's own is not sent to the provider.
    assert "caching" not in cached.gateway.provider.received[-1].body
    await cached.configure(cache=True)
    assert hit(await cached.chat(model="never", cache={"use-cache": True})) is None


async def test_the_field_does_not_reach_the_provider(cached: Cached) -> None:
    await cached.chat(cache={"use-cache": True, "ttl": 10})
    assert "cache" not in cached.gateway.provider.received[-1].body


async def test_operations_that_are_not_named_are_not_cached(cached: Cached) -> None:
    await cached.configure(cache_params={"supported_call_types": ["embedding"]})
    assert hit(await cached.chat(cache={"use-cache": True})) is None


async def test_errors_are_not_stored_and_hide_no_answer(cached: Cached) -> None:
    cached.gateway.provider.does(answer({"error": {"message": "no"}}, 500))
    assert (await cached.gateway.chat(cached.key)).status_code == 500
    cached.gateway.provider.behaviour = None
    assert hit(await cached.chat()) is False
    cached.gateway.provider.does(answer({"error": {"message": "no"}}, 500))
    assert hit(await cached.chat()) is True


@IN_BOTH_LANES
async def test_a_stream_that_breaks_off_is_not_stored(cached: Cached) -> None:
    events: list[Json | str] = [chunk({"content": "a"}), 'data: {"error": {"message": "x"}}\n\n']
    cached.gateway.provider.streams(events)
    assert "[DONE]" not in (await cached.chat(stream=True)).text
    cached.gateway.provider.streams(chunks())
    assert hit(await cached.chat(stream=True)) is False


async def test_a_stream_whose_client_leaves_is_not_stored(cached: Cached) -> None:
    gateway = cached.gateway
    gateway.provider.streams(chunks(), hang_after=3)
    async with gateway.streaming(cached.key) as lines:
        await anext(lines)
    await asyncio.wait_for(gateway.provider.left.wait(), 5)
    await gateway.rows(cached.key_id)
    gateway.provider.streams(chunks())
    response = await cached.chat(stream=True, messages=[{"role": "user", "content": "x"}])
    assert hit(response) is False


async def test_what_a_fallback_answers_is_not_stored(cached: Cached) -> None:
    gateway = cached.gateway
    await gateway.add_model("spare", base_url=f"{gateway.provider.url}/spare")
    store = gateway.app.state.services.store
    await store.settings.change(lambda old: replace(old, fallbacks={"gpt": ["spare"]}), TESTER)

    async def behaviour(request: Any) -> Any:
        broken = request.url.path.startswith("/v1")
        return answer({"error": {"message": "x"}}, 500) if broken else answer(completion("spare"))

    gateway.provider.behaviour = behaviour
    assert (await cached.chat()).json()["choices"][0]["message"]["content"] == "spare"
    gateway.provider.behaviour = None
    assert hit(await cached.chat()) is False


async def test_a_change_of_the_model_leaves_its_answers_behind(cached: Cached) -> None:
    await cached.chat()
    response = await cached.gateway.manage(
        "PATCH", "/models/gpt", {"litellm_params": {"model": "another"}}
    )
    assert response.status_code == 200, response.text
    assert hit(await cached.chat()) is False


async def test_a_hit_needs_what_every_call_needs(cached: Cached) -> None:
    gateway = cached.gateway
    spent = await gateway.issue_key(max_budget=0.00001)
    limited = await gateway.issue_key(rpm_limit=1)
    denied = await gateway.issue_key(models=["other"])
    await cached.configure(cache_params={"scope": "all"})
    await gateway.add_model("dear", litellm_params={"model": "m", "input_cost_per_token": 0.001})
    await cached.chat(model="dear")
    assert hit(await cached.chat(model="dear")) is True
    await cached.chat(spent["key"], model="dear", cache={"no-cache": True})
    refused = await gateway.chat(spent["key"], model="dear")
    assert (refused.status_code, refused.json()["error"]["type"]) == (422, "budget_exceeded")
    assert hit(await cached.chat(limited["key"], model="dear")) is True
    assert (await gateway.chat(limited["key"], model="dear")).status_code == 429
    assert (await gateway.chat(denied["key"], model="dear")).status_code == 403
    assert (await gateway.chat("sk-nobodys", model="dear")).status_code == 401


async def test_a_hit_counts_no_tokens_and_no_money(cached: Cached) -> None:
    gateway = cached.gateway
    await gateway.add_model("dear", litellm_params={"model": "m", "input_cost_per_token": 0.001})
    key = (await gateway.issue_key(tpm_limit=1000, max_budget=10_000))["key"]
    await cached.chat(key, model="dear")
    left = [await cached.chat(key, model="dear") for _ in range(2)]
    assert [r.headers["x-ratelimit-remaining-tokens"] for r in left] == ["983", "983"]
    assert {r.headers["x-litellm-key-spend"] for r in left} == {"0.011"}


def streamed_call(cached: Cached) -> Call:
    registry = cached.gateway.app.state.services.registry
    key = registry.key(hash_key(cached.key))
    messages = [{"role": "user", "content": "hello"}]
    body = {"model": "gpt", "messages": messages, "stream": True}
    return Call(Operation.CHAT, key, body, "request")


async def test_a_replay_that_is_left_costs_nothing(cached: Cached) -> None:
    cached.gateway.provider.streams(chunks())
    events = (await cached.chat(stream=True)).text.count("data: {")
    pipeline = cached.gateway.app.state.services.pipeline
    for read in range(events):
        async with aclosing(await pipeline.stream(streamed_call(cached))) as stream:
            shown = aiter(stream)
            for _ in range(read):
                await anext(shown)
            # What would be booked if the process died now.
            [running] = cached.gateway.app.state.services.ledger._running.values()
            assert (running.cache_hit, running.cost) == (True, 0)
    rows = (await cached.gateway.rows(cached.key_id, events + 1))[1:]
    assert cached.calls == 1
    assert {(row.cache_hit, row.outcome) for row in rows} == {(True, "cancelled")}
    assert {(row.prompt_tokens, row.completion_tokens, row.cost) for row in rows} == {(0, 0, 0)}


async def test_a_client_that_leaves_ends_a_replay(cached: Cached) -> None:
    cached.gateway.provider.streams(chunks())
    await cached.chat(stream=True)
    started = asyncio.Event()

    async def receive() -> Message:
        await started.wait()
        return {"type": "http.disconnect"}

    async def send(_: Message) -> None:
        started.set()
        await asyncio.sleep(60)

    pipeline = cached.gateway.app.state.services.pipeline
    with pytest.raises(ClientGone):
        await EventStream(pipeline, streamed_call(cached))({}, receive, send)
    _, left = await cached.gateway.rows(cached.key_id, 2)
    assert (left.cache_hit, left.outcome, left.cost) == (True, "cancelled", 0)


async def test_an_answer_that_is_too_large_is_not_stored(cached: Cached) -> None:
    await cached.configure(cache_params={"max_entry_bytes": 1024})
    cached.gateway.provider.does(answer(completion("x" * 1500)))
    assert [hit(await cached.chat()) for _ in range(2)] == [False, False]
    cached.gateway.provider.streams(chunks("x" * 1500))
    assert [hit(await cached.chat(stream=True)) for _ in range(2)] == [False, False]


@pytest.mark.parametrize(
    ("field", "param", "code"),
    [
        ("yes", "cache", "invalid_type"),
        ({"ttl": "60"}, "cache.ttl", "invalid_type"),
        ({"ttl": True}, "cache.ttl", "invalid_type"),
        ({"ttl": 0}, "cache.ttl", "invalid_value"),
        ({"s-maxage": -1}, "cache.s-maxage", "invalid_value"),
        ({"no-cache": 1}, "cache.no-cache", "invalid_type"),
        ({"namespace": ""}, "cache.namespace", "invalid_value"),
        ({"namespace": 5}, "cache.namespace", "invalid_type"),
        ({"no_cache": True}, "cache.no_cache", "unknown_parameter"),
    ],
)
async def test_a_field_that_is_wrong_is_refused(
    cached: Cached, field: Any, param: str, code: str
) -> None:
    response = await cached.gateway.chat(cached.key, cache=field)
    assert response.status_code == 400
    error = response.json()["error"]
    assert (error["param"], error["code"]) == (param, code)
    assert cached.calls == 0


async def test_requests_at_the_same_time_may_all_be_sent(cached: Cached) -> None:
    got = await asyncio.gather(*(cached.chat() for _ in range(5)))
    assert 1 <= cached.calls <= 5
    assert sum(hit(response) is False for response in got) == cached.calls
    assert hit(await cached.chat()) is True


async def test_the_file_is_the_owners_alone_and_outlives_the_process(cached: Cached) -> None:
    await cached.configure(cache_params={"type": "sqlite"})
    await cached.chat()
    assert cached.file.stat().st_mode & 0o777 == 0o600
    # As a restart does: what was open is closed, and opened anew.
    await cached.cache.aclose()
    cached.cache._place = None
    assert hit(await cached.chat()) is True


async def test_a_cache_that_fails_fails_no_call(
    cached: Cached, caplog: pytest.LogCaptureFixture
) -> None:
    cached.file.write_bytes(b"no database at all" * 100)
    await cached.configure(cache_params={"type": "sqlite"})
    assert [hit(await cached.chat()) for _ in range(3)] == [False, False, False]
    assert caplog.text.count("The response cache (sqlite) fails") == 1
    await cached.configure(cache_params={"type": "redis"})
    assert [hit(await cached.chat()) for _ in range(2)] == [False, False]
    assert "GATEWAY_REDIS_URL is not set" in caplog.text


async def test_hits_are_counted_apart_in_the_usage(cached: Cached) -> None:
    for _ in range(3):
        await cached.chat()
    await cached.gateway.rows(cached.key_id, 3)
    report = (await cached.gateway.manage("GET", "/usage?group_by=model")).json()
    assert (report["total"]["requests"], report["total"]["cache_hits"]) == (3, 2)
    # From the single requests as from the sums by day.
    single = (await cached.gateway.manage("GET", "/usage?percentiles=true")).json()
    assert single["total"]["cache_hits"] == 2
    listed = (await cached.gateway.manage("GET", "/usage/requests")).json()["data"]
    assert [each["cache_hit"] for each in listed] == [True, True, False]
    as_csv = await cached.gateway.manage("GET", "/usage?group_by=model&format=csv")
    health = "/health/readiness/details"
    details = await cached.gateway.request("GET", health, cached.gateway.admin_key)
    assert details.json()["cache"] == "local"
    assert "cache_hits" in as_csv.text.splitlines()[0].split(",")
    logs = await cached.gateway.request("GET", "/spend/logs", cached.gateway.admin_key)
    assert sorted(each["cache_hit"] for each in logs.json()) == ["False", "True", "True"]


async def test_a_hit_is_in_the_transcripts(cached: Cached) -> None:
    await cached.configure(store_prompts_in_spend_logs=True)
    cached.gateway.provider.streams(chunks())
    for _ in range(2):
        await cached.chat(stream=True)
    rows = await cached.gateway.rows(cached.key_id, 2)
    kept = [
        (await cached.gateway.manage("GET", f"/usage/requests/{row.id}/transcript")).json()[
            "response"
        ]
        for row in rows
    ]
    assert "Hello from the fake provider." in json.dumps(kept[0])
    assert "Hello from the fake provider." in json.dumps(kept[1])


async def test_redis_keeps_answers_for_all_processes(cached: Cached, redis_url: str) -> None:
    cached.cache._redis_url = redis_url
    await cached.configure(cache_params={"type": "redis", "ttl": 60})
    first = await cached.chat()
    await cached.cache.aclose()
    cached.cache._place = None
    try:
        assert [hit(first), hit(await cached.chat())] == [False, True]
    finally:
        place = RedisPlace(redis_url)
        client = await place._opened()
        gone = await client.delete(PREFIX + first.headers["x-litellm-cache-key"])
        await place.aclose()
    assert gone == 1


async def test_a_redis_that_is_gone_fails_no_call(cached: Cached) -> None:
    cached.cache._redis_url = "redis://:a-password@127.0.0.1:1/0"
    await cached.configure(cache_params={"type": "redis"})
    assert [hit(await cached.chat()) for _ in range(2)] == [False, False]
    shown = await cached.gateway.manage("GET", "/settings")
    assert shown.json()["cache_params"] == {"type": "redis"}


async def test_settings_that_this_gateway_does_not_know_leave_the_cache_off(
    cached: Cached, caplog: pytest.LogCaptureFixture
) -> None:
    store = cached.gateway.app.state.services.store
    await store.settings.change(lambda old: replace(old, cache_params={"new": 1}), TESTER)
    assert [hit(await cached.chat()) for _ in range(2)] == [None, None]
    assert caplog.text.count("Nothing is cached") == 1


def response_object(status: str = "completed") -> Json:
    text = {"type": "output_text", "text": "Hi", "annotations": []}
    said = {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant"}
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1700000000,
        "status": status,
        "model": "upstream-model",
        "output": [said | {"content": [text]}],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {"input_tokens": 11, "output_tokens": 6, "total_tokens": 17},
    }


async def test_a_response_is_cached_if_its_provider_does_not_keep_it(cached: Cached) -> None:
    async def respond(**more: Any) -> httpx.Response:
        body = {"model": "gpt", "input": "hello"} | more
        return await cached.gateway.request("POST", "/v1/responses", cached.key, body)

    cached.gateway.provider.does(lambda: answer(response_object()))
    assert [hit(await respond()) for _ in range(2)] == [None, None]
    first, second = [await respond(store=False) for _ in range(2)]
    assert (hit(first), hit(second)) == (False, True)
    assert second.json()["output"] == first.json()["output"]
    assert hit(await respond(store=False, previous_response_id=first.json()["id"])) is None
    cached.gateway.provider.does(lambda: answer(response_object("incomplete")))
    cut = [hit(await respond(store=False, max_output_tokens=16)) for _ in range(2)]
    assert cut == [False, False]


async def test_a_streamed_response_is_replayed(cached: Cached) -> None:
    events: list[Json] = [
        {"type": "response.created", "response": response_object("in_progress")},
        {"type": "response.output_text.delta", "delta": "Hi", "item_id": "msg_1",
         "output_index": 0, "content_index": 0},
        {"type": "response.completed", "response": response_object()},
    ]  # fmt: skip
    numbered = [each | {"sequence_number": number} for number, each in enumerate(events)]
    cached.gateway.provider.streams([*numbered], done=False)
    # litellm streams those alone that its table has.
    await cached.gateway.add_model("known", litellm_params={"model": "gpt-4o"})
    body = {"model": "known", "input": "hello", "store": False, "stream": True}
    first, second = [
        await cached.gateway.request("POST", "/v1/responses", cached.key, body) for _ in range(2)
    ]
    assert (hit(first), hit(second)) == (False, True)
    names = [line for line in first.text.splitlines() if line.startswith("event: ")]
    assert names[-1] == "event: response.completed"
    assert [line for line in second.text.splitlines() if line.startswith("event: ")] == names
