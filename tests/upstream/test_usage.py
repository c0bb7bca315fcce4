"""From what a provider reports to what it costs: a fake provider, litellm, the lane, the prices."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import litellm
import pytest

from gateway.litellm_names import TOKEN_PRICES
from gateway.pricing import prices_of
from gateway.records import Call, CallSettings, Model, Operation, Usage
from gateway.specs import key_record, model_spec
from gateway.upstream import reports
from gateway.upstream.litellm_lane import LitellmLane
from gateway.upstream.usage import is_report, read_usage, service_tier
from tests.published_usage import ROWS, Json, Row
from tests.servers import FakeProvider, answer, chunks, completion
from tests.upstream import answers
from tests.upstream.providers import registration

CASES = [
    pytest.param(row, stream, id=f"{row.name}{', streamed' if stream else ''}")
    for row in ROWS
    for stream in (False, True)
    if row.wire and (not stream or row.wire in answers.STREAMED)
]
OPERATIONS = {"embeddings": Operation.EMBEDDING, "text": Operation.COMPLETION}
BODIES: dict[Operation, Json] = {
    Operation.CHAT: {"messages": [{"role": "user", "content": "hello"}]},
    Operation.COMPLETION: {"prompt": "hello"},
    Operation.EMBEDDING: {"input": "hello"},
}


def model_at(url: str, provider: str, name: str, **params: Any) -> Model:
    try:
        fields = registration(provider, url)
    except KeyError:
        fields = {"provider": provider, "api_key": "k", "base_url": f"{url}/v1"}
    fields["litellm_params"] = fields.get("litellm_params", {}) | {"model": name} | params
    return model_spec({"model_name": "m", **fields}).record(None, None, 1)


async def reported(
    litellm_lane: LitellmLane,
    model: Model,
    operation: Operation = Operation.CHAT,
    stream: bool = False,
    **params: Any,
) -> Usage | None:
    body = {"model": "m", **BODIES[operation], **params, **({"stream": True} if stream else {})}
    call = Call(operation, key_record("", "", 0), body, "r")
    if not stream:
        return (await litellm_lane.complete(call, model, CallSettings())).usage
    batches = litellm_lane.stream(call, model, CallSettings())
    usages = [piece.usage async for batch in batches for piece in batch]
    assert not any(usages[:-1])
    return usages[-1]


@pytest.mark.parametrize(("row", "stream"), CASES)
async def test_published_usage(
    litellm_lane: LitellmLane, provider: FakeProvider, row: Row, stream: bool
) -> None:
    model = model_at(provider.url, row.provider, row.model)
    answers.give(provider, row, stream)
    operation = OPERATIONS.get(row.wire or "", Operation.CHAT)
    usage = await reported(litellm_lane, model, operation, stream)
    prices = prices_of(model)
    assert usage == row.usage
    assert prices
    assert prices.cost(usage) == row.cost


# What is no report


def without_usage(body: Json) -> Json:
    return {name: value for name, value in body.items() if name != "usage"}


@pytest.mark.parametrize("provided", ["openai", "azure", "mistral", "hosted_vllm"])
@pytest.mark.parametrize("nothing", [{}, {"usage": None}, {"usage": {}}])
async def test_an_answer_without_usage(
    litellm_lane: LitellmLane, provider: FakeProvider, provided: str, nothing: Json
) -> None:
    provider.does(answer(without_usage(completion("Hello!")) | nothing))
    assert await reported(litellm_lane, model_at(provider.url, provided, "gpt-4o")) is None


@pytest.mark.parametrize("provided", ["openai", "azure", "mistral", "hosted_vllm"])
async def test_a_stream_without_usage(
    litellm_lane: LitellmLane, provider: FakeProvider, provided: str
) -> None:
    """litellm ends it with its own count, which is shown, but is no report."""
    provider.streams(chunks()[:-1])
    model = model_at(provider.url, provided, "gpt-4o")
    body = {"model": "m", **BODIES[Operation.CHAT], "stream": True}
    call = Call(Operation.CHAT, key_record("", "", 0), body, "r")
    seen = [
        piece async for batch in litellm_lane.stream(call, model, CallSettings()) for piece in batch
    ]
    assert seen[-1].body["usage"]["prompt_tokens"] > 0
    assert [piece.usage for piece in seen] == [None] * len(seen)


@pytest.mark.parametrize("provided", ["openai", "azure", "hosted_vllm"])
async def test_a_text_completions_stream_without_usage(
    litellm_lane: LitellmLane, provider: FakeProvider, provided: str
) -> None:
    choice = {"text": "Hi", "index": 0, "logprobs": None, "finish_reason": "stop"}
    piece = {"id": "c", "object": "text_completion", "created": 1, "model": "x"}
    provider.streams([piece | {"choices": [choice]}])
    model = model_at(provider.url, provided, "gpt-3.5-turbo-instruct")
    assert await reported(litellm_lane, model, Operation.COMPLETION, stream=True) is None


@pytest.mark.parametrize("stream", [False, True])
async def test_ollama_may_not_count(
    litellm_lane: LitellmLane, provider: FakeProvider, stream: bool
) -> None:
    """litellm counts in its place, and does not say so."""
    row = next(row for row in ROWS if row.wire == "ollama")
    silent = replace(row, reported={})
    answers.give(provider, silent, stream)
    assert (
        await reported(litellm_lane, model_at(provider.url, "ollama", "llama3.1"), stream=stream)
        is None
    )


@pytest.mark.parametrize(
    ("provided", "body", "usage"),
    [
        (
            "ollama",
            {"model": "e", "embeddings": [[0.5]], "prompt_eval_count": 3},
            Usage(prompt_tokens=3),
        ),
        # Google's never count.
        ("gemini", {"embeddings": [{"values": [0.5]}]}, None),
    ],
)
async def test_embeddings_that_may_not_be_counted(
    litellm_lane: LitellmLane,
    provider: FakeProvider,
    provided: str,
    body: Json,
    usage: Usage | None,
) -> None:
    provider.does(answer(body))
    model = model_at(provider.url, provided, "gemini-embedding-001")
    assert await reported(litellm_lane, model, Operation.EMBEDDING) == usage


# Service tiers


@pytest.mark.parametrize(
    ("served", "asked", "tier"),
    [
        ("flex", None, "flex"),
        ("priority", "auto", "priority"),
        # What is not to be had is answered, and charged, as usual.
        ("default", "priority", ""),
        ("standard", "flex", ""),
        # Not every answer says.
        (None, "flex", "flex"),
        (None, "auto", ""),
        (None, None, ""),
        ("scale", "flex", ""),
        ("FLEX", None, "flex"),
        ("ON_DEMAND_PRIORITY", None, "priority"),
        ("ON_DEMAND", "priority", ""),
        (7, None, ""),
    ],
)
def test_service_tier(served: Any, asked: Any, tier: str) -> None:
    assert service_tier(served, asked) == tier


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("served", "tier"),
    [({}, "flex"), ({"service_tier": "default"}, ""), ({"service_tier": "priority"}, "priority")],
)
async def test_tier_that_was_asked_for(
    litellm_lane: LitellmLane, provider: FakeProvider, stream: bool, served: Json, tier: str
) -> None:
    answers.give(provider, replace(ROWS[0], more=served), stream)
    model = model_at(provider.url, "openai", "gpt-4o")
    usage = await reported(litellm_lane, model, stream=stream, service_tier="flex")
    assert usage
    assert usage.tier == tier


# What the provider gets


@pytest.mark.parametrize("row", [row for row in ROWS if row.wire], ids=lambda row: row.name)
async def test_prices_never_reach_a_provider(
    litellm_lane: LitellmLane, provider: FakeProvider, row: Row
) -> None:
    """Nor litellm, which would note them for every model of the same name."""
    base = {"base_model": f"{row.provider}/{row.model}"}
    named: Json = dict.fromkeys((*TOKEN_PRICES, "input_cost_per_token_above_200k_tokens_flex"), 1)
    named |= {"tiered_pricing": [], "search_context_cost_per_query": {}}
    before = dict(litellm.model_cost.get(row.model, {}))
    operation = OPERATIONS.get(row.wire or "", Operation.CHAT)
    bodies = []
    for params, info in ({}, {}), (named | base, base | named):
        plain = model_at(provider.url, row.provider, row.model)
        model = replace(plain, params={**plain.params, **params}, info=info)
        provider.reset()
        answers.give(provider, row, stream=False)
        await reported(litellm_lane, model, operation)
        bodies.append([(sent.path, sent.body) for sent in provider.received])
    assert bodies[0] == bodies[1]
    assert litellm.model_cost.get(row.model, {}) == before


@pytest.mark.parametrize("in_info", [False, True])
async def test_litellm_knows_a_deployment_by_its_base_model(
    litellm_lane: LitellmLane, provider: FakeProvider, in_info: bool
) -> None:
    """OpenAI's reasoning models take no `max_tokens`, and Azure names them as its customers do."""
    plain, base = model_at(provider.url, "azure", "deployment"), {"base_model": "azure/o3-mini"}
    known = replace(plain, info=base) if in_info else replace(plain, params=base)
    for model, name in ((plain, "max_tokens"), (known, "max_completion_tokens")):
        await reported(litellm_lane, model, max_tokens=5)
        assert provider.received[-1].body == {
            **BODIES[Operation.CHAT],
            "model": "deployment",
            name: 5,
        }


# Odd reports


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"prompt_tokens": None, "completion_tokens": None},
        {"prompt_tokens": "7", "completion_tokens": True, "total_tokens": -1},
        {"prompt_tokens": float("nan"), "prompt_tokens_details": 7},
        {"completion_tokens_details": [], "server_tool_use": 3},
    ],
)
def test_a_report_of_nothing(raw: Json) -> None:
    assert read_usage(raw) == Usage()
    assert not is_report(raw)


def test_parts_are_never_more_than_their_total() -> None:
    parts = dict.fromkeys(
        (
            "audio_tokens",
            "cached_tokens",
            "cache_write_tokens",
            "image_tokens",
            "reasoning_tokens",
        ),
        7,
    )
    usage = read_usage(
        {
            "prompt_tokens": 10,
            "completion_tokens": 10,
            "prompt_tokens_details": parts
            | {"cache_creation_token_details": {"ephemeral_1h_input_tokens": 8}},
            "completion_tokens_details": parts,
        }
    )
    # Written for an hour alone is written; there are 2 of the prompt left to have been cached.
    assert usage == Usage(
        prompt_tokens=10,
        completion_tokens=10,
        cache_write_tokens=8,
        cache_write_1h_tokens=8,
        cached_tokens=2,
        audio_completion_tokens=7,
        image_completion_tokens=3,
    )


def test_cached_audio_counts_as_cached() -> None:
    """OpenAI's realtime models say what was cached of each kind."""
    details = {
        "cached_tokens": 60,
        "audio_tokens": 70,
        "image_tokens": 20,
        "cached_tokens_details": {"audio_tokens": 40, "image_tokens": 20},
    }
    usage = read_usage({"prompt_tokens": 100, "prompt_tokens_details": details})
    assert usage == Usage(prompt_tokens=100, cached_tokens=60, audio_prompt_tokens=30)


# What cannot be had over HTTP here


@pytest.mark.parametrize("traffic", ["ON_DEMAND_FLEX", "ON_DEMAND"])
def test_googles_traffic_type_is_a_tier(traffic: str) -> None:
    """Vertex AI's, where litellm keeps it."""
    response: Any = litellm.ModelResponse()
    response.usage = litellm.Usage(prompt_tokens=1, completion_tokens=1, total_tokens=2)
    response._hidden_params = {"provider_specific_fields": {"traffic_type": traffic}}
    usage = reports.of_answer(response, reports.Witness("vertex_ai", Operation.CHAT))
    assert usage == Usage(
        prompt_tokens=1, completion_tokens=1, tier="flex" if traffic.endswith("FLEX") else ""
    )


@pytest.mark.parametrize(
    ("provided", "believed"), [("replicate", False), ("sagemaker", False), ("openai", True)]
)
def test_some_providers_never_report(provided: str, believed: bool) -> None:
    assert reports.Witness(provided, Operation.CHAT).believes is believed
