"""`gateway prune`."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from gateway.periods import DAY
from gateway.settings import Settings
from gateway.store import Store
from gateway.store.ledger import Transcript
from tests.commands.conftest import Run
from tests.ledgers import ledger_row


@pytest.fixture(autouse=True)
def rows(run: Run) -> None:  # noqa: ARG001
    """A row of today, and of 10 and 100 days ago, each with a transcript."""

    async def write() -> None:
        async with Store.open(Settings.from_env(os.environ)) as store:
            for days in (0, 10, 100):
                row = ledger_row(int(time.time() - days * DAY) * 1000)
                kept = Transcript(row.id, row.started_ms, "{}", None)
                await store.ledger.write([row], [kept])

    asyncio.run(write())


def left(run: Run) -> tuple[int, int]:
    """Rows and transcripts of more than two days ago."""
    counted = run("prune", "--before", "2d", "--json").json
    return counted["rows"], counted["transcripts"]


def test_without_yes_it_only_counts(run: Run) -> None:
    counted = run("prune")
    assert (counted.code, counted.out) == (0, "")
    assert counted.err.startswith("There are 1 row(s) and 1 transcript(s) from before ")
    assert counted.err.endswith("; --yes removes them.\n")
    assert run("prune", "--json").json["removed"] is False
    assert left(run) == (2, 2)
    assert run("audit", "--json").json == []


def test_with_yes_it_removes_and_says_so(run: Run) -> None:
    removed = run("prune", "--yes")
    assert removed.err.startswith("Removed 1 row(s) and 1 transcript(s) from before ")
    assert left(run) == (1, 1)
    [entry] = run("audit", "--json").json
    assert (entry["action"], entry["actor"]["id"]) == ("ledger.prune", "cli")
    assert (entry["before"]["rows"], entry["before"]["transcripts"]) == (1, 1)


def test_the_age_can_be_given(run: Run) -> None:
    assert run("prune", "--before", "5d", "--yes", "--json").json["rows"] == 2
    assert left(run) == (0, 0)


def test_transcripts_can_go_alone_at_any_age(run: Run) -> None:
    gone = run("prune", "--transcripts", "--before", "1d", "--yes", "--json").json
    assert (gone["rows"], gone["transcripts"]) == (0, 2)
    assert left(run) == (2, 0)


@pytest.mark.sqlite
def test_vacuum_tells_what_it_gave_back(run: Run, tmp_path: Path) -> None:
    size = (tmp_path / "gateway.db").stat().st_size
    done = run("prune", "--yes", "--vacuum", "--json").json
    freed = size - (tmp_path / "gateway.db").stat().st_size
    assert done["bytes_freed"] == max(0, freed)
    assert "MB smaller" in run("prune", "--yes", "--vacuum").err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--before", "1d"), "--before takes 2d or more"),
        (("--before", "soon"), "--before takes a length of time such as 30d"),
        (("--before", "forever"), "--before takes a length of time such as 30d"),
        (("--before", "0d", "--transcripts"), "--before takes a length of time such as 30d"),
        (("--vacuum",), "--vacuum goes with --yes"),
    ],
)
def test_what_cannot_be_is_wrong_usage(run: Run, arguments: tuple[str, ...], message: str) -> None:
    refused = run("prune", *arguments)
    assert refused.code == 2
    assert message in refused.err
    assert left(run) == (2, 2)


def test_where_rows_are_kept_for_ever_the_age_must_be_given(run: Run) -> None:
    run("settings", "set", "maximum_spend_logs_retention_period", "forever")
    refused = run("prune", "--yes")
    assert refused.code == 2
    assert "say with --before" in refused.err
    assert run("prune", "--before", "50d", "--yes").code == 0
    assert left(run) == (1, 1)
