"""The usage against a naive count of the same rows."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, event

from gateway import vault
from gateway.errors import InvalidField, NotFound
from gateway.periods import DAY
from gateway.records import LedgerRow
from gateway.settings import Settings
from gateway.specs import key_record, team_spec
from gateway.store import Store
from gateway.store.tables import daily, ledger
from gateway.store.usage import UsageStore
from gateway.usage import DIMENSIONS, Dimension, Percentiles, Report, Sums, UsageFilter
from tests.ledgers import ledger_row, milliseconds
from tests.servers import TESTER

# A Friday; what is not said to be of another day is of this one.
NOON = milliseconds("2026-11-20T12:00:00")
MIDNIGHT = NOON // 1000 // DAY * DAY
WEEK = UsageFilter(start=MIDNIGHT - 3 * DAY, end=MIDNIGHT + 4 * DAY)


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    async with Store.open(settings) as opened:
        yield opened


@pytest.fixture
def usage(store: Store) -> UsageStore:
    return UsageStore(store.database)


# --- the naive count ---

_VALUES: dict[Dimension, Callable[[LedgerRow], Sequence[str]]] = {
    "day": lambda row: [datetime.fromtimestamp(row.started_ms / 1000, UTC).date().isoformat()],
    "hour": lambda row: [
        datetime.fromtimestamp(row.started_ms / 1000, UTC).strftime("%Y-%m-%dT%H:00:00Z")
    ],
    "deployment": lambda row: [row.deployment_id or ""],
    "key": lambda row: [row.key_id],
    "team": lambda row: [row.team_id or ""],
    "model": lambda row: [row.served_model or ""],
    "provider": lambda row: [row.provider or ""],
    "tag": lambda row: row.tags or [""],
    "end_user": lambda row: [row.end_user or ""],
}


def _naive_sums(rows: Sequence[LedgerRow]) -> Sums:
    tokens = ("prompt_tokens", "completion_tokens", "cached_tokens", "cache_write_tokens",
              "reasoning_tokens")  # fmt: skip
    return Sums(
        requests=len(rows),
        errors=sum(row.outcome in ("failed", "refused", "cut", "interrupted") for row in rows),
        cost=sum(row.cost or 0 for row in rows),
        latency_ms=sum(row.latency_ms for row in rows),
        estimated=sum(row.estimated for row in rows),
        unpriced=sum(row.cost is None for row in rows),
        cache_hits=sum(row.cache_hit for row in rows),
        **{name: sum(getattr(row, name) for row in rows) for name in tokens},
    )


def _naive_groups(
    rows: Sequence[LedgerRow], group_by: Sequence[Dimension]
) -> dict[tuple[str, ...], list[LedgerRow]]:
    groups: dict[tuple[str, ...], list[LedgerRow]] = {} if group_by else {(): []}
    for row in rows:
        keys: list[tuple[str, ...]] = [()]
        for name in group_by:
            keys = [(*key, value) for key in keys for value in _VALUES[name](row)]
        for key in keys:
            groups.setdefault(key, []).append(row)
    return groups


def _matches(row: LedgerRow, wanted: UsageFilter) -> bool:
    if wanted.start is not None and row.started_ms < wanted.start * 1000:
        return False
    if wanted.end is not None and row.started_ms >= wanted.end * 1000:
        return False
    if wanted.key_ids is not None and row.key_id not in wanted.key_ids:
        return False
    if wanted.tag is not None and wanted.tag not in (row.tags or [""]):
        return False
    error = row.outcome not in ("complete", "cancelled")
    if wanted.outcome not in (None, row.outcome, *(["errors"] if error else [])):
        return False
    given = {
        "team_id": row.team_id or "",
        "model": row.served_model or "",
        "provider": row.provider or "",
        "deployment": row.deployment_id or "",
        "status": row.status,
        "end_user": row.end_user or "",
    }
    return all(
        getattr(wanted, name) is None or getattr(wanted, name) == value
        for name, value in given.items()
    )


def _nearest_rank(times: Sequence[int], percent: int) -> int | None:
    if not times:
        return None
    return sorted(times)[math.ceil(len(times) * percent / 100) - 1]


def _sums_of(report: Report) -> dict[tuple[str, ...], Sums]:
    assert len({group.values for group in report.groups}) == len(report.groups)
    return {group.values: group.sums for group in report.groups}


# --- any rows, any question ---

# Not all of it is nice: quotes, brackets and commas are what a JSON array is made of.
_TAGS = ["prod", "a,b", '["', '", "', "é🦊", "prod ", "%"]
_NAMES = ["gpt", "GPT", "gpt'", "модель", "a/b:c"]
_EDGES = [0, 1, 999, DAY * 1000 - 1, DAY * 1000 // 2]

_rows = st.lists(
    st.builds(
        ledger_row,
        at=st.builds(
            lambda day, ms: (MIDNIGHT + day * DAY) * 1000 + ms,
            st.integers(-2, 2),
            st.sampled_from(_EDGES),
        ),
        key_id=st.sampled_from(["key_a", "key_b", "key_c"]),
        team_id=st.sampled_from([None, "team_a", "team_b"]),
        served_model=st.sampled_from([None, *_NAMES]),
        deployment_id=st.sampled_from([None, "model_a", "model_b"]),
        provider=st.sampled_from([None, "openai", "azure"]),
        tags=st.lists(st.sampled_from(_TAGS), unique=True, max_size=3).map(tuple),
        prompt_tokens=st.integers(0, 10**6),
        completion_tokens=st.integers(0, 10**6),
        cached_tokens=st.integers(0, 10**6),
        cache_write_tokens=st.integers(0, 10),
        reasoning_tokens=st.integers(0, 10),
        estimated=st.booleans(),
        cache_hit=st.booleans(),
        cost=st.none() | st.integers(0, 10**12),
        latency_ms=st.integers(0, 5),
        first_token_ms=st.none() | st.integers(0, 3),
        status=st.sampled_from([200, 429, 502]),
        outcome=st.sampled_from(
            ["complete", "failed", "refused", "cancelled", "cut", "interrupted"]
        ),
        end_user=st.sampled_from([None, "u", "u'--"]),
    ),
    max_size=12,
)
_groupings = st.lists(st.sampled_from(DIMENSIONS), unique=True).map(tuple)
_some_time = st.builds(
    lambda day, seconds: MIDNIGHT + day * DAY + seconds,
    st.integers(-3, 3),
    st.sampled_from([0, 0, 1, 3600]),
)
_fields: dict[str, st.SearchStrategy[Any]] = {
    "start": _some_time,
    "end": _some_time,
    "key_ids": st.sampled_from([(), ("key_a",), ("key_a", "key_b")]),
    "team_id": st.sampled_from(["", "team_a"]),
    "model": st.sampled_from(["", *_NAMES]),
    "provider": st.sampled_from(["", "openai"]),
    "tag": st.sampled_from(["", *_TAGS]),
    "status": st.just(429),
    "deployment": st.sampled_from(["", "model_a"]),
    "outcome": st.sampled_from(["complete", "errors"]),
    "end_user": st.sampled_from(["", "u'--"]),
}
# Few at a time, or no row is left.
_filters = (
    st.lists(st.sampled_from(list(_fields)), unique=True, max_size=2)
    .flatmap(lambda names: st.fixed_dictionaries({name: _fields[name] for name in names}))
    .map(lambda given: UsageFilter(**{"start": WEEK.start, "end": WEEK.end} | given))
    .filter(lambda wanted: (wanted.start or 0) < (wanted.end or 0))
)


Ask = Callable[[list[LedgerRow], UsageFilter, Sequence[Dimension], bool], Report]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Asks for the usage where there are these rows and no others."""
    path = tmp_path_factory.mktemp("usage") / "gateway.db"
    # Hypothesis' tests are no coroutines.
    with asyncio.Runner() as runner:
        opened = Store.open(Settings(database_url=f"sqlite:///{path}"))
        store = runner.run(opened.__aenter__())

        async def report(
            rows: list[LedgerRow],
            wanted: UsageFilter,
            group_by: Sequence[Dimension],
            percentiles: bool,
        ) -> Report:
            async with store.database.append() as connection:
                await connection.execute(delete(ledger))
                await connection.execute(delete(daily))
            await store.ledger.write(rows, [])
            return await UsageStore(store.database).report(
                wanted, group_by, percentiles=percentiles
            )

        yield lambda *asked: runner.run(report(*asked))
        runner.run(opened.__aexit__(None, None, None))


@given(_rows, _groupings, _filters, st.booleans())
@examples(max_examples=100)
def test_any_grouping_adds_up_to_what_the_rows_do(
    ask: Ask,
    rows: list[LedgerRow],
    group_by: tuple[Dimension, ...],
    wanted: UsageFilter,
    percentiles: bool,
) -> None:
    report = ask(rows, wanted, group_by, percentiles)
    matching = [row for row in rows if _matches(row, wanted)]
    expected = _naive_groups(matching, group_by)
    assert _sums_of(report) == {key: _naive_sums(group) for key, group in expected.items()}
    # However many tags it has, in the total a request is one.
    assert report.total.sums == _naive_sums(matching)
    assert not report.more
    for group in (*report.groups, report.total) if percentiles else ():
        of = matching if group is report.total else expected[group.values]
        latencies = [row.latency_ms for row in of]
        first = [row.first_token_ms for row in of if row.first_token_ms is not None]
        assert group.percentiles is not None
        assert [getattr(group.percentiles, name) for name in group.percentiles.__slots__] == [
            _nearest_rank(latencies, 50), _nearest_rank(latencies, 95),
            _nearest_rank(first, 50), _nearest_rank(first, 95),
        ]  # fmt: skip


# --- days and times ---


async def test_a_day_begins_and_ends_at_midnight_in_utc(store: Store, usage: UsageStore) -> None:
    await store.ledger.write(
        [
            ledger_row("2026-11-19T23:59:59.999", cost=1),
            ledger_row("2026-11-20T00:00:00", cost=20),
            ledger_row("2026-11-20T23:59:59.999", cost=300),
            ledger_row("2026-11-21T00:00:00", cost=4000),
        ],
        [],
    )
    day = UsageFilter(start=MIDNIGHT, end=MIDNIGHT + DAY)
    for percentiles in (False, True):  # from the sums by day, and from the rows
        report = await usage.report(day, ("day",), percentiles=percentiles)
        assert [(group.values, group.sums.cost) for group in report.groups] == [
            (("2026-11-20",), 320)
        ]
        every = await usage.report(WEEK, ("day",), percentiles=percentiles)
        assert [group.values[0] for group in every.groups] == [
            "2026-11-19", "2026-11-20", "2026-11-21",
        ]  # fmt: skip
    later = UsageFilter(start=MIDNIGHT + 1, end=MIDNIGHT + DAY)
    assert (await usage.report(later)).total.sums.cost == 300


async def test_without_a_time_it_is_thirty_days_with_today(store: Store, usage: UsageStore) -> None:
    today = int(time.time()) // DAY * DAY
    first = today - 29 * DAY
    await store.ledger.write(
        [ledger_row(first * 1000 - 1), ledger_row(first * 1000), ledger_row(today * 1000)], []
    )
    report = await usage.report(UsageFilter())
    assert (report.start, report.end) == (first, today + DAY)
    assert report.total.sums.requests == 2
    before = await usage.report(UsageFilter(end=MIDNIGHT))
    assert (before.start, before.end) == (MIDNIGHT - 30 * DAY, MIDNIGHT)


@pytest.mark.parametrize(
    ("start", "end", "param"),
    [(MIDNIGHT, MIDNIGHT - 1, "end"), (MIDNIGHT, MIDNIGHT, "end"), (2**32, None, "start")],
)
async def test_an_end_that_comes_first_is_refused(
    usage: UsageStore, start: int, end: int | None, param: str
) -> None:
    wanted = UsageFilter(start=start, end=end)
    with pytest.raises(InvalidField, match="start is not before end") as refused:
        await usage.report(wanted)
    assert refused.value.param == param
    if end is not None:
        with pytest.raises(InvalidField):
            await usage.requests(wanted, 10)


# --- what was thrown away ---


async def test_days_outlive_the_requests_and_finer_times_are_refused(
    store: Store, usage: UsageStore
) -> None:
    rows = [ledger_row((MIDNIGHT + hours * 3600) * 1000, cost=1) for hours in range(-48, 24, 12)]
    await store.ledger.write(rows, [])
    await store.ledger.remove_before((MIDNIGHT - 12 * 3600) * 1000, 100)
    assert (await usage.report(WEEK)).total.sums.requests == len(rows)
    for wanted, percentiles in (
        (replace(WEEK, status=200), False),
        (replace(WEEK, start=MIDNIGHT - DAY + 1), False),
        (WEEK, True),
    ):
        with pytest.raises(InvalidField, match="2026-11-19T12:00:00Z") as refused:
            await usage.report(wanted, percentiles=percentiles)
        assert refused.value.param == "start"
    with pytest.raises(InvalidField, match="2026-11-19T12:00:00Z"):
        await usage.requests(WEEK, 10)
    kept = UsageFilter(start=MIDNIGHT - 12 * 3600, end=MIDNIGHT + DAY, status=200)
    assert (await usage.report(kept)).total.sums.requests == 3
    assert len((await usage.requests(UsageFilter(), 10))[0]) == 3


async def test_times_before_the_first_request_are_no_loss(store: Store, usage: UsageStore) -> None:
    await store.ledger.write([ledger_row()], [])
    long_ago = UsageFilter(start=MIDNIGHT - 400 * DAY + 1, end=MIDNIGHT + DAY)
    assert (await usage.report(long_ago)).total.sums.requests == 1


async def test_nothing_is_asked_of_requests_that_are_all_gone(
    store: Store, usage: UsageStore
) -> None:
    empty = await usage.report(replace(WEEK, status=200), ("model",))
    assert (empty.groups, empty.total.sums.requests) == ([], 0)
    await store.ledger.write([ledger_row()], [])
    await store.ledger.remove_before((MIDNIGHT + DAY) * 1000, 10)
    with pytest.raises(InvalidField):
        await usage.report(replace(WEEK, status=200))


async def test_without_a_start_it_begins_where_the_requests_do(
    store: Store, usage: UsageStore
) -> None:
    rows = [ledger_row((MIDNIGHT + hours * 3600) * 1000) for hours in (-30, -10, 5)]
    await store.ledger.write(rows, [])
    await store.ledger.remove_before((MIDNIGHT - 20 * 3600) * 1000, 10)
    report = await usage.report(UsageFilter(end=MIDNIGHT + DAY, outcome="complete"))
    assert (report.start, report.total.sums.requests) == (MIDNIGHT - 10 * 3600, 2)


# --- groups ---


async def test_only_the_dearest_groups_are_shown_and_the_total_has_all(
    store: Store, usage: UsageStore
) -> None:
    costs = {"a": 5, "b": 900, "c": 70, "d": None}
    rows = [ledger_row(served_model=name, cost=cost) for name, cost in costs.items()]
    await store.ledger.write([*rows, ledger_row(served_model="d", cost=None)], [])
    report = await usage.report(WEEK, ("model",), limit=2)
    assert [group.values for group in report.groups] == [("b",), ("c",)]
    assert (report.more, report.total.sums.cost, report.total.sums.requests) == (True, 975, 5)
    whole = await usage.report(WEEK, ("model",), limit=4)
    assert [group.values[0] for group in whole.groups] == ["b", "c", "a", "d"]
    assert not whole.more


async def test_percentiles_are_the_least_time_that_enough_did_not_exceed(
    store: Store, usage: UsageStore
) -> None:
    rows = [ledger_row(latency_ms=ms, first_token_ms=None) for ms in range(1, 101)]
    rows += [
        ledger_row(key_id="key_b", latency_ms=ms, first_token_ms=ms // 10)
        for ms in (30, 10, 10, 20)
    ]
    await store.ledger.write(rows, [])
    report = await usage.report(WEEK, ("key",), percentiles=True)
    assert {group.values[0]: group.percentiles for group in report.groups} == {
        "key_a": Percentiles(50, 95, None, None),
        "key_b": Percentiles(10, 30, 1, 3),
    }
    assert report.total.percentiles == Percentiles(48, 95, 1, 3)


async def test_those_the_caller_left_are_no_errors(store: Store, usage: UsageStore) -> None:
    outcomes = ("complete", "failed", "refused", "cancelled", "cut", "interrupted")
    await store.ledger.write([ledger_row(outcome=outcome) for outcome in outcomes], [])
    for percentiles in (False, True):  # from the sums by day, and from the rows
        report = await usage.report(WEEK, percentiles=percentiles)
        assert (report.total.sums.requests, report.total.sums.errors) == (6, 4)


async def test_money_is_exact_to_the_nano_dollar(store: Store, usage: UsageStore) -> None:
    await store.ledger.write([ledger_row(cost=1), ledger_row(cost=9_000_000_000_000_001)], [])
    assert (await usage.report(WEEK)).total.sums.cost == 9_000_000_000_000_002


async def test_names_are_found_for_keys_and_teams_that_there_are(
    store: Store, usage: UsageStore
) -> None:
    secret = vault.new_key()
    team = team_spec({"name": "search"}).record(1000)
    await store.teams.add(team, TESTER)
    key = key_record(vault.hash_key(secret), vault.hint(secret), 1000, label="ci", team_id=team.id)
    await store.keys.add(key, TESTER)
    names = await usage.names([key.id, "key_none"], [team.id, None, "", "team_gone"])
    assert (names.keys, names.teams) == ({key.id: "ci"}, {team.id: "search"})
    many = await usage.names([key.id, *(f"a{number}" for number in range(40_000))], [])
    assert many.keys == {key.id: "ci"}


# --- single requests ---


async def _pages(
    usage: UsageStore, size: int, wanted: UsageFilter | None = None
) -> list[LedgerRow]:
    found: list[LedgerRow] = []
    more = True
    while more:
        after = found[-1].id if found else None
        page, more = await usage.requests(wanted or UsageFilter(), size, after)
        assert len(page) == size or not more
        found += page
    return found


async def test_pages_have_every_request_once_newest_first(store: Store, usage: UsageStore) -> None:
    # Several at the same time, and some that arrived late.
    rows = [ledger_row(NOON + offset) for offset in (3, 1, 1, 1, 2, 1, 0, 3)]
    await store.ledger.write(rows, [])
    expected = [row for _, row in sorted(enumerate(rows), key=lambda e: (-e[1].started_ms, -e[0]))]
    for size in (1, 2, 3, 8, 100):
        assert await _pages(usage, size) == expected
    own = [row for row in expected if row.started_ms == NOON + 1]
    second = UsageFilter(key_ids=("key_a",), start=NOON // 1000, end=NOON // 1000 + 1)
    assert await _pages(usage, 3, second) == expected
    assert len(own) == 4


async def test_a_page_after_no_request_is_refused(store: Store, usage: UsageStore) -> None:
    foreign = ledger_row(key_id="key_b")
    await store.ledger.write([foreign], [])
    for after, keys in (("none", None), (foreign.id, ("key_a",))):
        with pytest.raises(InvalidField) as refused:
            await usage.requests(UsageFilter(key_ids=keys), 10, after)
        assert refused.value.param == "after"


async def test_a_request_is_found_by_its_id_among_those_of_the_keys(
    store: Store, usage: UsageStore
) -> None:
    row = ledger_row(tags=("é", "b"))
    await store.ledger.write([row], [])
    assert await usage.request(row.id) == row
    assert await usage.request(row.id, ("key_a",)) == row
    for missing in (usage.request("none"), usage.request(row.id, ("key_b",))):
        with pytest.raises(NotFound):
            await missing


async def test_requests_are_found_by_the_callers_id_or_the_gateways(
    store: Store, usage: UsageStore
) -> None:
    row, other = ledger_row(request_id="mine"), ledger_row()
    await store.ledger.write([row, other], [])
    for wanted in ("mine", row.id):
        assert (await usage.requests(UsageFilter(request_id=wanted), 10))[0] == [row]


# --- speed ---


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (UsageFilter(start=MIDNIGHT), "ledger_started"),
        (UsageFilter(key_ids=("key_a",)), "ledger_key"),
        (UsageFilter(key_ids=("key_a",), start=MIDNIGHT), "ledger_key"),
    ],
)
async def test_a_page_needs_neither_a_scan_nor_a_sort(
    store: Store, usage: UsageStore, wanted: UsageFilter, index: str
) -> None:
    row = ledger_row()
    await store.ledger.write([row], [])
    statements: list[tuple[str, Any]] = []

    def seen(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        statements.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", seen)
    await usage.requests(wanted, 10, row.id)
    event.remove(Engine, "before_cursor_execute", seen)
    statement, parameters = statements[-1]
    async with store.database.read() as connection:
        plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        steps = " / ".join(step[-1] for step in plan)
    assert f"USING INDEX {index} " in steps
    assert "SCAN" not in steps
    assert "TEMP B-TREE" not in steps
