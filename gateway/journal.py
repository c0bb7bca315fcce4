"""A file of JSON lines that survives the death of its process.

What was appended is in the operating system's hands and outlives a `kill -9`; it is not forced to
the disk, so that a power failure can cost the last seconds, as it can in the database itself.
A living journal is locked; one that can be locked by another process belonged to one that died.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

_DRAFT = ".draft"

Line = list[Any]
"""Anything that orjson writes; when read again, plain JSON."""


class Journal:
    """The journal of this process. `size` is in bytes."""

    def __init__(self, path: Path) -> None:
        """Make the file, with mode 0600, and lock it. Raises OSError."""
        self.path = path
        self.size = 0
        self._file: int | None = None
        self.replace([])

    def append(self, line: Line) -> None:
        """Raises OSError; a part of the line may then be there, which `read` leaves out."""
        self._write(orjson.dumps(line) + b"\n")

    def replace(self, lines: Iterable[Line]) -> None:
        """Have these lines and no others, whatever happens meanwhile. Raises OSError."""
        # Under a name that nobody looks for, until it is locked and whole.
        draft = self.path.with_suffix(_DRAFT)
        old, self._file = self._file, _locked(draft, os.O_CREAT)
        self.size = 0
        try:
            self._write(b"".join(orjson.dumps(line) + b"\n" for line in lines))
            draft.replace(self.path)
        except OSError:
            draft.unlink(missing_ok=True)
            self._file, old = old, self._file
            raise
        finally:
            if old is not None:
                os.close(old)

    def clear(self) -> None:
        """Have no lines."""
        if self.size and self._file is not None:
            os.ftruncate(self._file, 0)
            self.size = 0

    def close(self, keep: bool) -> None:
        """End; the file stays only if there is something in it that is to be kept."""
        if self._file is not None:
            if not keep:
                self.path.unlink(missing_ok=True)
            os.close(self._file)
            self._file = None

    def _write(self, data: bytes) -> None:
        assert self._file is not None, "the journal is closed"  # noqa: S101
        left = memoryview(data)
        while left:
            written = os.write(self._file, left)
            self.size += written
            left = left[written:]


@dataclass(frozen=True, slots=True)
class Orphan:
    """The journal of a process that died, locked as long as it is looked at."""

    path: Path
    lines: list[Line]
    ended_ms: int
    """When it was last written to."""

    def remove(self) -> None:
        self.path.unlink()

    def set_aside(self) -> Path:
        """Keep it under a name that is not looked for again."""
        return self.path.replace(self.path.with_suffix(".unreadable"))


def orphans(directory: Path, pattern: str) -> Iterator[Orphan]:
    """The journals that nobody has locked."""
    for path in sorted(directory.glob(pattern)):
        file = _locked(path, 0)
        if file is None:
            continue
        path.with_suffix(_DRAFT).unlink(missing_ok=True)
        try:
            yield Orphan(path, list(_read(path)), os.fstat(file).st_mtime_ns // 1_000_000)
        finally:
            os.close(file)


def _read(path: Path) -> Iterator[Line]:
    for line in path.read_bytes().split(b"\n"):
        try:
            found = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue  # cut off in the middle, or the empty end
        if isinstance(found, list):
            yield found


def _locked(path: Path, flags: int) -> int | None:
    """The open file, or None where another process has it or has done away with it."""
    try:
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | flags, 0o600)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Between the two it may have been replaced, and then let go.
        mine, named = os.fstat(file), os.stat(path)
    except (BlockingIOError, FileNotFoundError):
        os.close(file)
        return None
    if mine.st_ino != named.st_ino:
        os.close(file)
        return None
    return file
