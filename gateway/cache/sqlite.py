"""Entries in a SQLite file of their own, which processes of one host share."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_BUSY_MS = 500
# Removed at a time, so that other processes get in between.
_BATCH = 200
# How much is left of the allowed size where room is made.
_LEFT = 0.9


class SqlitePlace:
    """Up to `most` bytes in the file, of which those go first that would end first.

    The file (mode 0600) is opened at the first use, in a thread of its own as all that follows.
    """

    def __init__(self, path: Path, most: int, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._most = most
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, "cache")
        self._opened: sqlite3.Connection | None = None

    async def get(self, key: str) -> bytes | None:
        return await self._run(self._get, key)

    async def put(self, key: str, data: bytes, ttl: float) -> None:
        await self._run(self._put, key, data, self._clock() + ttl)

    async def aclose(self) -> None:
        await self._run(self._close)
        await asyncio.to_thread(self._thread.shutdown)

    async def _run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: work(*args, **kwargs))

    def _get(self, key: str) -> bytes | None:
        query = "SELECT data FROM entries WHERE key = ? AND expires_at > ?"
        row = self._connection().execute(query, (key, self._clock())).fetchone()
        return None if row is None else bytes(row[0])

    def _put(self, key: str, data: bytes, expires_at: float) -> None:
        connection = self._connection()
        connection.execute("REPLACE INTO entries VALUES (?, ?, ?)", (key, data, expires_at))
        connection.execute(
            "DELETE FROM entries WHERE key IN "
            "(SELECT key FROM entries WHERE expires_at <= ? LIMIT ?)",
            (self._clock(), _BATCH),
        )
        over = self._size() - self._most
        if over > 0:
            self._make_room(over + int(self._most * (1 - _LEFT)))

    def _make_room(self, wanted: int) -> None:
        """Remove entries of so many bytes in all, or all there are."""
        query = "SELECT key, length(data) FROM entries ORDER BY expires_at LIMIT ?"
        while wanted > 0:
            going: list[tuple[str]] = []
            for key, size in self._connection().execute(query, (_BATCH,)):
                going.append((key,))
                wanted -= size
                if wanted <= 0:
                    break
            if not going:
                return
            self._connection().executemany("DELETE FROM entries WHERE key = ?", going)

    def _size(self) -> int:
        """The file's size in bytes, without what is free in it."""
        numbers = [
            int(self._connection().execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        ]
        return (numbers[0] - numbers[1]) * numbers[2]

    def _connection(self) -> sqlite3.Connection:
        if self._opened is None:
            self._opened = self._open()
        return self._opened

    def _open(self) -> sqlite3.Connection:
        # Answers are nobody else's to read.
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = sqlite3.connect(self._path, isolation_level=None)
        try:
            for pragma in (
                f"busy_timeout = {_BUSY_MS}",
                "journal_mode = WAL",
                "synchronous = NORMAL",
                # What has ended, or had to go, is not to be found in the file.
                "secure_delete = ON",
            ):
                connection.execute(f"PRAGMA {pragma}")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS entries "
                "(key TEXT PRIMARY KEY, data BLOB NOT NULL, expires_at REAL NOT NULL)"
            )
            connection.execute(
                "CREATE INDEX IF NOT EXISTS entries_expires_at ON entries (expires_at)"
            )
        except BaseException:
            connection.close()
            raise
        return connection

    def _close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None
