"""Load by wrk, and what it counted."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_SCRIPT = Path(__file__).with_name("wrk.lua")
_COUNTS = re.compile(r"(\w+)=(\d+)")


class WrongAnswers(Exception):
    """Answers that are not what they should be, or connections that broke."""


class NoAnswer(WrongAnswers):
    """None came before the load was over."""


@dataclass(frozen=True, slots=True)
class Load:
    """What came of it.

    Attributes:
        rate: Good answers a second.
        p50: Of the time to a whole answer, in ms.
        p99: The same.
    """

    rate: float
    p50: float
    p99: float


def load(
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    wanted: tuple[str, str],
    connections: int,
    seconds: float,
) -> Load:
    """Call as often as the connections can, each waiting for its answer before the next.

    Args:
        wanted: What is in each good answer, and what it ends with.

    Raises:
        WrongAnswers: One of the answers was not good.
        NoAnswer: There was none.
        FileNotFoundError: wrk is not installed.
    """
    with tempfile.NamedTemporaryFile() as file:
        file.write(body)
        file.flush()
        command = [wrk_path(), "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--timeout", "20s"]
        command += ["-s", str(_SCRIPT)]
        for name, value in headers.items():
            command += ["-H", f"{name}: {value}"]
        command += [url, "--", file.name, *wanted]
        ran = subprocess.run(command, capture_output=True, timeout=seconds + 60, text=True)
    return parse(ran.stdout)


def parse(said: str) -> Load:
    """Read what the script wrote.

    Raises:
        WrongAnswers: One of the answers was not good.
        NoAnswer: There was none.
    """
    _, mark, rest = said.partition("RESULT ")
    if not mark:
        raise WrongAnswers(f"wrk did not finish: {said[-500:]}")
    counted, _, example = rest.partition("\nWRONG ")
    counts = {name: int(value) for name, value in _COUNTS.findall(counted)}
    faults = {
        name: counts[name]
        for name in ("wrong", "connect", "read", "write", "timeout")
        if counts[name]
    }
    if faults:
        told = ", ".join(f"{name} {count}" for name, count in faults.items())
        raise WrongAnswers(f"of {counts['requests']} answers: {told}: {example.strip()}")
    if not counts["requests"]:
        raise NoAnswer("no answer came before the load was over")
    return Load(
        rate=counts["requests"] / (counts["duration"] / 1e6),
        p50=counts["p50"] / 1000,
        p99=counts["p99"] / 1000,
    )


def wrk_path() -> str:
    """Raises:
    FileNotFoundError: It is not installed.
    """
    found = shutil.which("wrk")
    if found is None:
        raise FileNotFoundError("wrk is not installed; in Debian: apt-get install wrk")
    return found
