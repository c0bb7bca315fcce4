"""The databases that growth is measured on, and the page of what came of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.growth.commands import Run, run
from benchmarks.growth.databases import Size, make, model_name, secret
from benchmarks.growth.report import Axis, report
from benchmarks.growth.serving import Taken
from gateway.settings import Settings
from gateway.store import Store
from gateway.vault import hash_key


@pytest.mark.parametrize("rows", [0, 500])
async def test_a_database_is_as_the_gateway_writes_it(tmp_path: Path, rows: int) -> None:
    path = tmp_path / "gateway.db"
    await make(path, Size(models=3, keys=4, rows=rows), "http://127.0.0.1:9/v1")
    async with Store.open(Settings(database_url=f"sqlite:///{path}")) as store:
        models, keys = await store.models.all(), await store.keys.all()
        assert [each.name for each in models] == [model_name(number) for number in range(3)]
        assert len({each.secrets["api_key"] for each in models}) == 3
        hashes = [hash_key(secret(number)) for number in range(4)]
        assert [each.secret_hash for each in keys] == hashes
        assert await store.database.check_integrity() == []
        assert await store.ledger.unequal_days() == []
        assert len(await store.ledger.after(0, 1000)) == rows
        spent = await store.ledger.spent("key", keys[0].id, None)
        assert (spent[0] > 0) == bool(rows)


def test_a_command_is_measured(tmp_path: Path) -> None:
    ran = run(tmp_path / "gateway.db", ["keys", "list"])
    assert ran.cpu > 0
    assert ran.memory > 2**20
    with pytest.raises(RuntimeError, match="keys show nobody"):
        run(tmp_path / "gateway.db", ["keys", "show", "nobody"])


def test_the_page_tells_ratios_and_what_each_takes() -> None:
    few = Taken(2, 1, 100 * 2**20, 0, 0.001, 0.002, 0.01)
    many = Taken(3, 2, 100 * 2**20 + 1000 * 1024, 0.003, 0.0011, 0.002, 0.01)
    command = {"keys list": {1: [Run(0.5, 0.4, 2**20)], 1001: [Run(1.5, 1.4, 2**21)]}}
    page = report(
        {"machine": "a"}, "none", [Axis("keys", (1, 1001), {1: {0: few}, 1001: {0: many}}, command)]
    )
    assert "| 1 | 1.00 | 1.00 | – | 2.00 |" in page
    assert "| 1,001 | 1.10 | 1.10 | 3.00 | 2.00 |" in page
    assert "Each takes 1.00 KiB of memory." in page
    assert (
        "| `gateway keys list` | 0.500 s, of CPU 0.400; 1 MiB | 1.50 s, of CPU 1.40; 2 MiB |"
        in page
    )
