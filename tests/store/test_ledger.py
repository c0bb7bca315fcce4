"""The ledger's rows, and what they add up to."""

from __future__ import annotations

import asyncio
import json
import random
from collections import defaultdict
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, event, func, select

from gateway.periods import period_end, period_start
from gateway.records import LedgerRow
from gateway.settings import Settings
from gateway.store import Store
from gateway.store.ledger import Transcript, day_of
from gateway.store.tables import daily, ledger, transcripts
from gateway.usage import UsageFilter
from tests.ledgers import ledger_row, milliseconds
from tests.store.records import key, team

# A Friday.
NOON = milliseconds("2026-11-20T12:00:00") // 1000
DAY = 86_400


async def rows(store: Store) -> list[LedgerRow]:
    return [row for _, row in await store.ledger.after(0, 10_000)]


async def sums(store: Store) -> dict[tuple[Any, ...], dict[str, int]]:
    """The sums by day, by what they are of."""
    dimensions = ("key_id", "day", "team_id", "model", "provider", "tags")
    async with store.database.read() as connection:
        found = [dict(row._mapping) for row in await connection.execute(select(daily))]
    return {tuple(row.pop(name) for name in dimensions): row for row in found}


def transcript(row: LedgerRow) -> Transcript:
    return Transcript(row.id, row.started_ms, '{"a": 1}', None)


async def transcript_ids(store: Store) -> set[str]:
    async with store.database.read() as connection:
        return set(await connection.scalars(select(transcripts.c.id)))


# --- writing ---


async def test_a_row_comes_back_as_it_was_written(store: Store) -> None:
    full = ledger_row(
        team_id="research",
        served_model="модель",
        cached_tokens=3,
        cache_write_tokens=2,
        reasoning_tokens=1,
        estimated=True,
        cost=2**62,
        first_token_ms=12,
        status=499,
        error="throttling_error",
        outcome="cancelled",
        stream=True,
        end_user='it\'s "me"',
        tags=("b", "a"),
    )
    bare = ledger_row(served_model=None, deployment_id=None, provider=None, cost=None)
    await store.ledger.write([full, bare], [])
    assert await store.ledger.after(0, 10) == [(1, full), (2, bare)]


async def test_what_a_caller_says_may_hold_null_characters(store: Store) -> None:
    row = ledger_row(model="g\0", error="\0", request_id="\0r", end_user="\0", tags=("b\0", "\0a"))
    await store.ledger.write([row, ledger_row()], [])
    first, _ = await rows(store)
    assert (first.id, first.tags) == (row.id, ("b\ufffd", "\ufffda"))
    assert await store.ledger.unequal_days() == []
    by_tag = await store.usage.report(UsageFilter(), ["tag"])
    assert {group.values for group in by_tag.groups} == {("b\ufffd",), ("\ufffda",), ("",)}
    # As it was said, it is found.
    found, _ = await store.usage.requests(UsageFilter(end_user="\0"), 10)
    assert [each.id for each in found] == [row.id]
    assert await store.usage.last_used(["\0"]) == {}


async def test_tags_may_be_as_long_as_they_are_let_be(store: Store) -> None:
    # Twenty of a key's, and twenty of a caller's; at random, since PostgreSQL would press them.
    letters = random.Random(1).choices([chr(n) for n in range(0x4E00, 0x9000)], k=20 * (256 + 64))
    of_key = ["".join(letters[n : n + 256]) for n in range(0, 20 * 256, 256)]
    of_caller = ["".join(letters[n : n + 64]) for n in range(20 * 256, 20 * 320, 64)]
    row = ledger_row(tags=(*of_key, *of_caller), cost=3)
    for each in (row, replace(row, id="again"), ledger_row(tags=tuple(of_key))):
        await store.ledger.write([each], [])
    assert sorted(each["requests"] for each in (await sums(store)).values()) == [1, 2]


async def test_rows_add_up_by_day_and_by_what_they_have_in_common(store: Store) -> None:
    a = ledger_row(tags=("y", "x"), cost=5, cached_tokens=4, latency_ms=10)
    b = ledger_row(tags=("x", "y"), cost=7, estimated=True, reasoning_tokens=2, latency_ms=20)
    refused = ledger_row(
        outcome="refused", cost=None, prompt_tokens=0, completion_tokens=0, tags=("x", "y")
    )
    cancelled = replace(b, id="left", outcome="cancelled")
    await store.ledger.write([a], [])
    await store.ledger.write([b, refused, cancelled], [])
    assert await sums(store) == {
        ("key_a", "2026-11-20", "", "gpt", "openai", '["x", "y"]'): {
            "requests": 4,
            "errors": 1,
            "estimated": 2,
            "unpriced": 1,
            "cache_hits": 0,
            "prompt_tokens": 30,
            "completion_tokens": 15,
            "cached_tokens": 4,
            "cache_write_tokens": 0,
            "reasoning_tokens": 4,
            "cost": 19,
            "latency_ms": 150,
        }
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"key_id": "key_b"},
        {"team_id": "research"},
        {"served_model": "other"},
        {"served_model": None},
        {"provider": "azure"},
        {"tags": ("x",)},
        {"started_ms": milliseconds("2026-11-21T00:00:00")},
    ],
)
async def test_what_differs_is_added_up_apart(store: Store, fields: dict[str, Any]) -> None:
    await store.ledger.write([ledger_row(), ledger_row(**fields)], [])
    assert [row["requests"] for row in (await sums(store)).values()] == [1, 1]


async def test_names_that_nobody_registered_do_not_fill_the_sums(store: Store) -> None:
    await store.ledger.write([ledger_row(model=f"m{n}", served_model=None) for n in range(5)], [])
    [(what, row)] = (await sums(store)).items()
    assert (what[3], row["requests"]) == ("", 5)


@pytest.mark.parametrize(
    ("started", "day"),
    [("2026-11-20T00:00:00.000", "2026-11-20"), ("2026-11-20T23:59:59.999", "2026-11-20")],
)
async def test_a_day_is_one_of_utc(store: Store, started: str, day: str) -> None:
    await store.ledger.write([ledger_row(started)], [])
    assert [what[1] for what in await sums(store)] == [day]
    assert day_of(milliseconds(started) / 1000) == day


async def test_a_row_is_written_once(store: Store) -> None:
    """A journal is read again after a crash in the midst of a flush."""
    first, second = ledger_row(), ledger_row()
    await store.ledger.write([first], [transcript(first)])
    await store.ledger.write([first, second], [transcript(first), transcript(second)])
    await store.ledger.write([replace(first, cost=10**6)], [])
    assert await rows(store) == [first, second]
    [total] = (await sums(store)).values()
    assert (total["requests"], total["cost"]) == (2, 2000)
    assert await transcript_ids(store) == {first.id, second.id}


async def test_batches_of_any_size_use_the_same_statements(store: Store) -> None:
    # Each connection keeps the last 128 statements, and one for 500 rows was of 80 kB.
    seen: set[str] = set()

    def see(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        seen.add(statement)

    await store.ledger.write([ledger_row()], [])
    event.listen(Engine, "before_cursor_execute", see)
    await store.ledger.write([ledger_row()], [])
    await store.ledger.remove_before(NOON * 2000, 1)
    first = set(seen)
    await store.ledger.write([ledger_row() for _ in range(40)], [])
    await store.ledger.remove_before(NOON * 2000, 30)
    event.remove(Engine, "before_cursor_execute", see)
    assert seen == first


async def test_a_transcript_without_its_row_is_not_kept(store: Store) -> None:
    first, missing = ledger_row(), ledger_row()
    await store.ledger.write([first], [transcript(missing)])
    assert await transcript_ids(store) == set()


@pytest.mark.parametrize(
    "failing", ["INSERT INTO ledger", "INSERT INTO daily", "INSERT INTO transc"]
)
async def test_rows_and_sums_are_written_together_or_not_at_all(store: Store, failing: str) -> None:
    before, new = ledger_row(), ledger_row(cost=5)
    await store.ledger.write([before], [])
    whole = await rows(store), await sums(store)

    def fail(_c: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith(failing):
            raise OSError("disk full")

    event.listen(Engine, "before_cursor_execute", fail)
    with pytest.raises(OSError, match="disk full"):
        await store.ledger.write([new], [transcript(new)])
    event.remove(Engine, "before_cursor_execute", fail)
    assert (await rows(store), await sums(store)) == whole
    assert await transcript_ids(store) == set()
    await store.ledger.write([new], [transcript(new)])
    assert await rows(store) == [before, new]


async def test_two_processes_that_write_at_once_lose_nothing(
    settings: Settings, store: Store
) -> None:
    async with Store.open(settings) as other:
        await asyncio.gather(
            *(
                where.ledger.write([ledger_row(cost=n) for n in range(5)], [], node=str(i))
                for _ in range(10)
                for i, where in enumerate((store, other))
            )
        )
    assert len(await rows(store)) == 100
    [total] = (await sums(store)).values()
    assert (total["requests"], total["cost"]) == (100, 200)


# --- following ---


async def test_rows_are_followed_in_the_order_they_arrived(store: Store) -> None:
    assert await store.ledger.last_position() == 0
    made = [ledger_row(NOON * 1000 - n) for n in range(5)]
    for n, row in enumerate(made):
        await store.ledger.write([row], [], node=f"node-{n % 2}")
    assert await store.ledger.last_position() == 5
    assert await store.ledger.after(0, 2) == [(1, made[0]), (2, made[1])]
    assert await store.ledger.after(2, 10) == [(3, made[2]), (4, made[3]), (5, made[4])]
    assert await store.ledger.after(5, 10) == []
    charges = await store.ledger.charges_after(0, 10, not_of="node-0")
    assert charges == [(n, "key_a", None, made[n - 1].started_ms, 1000) for n in (2, 4)]
    free = [ledger_row(cost=cost) for cost in (0, None)]
    assert await store.ledger.write(free, [], node="node-1") == 7
    assert await store.ledger.write([ledger_row(), free[0]], [], node="node-1") is None
    charges = await store.ledger.charges_after(4, 10, not_of="node-0")
    assert [charge.position for charge in charges] == [8], "the free ones are left out"


async def test_positions_are_never_used_again(store: Store) -> None:
    """Who follows would take a new row for one it has seen."""
    await store.ledger.write([ledger_row(), ledger_row()], [])
    async with store.database.append() as connection:
        await connection.execute(delete(ledger))
    await store.ledger.write([ledger_row()], [])
    assert [position for position, _ in await store.ledger.after(0, 10)] == [3]


# --- what was spent ---


@pytest.mark.parametrize(
    ("duration", "spent"),
    [
        (None, 11_111_111),
        ("1mo", 1_111_111),
        ("7d", 111_111),
        ("3d", 11_111),
        ("1d", 1_111),
        ("12h", 111),
        ("1h", 11),
        ("1m", 1),
    ],
)
async def test_what_an_owner_spent_is_that_of_its_period(
    store: Store, duration: str | None, spent: int
) -> None:
    """Of eight rows seven are just too early for a period, each for another one."""
    now = milliseconds("2026-11-20T13:30:30") // 1000
    made_at = now - 31 * DAY
    starts = [
        "2026-11-01T00:00:00",
        "2026-11-16T00:00:00",
        # Counted from the 20th of October.
        "2026-11-19T00:00:00",
        "2026-11-20T00:00:00",
        "2026-11-20T12:00:00",
        "2026-11-20T13:00:00",
        "2026-11-20T13:30:00",
    ]
    moments = [*(milliseconds(start) - 1 for start in starts), now * 1000]
    made = [ledger_row(at, cost=10 ** (7 - n), team_id="research") for n, at in enumerate(moments)]
    other = ledger_row(now * 1000, key_id="key_b", team_id="other", cost=5 * 10**9)
    await store.ledger.write([*made, other], [])
    owners = (
        replace(key(now=made_at, budget_duration=duration), id="key_a"),
        team("research", created_at=made_at, budget_duration=duration),
    )
    for owner in owners:
        assert await store.ledger.spent_by(owner, now) == spent
    assert await store.ledger.spent_by_each(owners, now) == {"key_a": spent, "research": spent}


@pytest.mark.parametrize("duration", ["1mo", "7d", "3d", "1d", "12h", "1m"])
async def test_a_request_belongs_to_the_period_in_which_it_started(
    store: Store, duration: str
) -> None:
    owner = key(now=NOON - 31 * DAY, budget_duration=duration)
    start = period_start(duration, owner.created_at, NOON) * 1000
    for n, at in enumerate((start - 1, start, NOON * 1000)):
        await store.ledger.write([ledger_row(at, key_id=owner.id, cost=10**n)], [])
    assert await store.ledger.spent_by(owner, NOON) == 110
    end = period_end(duration, owner.created_at, NOON)
    assert await store.ledger.spent_by(owner, end) == 0


async def test_who_spent_nothing_spent_0(store: Store) -> None:
    made = key(), key("sk-b", budget_duration="1d"), team()
    await store.ledger.write([ledger_row(key_id=made[0].id, cost=None)], [])
    assert await store.ledger.spent_by_each(made, NOON) == {each.id: 0 for each in made}
    assert await store.ledger.spent_by_each([], NOON) == {}
    assert await store.ledger.spent("key", "none", None) == (0, 1)


async def test_any_number_of_owners_can_be_asked_for(store: Store) -> None:
    owners = [replace(key(budget_duration="1h"), id=f"key_{n}") for n in range(1201)]
    written = [ledger_row(NOON * 1000, key_id=owner.id, cost=n) for n, owner in enumerate(owners)]
    await store.ledger.write(written, [])
    spent = await store.ledger.spent_by_each(owners, NOON)
    assert spent == {f"key_{n}": n for n in range(1201)}


async def test_what_was_spent_comes_with_the_position_up_to_which_it_counts(store: Store) -> None:
    await store.ledger.write([ledger_row(cost=5), ledger_row(cost=6)], [])
    assert await store.ledger.spent("key", "key_a", None) == (11, 2)
    assert await store.ledger.spent("key", "key_a", NOON // DAY * DAY) == (11, 2)
    assert await store.ledger.spent("key", "key_a", NOON + 1) == (0, 2)
    await store.ledger.write([ledger_row(key_id="key_b")], [])
    assert await store.ledger.spent("key", "key_a", None) == (11, 3)


# --- removing ---


async def test_old_rows_go_with_their_transcripts_and_the_sums_stay(store: Store) -> None:
    made = [ledger_row(NOON * 1000 + n, team_id="research") for n in range(5)]
    await store.ledger.write(made, [transcript(row) for row in made])
    before = await sums(store)
    assert await store.ledger.remove_before(NOON * 1000 + 4, 3) == 3
    left = await rows(store)
    assert len(left) == 2
    assert made[4] in left
    assert await store.ledger.remove_before(NOON * 1000 + 4, 3) == 1
    assert await store.ledger.remove_before(NOON * 1000 + 4, 3) == 0
    assert await rows(store) == [made[4]]
    assert await transcript_ids(store) == {made[4].id}
    assert await sums(store) == before
    assert await store.ledger.spent_by(replace(key(), id="key_a"), NOON) == 5000
    assert await store.ledger.spent_by(team(budget_duration="1mo"), NOON) == 5000


# --- whatever comes ---

_ROWS = st.lists(
    st.builds(
        ledger_row,
        # Three days, with their first and last millisecond.
        at=st.integers(NOON * 1000, (NOON + 2 * DAY) * 1000)
        | st.sampled_from([NOON // DAY * DAY * 1000 + n for n in (0, DAY * 1000 - 1, DAY * 1000)]),
        key_id=st.sampled_from(["key_a", "key_b"]),
        team_id=st.sampled_from([None, "research"]),
        served_model=st.sampled_from([None, "gpt", ""]),
        provider=st.sampled_from([None, "openai"]),
        cost=st.none() | st.integers(0, 2**50),
        prompt_tokens=st.integers(0, 2**40),
        completion_tokens=st.integers(0, 2**40),
        cached_tokens=st.integers(0, 2**40),
        latency_ms=st.integers(0, 10**6),
        estimated=st.booleans(),
        outcome=st.sampled_from(["complete", "failed", "refused", "cancelled", "cut"]),
        tags=st.lists(st.sampled_from(["a", "b", 'é"']), unique=True).map(tuple),
    ),
    max_size=6,
)


# The database is emptied for each example, as making one takes long.
@examples(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(batches=st.lists(_ROWS, max_size=4))
async def test_the_sums_are_those_of_the_rows(store: Store, batches: list[list[LedgerRow]]) -> None:
    async with store.database.append() as connection:
        for table in (ledger, daily):
            await connection.execute(delete(table))
    for batch in batches:
        await store.ledger.write(batch, [])
    expected: dict[tuple[Any, ...], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in await rows(store):
        into = expected[
            row.key_id,
            day_of(row.started_ms / 1000),
            row.team_id or "",
            row.served_model or "",
            row.provider or "",
            json.dumps(sorted(row.tags), ensure_ascii=False),
        ]
        into["requests"] += 1
        into["errors"] += row.outcome in ("failed", "refused", "cut")
        into["estimated"] += row.estimated
        into["unpriced"] += row.cost is None
        into["cache_hits"] += row.cache_hit
        into["cost"] += row.cost or 0
        for name in ("prompt_tokens", "completion_tokens", "cached_tokens", "latency_ms"):
            into[name] += getattr(row, name)
        for name in ("cache_write_tokens", "reasoning_tokens"):
            into[name] += 0
    assert await sums(store) == expected
    assert sum(len(batch) for batch in batches) == len(await rows(store))
    for kind, owner_id in (("key", "key_a"), ("key", "key_b"), ("team", "research")):
        column = ledger.c[f"{kind}_id"]
        for since in (None, NOON // DAY * DAY, (NOON // DAY + 1) * DAY):
            query = select(func.coalesce(func.sum(ledger.c.cost), 0)).where(
                column == owner_id, ledger.c.started_ms >= (since or 0) * 1000
            )
            async with store.database.read() as connection:
                total = await connection.scalar(query)
            spent, _ = await store.ledger.spent(kind, owner_id, since)
            assert spent == total
