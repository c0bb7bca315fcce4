"""A server that runs and answers rightly."""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from benchmarks.peers.canned import TEXT
from benchmarks.peers.processes import (
    START_SECONDS,
    Ended,
    Process,
    check_runs,
    free_port,
    running,
    until_open,
)
from benchmarks.peers.servers import Place, Server, environ
from benchmarks.peers.wrk import WrongAnswers

PATH = "/v1/chat/completions"
_MESSAGES = [{"role": "user", "content": "Tell me a story of sixty-four words."}]


@dataclass(frozen=True, slots=True)
class Served:
    """Attributes:
    headers: Of a call, its credentials among them.
    ready: The seconds from its start until it could be called.
    """

    url: str
    headers: dict[str, str]
    model: str
    process: Process
    ready: float

    def body(self, *, stream: bool) -> bytes:
        """Of a call."""
        asked: dict[str, Any] = {"model": self.model, "messages": _MESSAGES}
        return json.dumps(asked | ({"stream": True} if stream else {})).encode()


@contextlib.contextmanager
def served(server: Server, peers: Path, upstream: str) -> Iterator[Served]:
    """Start a server, and end it.

    Raises:
        Ended: It does not start; with the last of what it said.
    """
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
        place = Place(peers.absolute(), Path(directory), free_port(), upstream)
        started = server.start(place)
        log = Path(directory, "log")
        began = time.monotonic()
        with running(started.command, environ(place, started), Path(directory), log) as process:
            try:
                until_open(process, place.port)
                if server.ready is not None:
                    _until_ready(process, place.url + server.ready)
                ready = time.monotonic() - began
                headers = server.prepare(place)
                yield Served(place.url + PATH, headers, server.model, process, ready)
            except (Ended, httpx.HTTPError) as error:
                said = log.read_text(errors="replace")[-2000:]
                raise Ended(f"{server.name}: {error}\n{said}") from error


def _until_ready(process: Process, url: str) -> None:
    limit = time.monotonic() + START_SECONDS
    while True:
        check_runs(process, limit)
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(url, timeout=5).status_code == 200:
                return
        time.sleep(0.02)


def check(server: Served, *, stream: bool) -> None:
    """Call once, and look at all of the answer.

    Raises:
        WrongAnswers: It is not what the upstream answers.
    """
    headers = server.headers | {"Content-Type": "application/json"}
    answer = httpx.post(server.url, content=server.body(stream=stream), headers=headers, timeout=30)
    text = answer.text
    try:
        right = answer.status_code == 200 and (_streamed(text) if stream else _whole(text)) == TEXT
    except (ValueError, LookupError, TypeError):
        right = False
    if not right:
        raise WrongAnswers(
            f"the first answer was {answer.status_code}: {text[:300]} … {text[-300:]}"
        )


def _whole(text: str) -> str:
    content: str = json.loads(text)["choices"][0]["message"]["content"]
    return content


def _streamed(text: str) -> str:
    events = [line[5:].strip() for line in text.splitlines() if line.startswith("data:")]
    if events.pop() != "[DONE]":
        raise ValueError("the stream does not end")
    choices = [choice for event in events for choice in json.loads(event)["choices"]]
    return "".join(choice["delta"].get("content") or "" for choice in choices)
