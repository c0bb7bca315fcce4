"""The plan to scale: figures follow from what was measured, by sums that a reader can do."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from benchmarks.scaling import MEASURED, Plan, cpu_ms, main, needs, report, waits, walls
from gateway.registry import POLL_SECONDS
from gateway.retention import BATCH, PAUSE_SECONDS
from tests.processes import ROOT

PLAIN = Plan(streamed=0, utilisation=0.5, cores_a_node=4, retention_days=30)
MS = 0.56


def test_a_call_takes_what_its_kind_was_measured_to_take() -> None:
    assert cpu_ms(PLAIN) == MS
    streamed = replace(PLAIN, streamed=1, tokens=100)
    assert cpu_ms(streamed) == pytest.approx(100 * 0.0521 + 0.16)
    half = replace(streamed, streamed=0.5)
    assert cpu_ms(half) == pytest.approx((MS + 100 * 0.0521 + 0.16) / 2)
    assert cpu_ms(replace(PLAIN, lane="litellm")) == 2.68


def test_what_ten_thousand_calls_a_second_need() -> None:
    """5.6 cores, half busy: 12 processes, 3 nodes. A Redis counts 5,000; a row is 553.5 bytes."""
    found = needs(PLAIN, 10_000)
    assert found.cores == pytest.approx(5.6)
    assert (found.processes, found.nodes, found.looks) == (12, 3, 24)
    assert (found.redis_operations, found.redis_shards) == (30_000, 2)
    assert found.rows_a_day == 864_000_000
    assert found.bytes_a_day == pytest.approx(864e6 * 553.5)
    assert found.kept_bytes == pytest.approx(30 * 864e6 * 553.5)
    assert (found.postgres_servers, found.partitions_a_day) == (1, 5)
    assert found.in_progress == 0
    # 12 + 2 + 16 cores for 100 s, and 0.5535 GB for a month.
    assert found.dollars_a_million == pytest.approx(30 * 100 / 3600 * 0.04 + 0.5535 * 0.10)


def test_streams_are_there_for_as_long_as_their_tokens_take() -> None:
    plan = replace(PLAIN, streamed=0.5, tokens=200, tokens_a_second=50)
    assert needs(plan, 1000).in_progress == 1000 * 0.5 * 4


@pytest.mark.parametrize("rate", [1000, 10**5, 10**7])
def test_twice_the_calls_need_no_more_than_twice_as_much(rate: int) -> None:
    one, two = needs(Plan(), rate), needs(Plan(), 2 * rate)
    assert two.cores == pytest.approx(2 * one.cores)
    assert one.nodes <= two.nodes <= 2 * one.nodes
    assert one.redis_shards <= two.redis_shards <= 2 * one.redis_shards
    assert two.dollars_a_million <= one.dollars_a_million * (1 + 1e-9)


def test_walls_are_where_the_measured_figures_put_them() -> None:
    found = {wall.what: wall.calls_a_second for wall in walls(replace(PLAIN, utilisation=1))}
    assert found == {
        "SQLite: one host": pytest.approx(64 * 1000 / MS),
        "SQLite: one file": pytest.approx(500 / 0.086),
        "SQLite: one writer": pytest.approx(1e6 / 17),
        "One Redis": 10_000,
        "One PostgreSQL": 20_000,
    }
    rates = [wall.calls_a_second for wall in walls(Plan())]
    assert rates == sorted(rates)


def test_a_process_makes_calls_wait_as_the_formula_says() -> None:
    """Of one process it is known: load / (1 - load)."""
    for load, mean in ((0.3, 3 / 7), (0.5, 1), (0.7, 7 / 3)):
        waited = waits(load, calls=200_000)
        assert sum(waited) / len(waited) == pytest.approx(mean, rel=0.08)
    assert waits(0.5) == waits(0.5)
    assert sum(waits(0.8, processes=4)) < sum(waits(0.8)) / 2
    with pytest.raises(ValueError, match="no steady state"):
        waits(1)


def test_what_the_gateway_itself_says_is_the_same() -> None:
    assert MEASURED["rows a removal"].value == BATCH
    assert MEASURED["pause after a removal"].value == PAUSE_SECONDS * 1000
    assert MEASURED["looks for changes"].value == 1 / POLL_SECONDS


@pytest.mark.parametrize("name", MEASURED)
def test_measured_figures_have_a_source_that_is_there(name: str) -> None:
    path, _, note = MEASURED[name].source.partition(": ")
    text = (ROOT / path).read_text()
    for figure in re.findall(r"\d[\d.,]*\d", note):
        assert figure in text


def test_the_documentation_has_these_tables() -> None:
    text = (ROOT / "docs" / "scaling.md").read_text()
    missing = [line for line in report(Plan()) if line not in text]
    assert missing == []


def test_options_are_the_plans_fields(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--lane", "litellm", "--streamed", "0", "--core-hour", "1"])
    told = capsys.readouterr().out
    assert "A call takes 2.68 ms of CPU." in told.splitlines()
