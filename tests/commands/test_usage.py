"""`gateway usage`: tables, bars, CSV, JSON, and following along."""

from __future__ import annotations

import asyncio
import csv
import fcntl
import io
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway import vault
from gateway.commands.usage_output import printable
from gateway.money import money
from gateway.periods import DAY
from gateway.records import LedgerRow
from gateway.settings import Settings
from gateway.specs import key_spec
from gateway.store import Store
from tests.commands.conftest import Run
from tests.ledgers import ledger_row
from tests.processes import COMMAND, environment
from tests.servers import TESTER

# A process of its own reads it, too.
pytestmark = pytest.mark.sqlite

SPAN = ("--since", "2026-11-17", "--until", "2026-11-23")
NOW = int(time.time())


def put(directory: Path, *rows: LedgerRow) -> None:
    asyncio.run(write(directory, *rows))


async def write(directory: Path, *rows: LedgerRow) -> None:
    async with Store.open(Settings(database_url=f"sqlite:///{directory}/gateway.db")) as store:
        await store.ledger.write(rows, [])


def cells(line: str) -> list[str]:
    return line.split()


# --- the table ---


def test_a_table_has_what_costs_most_first_and_a_total(run: Run, tmp_path: Path) -> None:
    put(
        tmp_path,
        ledger_row(served_model="cheap", cost=12_000, latency_ms=200, cache_hit=True),
        ledger_row(served_model="dear", cost=1_234_560_000_000, prompt_tokens=1_000_000),
        ledger_row(served_model="cheap", cost=0, outcome="failed", latency_ms=0),
        ledger_row(served_model=None, cost=None, provider=None, outcome="refused"),
    )
    shown = run("usage", *SPAN)
    lines = [cells(line) for line in shown.out.splitlines() if line.strip(" ─")]
    assert lines == [
        cells("MODEL REQUESTS ERRORS HITS PROMPT CACHED COMPLETION COST AVG MS"),
        ["dear", "1", "0", "0", "1,000,000", "0", "5", "$1,234.56", "100"],
        ["cheap", "2", "1", "1", "20", "0", "10", "$0.000012", "100"],
        ["(none)", "1", "1", "0", "10", "0", "5", "$0.00", "100"],
        ["TOTAL", "4", "2", "1", "1,000,030", "0", "20", "$1,234.56", "100"],
    ]
    assert shown.err.splitlines() == [
        "From 2026-11-17T00:00:00Z to 2026-11-24T00:00:00Z.",
        "1 request(s) have no known price and count as $0.",
    ]


def test_groups_are_by_what_is_asked(run: Run, tmp_path: Path) -> None:
    put(
        tmp_path,
        ledger_row("2026-11-20", tags=("a", "b"), first_token_ms=7, estimated=True),
        ledger_row("2026-11-19", tags=("b",), cost=1),
    )
    shown = run("usage", "--by", "day", "--by", "tag", "--percentiles", *SPAN)
    lines = [cells(line) for line in shown.out.splitlines() if line.strip(" ─")]
    assert [line[:3] for line in lines[1:]] == [
        ["2026-11-19", "b", "1"],
        ["2026-11-20", "a", "1"],
        ["2026-11-20", "b", "1"],
        ["TOTAL", "2", "0"],
    ]
    assert "FIRST P50" in shown.out
    assert (lines[2][-2:], lines[1][-2:]) == (["7", "7"], ["-", "-"])
    assert "The tokens of 1 request(s) are estimates." in shown.err
    assert run("usage", "--by", "day,tag", *SPAN, "--json").json["group_by"] == ["day", "tag"]


def test_keys_and_teams_are_shown_and_named_by_what_they_are_called(
    run: Run, tmp_path: Path
) -> None:
    key = run("keys", "create", "--label", "ci", "--json").json
    run("keys", "create", "--label", "ci")
    put(
        tmp_path,
        ledger_row(key_id=key["id"], team_id="team_gone"),
        ledger_row(key_id="key_other", cost=1),
    )
    shown = run("usage", "--by", "key", "--by", "team", *SPAN)
    assert [cells(line)[:2] for line in shown.out.splitlines()[3:5]] == [
        ["ci", "team_gone"],
        ["key_other", "(none)"],
    ]
    for named in (("--key", "ci"), ("--key", key["id"]), ("--team", "team_gone")):
        assert run("usage", *named, *SPAN, "--json").json["total"]["requests"] == 1
    for named in (("--key", "none"), ("--team", "none")):
        missing = run("usage", *named)
        assert (missing.code, missing.out) == (3, "")
        assert "'none'" in missing.err


def test_a_team_is_found_by_its_name(run: Run, tmp_path: Path) -> None:
    team = run("teams", "create", "search", "--json").json["team_id"]
    put(tmp_path, ledger_row(team_id=team), ledger_row())
    for name in ("search", team):
        assert run("usage", "--team", name, *SPAN, "--json").json["total"]["requests"] == 1
    shown = run("usage", "--by", "team", *SPAN)
    assert "search" in shown.out


def test_fewer_groups_than_there_are_are_told_of(run: Run, tmp_path: Path) -> None:
    put(tmp_path, ledger_row(), ledger_row(served_model="b"))
    shown = run("usage", "--limit", "1", *SPAN)
    assert "These are the 1 groups that cost most; --limit shows more." in shown.err


def test_nothing_says_so(run: Run) -> None:
    for arguments in (("usage",), ("usage", "requests")):
        empty = run(*arguments)
        assert (empty.code, empty.out) == (0, "")
        assert "No such requests" in empty.err


def test_a_name_can_do_nothing_to_the_terminal(run: Run, tmp_path: Path) -> None:
    evil = "[red]x[/red]\x1b]0;owned\x07\u202e\x9b31m"
    put(tmp_path, ledger_row(model=evil, served_model=evil, tags=(evil,), error=evil))
    for arguments in (
        ("usage", "--by", "model", "--by", "tag", *SPAN),
        ("usage", "requests"),
    ):
        shown = run(*arguments).out.replace("\n", "")
        assert "[red]x[/red]" in shown
        assert not [char for char in shown if not char.isprintable()]


@pytest.mark.parametrize(
    ("nano", "shown"),
    [
        (0, "$0.00"),
        (1, "$0.000000001"),
        (12_000, "$0.000012"),
        (12_345_678, "$0.012"),
        (500_000_000, "$0.50"),
        (999_999_999, "$1.00"),
        (1_005_000_000, "$1.01"),
        (1_234_567_890_000_000, "$1,234,567.89"),
    ],
)
def test_no_money_is_shown_as_nothing(nano: int, shown: str) -> None:
    assert money(nano) == shown


def test_what_is_printable_stays() -> None:
    assert printable("модель é 🦊 ]") == "модель é 🦊 ]"


# --- bars ---


def _bars(out: str) -> list[str]:
    lines = out.splitlines()
    [start] = [at for at, line in enumerate(lines) if line.startswith(("Cost by", "Requests by"))]
    return lines[start:]


def test_bars_by_day_have_the_days_between(run: Run, tmp_path: Path) -> None:
    put(
        tmp_path,
        ledger_row("2026-11-18", cost=8 * 10**9),
        ledger_row("2026-11-20", cost=4 * 10**9),
        ledger_row("2026-11-21", cost=1),
    )
    heading, *bars = _bars(run("usage", "--chart", *SPAN).out)
    assert heading == "Cost by day"
    assert [cells(bar)[0] for bar in bars] == [f"2026-11-{day}" for day in range(18, 24)]
    assert [cells(bar)[-1] for bar in bars] == [
        "$8.00", "$0.00", "$4.00", "$0.000000001", "$0.00", "$0.00",
    ]  # fmt: skip
    lengths = [bar.count("█") for bar in bars]
    assert lengths[0] == 2 * lengths[2] > 20
    assert bars[1] == "2026-11-19 $0.00"
    assert bars[3] == "2026-11-21 ▏ $0.000000001"


@pytest.mark.parametrize(
    ("days", "unit", "bars"), [(30, "day", 31), (100, "week", None), (400, "month", None)]
)
def test_a_long_time_has_bars_of_weeks_or_months(
    run: Run, tmp_path: Path, days: int, unit: str, bars: int | None
) -> None:
    rows = [ledger_row((NOW - back * DAY) * 1000, cost=10**9) for back in (0, 1, days)]
    put(tmp_path, *rows)
    heading, *drawn = _bars(run("usage", "--since", f"{days + 1}d", "--chart").out)
    assert heading == f"Cost by {unit}"
    assert len(drawn) <= 31
    assert bars is None or len(drawn) == bars
    amounts = [float(cells(bar)[-1].removeprefix("$")) for bar in drawn]
    assert (sum(amounts), amounts[0]) == (3, 1)


def test_what_has_no_price_has_bars_of_requests(run: Run, tmp_path: Path) -> None:
    put(tmp_path, *(ledger_row(cost=None) for _ in range(1200)))
    heading, bar, *_ = _bars(run("usage", "--chart", *SPAN).out)
    assert (heading, cells(bar)[-1]) == ("Requests by day", "1,200")


def test_a_pipe_gets_no_bars_unless_asked(run: Run, tmp_path: Path) -> None:
    put(tmp_path, ledger_row())
    assert "█" not in run("usage", *SPAN).out
    assert "█" in run("usage", "--chart", *SPAN).out


def _on_terminal(directory: Path, columns: int, **more: str) -> list[str]:
    """The lines that `gateway usage` prints on a terminal so wide."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    env = environment(directory, TERM="xterm", NO_COLOR="1", **more)
    env.pop("COLUMNS", None)
    with subprocess.Popen(
        [*COMMAND, "usage", *SPAN], stdout=theirs, stderr=subprocess.PIPE, env=env, cwd=directory
    ) as process:
        os.close(theirs)
        shown = b""
        with open(ours, "rb", buffering=0) as terminal:
            try:
                while piece := terminal.read(65536):
                    shown += piece
            except OSError:  # how a terminal of Linux says that all is read
                pass
        assert process.wait(30) == 0
    # Headings are bold.
    return re.sub(r"\x1b\[\d*m", "", shown.decode()).split("\r\n")


def test_a_terminal_gets_bars_that_fit(tmp_path: Path) -> None:
    put(tmp_path, ledger_row(served_model="m" * 90, cost=10**9))
    for columns in (60, 100):
        lines = _on_terminal(tmp_path, columns)
        assert max(map(len, lines)) == columns
        [bar] = [line for line in lines if "█" in line]
        assert (len(bar), cells(bar)[-1]) == (columns, "$1.00")


def test_a_terminal_without_blocks_gets_hashes(tmp_path: Path) -> None:
    put(tmp_path, ledger_row(cost=10**9))
    lines = _on_terminal(tmp_path, 60, PYTHONIOENCODING="ascii:strict", LC_ALL="C")
    assert [line for line in lines if "####" in line]


# --- CSV and JSON ---


def test_json_is_that_of_the_api(run: Run, tmp_path: Path) -> None:
    put(tmp_path, ledger_row())
    view = run("usage", *SPAN, "--json").json
    assert view["data"] == [{"model": "gpt"} | view["total"]]
    assert (view["total"]["cost"], view["start"]) == (0.000001, "2026-11-17T00:00:00Z")
    [row] = run("usage", "requests", "--json").json
    assert (row["started_at"], row["tags"]) == ("2026-11-20T12:00:00.000Z", [])


def test_csv_is_that_of_the_api(run: Run, tmp_path: Path) -> None:
    put(tmp_path, ledger_row(served_model="=1+1", cost=1))
    [group] = csv.DictReader(io.StringIO(run("usage", "--csv", *SPAN).out))
    assert (group["model"], group["cost"]) == ("'=1+1", "0.000000001")
    [row] = csv.DictReader(io.StringIO(run("usage", "requests", "--csv").out))
    assert (row["served_model"], row["stream"]) == ("'=1+1", "false")


# --- single requests ---


def test_requests_are_listed_newest_first(run: Run, tmp_path: Path) -> None:
    put(
        tmp_path,
        ledger_row("2026-11-20T12:00:00", id="first"),
        ledger_row("2026-11-20T12:00:02", id="third", status=502, error="api_error",
                   outcome="failed", cost=None),
        ledger_row("2026-11-20T12:00:01", id="second", first_token_ms=1234, cache_hit=True),
    )  # fmt: skip
    shown = run("usage", "requests", "--limit", "2")
    lines = [cells(line) for line in shown.out.splitlines() if line.strip(" ─")]
    assert lines[1] == [
        "2026-11-20T12:00:02Z", "key_a", "gpt", "failed:", "api_error", "third", "502", "10", "5",
        "-", "100", "-",
    ]  # fmt: skip
    assert lines[2][3:] == [
        "complete,", "from", "the", "cache", "second", "200", "10", "5", "$0.0000010", "100",
        "1,234",
    ]  # fmt: skip
    assert len(lines) == 3
    assert "These are the newest 2" in shown.err
    only = run("usage", "requests", "--status", "502", "--json").json
    assert [row["id"] for row in only] == ["third"]


# --- what cannot be ---


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--since", "yesterday"), "--since takes a day"),
        (("--until", "2026-02-30"), "--until takes a day"),
        (("--since", "2026-11-02", "--until", "2026-10-01"), "--until: start is not before end"),
        (("--by", "week"), "--by takes day, hour, key"),
        (("--outcome", "fine"), "--outcome takes one of complete"),
        (("--csv", "--json"), "Give one of --csv and --json"),
        (("--chart", "--json"), "--chart goes with the table"),
        (("--model", "gpt", "requests"), "--model goes behind requests"),
        (("--json", "tail"), "--json goes behind tail"),
    ],
)
def test_a_wrong_option_is_2_and_named(run: Run, arguments: tuple[str, ...], message: str) -> None:
    refused = run("usage", *arguments)
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith(f"Error: {message}")


def test_what_is_not_kept_names_the_option(run: Run, tmp_path: Path) -> None:
    put(tmp_path, ledger_row("2026-11-18"), ledger_row("2026-11-20"))

    async def forget() -> None:
        async with Store.open(Settings(database_url=f"sqlite:///{tmp_path}/gateway.db")) as store:
            await store.ledger.remove_before(ledger_row("2026-11-19").started_ms, 10)

    asyncio.run(forget())
    refused = run("usage", "--status", "200", *SPAN)
    assert refused.code == 2
    assert refused.err.startswith("Error: --since: start is before 2026-11-20T00:00:00Z")


# --- following along ---


@asynccontextmanager
async def _tail(directory: Path, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """`gateway usage tail` in a process of its own, once it waits for requests."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "usage", "tail", *arguments, env=environment(directory), cwd=directory,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        waiting = await asyncio.wait_for(process.stderr.readline(), 30)
        assert waiting == b"Waiting for requests; Ctrl-C ends.\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), 30)).decode()


async def _interrupted(process: asyncio.subprocess.Process) -> tuple[int | None, bytes, bytes]:
    process.send_signal(signal.SIGINT)
    out, err = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode, out, err


async def test_tail_shows_what_another_process_stores(tmp_path: Path) -> None:
    await write(tmp_path, ledger_row(id="before"))
    async with _tail(tmp_path) as process:
        # Also one that started before those that are known.
        await write(tmp_path, ledger_row("2026-11-01", id="late", model="\x1b[31mred"))
        await write(tmp_path, ledger_row(id="next", cost=None, status=429, outcome="refused"))
        late, following = await _line(process), await _line(process)
        assert "late" in late
        assert "\\x1b[31mred" in late
        assert cells(following) == [
            "2026-11-20T12:00:00Z", "429", "key_a", "gpt", "10", "+", "5", "-", "100", "ms",
            "refused", "next",
        ]  # fmt: skip
        assert await _interrupted(process) == (0, b"", b"")


async def test_tail_shows_what_is_asked_for_alone(tmp_path: Path) -> None:
    async with Store.open(Settings(database_url=f"sqlite:///{tmp_path}/gateway.db")) as store:
        key = key_spec({"label": "ci"}).record(vault.new_key(), 1000)
        await store.keys.add(key, TESTER)
    options = ("--key", "ci", "--model", "gpt", "--tag", "a", "--provider", "openai", "--json")
    async with _tail(tmp_path, *options) as process:
        wanted: dict[str, Any] = {"key_id": key.id, "tags": ("a", "b")}
        await write(
            tmp_path,
            ledger_row(**wanted | {"key_id": "key_other"}),
            ledger_row(**wanted, served_model="other"),
            ledger_row(**wanted, provider="azure"),
            ledger_row(**wanted | {"tags": ()}),
            *(ledger_row(**wanted, id=f"mine-{number}") for number in range(600)),
        )
        rows = [json.loads(await _line(process)) for _ in range(600)]
        assert [row["id"] for row in rows] == [f"mine-{number}" for number in range(600)]
        assert rows[0]["key_label"] == "ci"
        assert (await _interrupted(process))[:2] == (0, b"")


async def test_tail_ends_where_its_reader_does(tmp_path: Path) -> None:
    async with _tail(tmp_path) as process:
        transport = process._transport.get_pipe_transport(1)  # type: ignore[attr-defined]
        transport.close()
        await write(tmp_path, ledger_row())
        assert process.stderr is not None
        assert b"Traceback" not in await asyncio.wait_for(process.stderr.read(), 30)
        assert await process.wait() == 1
