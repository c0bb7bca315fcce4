"""An answer as it is kept: a line of JSON that describes it, and then the answer itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import orjson

from gateway.records import Content, Operation

Json = dict[str, Any]

_VERSION = 1
# Answers that somebody cut short, or that may turn out otherwise the next time.
_UNFINISHED = ("content_filter", "error", "pause_turn", "refusal")


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored answer: whole, or in events. Times are in seconds since the epoch."""

    body: Json | Content | None
    events: Sequence[Json]
    deployment_id: str
    """The deployment that gave it."""
    stored_at: float
    expires_at: float


@dataclass(frozen=True, slots=True)
class _Head:
    kind: Literal["json", "content", "events"]
    deployment_id: str
    stored_at: float
    expires_at: float
    media_type: str = ""
    version: int = _VERSION


def packed(
    answer: Json | Content | bytes, deployment_id: str, stored_at: float, expires_at: float
) -> bytes:
    """An answer as it is kept; bytes are what an `EventLog` holds.

    Raises:
        TypeError: It holds what JSON cannot.
    """
    about = (deployment_id, stored_at, expires_at)
    if isinstance(answer, Content):
        head, body = _Head("content", *about, answer.media_type), answer.data
    elif isinstance(answer, bytes):
        head, body = _Head("events", *about), answer
    else:
        head, body = _Head("json", *about), orjson.dumps(answer)
    return orjson.dumps(asdict(head)) + b"\n" + body


def unpacked(data: bytes) -> Entry:
    """Raises ValueError for what is no entry, or one of another version."""
    line, _, body = data.partition(b"\n")
    try:
        head = _Head(**orjson.loads(line))
        about = (head.deployment_id, float(head.stored_at), float(head.expires_at))
    except TypeError as error:
        raise ValueError(str(error)) from None
    if head.version != _VERSION:
        raise ValueError(f"an entry of version {head.version}")
    if head.kind == "content":
        return Entry(Content(body, head.media_type), (), *about)
    answer = orjson.loads(body)
    if head.kind == "json" and isinstance(answer, dict):
        return Entry(answer, (), *about)
    if head.kind == "events" and isinstance(answer, list) and answer:
        return Entry(None, answer, *about)
    raise ValueError("an entry without an answer")


class EventLog:
    """The events of a stream, as long as they are no more than `most` bytes."""

    def __init__(self, operation: Operation, most: int) -> None:
        self._operation = operation
        self._left = most
        self._events: list[bytes] = []
        self._started: set[Any] = set()
        self._finished: set[Any] = set()
        self._spoiled = False

    def add(self, event: Mapping[str, Any]) -> None:
        if self._spoiled:
            return
        try:
            self._follow(event)
            self._events.append(orjson.dumps(event))
        except (AttributeError, TypeError):
            # It is not as its format has it, or holds what JSON cannot.
            self._spoiled = True
        else:
            self._left -= len(self._events[-1]) + 1
            self._spoiled |= self._left < 0
        if self._spoiled:
            self._events.clear()

    def packed(self) -> bytes | None:
        """All events, if the stream has come to an end of its own; for `packed` above."""
        if self._spoiled or not self._finished or self._started != self._finished:
            return None
        return b"[" + b",".join(self._events) + b"]"

    def _follow(self, event: Mapping[str, Any]) -> None:
        """Note which parts of the answer have begun and ended."""
        match self._operation:
            case Operation.CHAT | Operation.COMPLETION:
                for choice in event.get("choices") or ():
                    self._note(choice.get("index"), choice.get("finish_reason"))
            case Operation.RESPONSES:
                self._note(None, event.get("type") == "response.completed")
            case Operation.MESSAGES:
                reason = (event.get("delta") or {}).get("stop_reason")
                self._spoiled |= reason in _UNFINISHED
                self._note(None, event.get("type") == "message_stop")
            case _:
                self._note(None, True)

    def _note(self, part: object, finished: object) -> None:
        self._started.add(part)
        if finished:
            self._finished.add(part)
            self._spoiled |= finished in _UNFINISHED


def is_finished(operation: Operation, answer: Json | Content) -> bool:
    """Whether a whole answer says all that there is to say, as far as it tells."""
    if isinstance(answer, Content):
        return bool(answer.data)
    match operation:
        case Operation.CHAT | Operation.COMPLETION:
            choices = answer.get("choices")
            return bool(choices) and isinstance(choices, list) and all(map(_is_finished, choices))
        case Operation.RESPONSES:
            return answer.get("status") == "completed"
        case Operation.MESSAGES:
            return answer.get("stop_reason") not in (None, *_UNFINISHED)
        case Operation.EMBEDDING:
            return bool(answer.get("data"))
        case _:
            return True


def _is_finished(choice: object) -> bool:
    reason = choice.get("finish_reason") if isinstance(choice, Mapping) else None
    return reason not in (None, *_UNFINISHED)
