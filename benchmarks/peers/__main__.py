"""This gateway beside others: `benchmarks/run`, which makes the environments, then runs this."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers import loads, machine, paced
from benchmarks.peers.canned import nginx
from benchmarks.peers.plot import plot
from benchmarks.peers.processes import Ended
from benchmarks.peers.report import report
from benchmarks.peers.servers import ROOT, SERVERS, STRAIGHT, Server
from benchmarks.peers.wrk import WrongAnswers

_OUTPUT = ROOT / "benchmarks"


def main() -> int:
    given = _options()
    given.output.mkdir(parents=True, exist_ok=True)
    # Whoever ends this ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    servers = [server for server in SERVERS if server.name in given.servers]
    results: dict[str, Any] = {
        "about": machine.described(),
        "versions": machine.versions(given.peers),
        "options": {
            name: getattr(given, name)
            for name in ("rounds", "seconds", "connections", "streams", "tokens", "pace")
        },
        "loads": [],
        "paced": [],
    }
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
        with nginx(Path(directory)) as url:
            for number in range(given.rounds):
                for done in _loads(_turned(servers, number), url, given):
                    _keep(results, "loads", done | {"round": number}, given.output)
        for number in range(min(given.rounds, given.paced_rounds)):
            for done in _paced(_turned(servers, number), given):
                _keep(results, "paced", done | {"round": number}, given.output)
    # What a peer cannot do is a result.
    failed = {done["server"] for done in results["loads"] + results["paced"] if "failed" in done}
    return 1 if failed & {"direct", "litellm", STRAIGHT} else 0


def _options() -> argparse.Namespace:
    names = [server.name for server in SERVERS]
    parser = argparse.ArgumentParser(prog="benchmarks/run", description=__doc__)
    parser.add_argument("peers", type=Path, help="the folder of the peers' environments")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=8, help="that each load lasts, at least")
    parser.add_argument("--connections", type=_numbers, default=[1, 16, 64], metavar="N,…")
    parser.add_argument(
        "--servers", type=lambda text: text.split(","), default=names, help=", ".join(names)
    )
    parser.add_argument("--paced-rounds", type=int, default=3, help="of streams at a steady pace")
    parser.add_argument("--streams", type=_numbers, default=[10, 200], metavar="N,…")
    parser.add_argument("--tokens", type=int, default=1000, help="of each of those streams")
    parser.add_argument("--pace", type=float, default=50, help="tokens a second")
    parser.add_argument("--output", type=Path, default=_OUTPUT, help="the results' folder")
    given = parser.parse_args()
    if unknown := set(given.servers) - set(names):
        parser.error(f"there is no server {', '.join(sorted(unknown))}")
    return given


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def _turned(servers: Sequence[Server], number: int) -> list[Server]:
    """In another order each round: none always comes after the same other."""
    turn = number * 3 % max(1, len(servers))
    return [*servers[turn:], *servers[:turn]]


def _loads(servers: Sequence[Server], url: str, given: argparse.Namespace) -> Iterator[Any]:
    yield from loads.straight(url, given.connections, given.seconds)
    for server in servers:
        yield from loads.measure(server, given.peers, url, given.connections, given.seconds)


def _paced(servers: Sequence[Server], given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    for server in [None, *servers]:
        for streams in given.streams:
            name = server.name if server is not None else STRAIGHT
            done = {"server": name, "streams": streams}
            try:
                yield done | paced.measure(server, given.peers, streams, given.tokens, given.pace)
            except (Ended, WrongAnswers) as error:
                yield done | {"failed": str(error)}


def _keep(results: dict[str, Any], part: str, done: dict[str, Any], output: Path) -> None:
    """Write all anew: what was measured so far survives whatever comes."""
    # The page is of what is kept, and can be made of it again.
    results[part].append(_rounded(done))
    print(" ".join(f"{name}={_short(value)}" for name, value in done.items()), flush=True)
    (output / "results.json").write_text(_compact(results))
    (output / "results.svg").write_text(plot(results))
    (output / "RESULTS.md").write_text(report(results))


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)[:300]


def _compact(results: dict[str, Any]) -> str:
    """A measurement a line, to be read and compared."""
    lines = [f'"{name}": {json.dumps(results[name])}' for name in ("about", "versions", "options")]
    for name in ("loads", "paced"):
        each = ",\n".join(json.dumps(done) for done in results[name])
        lines.append(f'"{name}": [\n{each}\n]')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _rounded(value: Any) -> Any:
    match value:
        case float():
            return float(f"{value:.6g}")
        case dict():
            return {name: _rounded(each) for name, each in value.items()}
        case list():
            return [_rounded(each) for each in value]
    return value


if __name__ == "__main__":
    sys.exit(main())
