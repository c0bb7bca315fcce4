"""`gateway doctor`."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from gateway.commands import doctor
from tests.commands.conftest import Run

# The columns of the ledger that must hold something.
_TEXTS = "id request_id key_id operation model outcome tags node"
_NUMBERS = (
    "started_ms prompt_tokens completion_tokens cached_tokens cache_write_tokens "
    "reasoning_tokens estimated latency_ms status stream"
)


def _by_check(findings: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {finding["check"]: finding for finding in findings}


@pytest.mark.sqlite
def test_a_sound_installation(run: Run, tmp_path: Path) -> None:
    run("models", "add", "m", "--provider", "openai", "--api-key-stdin", stdin="k-0123456789")
    run("admin", "rotate-key")
    checked = run("doctor", "--json")
    assert checked.code == 0
    found = _by_check(checked.json)
    assert {finding["state"] for finding in found.values()} == {"ok"}
    assert found["database"]["detail"] == str(tmp_path / "gateway.db")
    assert found["secret key"]["detail"] == "opens all 1 models"
    assert "litellm" in run("doctor").out


@pytest.mark.sqlite
def test_what_is_wrong_is_said_with_the_way_out(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    run("models", "add", "m", "--provider", "openai", "--api-key-ref", "NO_SUCH_KEY")
    (tmp_path / "gateway.db").chmod(0o644)
    checked = run("doctor", "--json")
    assert checked.code == 4
    found = _by_check(checked.json)
    assert found["database file"]["state"] == "problem"
    assert found["database file"]["remedy"] == f"chmod 600 {tmp_path / 'gateway.db'}"
    assert found["model m"]["detail"] == "The environment variable NO_SUCH_KEY is not set here"
    assert found["admin key"]["state"] == "warning"


def test_a_budget_on_models_without_a_price_is_a_warning(run: Run) -> None:
    run("models", "add", "house-model", "--provider", "openai", "--api-key-stdin", stdin="k-0123")
    assert "prices" not in _by_check(run("doctor", "--json").json)
    run("keys", "create", "--max-budget", "5")
    found = _by_check(run("doctor", "--json").json)["prices"]
    assert found["state"] == "warning"
    assert found["detail"] == "no price is known for house-model: budgets do not count them"


def test_a_pattern_has_no_price_of_its_own_to_miss(run: Run) -> None:
    run("models", "add", "openai/*", "--provider", "openai", "--api-key-stdin", stdin="k-0123")
    run("keys", "create", "--max-budget", "5")
    assert "prices" not in _by_check(run("doctor", "--json").json)


def test_settings_that_name_no_model_are_a_warning(run: Run) -> None:
    run("models", "add", "m", "--provider", "openai", "--api-key-stdin", stdin="k-0123456789")
    run("settings", "set", "fallbacks", '{"m": ["spare"]}')
    run("settings", "set", "model_group_alias", '{"fast": "m"}')
    checked = run("doctor", "--json")
    assert checked.code == 0
    found = _by_check(checked.json)
    assert (found["fallbacks"]["state"], found["fallbacks"]["detail"]) == (
        "warning",
        "the fallback 'spare' is no model here, and is passed over",
    )
    assert found["fallbacks"]["remedy"] == "register it, or gateway settings set fallbacks"
    assert "model_group_alias" not in found
    run("models", "add", "spare", "--provider", "openai", "--api-key-stdin", stdin="k-0123456789")
    assert "fallbacks" not in _by_check(run("doctor", "--json").json)


def test_a_variable_of_one_of_several_deployments_is_told_with_its_id(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    run("models", "add", "m", "--provider", "openai", "--api-key-ref", "NO_SUCH_KEY")
    run("models", "add", "m", "--provider", "openai", "--info", "id=second")
    [found] = [f for f in run("doctor", "--json").json if f["check"].startswith("model m")]
    assert found["check"].startswith("model m, model_")
    assert "NO_SUCH_KEY" in found["detail"]


@pytest.mark.sqlite
def test_a_ledger_that_does_not_add_up_is_a_problem(run: Run, tmp_path: Path) -> None:
    run("keys", "list")
    with contextlib.closing(sqlite3.connect(tmp_path / "gateway.db")) as database, database:
        database.execute(
            "INSERT INTO daily VALUES ('key', '2026-11-01', '', 'm', 'openai', '[]', "
            "2, 0, 0, 0, 1, 1, 0, 0, 0, 5, 9, 0)"
        )
        database.execute(
            "INSERT INTO daily VALUES ('key', '2026-11-03', '', 'm', 'openai', '[]', "
            "2, 0, 0, 0, 1, 1, 0, 0, 0, 5, 9, 0)"
        )
    # Rows of those days may have been removed by age, as there are none later.
    assert _by_check(run("doctor", "--json").json)["ledger"]["state"] == "ok"
    with contextlib.closing(sqlite3.connect(tmp_path / "gateway.db")) as database, database:
        row: dict[str, object] = dict.fromkeys(_TEXTS.split(), "[]")
        row |= dict.fromkeys(_NUMBERS.split(), 1)
        row["started_ms"] = 1_793_577_600_000  # 2026-11-02
        names, marks = ", ".join(row), ", ".join("?" * len(row))
        database.execute(f"INSERT INTO ledger ({names}) VALUES ({marks})", list(row.values()))
    checked = run("doctor", "--json")
    assert checked.code == 4
    detail = _by_check(checked.json)["ledger"]["detail"]
    assert detail == "its rows and the daily sums differ on 2026-11-02, 2026-11-03"


@pytest.mark.sqlite
def test_a_journal_that_could_not_be_read_is_a_warning(run: Run, tmp_path: Path) -> None:
    (tmp_path / "gateway.db.ledger-0a1b2c3d.unreadable").touch()
    found = _by_check(run("doctor", "--json").json)["ledger journal"]
    assert found["state"] == "warning"
    assert "gateway.db.ledger-0a1b2c3d.unreadable" in found["detail"]


@pytest.mark.sqlite
def test_a_lost_secret_key_is_a_problem(run: Run, tmp_path: Path) -> None:
    run("models", "add", "m", "--provider", "openai", "--api-key-stdin", stdin="k-0123456789")
    (tmp_path / "gateway.key").unlink()
    checked = run("doctor", "--json")
    assert checked.code == 4
    assert "sealed with another secret key" in _by_check(checked.json)["secret key"]["detail"]


@pytest.mark.sqlite
def test_a_database_that_is_none(run: Run, tmp_path: Path) -> None:
    (tmp_path / "gateway.db").write_bytes(b"no database, and long enough to be looked at" * 99)
    checked = run("doctor", "--json")
    assert checked.code == 4
    assert _by_check(checked.json)["database"]["state"] == "problem"


@pytest.mark.parametrize("version", ["1.82.7", "1.82.8", "1.107.0"])
def test_a_malicious_litellm(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    class Distribution:
        pass

    installed = Distribution()
    installed.version = version  # type: ignore[attr-defined]
    monkeypatch.setattr(doctor, "distribution", lambda _: installed)
    assert doctor._litellm().state == "problem"


def test_files_that_malicious_releases_left(tmp_path: Path) -> None:
    packages = tmp_path / "site-packages"
    packages.mkdir()
    assert doctor._implants([str(packages)]) == []
    (packages / "litellm_init.pth").touch()
    [finding] = doctor._implants([str(packages), str(tmp_path)])
    assert finding.state == "problem"
    assert "litellm_init.pth" in finding.detail
