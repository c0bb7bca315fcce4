"""What providers' own formats hold beyond OpenAI's, as the providers send it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.servers import Gateway, answer, chunk, chunks, completion, usage
from tests.upstream import strict
from tests.upstream.conftest import events

Json = dict[str, Any]

WITH_USAGE = {"stream_options": {"include_usage": True}}


def ndjson(*lines: Json) -> list[Json | str]:
    return [json.dumps(line) + "\n" for line in lines]


def sse(*data: Json) -> list[Json | str]:
    return [f"event: {item.get('type')}\ndata: {json.dumps(item)}\n\n" for item in data]


OLLAMA_END = {
    "model": "llama3.1",
    "created_at": "2026-01-01T00:00:00Z",
    "message": {"role": "assistant", "content": ""},
    "done_reason": "stop",
    "done": True,
    "prompt_eval_count": 26,
    "eval_count": 4,
}


async def test_ollama(gateway: Gateway, key: str) -> None:
    """Its counts have names of their own, and no `system_fingerprint` is invented."""
    message = {"role": "assistant", "content": "Hello!"}
    gateway.provider.does(answer(OLLAMA_END | {"message": message}))
    body = (await gateway.chat(key, "fake-ollama")).json()
    strict.chat(body)
    assert body["usage"] == usage(26, 4)
    assert body["choices"][0] == {"index": 0, "finish_reason": "stop", "message": message}
    assert gateway.provider.received[0].path == "/api/chat"


async def test_ollama_stream(gateway: Gateway, key: str) -> None:
    """litellm gives each chunk an id; a stream's is one."""
    piece = {"model": "llama3.1", "created_at": "2026-01-01T00:00:00Z", "done": False}
    texts = [{"message": {"role": "assistant", "content": text}} for text in ("Hel", "lo!")]
    gateway.provider.streams(ndjson(*(piece | text for text in texts), OLLAMA_END), done=False)
    seen = events(await gateway.chat(key, "fake-ollama", stream=True, **WITH_USAGE))
    assert (seen.text, seen.finish_reasons, seen.done) == ("Hello!", ["stop"], True)
    assert len({piece["id"] for piece in seen.chunks}) == 1
    assert seen.usage
    assert {name: seen.usage[name] for name in usage()} == usage(26, 4)
    # One request: litellm would look the model up, at this host's Ollama, after each call.
    assert [request.path for request in gateway.provider.received] == ["/api/chat"]


async def test_mistral_stream(gateway: Gateway, key: str) -> None:
    """Mistral is not asked for usage, which it would refuse, and sends it with the last piece."""
    last = chunk({"content": ""}, "stop", usage=usage(26, 4))
    gateway.provider.streams([*chunks()[:3], last])
    seen = events(await gateway.chat(key, "fake-mistral", stream=True, **WITH_USAGE))
    assert (seen.text, seen.finish_reasons, seen.done) == ("Hello from", ["stop"], True)
    assert seen.usage
    assert {name: seen.usage[name] for name in usage()} == usage(26, 4)
    assert "stream_options" not in gateway.provider.received[0].body


ANTHROPIC: Json = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [
        {"type": "thinking", "thinking": "Let me see.", "signature": "sig=="},
        {"type": "text", "text": "Hello!"},
    ],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 10,
        "cache_creation_input_tokens": 20,
        "cache_read_input_tokens": 30,
        "output_tokens": 5,
    },
}
THOUGHT = {"type": "thinking", "thinking": "Let me see.", "signature": "sig=="}


async def test_anthropic_thinking_and_caching(gateway: Gateway, key: str) -> None:
    gateway.provider.does(answer(ANTHROPIC))
    thinking = {"type": "enabled", "budget_tokens": 1024}
    await gateway.add_model(
        "thinker",
        provider="anthropic",
        base_url=gateway.provider.url,
        litellm_params={"model": "claude-3-7-sonnet-20250219"},
    )
    body = (await gateway.chat(key, "thinker", thinking=thinking)).json()
    strict.chat(
        body,
        "reasoning_content",
        "thinking_blocks",
        "provider_specific_fields",
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
    )
    message = body["choices"][0]["message"]
    assert message["content"] == "Hello!"
    assert message["reasoning_content"] == "Let me see."
    assert message["thinking_blocks"] == [THOUGHT]
    counts = body["usage"]
    assert counts["prompt_tokens"] == 60
    assert counts["total_tokens"] == 65
    assert counts["prompt_tokens_details"]["cached_tokens"] == 30
    assert counts["cache_creation_input_tokens"] == 20
    assert counts["cache_read_input_tokens"] == 30
    assert gateway.provider.received[0].body["thinking"] == thinking


async def test_anthropic_thinking_in_a_stream(gateway: Gateway, key: str) -> None:
    start = ANTHROPIC | {"content": [], "stop_reason": None}
    block = {"type": "content_block_start", "index": 0}
    delta = {"type": "content_block_delta", "index": 0}
    thought, signature = THOUGHT["thinking"], THOUGHT["signature"]
    gateway.provider.streams(
        sse(
            {"type": "message_start", "message": start},
            block | {"content_block": {"type": "thinking", "thinking": "", "signature": ""}},
            delta | {"delta": {"type": "thinking_delta", "thinking": thought}},
            delta | {"delta": {"type": "signature_delta", "signature": signature}},
            {"type": "content_block_stop", "index": 0},
            block | {"index": 1, "content_block": {"type": "text", "text": ""}},
            delta | {"index": 1, "delta": {"type": "text_delta", "text": "Hello!"}},
            {"type": "content_block_stop", "index": 1},
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn"},
                "usage": {"output_tokens": 5},
            },
            {"type": "message_stop"},
        ),
        done=False,
    )
    seen = events(await gateway.chat(key, "fake-anthropic", stream=True, **WITH_USAGE))
    deltas = []
    for piece in seen.chunks:
        strict.chunk(
            piece,
            "reasoning_content",
            "thinking_blocks",
            "provider_specific_fields",
            "cache_creation_input_tokens",
            "cache_read_input_tokens",
        )
        deltas += [choice["delta"] for choice in piece["choices"]]
    assert (seen.text, seen.finish_reasons, seen.done) == ("Hello!", ["stop"], True)
    assert "".join(delta.get("reasoning_content", "") for delta in deltas) == thought
    blocks = [block for delta in deltas for block in delta.get("thinking_blocks", ())]
    assert "".join(block.get("thinking") or "" for block in blocks) == thought
    assert [block["signature"] for block in blocks if block.get("signature")] == [signature]
    assert seen.usage
    assert (seen.usage["prompt_tokens"], seen.usage["completion_tokens"]) == (60, 5)
    assert seen.usage["cache_read_input_tokens"] == 30


GEMINI: Json = {
    "candidates": [
        {
            "index": 0,
            "content": {
                "role": "model",
                "parts": [
                    {
                        "functionCall": {"name": "get_weather", "args": {"city": "Berne"}},
                        "thoughtSignature": "c2lnbmF0dXJl",
                    }
                ],
            },
            "finishReason": "STOP",
        }
    ],
    "usageMetadata": {
        "promptTokenCount": 10,
        "candidatesTokenCount": 5,
        "thoughtsTokenCount": 7,
        "totalTokenCount": 22,
    },
    "modelVersion": "gemini-3",
    "responseId": "r-1",
}


@pytest.mark.parametrize("streams", [False, True])
async def test_gemini_thought_signature(gateway: Gateway, key: str, streams: bool) -> None:
    """Gemini wants it back with the tool's result, so it must not be lost on the way."""
    if streams:
        gateway.provider.streams([f"data: {json.dumps(GEMINI)}\n\n"], done=False)
        params = {"stream": True, **WITH_USAGE}
        seen = events(await gateway.chat(key, "fake-gemini", **params))
        for piece in seen.chunks:
            strict.chunk(piece, "provider_specific_fields")
        [delta] = [
            choice["delta"]
            for piece in seen.chunks
            for choice in piece["choices"]
            if "tool_calls" in choice["delta"]
        ]
        [call], counts = delta["tool_calls"], seen.usage
        assert (seen.finish_reasons, seen.done) == (["tool_calls"], True)
    else:
        gateway.provider.does(answer(GEMINI))
        body = (await gateway.chat(key, "fake-gemini")).json()
        strict.chat(body, "provider_specific_fields")
        [choice] = body["choices"]
        [call], counts = choice["message"]["tool_calls"], body["usage"]
        assert choice["finish_reason"] == "tool_calls"
    assert call["function"]["name"] == "get_weather"
    assert json.loads(call["function"]["arguments"]) == {"city": "Berne"}
    kept = call.get("provider_specific_fields", {}).get("thought_signature")
    assert "c2lnbmF0dXJl" in (kept, call["id"].rpartition("__thought__")[2])
    assert counts
    assert (counts["prompt_tokens"], counts["completion_tokens"]) == (10, 12)
    assert counts["completion_tokens_details"]["reasoning_tokens"] == 7


async def test_refusal(gateway: Gateway, key: str) -> None:
    """OpenAI's own field, which litellm files elsewhere."""
    gateway.provider.does(answer(completion(None, refusal="I must not.")))
    body = (await gateway.chat(key, "fake-openai")).json()
    strict.chat(body)
    message = body["choices"][0]["message"]
    assert message == {"role": "assistant", "content": None, "refusal": "I must not."}


async def test_annotations_and_audio(gateway: Gateway, key: str) -> None:
    cited = {"start_index": 0, "end_index": 1, "title": "T", "url": "https://example.com"}
    annotations = [{"type": "url_citation", "url_citation": cited}]
    audio = {"id": "audio_1", "data": "AAAA", "expires_at": 1700000000, "transcript": "Hi"}
    gateway.provider.does(answer(completion("Hi", annotations=annotations, audio=audio)))
    body = (await gateway.chat(key, "fake-openai")).json()
    strict.chat(body)
    message = body["choices"][0]["message"]
    assert (message["annotations"], message["audio"]) == (annotations, audio)


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("model", ["fake-openai", "fake-hosted_vllm"])
async def test_reasoning_content(gateway: Gateway, key: str, model: str, streams: bool) -> None:
    """DeepSeek's and vLLM's field beside the content."""
    if streams:
        thought = chunk({"role": "assistant", "reasoning_content": "Hm."})
        gateway.provider.streams([thought, *chunks()[1:]])
        seen = events(await gateway.chat(key, model, stream=True))
        for piece in seen.chunks:
            strict.chunk(piece, "reasoning_content")
        assert seen.chunks[0]["choices"][0]["delta"]["reasoning_content"] == "Hm."
    else:
        gateway.provider.does(answer(completion("Hi", reasoning_content="Hm.")))
        body = (await gateway.chat(key, model)).json()
        strict.chat(body, "reasoning_content")
        assert body["choices"][0]["message"]["reasoning_content"] == "Hm."


@pytest.mark.parametrize("streams", [False, True])
async def test_logprobs(gateway: Gateway, key: str, streams: bool) -> None:
    token = {"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": []}
    logprobs = {"content": [token], "refusal": None}
    if streams:
        piece = chunk({"content": "Hi"})
        piece["choices"][0]["logprobs"] = logprobs
        gateway.provider.streams([piece, chunk({}, "stop")])
        seen = events(await gateway.chat(key, "fake-openai", stream=True))
        strict.chunk(seen.chunks[0])
        found = seen.chunks[0]["choices"][0]["logprobs"]
    else:
        whole = completion("Hi")
        whole["choices"][0]["logprobs"] = logprobs
        gateway.provider.does(answer(whole))
        body = (await gateway.chat(key, "fake-openai")).json()
        strict.chat(body)
        found = body["choices"][0]["logprobs"]
    assert found["content"] == [token]


async def test_service_tier_and_fingerprint(gateway: Gateway, key: str) -> None:
    gateway.provider.does(
        answer(completion("Hi") | {"service_tier": "flex", "system_fingerprint": "fp_1"})
    )
    body = (await gateway.chat(key, "fake-openai")).json()
    strict.chat(body)
    assert (body["service_tier"], body["system_fingerprint"]) == ("flex", "fp_1")


async def test_many_choices(gateway: Gateway, key: str) -> None:
    whole = completion("one")
    second = whole["choices"][0] | {"index": 1, "finish_reason": "length"}
    whole["choices"].append(second)
    gateway.provider.does(answer(whole))
    body = (await gateway.chat(key, "fake-openai", n=2)).json()
    answered = strict.chat(body)
    assert [(choice.index, choice.finish_reason) for choice in answered.choices] == [
        (0, "stop"),
        (1, "length"),
    ]


@pytest.mark.parametrize(
    "given", [{}, {"choices": []}, {"error": None}, [], "text", {"choices": [{}]}]
)
@pytest.mark.parametrize("model", ["fake-openai", "fake-anthropic", "fake-gemini", "fake-ollama"])
async def test_answer_that_is_none(gateway: Gateway, key: str, model: str, given: Any) -> None:
    """An upstream that says 200 and nothing sensible: an error, and no trace of the code."""
    gateway.provider.does(answer(given))
    response = await gateway.chat(key, model)
    body = response.json()
    if response.status_code == 200:
        strict.chat(body, "provider_specific_fields")
    else:
        assert response.status_code >= 400
        assert body["error"]["message"].startswith("litellm.")
    assert "Traceback" not in response.text
    assert "site-packages" not in response.text
