"""Answers of HTTP/1.1, taken apart as their bytes come.

llhttp refuses what could be read in two ways: two lengths, a length beside chunks, one that is no
number, folded headers, lines that end otherwise than HTTP's do. What it lets pass is refused here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from gateway.errors import broken_answer

NO_HTTP = "The provider's answer is no proper HTTP"
# Of a status line and headers, or of what else stands between bytes of a body.
MOST_HEAD_BYTES = 64 * 1024
_SWITCHING_PROTOCOLS = 101
_LAST_INTERIM = 199
_WITHOUT_BODY = (204, 304)


class Headers(Mapping[str, str]):
    """An answer's, by names in lower case."""

    def __init__(self, fields: Mapping[bytes, bytes]) -> None:
        self._fields = fields

    def __getitem__(self, name: str) -> str:
        return self._fields[name.encode("latin-1")].decode("latin-1")

    def get(self, name: str, default: Any = None, /) -> Any:
        # Mapping's own raises an exception for each header that there is not.
        value = self._fields.get(name.encode("latin-1"))
        return default if value is None else value.decode("latin-1")

    def __iter__(self) -> Iterator[str]:
        return (name.decode("latin-1") for name in self._fields)

    def __len__(self) -> int:
        return len(self._fields)


class AnswerReader:
    """Reads the answers that come over one connection, each after a call of `expect`.

    Attributes:
        status: 0 until the head has come; those of interim answers (1xx) are passed over.
        held: The bytes of the body that `take` would return.
        complete: Whether the whole answer has come.
        reusable: Whether the connection can be used once more after it.
    """

    def __init__(self) -> None:
        self._parser = HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self.complete = True
        self.expect()

    def expect(self) -> None:
        """Another answer is to come. The last must be complete."""
        self.status = 0
        self.held = 0
        self.complete = False
        self.reusable = False
        self._fields: dict[bytes, bytes] = {}
        self._until_closed = False
        self._pieces.clear()
        # Bytes of the head, and of all since the body went on.
        self._head = self._pending = 0
        self._moved = False

    @property
    def headers(self) -> Headers:
        """Those before the body, joined by commas where several have one name. What comes after
        the body is passed over."""
        return Headers(self._fields)

    def feed(self, data: bytes) -> None:
        """Read on. What was read before a fault can be taken all the same.

        Raises:
            UpstreamError: This is no answer that can be read, or one with a head without end.
        """
        self._moved = False
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            if not self.complete:
                raise broken_answer(NO_HTTP) from error
            # Whoever sends more than was asked for has still answered.
            self.reusable = False
        self._pending = 0 if self._moved else self._pending + len(data)
        if self._pending > MOST_HEAD_BYTES and not self.complete:
            raise broken_answer(NO_HTTP)

    def end(self) -> None:
        """The connection has ended, which can be the answer's end: see `complete` then."""
        if self.status and self._until_closed:
            self.complete = True

    def take(self) -> bytes:
        """What has come of the body since the last time."""
        pieces = self._pieces
        taken = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self.held = 0
        return taken

    def close(self) -> None:
        """Nothing more is to be read. The parser refers to this object, and this to the parser."""
        del self._parser

    # --- What the parser calls -------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self.complete:
            raise ValueError("an answer that nobody asked for")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head += len(name) + len(value) + len(": \r\n")
        if self._head > MOST_HEAD_BYTES:
            raise ValueError("a head that is too large")
        if not self.status:
            name, value = name.lower(), value.rstrip()
            before = self._fields.get(name)
            self._fields[name] = value if before is None else b"%b, %b" % (before, value)

    def on_headers_complete(self) -> None:
        status: int = self._parser.get_status_code()
        if status < 100 or status == _SWITCHING_PROTOCOLS:
            raise ValueError("a status that has no meaning here")
        if status <= _LAST_INTERIM:
            self._fields = {}
            return
        coding = self._fields.get(b"transfer-encoding")
        if coding is not None and coding.lower() != b"chunked":
            raise ValueError("a body in a form that nobody asked for")
        told = coding is not None or b"content-length" in self._fields
        self._until_closed = not told and status not in _WITHOUT_BODY
        self.reusable = self._parser.should_keep_alive()
        self.status = status
        self._moved = True

    def on_body(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self.held += len(piece)
        self._moved = True

    def on_message_complete(self) -> None:
        # Or else an interim answer is.
        if self.status:
            self.complete = True
