"""Chat and text completions by way of litellm."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from gateway.records import Call, Operation, Usage
from gateway.upstream import reports, text_runs, wire
from gateway.upstream.reports import Witness

Json = dict[str, Any]
_Arguments = dict[str, Any]


def arguments(made: _Arguments, call: Call) -> _Arguments:
    """Ask for the usage at a stream's end, and keep litellm from running tools by itself."""
    if call.operation is Operation.CHAT:
        # Those of type `mcp`, by servers that its proxy knows.
        made |= {"_skip_mcp_handler": True}
    if not call.streams:
        return made
    options = call.body.get("stream_options") or {}
    return made | {"stream_options": {**options, "include_usage": True}}


def chat(answer: Any, call: Call, witness: Witness) -> tuple[Json, Usage | None]:
    """A `chat.completion`."""
    return wire.chat_completion(answer, call.model_name), reports.of_answer(answer, witness)


def text(answer: Any, call: Call, witness: Witness) -> tuple[Json, Usage | None]:
    """A `text_completion`."""
    return wire.text_completion(answer, call.model_name), reports.of_answer(answer, witness)


async def stream(
    pieces: Any, call: Call, witness: Witness
) -> AsyncGenerator[list[tuple[Json, Usage | None]]]:
    """Chunks of either, those together that came together, the last one with the usage and no
    choices."""
    # The stream of text completions wraps the one that can be closed.
    closable = pieces if hasattr(pieces, "aclose") else pieces.completion_stream
    counts: Json | None = None
    usage: Usage | None = None
    last: Json | None = None
    runs = text_runs.within(pieces) if call.operation is not Operation.COMPLETION else None
    async with aclosing(closable):
        try:
            while True:
                if runs and last and (texts := await runs.take(last)):
                    last = texts[-1]
                    yield [(text, None) for text in texts]
                    continue
                piece = await (runs.told() if runs else anext(pieces, None))
                if piece is None:
                    break
                body, reported = wire.chunk(piece, call.model_name, last["id"] if last else None)
                if reported:
                    counts = reported
                    usage = reports.of_stream(piece, closable, witness)
                last = body
                if not wire.is_hollow(body):
                    yield [(body, None)]
                if reported and getattr(closable, "sent_stream_usage", False):
                    # It has read all, and to ask it for more would have it add all up once more.
                    break
        finally:
            # Generators around a stream do not close it: it would run until it is collected.
            inner = reports.innermost(closable)
            if inner is not closable and hasattr(inner, "aclose"):
                await inner.aclose()
    if counts and last:
        yield [(wire.usage_chunk(last, counts), usage)]


def tells(chunk: Json) -> bool:
    """Whether a chunk says more than who speaks."""
    if not chunk.get("choices"):
        return True
    return any(_tells(choice) for choice in chunk["choices"])


def _tells(choice: Json) -> bool:
    said = choice.get("delta") or {}
    return bool(
        choice.get("text")
        or choice.get("finish_reason")
        or any(value for name, value in said.items() if name != "role")
    )
