"""A file of JSON lines that survives the death of its process.

What was appended is in the operating system's hands and outlives a `kill -9`; it is not forced to
the disk, so that a power failure can cost the last seconds, as it can in the database itself.
A living journal is locked; one that can be locked by another process belonged to one that died.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

_DRAFT = ".draft"
# Of every line, which is a list that begins with its kind.
_BEGINNING = b'["'

Line = list[Any]
"""Its kind, and anything that orjson writes; when read again, plain JSON."""


class Journal:
    """The journal of this process. `size` is in bytes."""

    def __init__(self, path: Path) -> None:
        """Make the file, with mode 0600, and lock it. Raises OSError."""
        self.path = path
        self.size = 0
        self._file: int | None = None
        self._torn = False
        self.replace([])

    def append(self, line: Line) -> None:
        """Raises OSError; a part of the line may then be there, which is not read."""
        # What was written in part must not spoil what comes after it.
        data = b"\n" * self._torn + orjson.dumps(line) + b"\n"
        self._torn = True
        _write(self._file, data)
        self._torn = False
        self.size += len(data)

    def replace(self, lines: Iterable[Line]) -> None:
        """Have these lines and no others, whatever happens meanwhile. Raises OSError."""
        data = b"".join(orjson.dumps(line) + b"\n" for line in lines)
        # Under a name that nobody looks for, until it is locked and whole.
        draft = self.path.with_suffix(_DRAFT)
        file = _locked(draft, os.O_CREAT | os.O_TRUNC)
        try:
            _write(file, data)
            draft.replace(self.path)
        except OSError:
            if file is not None:
                os.close(file)
                draft.unlink(missing_ok=True)
            raise
        old, self._file = self._file, file
        self.size, self._torn = len(data), False
        if old is not None:
            os.close(old)

    def clear(self) -> None:
        """Have no lines. Raises OSError."""
        if self._file is not None and (self.size or self._torn):
            os.ftruncate(self._file, 0)
            self.size, self._torn = 0, False

    def close(self, keep: bool) -> None:
        """End; the file stays only if there is something in it that is to be kept."""
        if self._file is not None:
            if not keep:
                self.path.unlink(missing_ok=True)
            os.close(self._file)
            self._file = None


@dataclass(frozen=True, slots=True)
class Orphan:
    """The journal of a process that died, locked as long as it is looked at."""

    path: Path
    ended_ms: int
    """When it was last written to."""

    def lines(self) -> list[Line]:
        """What was appended, but for what was cut off. Raises ValueError if it is no journal."""
        return list(read_lines(self.path))

    def remove(self) -> None:
        self.path.unlink()

    def set_aside(self) -> Path:
        return set_aside(self.path)


def orphans(directory: Path, pattern: str) -> Iterator[Orphan]:
    """The journals that nobody has locked."""
    for path in sorted(directory.glob(pattern)):
        file = _locked(path, 0)
        if file is None:
            continue
        path.with_suffix(_DRAFT).unlink(missing_ok=True)
        try:
            yield Orphan(path, os.fstat(file).st_mtime_ns // 1_000_000)
        finally:
            os.close(file)


def set_aside(path: Path) -> Path:
    """Keep a file under a name that is not looked for again."""
    return path.replace(path.with_suffix(".unreadable"))


def read_lines(path: Path) -> Iterator[Line]:
    """What was appended, but for what was cut off. Raises ValueError if it is no journal."""
    for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
        try:
            found = orjson.loads(line)
        except orjson.JSONDecodeError:
            # Cut off by a full disk or a failure of power, which can leave zeros; or the empty end.
            if line.startswith(_BEGINNING) or _BEGINNING.startswith(line.strip(b"\0")):
                continue
            found = None
        if not isinstance(found, list):
            raise ValueError(f"line {number} is none of a journal's")
        yield found


def _write(file: int | None, data: bytes) -> None:
    """Write all of it. Raises OSError."""
    if file is None:
        raise OSError(errno.EBADF, "The journal is not open")
    left = memoryview(data)
    while left:
        left = left[os.write(file, left) :]


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
