"""litellm's own objects, made into OpenAI's format."""

from __future__ import annotations

from typing import Any

import litellm
import pytest
from litellm.types.utils import (
    ChatCompletionDeltaToolCall,
    ChatCompletionMessageToolCall,
    Choices,
    Delta,
    EmbeddingResponse,
    Function,
    Message,
    ModelResponse,
    ModelResponseStream,
    StreamingChoices,
    TextChoices,
    TextCompletionResponse,
    Usage,
)

from gateway.upstream import wire
from tests.upstream import strict

Json = dict[str, Any]

CITED = {"start_index": 0, "end_index": 1, "title": "T", "url": "u"}
TOOL = {"name": "get_weather", "arguments": '{"city":"Berne"}'}


def answer(usage: Any = None, **message: Any) -> ModelResponse:
    choice = Choices(finish_reason="stop", index=0, message=Message(**message))
    response: Any = ModelResponse(id="chatcmpl-1", created=1, model="upstream", choices=[choice])
    if usage:
        response.usage = usage
    return response  # type: ignore[no-any-return]


def message_of(**message: Any) -> Json:
    """The message that a caller sees."""
    body = wire.chat_completion(answer(**message), "gpt")
    strict.chat(body, *strict.PROVIDERS_OWN)
    return dict(body["choices"][0]["message"])


def piece(finish: str | None = None, **delta: Any) -> ModelResponseStream:
    choice = StreamingChoices(finish_reason=finish, index=0, delta=Delta(**delta))
    return ModelResponseStream(id="chatcmpl-1", created=1, model="upstream", choices=[choice])


def delta_of(**delta: Any) -> Json:
    body, _ = wire.chunk(piece(**delta), "gpt", None)
    strict.chunk(body, *strict.PROVIDERS_OWN)
    return dict(body["choices"][0]["delta"])


def test_plain_answer() -> None:
    counts = Usage(prompt_tokens=2, completion_tokens=3, total_tokens=5)
    assert wire.chat_completion(answer(counts, content="Hi"), "gpt") == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": "Hi"},
            }
        ],
        "usage": {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5},
    }


def test_answer_without_content_has_null() -> None:
    call = ChatCompletionMessageToolCall(id="call_1", type="function", function=Function(**TOOL))
    message = message_of(content=None, tool_calls=[call])
    assert message["content"] is None
    assert message["tool_calls"] == [{"id": "call_1", "type": "function", "function": TOOL}]


def test_index_of_a_tool_call_is_for_streams() -> None:
    call: Any = {"index": 0, "id": "call_1", "type": "function", "function": TOOL}
    [whole] = message_of(content=None, tool_calls=[call])["tool_calls"]
    assert "index" not in whole
    [streamed] = delta_of(content=None, tool_calls=[ChatCompletionDeltaToolCall(**call)])[
        "tool_calls"
    ]
    assert streamed == call


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("refusal", "I must not."),
        ("annotations", [{"type": "url_citation", "url_citation": CITED}]),
        ("audio", {"id": "a", "data": "AAAA", "expires_at": 1, "transcript": "Hi"}),
    ],
)
def test_openai_fields_are_put_back(name: str, value: Any) -> None:
    """litellm files OpenAI's own fields under provider_specific_fields."""
    message = message_of(content="x", provider_specific_fields={name: value})
    assert message == {"role": "assistant", "content": "x", name: value}


@pytest.mark.parametrize("make", [message_of, delta_of])
@pytest.mark.parametrize(
    "hollow", [None, {}, {"refusal": None}, {"citations": None, "thinking_blocks": []}]
)
def test_hollow_fields_are_dropped(make: Any, hollow: Any) -> None:
    message = make(content="Hi", provider_specific_fields=hollow)
    assert message.pop("role", "assistant") == "assistant"
    assert message == {"content": "Hi"}


@pytest.mark.parametrize("make", [message_of, delta_of])
def test_provider_fields_are_kept(make: Any) -> None:
    """Thoughts and signatures: some providers want them back."""
    block = {"type": "thinking", "thinking": "Hm.", "signature": "sig"}
    fields = {"thought_signatures": ["sig"], "citations": None}
    message = make(
        content="Hi",
        reasoning_content="Hm.",
        thinking_blocks=[block],
        provider_specific_fields=fields,
    )
    assert message["reasoning_content"] == "Hm."
    assert message["thinking_blocks"] == [block]
    assert message["provider_specific_fields"] == {"thought_signatures": ["sig"]}


def test_thought_signature_of_a_tool_call_is_kept() -> None:
    call = ChatCompletionMessageToolCall(
        id="call_1",
        type="function",
        function=Function(**TOOL),
        provider_specific_fields={"thought_signature": "sig"},
    )
    [kept] = message_of(content=None, tool_calls=[call])["tool_calls"]
    assert kept["provider_specific_fields"] == {"thought_signature": "sig"}


def test_usage_details() -> None:
    """OpenAI's details are kept, litellm's own are not, nor Anthropic's counts of nothing."""
    counts = Usage(
        prompt_tokens=10,
        completion_tokens=5,
        total_tokens=15,
        prompt_tokens_details={"cached_tokens": 4, "text_tokens": 6},
        completion_tokens_details={"reasoning_tokens": 2, "text_tokens": 3},
        cache_creation_input_tokens=0,
        cache_read_input_tokens=4,
    )
    body = wire.chat_completion(answer(counts, content="Hi"), "gpt")
    strict.chat(body, "cache_read_input_tokens")
    assert body["usage"] == {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 15,
        "prompt_tokens_details": {"cache_write_tokens": 0, "cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 2},
        "cache_read_input_tokens": 4,
    }


def test_empty_metadata_of_gemini_is_dropped() -> None:
    response: Any = answer(content="Hi")
    response.vertex_ai_grounding_metadata = []
    response.vertex_ai_safety_results = [[{"category": "x"}]]
    body = wire.chat_completion(response, "gpt")
    assert "vertex_ai_grounding_metadata" not in body
    assert body["vertex_ai_safety_results"] == [[{"category": "x"}]]


def test_chunk() -> None:
    body, usage = wire.chunk(piece(content="Hi", role="assistant"), "gpt", None)
    strict.chunk(body)
    assert usage is None
    assert body["choices"] == [
        {"index": 0, "delta": {"content": "Hi", "role": "assistant"}, "finish_reason": None}
    ]
    assert body["model"] == "gpt"


def test_chunks_of_a_stream_have_one_id() -> None:
    first, _ = wire.chunk(piece(content="a"), "gpt", None)
    other = piece(content="b")
    other.id = "something-else"
    second, _ = wire.chunk(other, "gpt", first["id"])
    assert (first["id"], second["id"]) == ("chatcmpl-1", "chatcmpl-1")


def test_usage_of_a_chunk_is_taken_out() -> None:
    last: Any = piece("stop")
    last.usage = Usage(prompt_tokens=2, completion_tokens=3, total_tokens=5)
    body, usage = wire.chunk(last, "gpt", None)
    assert "usage" not in body
    assert usage == {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}
    ended = wire.usage_chunk(body, usage)
    strict.chunk(ended)
    assert (ended["choices"], ended["usage"]) == ([], usage)
    assert {name: ended[name] for name in ("id", "model", "created")} == {
        "id": "chatcmpl-1",
        "model": "gpt",
        "created": 1,
    }


@pytest.mark.parametrize(
    ("given", "hollow"),
    [
        (piece(), True),
        (piece(content=None), True),
        (piece(content=""), False),
        (piece(content="x"), False),
        (piece("stop"), False),
        (piece(role="assistant"), False),
        (piece(reasoning_content="Hm."), False),
        (piece(provider_specific_fields={"thought_signatures": ["sig"]}), False),
        (ModelResponseStream(choices=[]), True),
    ],
)
def test_hollow_chunks(given: ModelResponseStream, hollow: bool) -> None:
    body, _ = wire.chunk(given, "gpt", None)
    assert wire.is_hollow(body) is hollow


def test_hollow_chunk_with_logprobs() -> None:
    token = {"token": "x", "logprob": -0.5, "bytes": None, "top_logprobs": []}
    choice = StreamingChoices(index=0, delta=Delta(), logprobs={"content": [token]})
    body, _ = wire.chunk(ModelResponseStream(choices=[choice]), "gpt", None)
    assert not wire.is_hollow(body)


def test_text_completion() -> None:
    choice = TextChoices(finish_reason="stop", index=0, text="Hi", logprobs=None)
    given = TextCompletionResponse(id="cmpl-1", created=1, model="upstream", choices=[choice])
    body = wire.text_completion(given, "gpt")
    strict.text(body)
    assert (body["model"], body["choices"][0]["text"]) == ("gpt", "Hi")


def test_chunk_of_a_text_completion() -> None:
    """The last one has no text at litellm, and an empty one at OpenAI."""
    for finish, text in ((None, "Hi"), ("stop", None)):
        choice: Any = TextChoices(index=0, text=text)
        choice.finish_reason = finish
        given = TextCompletionResponse(id="cmpl-1", created=1, model="m", choices=[choice])
        body, _ = wire.chunk(given, "gpt", None)
        strict.text_chunk(body)
        assert body["choices"] == [{"index": 0, "text": text or "", "finish_reason": finish}]


def test_embeddings() -> None:
    data = [{"embedding": [0.5], "index": 7, "object": "embedding", "extra": 1}]
    counts = Usage(prompt_tokens=3, completion_tokens=0, total_tokens=3)
    body = wire.embeddings(EmbeddingResponse(model="m", data=data, usage=counts), "gpt")
    strict.embeddings(body)
    assert body == {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
        "model": "gpt",
        "usage": {"prompt_tokens": 3, "total_tokens": 3},
    }


@pytest.mark.parametrize(
    ("given", "shown"), [([1, 0], [1, 0]), ([0, 0], [0, 1]), ([None, None], [0, 1])]
)
def test_index_of_embeddings(given: list[int | None], shown: list[int]) -> None:
    """It says which text a vector is for; where it cannot, the order does."""
    data = [{"embedding": [0.5], "index": index, "object": "embedding"} for index in given]
    body = wire.embeddings(EmbeddingResponse(model="m", data=data), "gpt")
    assert [item["index"] for item in body["data"]] == shown


def test_embeddings_without_usage() -> None:
    body = wire.embeddings(EmbeddingResponse(model="m", data=[]), "gpt")
    strict.embeddings(body)
    assert body["usage"] == {"prompt_tokens": 0, "total_tokens": 0}


def test_litellm_is_the_version_that_is_patched() -> None:
    """Each name that gateway.upstream.litellm_setup replaces is still one of litellm's."""
    from litellm.llms.lemonade.chat.transformation import LemonadeChatConfig
    from litellm.llms.ollama.common_utils import OllamaModelInfo

    assert callable(OllamaModelInfo.get_runtime_model_info)
    assert callable(LemonadeChatConfig.get_model_info)
    assert callable(litellm.utils._get_max_position_embeddings)
    assert callable(litellm.CustomStreamWrapper.finish_reason_handler)
