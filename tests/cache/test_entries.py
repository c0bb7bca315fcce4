"""How answers are kept, and which."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.cache.entries import Entry, EventLog, is_finished, packed, unpacked
from gateway.records import Content, Operation
from tests.calls import streamed, whole
from tests.odd import changed
from tests.servers import Json, chunk


@pytest.mark.parametrize(
    "answer",
    [{"a": [1, "ü", None]}, Content(b"\n\x00\n{}", "audio/mpeg"), Content(b"", "text/plain")],
)
def test_a_whole_answer_comes_back(answer: Json | Content) -> None:
    assert unpacked(packed(answer, "m1", 1.5, 2.5)) == Entry(answer, (), "m1", 1.5, 2.5)


def test_events_come_back() -> None:
    assert unpacked(packed(b'[{"a":1},{"b":2}]', "m1", 1.0, 2.0)) == Entry(
        None, [{"a": 1}, {"b": 2}], "m1", 1.0, 2.0
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]\n{}",
        b"not json\n{}",
        b'{"kind":"json"}\n{}',
        packed({"a": 1}, "m1", 1.0, 2.0)[:-3],
        packed(b"[]", "m1", 1.0, 2.0),
        packed(b"{}", "m1", 1.0, 2.0),
        packed({}, "m1", 1.0, 2.0).replace(b'"version":1', b'"version":2'),
        packed({}, "m1", 1.0, 2.0).replace(b'"kind":"json"', b'"kind":"xml"'),
        packed({}, "m1", 1.0, 2.0) + b"\xff",
        packed({}, "m1", 1.0, 2.0).replace(b":2.0", b":null"),
        packed({}, "m1", 1.0, 2.0).replace(b":2.0", b':"soon"'),
    ],
)
def test_what_is_no_entry_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        unpacked(data)


def log(operation: Operation, *events: Json, most: int = 10_000) -> bytes | None:
    kept = EventLog(operation, most)
    for event in events:
        kept.add(event)
    return kept.packed()


@pytest.mark.parametrize("operation", [Operation.CHAT, Operation.COMPLETION])
def test_a_whole_stream_is_kept(operation: Operation) -> None:
    events = [event for event in streamed(operation) if isinstance(event, dict)]
    kept = log(operation, *events)
    assert kept is not None
    assert list(unpacked(packed(kept, "m", 1.0, 2.0)).events) == events


def choice(index: int, finish: str | None) -> Json:
    return {"choices": [{"index": index, "delta": {}, "finish_reason": finish}]}


RESPONSES = [{"type": "response.created"}, {"type": "response.output_text.delta", "delta": "a"}]
MESSAGES: list[Json] = [
    {"type": "message_start", "message": {}},
    {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "a"}},
]


def stopped(reason: str) -> Json:
    return {"type": "message_delta", "delta": {"stop_reason": reason}}


@pytest.mark.parametrize(
    ("operation", "events", "kept"),
    [
        (Operation.CHAT, [], False),
        (Operation.CHAT, [choice(0, None)], False),
        (Operation.CHAT, [choice(0, None), choice(0, "stop")], True),
        (Operation.CHAT, [choice(0, "length")], True),
        (Operation.CHAT, [choice(0, "content_filter")], False),
        (Operation.CHAT, [choice(0, "stop"), choice(1, None)], False),
        (Operation.CHAT, [choice(0, "stop"), choice(1, None), choice(1, "stop")], True),
        (Operation.CHAT, [{"usage": {}}], False),
        (Operation.CHAT, [chunk({"content": "\ud800"}, "stop")], False),
        (Operation.RESPONSES, RESPONSES, False),
        (Operation.RESPONSES, [*RESPONSES, {"type": "response.failed"}], False),
        (Operation.RESPONSES, [*RESPONSES, {"type": "response.completed"}], True),
        (Operation.MESSAGES, MESSAGES, False),
        (Operation.MESSAGES, [*MESSAGES, stopped("end_turn"), {"type": "message_stop"}], True),
        (Operation.MESSAGES, [*MESSAGES, stopped("refusal"), {"type": "message_stop"}], False),
        (Operation.MESSAGES, [{"delta": "no object"}, {"type": "message_stop"}], False),
        (Operation.SPEECH, [{"audio": "a"}], True),
    ],
)
def test_a_stream_is_kept_if_it_came_to_its_end(
    operation: Operation, events: list[Json], kept: bool
) -> None:
    assert (log(operation, *events) is not None) is kept


def test_a_stream_is_kept_up_to_a_size() -> None:
    events = [choice(0, None)] * 10 + [choice(0, "stop")]
    kept = log(Operation.CHAT, *events)
    assert kept is not None
    assert log(Operation.CHAT, *events, most=len(kept) - 1) == kept
    assert log(Operation.CHAT, *events, most=len(kept) - 2) is None


def finished(reason: str | None) -> Json:
    return {"choices": [{"index": 0, "finish_reason": "stop"}, {"finish_reason": reason}]}


@pytest.mark.parametrize(
    ("operation", "answer", "kept"),
    [
        *((operation, whole(operation), True) for operation in (Operation.CHAT,)),
        (Operation.CHAT, {"choices": []}, False),
        (Operation.CHAT, finished("tool_calls"), True),
        (Operation.CHAT, finished("content_filter"), False),
        (Operation.CHAT, finished(None), False),
        (Operation.EMBEDDING, {"data": []}, False),
        (Operation.EMBEDDING, {"data": [{}]}, True),
        (Operation.RESPONSES, {"status": "completed"}, True),
        (Operation.RESPONSES, {"status": "incomplete"}, False),
        (Operation.MESSAGES, {"stop_reason": "max_tokens"}, True),
        (Operation.MESSAGES, {"stop_reason": "pause_turn"}, False),
        (Operation.MODERATION, {"results": []}, True),
        (Operation.SPEECH, Content(b"x", "audio/mpeg"), True),
        (Operation.SPEECH, Content(b"", "audio/mpeg"), False),
    ],
)
def test_a_whole_answer_is_kept_if_it_says_all(
    operation: Operation, answer: Any, kept: bool
) -> None:
    assert is_finished(operation, answer) is kept


def test_odd_answers_are_finished_or_not() -> None:
    for _, answer in changed(whole(Operation.CHAT)):
        assert is_finished(Operation.CHAT, answer) in (True, False)
    assert not is_finished(Operation.CHAT, {"choices": [1]})
