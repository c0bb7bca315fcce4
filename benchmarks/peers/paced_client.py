"""Callers of a paced upstream: `python -m benchmarks.peers.paced_client`, with a `Plan` as JSON on
stdin; a `Taken` as JSON on stdout.

So many long streams run at once, begun one after another. Once all run, short ones besides them
show when a first token comes.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
import sys
import time
from array import array
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import httptools
import uvloop

from benchmarks.peers.figures import percentile

RAMP_SECONDS = 4.0
_PROBES_A_SECOND = 10.0
_PROBE_TOKENS = 5
_SENT = re.compile(rb'"content":\s*"t(\d+) "')


@dataclass(frozen=True, slots=True)
class Plan:
    """Attributes:
    streams: How many run at once.
    tokens: Of each.
    pace: Tokens a second.
    patience: How many times what the streams should take is waited for them.
    """

    url: str
    headers: dict[str, str]
    model: str
    streams: int
    tokens: int
    pace: float
    patience: float = 2.0

    @property
    def seconds(self) -> float:
        """What a stream takes at least."""
        return (self.tokens - 1) / self.pace

    @property
    def limit(self) -> float:
        """When all is over, in seconds from the start."""
        return RAMP_SECONDS + self.patience * self.seconds + 5


@dataclass(frozen=True, slots=True)
class Taken:
    """Attributes:
    wrong: What was not a whole stream, and no mere delay; the first of it.
    late: Streams, and probes, that had not ended when all was over.
    calls: Long streams and probes, in all.
    first: Of the probes, p50 and p99 from the call to the first token, in ms.
    delay: Of all tokens, p50 and p99 from being sent to being received, in ms.
    total: The seconds that a long stream took, median; None if any was late.
    cpu: What this process used of one core.
    """

    wrong: str | None
    late: int
    calls: int
    first: tuple[float, float] | None
    delay: tuple[float, float] | None
    total: float | None
    cpu: float


class Stream(asyncio.Protocol):
    """One call. `ended` holds the seconds it took, or what was wrong."""

    def __init__(self, request: bytes, tokens: int, delays: array[int]) -> None:
        self._request = request
        self._expected = tokens
        self._delays = delays
        self._parser = httptools.HttpResponseParser(self)
        self._rest = b""
        self._count = 0
        self.first: int | None = None
        self.ended: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's are no subclass of it.
        self._transport = cast(asyncio.Transport, transport)
        self._began = time.monotonic_ns()
        self._transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(f"the connection ended after {self._count} tokens: {exc}")

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        now = time.monotonic_ns()
        # An event may come in parts.
        whole, newline, self._rest = (self._rest + body).rpartition(b"\n")
        for sent in _SENT.findall(whole + newline):
            self._delays.append(now - int(sent))
            self._count += 1
            if self.first is None:
                self.first = now - self._began
        if b"[DONE]" in whole:
            self._end(None if self._count == self._expected else f"{self._count} tokens")

    def on_message_complete(self) -> None:
        self._end(f"{self._parser.get_status_code()}, {self._count} tokens, no [DONE]")
        self._transport.close()

    def _end(self, wrong: str | None) -> None:
        if self.ended.done():
            return
        if wrong is None:
            self.ended.set_result((time.monotonic_ns() - self._began) / 1e9)
        else:
            self.ended.set_exception(ValueError(wrong))


async def run(plan: Plan) -> Taken:
    """Call, and wait for all of it, or until the limit."""
    loop = asyncio.get_running_loop()
    port = urlsplit(plan.url).port
    assert port is not None
    began = loop.time()
    delays: array[int] = array("q")
    long: list[Stream] = []
    probes: list[Stream] = []

    async def begin(tokens: int, at: float, into: list[Stream]) -> None:
        await asyncio.sleep(began + at - loop.time())
        _, stream = await loop.create_connection(
            lambda: Stream(_request(plan, tokens), tokens, delays), "127.0.0.1", port
        )
        into.append(stream)
        await stream.ended

    starts = [(plan.tokens, n * RAMP_SECONDS / plan.streams, long) for n in range(plan.streams)]
    window = max(1.0, plan.seconds - RAMP_SECONDS - 1)
    starts += [
        (_PROBE_TOKENS, RAMP_SECONDS + 1 + n / _PROBES_A_SECOND, probes)
        for n in range(int(window * _PROBES_A_SECOND))
    ]
    tasks = [loop.create_task(begin(*start)) for start in starts]
    done, late = await asyncio.wait(tasks, timeout=plan.limit)
    for task in late:
        task.cancel()
    wrong = [str(error) for task in done if (error := task.exception()) is not None]
    totals = [stream.ended.result() for stream in long if _good(stream)]
    firsts = [stream.first / 1e6 for stream in probes if stream.first is not None]
    return Taken(
        wrong=f"{len(wrong)} streams, the first: {wrong[0]}" if wrong else None,
        late=len(late),
        calls=len(tasks),
        first=_percentiles(firsts),
        delay=_percentiles([delay / 1e6 for delay in delays]),
        total=percentile(totals, 0.5) if totals and not late else None,
        cpu=time.process_time() / (loop.time() - began),
    )


def _good(stream: Stream) -> bool:
    ended = stream.ended
    return ended.done() and not ended.cancelled() and ended.exception() is None


def _percentiles(values: list[float]) -> tuple[float, float] | None:
    return (percentile(values, 0.5), percentile(values, 0.99)) if values else None


def _request(plan: Plan, tokens: int) -> bytes:
    asked = {"model": plan.model, "messages": [{"role": "user", "content": "Tell me a story."}]}
    body = json.dumps(asked | {"stream": True, "max_tokens": tokens}).encode()
    where = urlsplit(plan.url)
    lines = [
        f"POST {where.path} HTTP/1.1",
        f"Host: {where.netloc}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in plan.headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


if __name__ == "__main__":
    taken = uvloop.run(run(Plan(**json.load(sys.stdin))))
    print(json.dumps(dataclasses.asdict(taken)))
