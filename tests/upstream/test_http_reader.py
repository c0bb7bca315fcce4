"""Framing of HTTP's answers: each is read in one way only, wherever its bytes are parted."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import UpstreamError
from gateway.upstream.http_reader import MOST_HEAD_BYTES, NO_HTTP, AnswerReader

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


class Read(NamedTuple):
    """What came of some bytes, after which the connection ended."""

    status: int
    body: bytes
    complete: bool
    reusable: bool = False
    fault: bool = False


def read(*pieces: bytes, ends: bool = True) -> Read:
    reader = AnswerReader()
    body, fault = b"", False
    for piece in pieces:
        try:
            reader.feed(piece)
        except UpstreamError as error:
            fault = error.message == NO_HTTP
        body += reader.take()
        if fault:
            break
    if ends and not fault:
        reader.end()
    return Read(reader.status, body, reader.complete, reader.reusable, fault)


WHOLE = {
    "length": (OK + b"Content-Length: 3\r\n\r\nabc", Read(200, b"abc", True, True)),
    "no body": (OK + b"Content-Length: 0\r\n\r\n", Read(200, b"", True, True)),
    "chunks": (CHUNKED + b"1\r\na\r\n2;x=y\r\nbc\r\n0\r\n\r\n", Read(200, b"abc", True, True)),
    "trailers": (
        CHUNKED + b"3\r\nabc\r\n0\r\nContent-Type: text/html\r\n\r\n",
        Read(200, b"abc", True, True),
    ),
    "until the end": (OK + b"\r\nabc", Read(200, b"abc", True)),
    "nothing until the end": (OK + b"\r\n", Read(200, b"", True)),
    "close": (OK + b"Connection: close\r\nContent-Length: 1\r\n\r\na", Read(200, b"a", True)),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", Read(200, b"a", True)),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", Read(204, b"", True, True)),
    "304": (
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n",
        Read(304, b"", True, True),
    ),
    "no reason": (b"HTTP/1.1 503\r\nContent-Length: 1\r\n\r\na", Read(503, b"a", True, True)),
    "interim": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nContent-Length: 9\r\n\r\n"
        + OK
        + b"Content-Length: 3\r\n\r\nabc",
        Read(200, b"abc", True, True),
    ),
    "no upgrade": (
        OK + b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 1\r\n\r\na",
        Read(200, b"a", True, True),
    ),
}
CUT = {
    "head": OK + b"Content-Len",
    "interim alone": b"HTTP/1.1 100 Continue\r\n\r\n",
    "length": OK + b"Content-Length: 4\r\n\r\nabc",
    "chunk": CHUNKED + b"4\r\nabc",
    "chunks": CHUNKED + b"3\r\nabc\r\n",
    "last chunk": CHUNKED + b"3\r\nabc\r\n0\r\n",
}
REFUSED = {
    "two lengths": OK + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
    "the same length twice": OK + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "a list of lengths": OK + b"Content-Length: 3, 3\r\n\r\nabc",
    "a length with a sign": OK + b"Content-Length: +3\r\n\r\nabc",
    "an endless length": OK + b"Content-Length: 99999999999999999999\r\n\r\nabc",
    "length and chunks": OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
    "chunks and length": OK + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
    "chunks twice": OK + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n",
    "another coding": OK + b"Transfer-Encoding: gzip\r\n\r\nabc",
    "another coding too": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a name like it": OK + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a size with a sign": CHUNKED + b"-1\r\na\r\n0\r\n\r\n",
    "a size in another form": CHUNKED + b"0x1\r\na\r\n0\r\n\r\n",
    "a longer chunk": CHUNKED + b"1\r\nab\r\n0\r\n\r\n",
    "a folded header": OK + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "a blank before a colon": OK + b"Content-Length : 0\r\n\r\n",
    "no colon": OK + b"Content-Length\r\n\r\n",
    "a zero byte": OK + b"X: a\0b\r\nContent-Length: 0\r\n\r\n",
    "a return alone": OK + b"X: a\rContent-Length: 0\r\n\r\n",
    "line feeds alone": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "another protocol": b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nabc",
    "no status": b"HTTP/1.1 000 OK\r\nContent-Length: 0\r\n\r\n",
    "a long status": b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    "no HTTP": b"220 mail.example ESMTP\r\n",
    "TLS": b"\x15\x03\x01\x00\x02\x02F",
}


@pytest.mark.parametrize(("data", "expected"), WHOLE.values(), ids=WHOLE)
def test_whole_answers(data: bytes, expected: Read) -> None:
    assert read(data) == expected


@pytest.mark.parametrize("data", CUT.values(), ids=CUT)
def test_what_is_cut_is_not_whole(data: bytes) -> None:
    got = read(data)
    assert not got.complete
    assert not got.fault


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED)
def test_what_can_be_read_in_two_ways_is_refused(data: bytes) -> None:
    got = read(data)
    assert got.fault
    assert not got.complete


ANSWERS = [data for data, _ in WHOLE.values()] + [*CUT.values(), *REFUSED.values()]


@given(data=st.sampled_from(ANSWERS), cuts=st.lists(st.integers(1, 120)))
def test_it_does_not_matter_how_the_bytes_come(data: bytes, cuts: list[int]) -> None:
    at = sorted({0, *(cut for cut in cuts if cut < len(data)), len(data)})
    pieces = [data[start:end] for start, end in pairwise(at)]
    assert read(*pieces) == read(data)


@given(
    chunks=st.lists(st.binary(min_size=1, max_size=50), max_size=5),
    cuts=st.lists(st.integers(1, 400)),
)
def test_chunks_make_the_body(chunks: list[bytes], cuts: list[int]) -> None:
    data = CHUNKED + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in [*chunks, b""])
    at = sorted({0, *(cut for cut in cuts if cut < len(data)), len(data)})
    pieces = [data[start:end] for start, end in pairwise(at)]
    assert read(*pieces, ends=False) == Read(200, b"".join(chunks), True, True)


def test_one_answer_after_the_other() -> None:
    reader = AnswerReader()
    for number in (b"1", b"2"):
        reader.feed(OK + b"Content-Length: 1\r\nX: %b\r\n\r\n%b" % (number, number))
        assert (reader.take(), reader.headers["x"]) == (number, number.decode())
        assert (reader.complete, reader.reusable) == (True, True)
        reader.expect()
        assert (reader.status, reader.complete, dict(reader.headers)) == (0, False, {})


@pytest.mark.parametrize("more", [OK, OK + b"Content-Length: 1\r\n\r\nb", b"junk"])
@pytest.mark.parametrize("together", [True, False])
def test_what_follows_an_answer_is_none(more: bytes, together: bool) -> None:
    """And whoever sends it is not asked again."""
    data = OK + b"Content-Length: 1\r\n\r\na"
    got = read(data + more) if together else read(data, more)
    assert got == Read(200, b"a", True)


def test_headers() -> None:
    reader = AnswerReader()
    reader.feed(OK + b"X-A: 1 \r\nx-a:2\r\nSet-Cookie: \xe9\r\nContent-Length: 0\r\n\r\n")
    assert dict(reader.headers) == {"x-a": "1, 2", "set-cookie": "é", "content-length": "0"}
    assert (reader.headers.get("x-a"), reader.headers.get("x-b", "none")) == ("1, 2", "none")
    assert "x-b" not in reader.headers


@pytest.mark.parametrize("size", [1000, 10**6])
@pytest.mark.parametrize(
    ("begun", "piece"),
    [
        (b"", b"HTTP/1.1 200 " + b"O" * 1000),
        (OK, b"X: " + b"a" * 90 + b"\r\n"),
        (OK + b"X: ", b"a" * 90),
        (OK, b"a" * 90),
        (b"", b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\n"),
        (CHUNKED + b"1;", b"a" * 90),
        (CHUNKED + b"0\r\n", b"X: y\r\n"),
    ],
)
def test_what_has_no_end_is_refused(begun: bytes, piece: bytes, size: int) -> None:
    """In pieces of this size."""
    data = piece * (4 * MOST_HEAD_BYTES // len(piece))
    reader = AnswerReader()
    reader.feed(begun)

    def feed() -> None:
        for start in range(0, len(data), size):
            reader.feed(data[start : start + size])

    with pytest.raises(UpstreamError, match=NO_HTTP):
        feed()
    assert not reader.complete


def test_a_long_body_is_no_head() -> None:
    piece = b"x" * 1000
    body = piece * (2 * MOST_HEAD_BYTES // len(piece))
    head = OK + b"Content-Length: %d\r\n\r\n" % len(body)
    assert read(head, *[piece] * (len(body) // len(piece))) == Read(200, body, True, True)
