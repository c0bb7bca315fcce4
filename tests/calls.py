"""Calls of every operation: what callers send, and what OpenAI would answer."""

from __future__ import annotations

from typing import Any

from gateway.records import Operation
from tests.servers import Json, chunk, chunks, completion, usage

STREAMED = (Operation.CHAT, Operation.COMPLETION)

REQUESTS: dict[Operation, Json] = {
    Operation.CHAT: {"messages": [{"role": "user", "content": "hello"}]},
    Operation.COMPLETION: {"prompt": "hello"},
    Operation.EMBEDDING: {"input": "hello"},
}
LIKELY_PROMPT = {Operation.CHAT: 9, Operation.COMPLETION: 2, Operation.EMBEDDING: 2}
"""What the gateway takes those requests for, in tokens."""


def whole(operation: Operation, **more: Any) -> Json:
    """An answer whose usage is 11 tokens, and 6 of completion where there is one."""
    match operation:
        case Operation.CHAT:
            return completion("Hello from the fake provider.") | more
        case Operation.COMPLETION:
            return _text("Hello from the fake provider.", "stop") | {"usage": usage()} | more
        case Operation.EMBEDDING:
            vector = {"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}
            counts = {"prompt_tokens": 11, "total_tokens": 11}
            named = {"object": "list", "data": [vector], "model": "upstream-model"}
            return named | {"usage": counts} | more


def pieces(operation: Operation, *texts: str) -> list[Json | str]:
    """The first events of a stream, one for each text."""
    if operation is Operation.CHAT:
        return [chunk({"content": text}) for text in texts]
    return [_text(text, None) for text in texts]


def streamed(operation: Operation) -> list[Json | str]:
    """A whole stream: five words, each a chunk, and then the usage of `whole`."""
    if operation is Operation.CHAT:
        return chunks()
    words = pieces(operation, "Hello", " from", " the", " fake", " provider.")
    return [*words, _text("", "stop"), _text("", "stop") | {"choices": [], "usage": usage()}]


def _text(text: str, finish: str | None) -> Json:
    return {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 1700000000,
        "model": "upstream-model",
        "choices": [{"text": text, "index": 0, "logprobs": None, "finish_reason": finish}],
    }
