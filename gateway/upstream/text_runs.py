"""Text in streams of OpenAI's chunks, which need not go through litellm.

Nearly all chunks of such a stream hold a few letters and nothing else. litellm and the openai
package take a quarter of a millisecond for each, and make of it what the provider wrote. Such
chunks are read here, all that came together at once. The first one, and whatever else a chunk can
hold, is for litellm as ever. Before it gets such a chunk it is given the text that it has not seen,
as one chunk: it counts where the provider does not.

The attributes that are read and set here are those of litellm 1.106.2 and openai 2.54;
tests/upstream/test_text_runs.py compares what comes out with litellm's own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

import orjson

from gateway.upstream.event_stream import EventReader

Json = dict[str, Any]

# A chunk's fields of text, and their names in litellm's answer.
_TEXTS = {
    "content": "content",
    "reasoning_content": "reasoning_content",
    "reasoning": "reasoning_content",
}
_HEAD = frozenset(("id", "object", "created", "model", "choices"))
# A chunk's further fields, and whether litellm passes them on.
_BY_OPENAI = {"system_fingerprint": True, "service_tier": True, "obfuscation": True}
_BY_LITELLM = {"system_fingerprint": False, "service_tier": True, "obfuscation": False}
_CHOICE = {"index", "delta"}
# Azure's verdicts on each piece of text.
_FILTER = "content_filter_results"
# litellm looks for a model that says the same for ever, unless it is as short as this.
_SHORT = 2


class TextRuns:
    """The chunks of a stream that hold text alone."""

    def __init__(self, stream: Any, events: _Events, further: Mapping[str, bool]) -> None:
        self._stream = stream
        self._events = events
        self._known = _HEAD.union(further)
        self._passed_on = [name for name, passes in further.items() if passes]
        self._kind = ""
        self._last: Json = {}
        self._unseen: list[str] = []

    async def take(self, like: Json) -> list[Json]:
        """The chunks of text that have come, or come next, in the likeness of the one before.

        None where another kind of chunk is next, which is to be had from `told`.
        """
        if self._stream.received_finish_reason is not None:
            return []
        await self._events.arrived()
        taken: list[Json] = []
        waiting = self._events.waiting
        while waiting:
            name, data = waiting[0]
            body = None if name else self._text(data, like)
            if body is None:
                break
            waiting.popleft()
            taken.append(body)
        return taken

    async def told(self) -> Any:
        """litellm's next piece, which it makes knowing all before it; None at the end."""
        if self._unseen:
            waiting = self._events.waiting
            waiting.appendleft(("", self._joined()))
            left = len(waiting) - 1
            piece = await anext(self._stream, None)
            if len(waiting) != left:
                # It made nothing of the text, and this of what comes after.
                return piece
        return await anext(self._stream, None)

    def _text(self, data: bytes, like: Json) -> Json | None:
        """The chunk as the caller is to get it, if it holds text alone."""
        try:
            raw = orjson.loads(data)
        except orjson.JSONDecodeError:
            return None
        chunk = _given(raw)
        choices = chunk.get("choices")
        if not chunk.keys() <= self._known or type(choices) is not list or len(choices) != 1:
            return None
        choice = _given(choices[0])
        verdict = choice.pop(_FILTER, {})
        delta = _given(choice.get("delta"))
        delta.pop("role", None)
        if choice.keys() != _CHOICE or choice["index"] != 0 or len(delta) != 1:
            return None
        [(field, text)] = delta.items()
        kind = _TEXTS.get(field)
        further = {name: chunk[name] for name in self._passed_on if name in chunk}
        if kind is None or not _is_text(text) or not all(map(_is_text, further.values())):
            return None
        if self._unseen and (kind != self._kind or self._repeats(text)):
            return None
        made = {"index": 0, "delta": {kind: text}, "finish_reason": None}
        if verdict:
            if _has_null(verdict):
                return None
            made[_FILTER] = verdict
        self._kind, self._last = kind, raw
        self._unseen.append(text)
        head = {name: like[name] for name in ("id", "created", "model", "object")}
        return head | further | {"choices": [made]}

    def _repeats(self, text: str) -> bool:
        return len(text) > _SHORT and text == self._unseen[-1]

    def _joined(self) -> bytes:
        """A chunk like the last with all that litellm has not seen, which it then has."""
        delta = {self._kind: "".join(self._unseen)}
        self._unseen = []
        choice = {"index": 0, "delta": delta, "finish_reason": None}
        return orjson.dumps({**self._last, "choices": [choice]})


def within(stream: Any) -> TextRuns | None:
    """Come between litellm's stream of a chat and the provider's bytes, none of which are read yet.

    None where these are no chunks of OpenAI's, or litellm would change their text.
    """
    import litellm
    import openai
    from litellm.llms.groq.chat.transformation import GroqChatCompletionStreamingHandler
    from litellm.llms.mistral.chat.transformation import MistralChatResponseIterator
    from litellm.llms.openai.chat.gpt_transformation import OpenAIChatCompletionStreamingHandler

    if type(stream) is not litellm.CustomStreamWrapper or stream.merge_reasoning_content_in_choices:
        return None
    source: Any = stream.completion_stream
    kind: object = type(source)
    events = _Events()
    if kind is openai.AsyncStream:
        source._decoder = events
        return TextRuns(stream, events, _BY_OPENAI)
    by_litellm = (
        GroqChatCompletionStreamingHandler,
        MistralChatResponseIterator,
        OpenAIChatCompletionStreamingHandler,
    )
    answer = source.http_response if kind in by_litellm else None
    if answer is not None and (answer.charset_encoding or "utf-8").lower() == "utf-8":
        source.streaming_response = events.lines(answer.aiter_bytes())
        return TextRuns(stream, events, _BY_LITELLM)
    return None


class _Events:
    """The events of a stream that have come and that nobody has taken yet."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[str, bytes]] = deque()
        self._reader = EventReader()
        self._pieces: AsyncIterator[bytes] | None = None
        self._failure: Exception | None = None

    async def aiter_bytes(self, pieces: AsyncIterator[bytes]) -> AsyncGenerator[Any]:
        """What reaches litellm by the openai package, whose decoder this takes the place of."""
        from openai._streaming import ServerSentEvent

        async for name, data in self._taken(pieces):
            yield ServerSentEvent(event=name, data=data)

    async def lines(self, pieces: AsyncIterator[bytes]) -> AsyncGenerator[str]:
        """What reaches litellm where it reads by itself."""
        async for _, data in self._taken(pieces):
            yield f"data: {data}"

    async def _taken(self, pieces: AsyncIterator[bytes]) -> AsyncGenerator[tuple[str, str]]:
        self._pieces = pieces
        while await self.arrived():
            name, data = self.waiting.popleft()
            yield name, data.decode()
        if self._failure is not None:
            raise self._failure

    async def arrived(self) -> bool:
        """Wait for an event; false where none comes any more."""
        while not self.waiting and self._pieces is not None:
            try:
                self.waiting += self._reader.feed(await anext(self._pieces))
            except StopAsyncIteration:
                self._pieces = None
            except Exception as error:
                # For litellm, which knows what it means.
                self._failure, self._pieces = error, None
        return bool(self.waiting)


def _given(value: object) -> Json:
    """What is there of an object, nulls being nothing."""
    if type(value) is not dict:
        return {}
    return {name: part for name, part in value.items() if part is not None}


def _is_text(value: object) -> bool:
    return type(value) is str and value != ""


def _has_null(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_has_null, value.values()))
    return value is None or (isinstance(value, list) and any(map(_has_null, value)))
