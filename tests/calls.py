"""Calls of every operation: what callers send, and what OpenAI or Anthropic would answer."""

from __future__ import annotations

import json
from typing import Any

from gateway.records import Operation
from tests import messages, responses
from tests.servers import Json, chunk, chunks, completion, usage

STREAMED = (Operation.CHAT, Operation.COMPLETION, Operation.RESPONSES, Operation.MESSAGES)
_PROMPT = {"messages": [{"role": "user", "content": "hello"}]}

REQUESTS: dict[Operation, Json] = {
    Operation.CHAT: _PROMPT,
    Operation.COMPLETION: {"prompt": "hello"},
    Operation.EMBEDDING: {"input": "hello"},
    Operation.RESPONSES: {"input": "hello"},
    Operation.MESSAGES: _PROMPT | {"max_tokens": 64},
    Operation.COUNT_TOKENS: _PROMPT,
}
LIKELY_PROMPT = {
    Operation.CHAT: 9,
    Operation.COMPLETION: 2,
    Operation.EMBEDDING: 2,
    Operation.RESPONSES: 2,
    Operation.MESSAGES: 9,
    Operation.COUNT_TOKENS: 0,
}
"""What the gateway takes those requests for, in tokens."""


def user(operation: Operation) -> Json:
    """What says whom a request is for."""
    match operation:
        case Operation.MESSAGES:
            return {"metadata": {"user_id": "someone"}}
        case Operation.COUNT_TOKENS:
            return {}
        case _:
            return {"user": "someone"}


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
        case Operation.RESPONSES:
            return responses.response(responses.text_item("Hello from the fake provider.")) | more
        case Operation.MESSAGES:
            return messages.message("Hello from the fake provider.") | more
        case Operation.COUNT_TOKENS:
            return {"input_tokens": 11} | more
        case _:
            raise NotImplementedError(operation)


def pieces(operation: Operation, *texts: str) -> list[Json | str]:
    """The first events of a stream, one for each text."""
    if operation is Operation.CHAT:
        return [chunk({"content": text}) for text in texts]
    if operation is Operation.RESPONSES:
        return responses.frames(responses.events(*texts)[: 4 + len(texts)])
    if operation is Operation.MESSAGES:
        return messages.frames(messages.events(*texts)[: 3 + len(texts)])
    return [_text(text, None) for text in texts]


def streamed(operation: Operation) -> list[Json | str]:
    """A whole stream: five words, each a chunk, and then the usage of `whole`."""
    if operation is Operation.CHAT:
        return chunks()
    if operation is Operation.RESPONSES:
        return responses.frames(responses.events("Hello", " from", " the", " fake", " provider."))
    if operation is Operation.MESSAGES:
        return messages.frames(messages.events("Hello", " from", " the", " fake", " provider."))
    words = pieces(operation, "Hello", " from", " the", " fake", " provider.")
    return [*words, _text("", "stop"), _text("", "stop") | {"choices": [], "usage": usage()}]


def failure(operation: Operation) -> str:
    """An error event within a stream."""
    error = {"message": "full", "type": "overloaded", "code": 529}
    if operation is Operation.MESSAGES:
        return messages.frame({"type": "error", "error": error})
    return f"data: {json.dumps({'error': error})}\n\n"


def ended(operation: Operation, text: str) -> bool:
    """Whether a stream is whole."""
    if operation is Operation.RESPONSES:
        return "event: response.completed\n" in text
    if operation is Operation.MESSAGES:
        *_, last = text.rstrip("\n").split("\n\n")
        return last.startswith("event: message_stop\n")
    return text.endswith("data: [DONE]\n\n")


def frame(piece: Json | str) -> bytes:
    """An event as it is sent."""
    text = piece if isinstance(piece, str) else f"data: {json.dumps(piece)}\n\n"
    return text.encode()


def _text(text: str, finish: str | None) -> Json:
    return {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 1700000000,
        "model": "upstream-model",
        "choices": [{"text": text, "index": 0, "logprobs": None, "finish_reason": finish}],
    }
