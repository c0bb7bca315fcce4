"""Reading server-sent events as they come, in pieces that end anywhere.

https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_BOM = "\ufeff".encode()
_END_OF_LINE = re.compile(rb"\r\n|\n|\r")


class EventTooLarge(Exception):
    """An event is longer than the reader keeps."""


@dataclass(slots=True)
class EventReader:
    """Collects the bytes of a stream until they make events.

    Attributes:
        most_bytes: How long an event can be.
    """

    most_bytes: int = 32 * 1024 * 1024
    _rest: bytearray = field(default_factory=bytearray)
    """The beginning of a line."""
    _name: str = ""
    _data: list[bytes] = field(default_factory=list)
    _size: int = 0
    _begun: bool = False
    _after_cr: bool = False

    def feed(self, piece: bytes) -> list[tuple[str, bytes]]:
        """The events that this piece of the stream ends: their names, if any, and their data.

        An event without data is none.

        Raises:
            EventTooLarge: See `most_bytes`.
        """
        if piece:
            # What is left of an end of line whose first half came before.
            rest = piece.removeprefix(b"\n") if self._after_cr else piece
            self._after_cr = piece.endswith(b"\r")
            piece = rest
        # Only what is new can hold the end of a line.
        searched = len(self._rest)
        self._rest += piece
        if not self._begun:
            if len(self._rest) < len(_BOM) and _BOM.startswith(self._rest):
                return []
            self._begun = True
            if self._rest.startswith(_BOM):
                del self._rest[: len(_BOM)]
                searched = 0
        found: list[tuple[str, bytes]] = []
        if not (self._name or self._data or b"\r" in self._rest):
            self._plain_events(found)
            searched = 0
        start = 0
        for end in _END_OF_LINE.finditer(self._rest, searched):
            self._line(bytes(self._rest[start : end.start()]), found)
            start = end.end()
        del self._rest[:start]
        if self._size + len(self._rest) > self.most_bytes:
            raise EventTooLarge
        return found

    def _plain_events(self, found: list[tuple[str, bytes]]) -> None:
        """Take the events, if all of them are one line `data: …`, as they nearly always are."""
        end = self._rest.rfind(b"\n\n")
        plain = bytes(self._rest[: max(end, 0)])
        if not plain.startswith(b"data: ") or len(plain) > self.most_bytes:
            return
        each = plain[len(b"data: ") :].split(b"\n\ndata: ")
        # Or else one of them has other lines, too.
        if plain.count(b"\n") == 2 * (len(each) - 1):
            found += [("", data) for data in each]
            del self._rest[: end + 2]

    def _line(self, line: bytes, found: list[tuple[str, bytes]]) -> None:
        if not line:
            if self._data:
                found.append((self._name, b"\n".join(self._data)))
            self._name, self._data, self._size = "", [], 0
            return
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
            self._size += len(value)
            if self._size > self.most_bytes:
                raise EventTooLarge
        elif name == b"event":
            self._name = value.decode(errors="replace")
