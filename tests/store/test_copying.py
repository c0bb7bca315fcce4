"""Copying one database into another, of either kind."""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Table,
    insert,
    select,
)

from gateway.settings import Settings
from gateway.store import Store, copying
from gateway.store.copying import TABLES, Copied, CopyRefused
from gateway.store.database import DatabaseUnusable, head
from gateway.store.tables import audit, daily, metadata, stamps
from gateway.usage import UsageFilter
from tests.conftest import SECRET_KEY, execute
from tests.ledgers import ledger_row
from tests.postgreses import PostgresServer
from tests.servers import TESTER
from tests.store.records import HOSTILE, key, model, team

New = Callable[[str], Settings]
BOTH_WAYS = pytest.mark.parametrize(
    ("of", "to"), [("sqlite", "postgresql"), ("postgresql", "sqlite")]
)
ANY_WAY = pytest.mark.parametrize(
    ("of", "to"),
    [(of, to) for of in ("sqlite", "postgresql") for to in ("sqlite", "postgresql")],
)


@pytest.fixture
def new(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[New]:
    """Settings of a gateway with an empty database of this kind."""
    with contextlib.ExitStack() as stack:

        def made(kind: str) -> Settings:
            if kind == "sqlite":
                path = tmp_path / f"{len(list(tmp_path.glob('*.db')))}.db"
                shutil.copy(request.getfixturevalue("_migrated"), path)
                url = f"sqlite:///{path}"
            else:
                server: PostgresServer = request.getfixturevalue("postgres_server")
                url = stack.enter_context(server.fresh(of="migrated"))
                server.empty(url.rpartition("/")[2])
            rename(settings := Settings(url, secret_key=SECRET_KEY))
            return settings

        yield made


def rename(settings: Settings) -> None:
    """Give it a name of its own; those of the tests are made from one."""
    execute(settings, f"UPDATE identity SET id = '{secrets.token_hex(8)}'")


async def copied(of: Settings, to: Settings, told: copying.Told = lambda *_: None) -> Copied:
    target = Store(to).database
    try:
        async with Store.open(of) as source:
            return await copying.copy(source.database, target, told)
    finally:
        await target.close()


async def refused(of: Settings, to: Settings) -> str:
    with pytest.raises(CopyRefused) as raised:
        await copied(of, to)
    return str(raised.value)


async def content(settings: Settings) -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables, as the gateway reads them."""
    database = Store(settings).database
    try:
        async with database.read() as connection:
            return {
                table.name: sorted(
                    (dict(row._mapping) for row in await connection.execute(select(table))),
                    key=lambda row: [str(row[each.name]) for each in table.primary_key],
                )
                for table in metadata.tables.values()
            }
    finally:
        await database.close()


async def fill(settings: Settings, rows: int = 10) -> None:
    async with Store.open(settings) as store:
        await store.models.add(model(), TESTER)
        for number, name in enumerate(HOSTILE):
            await store.models.add(model(name, model_info={"it's": [name, None, 1.5]}), TESTER)
            await store.teams.add(team(f"t{number}", metadata={name: name}), TESTER)
            await store.keys.add(key(f"sk-{number}", label=name, models=(name,)), TESTER)
        for first in range(0, rows, 500):
            batch = [
                ledger_row(tags=(HOSTILE[n % 9],), end_user=HOSTILE[n % 9], cost=n or None)
                for n in range(first, min(first + 500, rows))
            ]
            await store.ledger.write(batch, [], "node")


# --- all of it ---


@ANY_WAY
async def test_all_rows_come_across(of: str, to: str, new: New) -> None:
    source, target = new(of), new(to)
    await fill(source, 1500)
    told = []
    done = await copied(source, target, lambda *what: told.append(what))
    there = await content(source)
    assert await content(target) == there
    assert done.rows == {name: len(rows) for name, rows in there.items()}
    assert (done.rows["ledger"], done.replaced) == (1500, 0)
    assert [what for what in told if what[0] == "ledger"] == [
        ("ledger", "copied", 1000, 1500),
        ("ledger", "copied", 1500, 1500),
        ("ledger", "compared", 1000, 1500),
        ("ledger", "compared", 1500, 1500),
    ]
    async with Store.open(target) as store:
        assert {each.secrets["api_key"] for each in await store.models.all()} == {
            "sk-upstream-plaintext-0123456789"
        }
        assert await store.ledger.unequal_days() == []
    assert (await copied(source, target)).added == 0


@ANY_WAY
async def test_positions_go_on_after_those_that_were_ever_given(of: str, to: str, new: New) -> None:
    source, target = new(of), new(to)
    await fill(source)
    # The newest row is gone, and so is all that followed an older audit log.
    execute(source, "DELETE FROM ledger WHERE position > 8")
    await copied(source, target)
    async with Store.open(target) as store:
        await store.ledger.write([ledger_row()], [])
        assert [position for position, _ in await store.ledger.after(8, 10)] == [11]
        entries = await store.database.rows()
        await store.models.add(model("new"), TESTER)
        async with store.database.read() as connection:
            last = await connection.scalar(select(audit.c.position).order_by(-audit.c.position))
        assert last == entries["audit"] + 1


async def test_an_empty_ledger_begins_at_one(new: New) -> None:
    for of, to in (("sqlite", "postgresql"), ("postgresql", "sqlite")):
        source, target = new(of), new(to)
        await copied(source, target)
        async with Store.open(target) as store:
            assert await store.ledger.write([ledger_row()], []) == 1


async def test_a_change_is_still_noticed_after_the_copying(new: New) -> None:
    source, target = new("sqlite"), new("postgresql")
    await fill(source)
    await copied(source, target)
    async with Store.open(source) as old, Store.open(target) as store:
        before = await old.database.stamps()
        assert await store.database.stamps() == before
        await store.models.add(model("new"), TESTER)
        assert (await store.database.stamps())["models"] == before["models"] + 1


async def test_null_characters_are_replaced_where_there_can_be_none(new: New) -> None:
    source, target = new("sqlite"), new("postgresql")
    async with Store.open(source) as store:
        await store.ledger.write([ledger_row(end_user="a\0b"), ledger_row()], [])
    # As versions before stored it.
    execute(source, """UPDATE ledger SET tags = '["\\u0000", "\\\\u0000"]' WHERE position = 1""")
    execute(source, """UPDATE daily SET tags = '["\\u0000", "\\\\u0000"]'""")
    done = await copied(source, target)
    assert done.replaced == 3
    async with Store.open(target) as store:
        [(_, row), _] = await store.ledger.after(0, 10)
        assert (row.end_user, row.tags) == ("a\ufffdb", ("\ufffd", "\\u0000"))
        assert (await store.usage.report(UsageFilter(tag="\ufffd"))).total.sums.requests == 2
    assert (await copied(source, target)).replaced == 3


# --- any rows ---

_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufffd"), max_size=20)
_INTEGER = st.integers(-(2**63), 2**63 - 1)
_VALUE = st.recursive(
    st.none() | st.booleans() | _INTEGER | st.floats(allow_nan=False, allow_infinity=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=8,
)


def _values(column: Column[Any]) -> st.SearchStrategy[Any]:
    values: st.SearchStrategy[Any]
    if column.table.name == "keys" and column.name == "kind":
        return st.sampled_from(["gateway", "admin"])
    if column is daily.c.tags:
        return st.lists(_TEXT, max_size=3).map(lambda tags: json.dumps(tags, ensure_ascii=False))
    if isinstance(column.type, JSON):
        values = _VALUE
    elif isinstance(column.type, Boolean):
        values = st.booleans()
    elif isinstance(column.type, BigInteger):
        values = _INTEGER
    else:
        values = _TEXT
    return values | st.none() if column.nullable else values


def _distinct(table: Table) -> list[str]:
    """The columns of texts of which no two rows have the same."""
    unique = [
        index.columns for index in table.indexes if index.unique and index.name != "daily_key"
    ]
    return [
        each.name
        for columns in (table.primary_key.columns, *unique)
        for each in columns
        if not isinstance(each.type, BigInteger) and each is not daily.c.tags
    ]


def _rows(table: Table) -> st.SearchStrategy[list[dict[str, Any]]]:
    columns = {each.name: _values(each) for each in table.c}

    def numbered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for number, row in enumerate(rows):
            for name in _distinct(table):
                # No key holds U+0000, which SQLite's JSON ends at.
                row[name] = f"{row[name]}{number}".replace("\0", "")
        return rows

    return st.lists(st.fixed_dictionaries(columns), max_size=3).map(numbered)


_FILLED = st.fixed_dictionaries(
    {table.name: _rows(table) for table in TABLES if table is not stamps}
)


def _without_null(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "\ufffd").replace("\\u0000", "\\ufffd")
    if isinstance(value, list):
        return [_without_null(each) for each in value]
    if isinstance(value, dict):
        return {_without_null(name): _without_null(each) for name, each in value.items()}
    return value


@pytest.fixture
def pair(
    of: str, to: str, new: New, tmp_path: Path, request: pytest.FixtureRequest
) -> Callable[[], tuple[Settings, Settings]]:
    """Two databases, emptied each time they are asked for, which takes less than to make them."""
    two = new(of), new(to)
    server: PostgresServer = request.getfixturevalue("postgres_server")

    def emptied() -> tuple[Settings, Settings]:
        for each in two:
            if path := each.database_path:
                for left in tmp_path.glob(f"{path.name}*"):
                    left.unlink()
                shutil.copy(request.getfixturevalue("_migrated"), path)
            else:
                server.empty(each.database_url.rpartition("/")[2])
            rename(each)
        return two

    return emptied


@BOTH_WAYS
@examples(
    max_examples=5,
    # An example takes a second, so that to look for a smaller one would take minutes.
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(rows=_FILLED)
async def test_any_rows_come_across_equal(
    to: str,
    rows: dict[str, list[dict[str, Any]]],
    pair: Callable[[], tuple[Settings, Settings]],
) -> None:
    source, target = pair()
    store = Store(source)
    async with store.database.append() as connection:
        for name, values in rows.items():
            if values:
                await connection.execute(insert(metadata.tables[name]), values)
    await store.database.close()
    await copied(source, target)
    expected = await content(source)
    assert await content(target) == (_without_null(expected) if to == "postgresql" else expected)


# --- what was begun ---


class _Stopped(Exception):
    pass


def _stopping(table: str, what: str) -> copying.Told:
    def told(*said: Any) -> None:
        if said[:2] == (table, what):
            raise _Stopped

    return told


@BOTH_WAYS
async def test_it_goes_on_where_it_was_with_what_the_source_has_now(
    of: str, to: str, new: New
) -> None:
    source, target = new(of), new(to)
    await fill(source, 1500)
    with pytest.raises(_Stopped):
        await copied(source, target, _stopping("ledger", "copied"))
    # Nothing is served from half of the data.
    with pytest.raises(DatabaseUnusable, match="that is not finished: run `gateway db copy`"):
        async with Store.open(target):
            pass
    async with Store.open(source) as store:
        first = (await store.models.all())[0]
        await store.models.remove_by_id(first.id, TESTER)
        await store.teams.change("t1", lambda team: replace(team, name="Other"), TESTER)
        await store.ledger.write([ledger_row(tags=(HOSTILE[0],))], [])
    execute(source, "DELETE FROM ledger WHERE position < 10")
    done = await copied(source, target)
    assert done.added < sum(done.rows.values()) - 900
    assert await content(target) == await content(source)
    async with Store.open(target) as store:
        assert first.id not in {each.id for each in await store.models.all()}


async def test_a_source_in_use_is_told_of_and_the_rest_copied_later(new: New) -> None:
    source, target = new("sqlite"), new("postgresql")
    await fill(source, 1500)
    changed = False

    def told(table: str, what: str, _done: int, _total: int) -> None:
        nonlocal changed
        if not changed and (table, what) == ("ledger", "copied"):
            execute(source, "DELETE FROM ledger WHERE position = 1500")
            changed = True

    with pytest.raises(CopyRefused, match="changed while it was copied: stop the gateways"):
        await copied(source, target, told)
    assert (await copied(source, target)).rows["ledger"] == 1499
    assert await content(target) == await content(source)


# --- what is no copy of it ---


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_anothers_data_is_left_as_it_is(kind: str, new: New) -> None:
    source, target = new("sqlite"), new(kind)
    await fill(source)
    async with Store.open(target) as store:
        await store.keys.add(key(), TESTER)
    before = await content(target)
    assert "holds the data of another gateway, which is left as it is" in await refused(
        source, target
    )
    assert await content(target) == before


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE ledger SET cost = 5 WHERE position = 3", "table ledger, 1 row(s), the first (3,)"),
        ("DELETE FROM ledger WHERE position = 3", "table ledger, 1 row(s), the first (3,)"),
        ("UPDATE models SET info = '{}'", "table models, 9 row(s)"),
        (
            "INSERT INTO retired_secrets VALUES ('h', 'k')",
            "table retired_secrets, there are 0 rows, and 1 in the copy",
        ),
        ("UPDATE stamps SET value = value + 1 WHERE topic = 'keys'", "table stamps, 1 row(s)"),
    ],
)
async def test_a_copy_that_is_another_is_told_of(
    kind: str, statement: str, said: str, new: New
) -> None:
    source, target = new("sqlite"), new(kind)
    await fill(source)
    await copied(source, target)
    execute(target, statement)
    before = await content(target)
    message = await refused(source, target)
    assert said in message
    assert message.endswith("Either has changed since; to copy again, name an empty database")
    assert await content(target) == before


async def test_a_source_of_another_version(new: New) -> None:
    source, target = new("sqlite"), new("sqlite")
    execute(source, "UPDATE alembic_version SET version_num = '0005'")
    with pytest.raises(DatabaseUnusable, match="has schema 0005, and this version"):
        async with Store.open(source, migrate=False) as store:
            await copying.copy(store.database, Store(target).database, lambda *_: None)
    execute(source, f"UPDATE alembic_version SET version_num = '{head()}'")
    execute(source, "UPDATE identity SET id = 'copy of x'")
    with pytest.raises(DatabaseUnusable, match="a copy that is not finished"):
        await copied(source, target)


async def test_what_the_target_refuses_is_told_of(new: New) -> None:
    source, target = new("sqlite"), new("postgresql")
    await fill(source)
    # JSON to SQLite's mind alone.
    execute(source, "UPDATE models SET info = '{\"a\": NaN}'")
    assert "The copying failed, and can be run again" in await refused(source, target)
