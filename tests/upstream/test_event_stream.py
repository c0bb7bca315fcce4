"""Server-sent events from bytes that are cut anywhere."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.upstream.event_stream import EventReader, EventTooLarge

LINES = st.sampled_from(
    [
        *(b"data: one", b"data:two", b"data", b"event: ping", b"event:", b": a comment", b"id: 1"),
        *(b"", b"", b""),
        *(b"data: \xff\xfe", "data: é\u2028".encode(), b"retry: 5", b"\xef\xbb\xbf"),
    ]
)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


def read(*pieces: bytes) -> list[tuple[str, bytes]]:
    reader = EventReader()
    return [event for piece in pieces for event in reader.feed(piece)]


@pytest.mark.parametrize(
    ("sent", "events"),
    [
        (b"data: one\n\n", [("", b"one")]),
        (b"event: ping\ndata: {}\n\ndata: x\n\n", [("ping", b"{}"), ("", b"x")]),
        (b"data: a\r\ndata: b\r\n\r\n", [("", b"a\nb")]),
        (b"data:a\r\rdata:  b\r\r", [("", b"a"), ("", b" b")]),
        (b": comment\n\nevent: x\n\ndata: y\n\n", [("", b"y")]),
        (b"\xef\xbb\xbfdata: x\n\n", [("", b"x")]),
        (b"data: \xff!\n\n", [("", b"\xff!")]),
        ("data: a\u2028b\x0bc\n\n".encode(), [("", "a\u2028b\x0bc".encode())]),
        (b"data\n\n", [("", b"")]),
        (b"id: 1\nretry: 2\nother\ndata: x\n\n", [("", b"x")]),
        # What has no end is no event.
        (b"data: x\n\ndata: y\n", [("", b"x")]),
    ],
)
def test_events_are_read_as_the_standard_has_it(
    sent: bytes, events: list[tuple[str, bytes]]
) -> None:
    assert read(sent) == events
    assert read(*(sent[i : i + 1] for i in range(len(sent)))) == events


@settings(max_examples=100)
@given(st.data(), st.lists(st.tuples(LINES, ENDS), max_size=12))
def test_it_does_not_matter_where_the_pieces_end(
    data: st.DataObject, lines: list[tuple[bytes, bytes]]
) -> None:
    sent = b"".join(line + end for line, end in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=6)))
    pieces = [sent[a:b] for a, b in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
    assert read(*pieces) == read(sent)


@pytest.mark.parametrize("sent", [b"data: " + b"x" * 100, b"data: x\n" * 100, b":" * 101])
def test_an_event_without_end_is_refused(sent: bytes) -> None:
    reader = EventReader(most_bytes=99)
    with pytest.raises(EventTooLarge):
        reader.feed(sent)


def test_many_small_events_are_not_one_large() -> None:
    reader = EventReader(most_bytes=99)
    assert len(reader.feed(b"data: x\n\n" * 1000)) == 1000
