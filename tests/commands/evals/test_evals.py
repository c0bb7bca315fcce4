"""`gateway evals`, with a provider that answers."""

from __future__ import annotations

import asyncio
import csv
import json
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from starlette.responses import Response

from gateway.commands.evals import watching
from gateway.settings import Settings
from gateway.store.evals.runs import DEAD_AFTER_SECONDS
from tests.commands.conftest import Run
from tests.http.evals.conftest import CAPITALS, EXACT, ROWS, SUITE, TONE, Knowing
from tests.processes import COMMAND, environment
from tests.servers import FakeProvider, Json

# gpt-4o's, for 11 and 6 tokens, in dollars.
CALL = (11 * 2500 + 6 * 10_000) / 10**9


class Cli:
    """The command as a process of its own, beside the provider that the test is."""

    def __init__(self, directory: Path, provider: Knowing, url: str, here: Run) -> None:
        self.directory = directory
        self.provider = provider
        self._url = url
        self._here = here

    def configure(self, **suite: Any) -> str:
        """Write a file that describes all that there is to run; returns its name."""
        at = {"model": "openai/gpt-4o", "api_base": f"{self._url}/v1", "api_key": "sk-upstream"}
        document = {
            "model_list": [{"model_name": name, "litellm_params": at} for name in ("gpt", "judge")],
            "router_settings": {"num_retries": 0},
            "evals": {
                "datasets": [{"name": "faq", "rows": ROWS}],
                "evaluators": [EXACT, TONE],
                "suites": [SUITE | suite],
            },
        }
        path = self.directory / "gateway.yaml"
        path.write_text(yaml.safe_dump(document))
        return str(path)

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *COMMAND,
            *arguments,
            env=environment(self.directory),
            cwd=self.directory,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def evals(self, *arguments: str, code: int = 0) -> tuple[str, str]:
        """Run `gateway evals ARGUMENTS` in this process, which is faster; what it wrote."""
        return await self.here("evals", *arguments, code=code)

    async def here(self, *arguments: str, code: int = 0) -> tuple[str, str]:
        result = await asyncio.to_thread(self._here, *arguments)
        assert result.code == code, result
        return result.out, result.err

    async def runs(self) -> list[Json]:
        """All runs, newest first."""
        out, _ = await self.evals("list", "--json")
        return list(json.loads(out))

    @contextmanager
    def database(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.directory / "gateway.db")) as found, found:
            yield found


@pytest.fixture
def cli(settings: Settings, tmp_path: Path, provider: FakeProvider, run: Run) -> Cli:  # noqa: ARG001
    """With an empty database."""
    knowing = Knowing()
    provider.behaviour = knowing.behaviour
    return Cli(tmp_path, knowing, provider.url, run)


@pytest.mark.sqlite
async def test_a_run_out_of_a_file_with_all_reports(cli: Cli) -> None:
    config = cli.configure(gate={"pass_rate": 0.5}, evaluators=["exact", "tone"])
    cli.provider.wrong = {"UK"}
    names = {"--junit": "j.xml", "--json": "r.json", "--csv": "r.csv", "--html": "r.html"}
    files = [word for option, name in names.items() for word in (option, str(cli.directory / name))]
    out, err = await cli.evals("run", "ci", "--config", config, "--name", "[b]Nightly[/b]", *files)
    assert "66.7 %" in out
    assert "gpt" in out
    assert "The gate is passed." in err
    # Nobody is told a secret, though there is no admin key.
    assert "sk-" not in out + err
    report = json.loads((cli.directory / "r.json").read_text())
    assert (report["run"]["name"], report["run"]["status"]) == ("[b]Nightly[/b]", "completed")
    assert report["run"]["key_id"] == "cli"
    assert (cli.directory / "r.csv").read_text().count("\n") == 7
    root = ElementTree.parse(cli.directory / "j.xml").getroot()
    assert root.attrib["failures"] == "1"
    assert "<html" in (cli.directory / "r.html").read_text()
    with cli.database() as database:
        rows = database.execute("SELECT key_id, tags FROM ledger").fetchall()
    assert len(rows) == 6
    assert {key for key, _ in rows} == {"cli"}
    assert all(f"eval_run:{report['run']['id']}" in tags for _, tags in rows)


async def test_a_gate_that_is_not_passed_ends_with_100(cli: Cli) -> None:
    config = cli.configure(gate={"pass_rate": 0.9})
    cli.provider.wrong = {"UK"}
    out, err = await cli.evals("run", "ci", "--config", config, code=100)
    assert "The gate is NOT passed." in err
    assert "pass_rate · gpt · exact" in err
    assert "66.7 %" in out
    # What options say goes before the suite's.
    out, err = await cli.evals(
        "run", "ci", "--model", "judge", "--evaluator", "tone", "--repeat", "2", "--param",
        "temperature=0", "--max-cost", "1",
    )  # fmt: skip
    assert [call.get("temperature") for call in cli.provider.calls].count(0) == 6
    [second, first] = await cli.runs()
    assert (second["models"], second["progress"]["done"]) == (["judge"], 6)
    assert first["progress"]["failed"] == 1


async def test_what_is_wrong_ends_with_1_2_or_3(cli: Cli) -> None:
    config = cli.configure(max_cost=CALL / 2, concurrency=1)
    _, err = await cli.evals("run", "ci", "--config", config, code=1)
    [run] = await cli.runs()
    assert "max_cost" in err
    assert f"gateway evals resume {run['id']}" in err
    await cli.evals("resume", run["id"], "--max-cost", "1")
    [run] = await cli.runs()
    assert (run["status"], run["progress"]["done"]) == ("completed", 3)
    _, err = await cli.evals("run", "ci", "--model", "none", code=2)
    assert "no model is registered as 'none'" in err
    await cli.evals("report", run["id"], code=2)
    _, err = await cli.evals("show", "none", code=3)
    assert "No run has the id 'none'" in err


@pytest.mark.sqlite
async def test_a_run_that_was_killed_is_taken_up_where_it_was(cli: Cli) -> None:
    config = cli.configure(concurrency=1, repeat=2)
    await cli.here("config", "apply", config)
    reached, go = asyncio.Event(), asyncio.Event()

    async def slow(_: Json) -> Response | None:
        if len(cli.provider.calls) == 3:
            reached.set()
            await go.wait()
        return None

    cli.provider.before = slow
    process = await cli.start("evals", "run", "ci")
    await reached.wait()
    while True:
        # What it has done is stored a moment later.
        with cli.database() as database:
            [stored] = database.execute("SELECT count(*) FROM eval_items").fetchone()
        if stored == 2:
            break
        await asyncio.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    await process.communicate()
    go.set()
    with cli.database() as database:
        # As if it had been silent for long.
        database.execute("UPDATE eval_runs SET beat_at = beat_at - ?", (DEAD_AFTER_SECONDS + 1,))
    [run] = await cli.runs()
    assert (run["status"], run["progress"]["done"]) == ("interrupted", 2)
    await cli.evals("resume", run["id"])
    [run] = await cli.runs()
    assert (run["status"], run["progress"]["done"], run["error"]) == ("completed", 6, None)
    assert len(cli.provider.calls) == 7
    with cli.database() as database:
        outcomes = [row[0] for row in database.execute("SELECT outcome FROM ledger")]
    assert sorted(outcomes) == ["complete"] * 6 + ["interrupted"]


@pytest.mark.sqlite
async def test_a_run_that_is_stopped_keeps_what_it_did(cli: Cli) -> None:
    config = cli.configure(concurrency=1)
    await cli.here("config", "apply", config)
    reached, go = asyncio.Event(), asyncio.Event()

    async def slow(_: Json) -> Response | None:
        if len(cli.provider.calls) == 2:
            reached.set()
            await go.wait()
        return None

    cli.provider.before = slow
    process = await cli.start("evals", "run", "ci")
    await reached.wait()
    process.send_signal(signal.SIGTERM)
    _, err = await process.communicate()
    go.set()
    [run] = await cli.runs()
    assert process.returncode != 0
    assert f"gateway evals resume {run['id']}" in err.decode()
    assert (run["status"], run["progress"]["done"]) == ("interrupted", 1)


@pytest.mark.sqlite
async def test_a_run_that_may_be_another_process_s_is_waited_for(cli: Cli) -> None:
    config = cli.configure(max_cost=CALL / 2, concurrency=1)
    await cli.evals("run", "ci", "--config", config, code=1)
    [run] = await cli.runs()
    with cli.database() as database:
        # As one that was killed a moment ago.
        database.execute(
            "UPDATE eval_runs SET status = 'running', owner = 'dead', max_cost = NULL, beat_at = ?",
            (int(time.time()) - DEAD_AFTER_SECONDS + 4,),
        )
    _, err = await cli.evals("resume", run["id"])
    assert f"Waiting to see whether {run['id']} is running" in err
    [run] = await cli.runs()
    assert (run["status"], run["progress"]["done"]) == ("completed", 3)
    _, err = await cli.evals("resume", run["id"], code=1)
    assert "is complete" in err


async def test_a_terminal_shows_how_far_a_run_has_come(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    config = cli.configure(repeat=3, concurrency=2)
    cli.provider.wrong = {"UK"}
    _, err = await cli.evals("run", "ci", "--config", config)
    assert "9/9" in err
    assert "3 failed, 0 errors, $0.0007875" in err


async def test_answers_in_a_file_are_scored_without_a_call(cli: Cli) -> None:
    config = cli.configure()
    answers = cli.directory / "answers.csv"
    with answers.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["Question", "expected", "said"])
        table.writerows((f"Capital of {name}?", city, "Paris") for name, city in CAPITALS.items())
    out, _ = await cli.evals(
        "score", str(answers), "--config", config, "--evaluator", "exact", "--answers", "said",
        "--column", "input=Question",
    )  # fmt: skip
    assert "33.3 %" in out
    assert cli.provider.calls == []
    _, err = await cli.evals("score", "faq", "--evaluator", "exact", code=2)
    assert "{{item.output}}" in err


async def test_an_evaluator_of_one_s_own_code(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is in the directory where the command is run can be imported.
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "ours.py").write_text("def shout(case, item):\n    return item.output.isupper()\n")
    config = cli.configure()
    document = yaml.safe_load(Path(config).read_text())
    document["evals"]["evaluators"].append(
        {"name": "shout", "type": "python", "function": "ours:shout"}
    )
    Path(config).write_text(yaml.safe_dump(document))
    out, _ = await cli.evals("run", "ci", "--config", config, "--evaluator", "shout")
    assert "0.0 %" in out


async def test_runs_are_reviewed(cli: Cli) -> None:
    config = cli.configure(gate={"no_regression_vs": "baseline"})
    await cli.evals("run", "ci", "--config", config)
    [first] = await cli.runs()
    out, err = await cli.evals("baseline", "ci", first["id"])
    assert err == f"{first['id']} is the baseline of ci.\n"
    cli.provider.wrong = {"UK", "Japan"}
    _, err = await cli.evals("rerun", first["id"], code=0)
    assert "Regressed at gpt, exact: uk, japan" in err
    second = (await cli.runs())[0]
    out, _ = await cli.evals("compare", second["id"], first["id"], "--json")
    [pair] = json.loads(out)["evaluators"]
    assert {change["case_id"] for change in pair["regressed"]} == {"uk", "japan"}
    out, _ = await cli.evals("show", second["id"])
    assert "33.3 %" in out
    out, _ = await cli.evals("list", "--suite", "ci")
    assert all(each["id"] in out for each in (first, second))
    out, _ = await cli.evals("show", second["id"], "--json")
    assert json.loads(out)["gate"]["passed"] is True
    _, err = await cli.evals("outdated", first["id"])
    assert err == f"{first['id']} is up to date.\n"
    await cli.here("models", "remove", "gpt")
    out, _ = await cli.evals("outdated", first["id"], code=4)
    assert "removed" in out
    _, err = await cli.evals("cancel", first["id"])
    assert err == f"{first['id']} is completed.\n"
    page = str(cli.directory / "page.html")
    await cli.evals("remove", second["id"])
    assert [run["id"] for run in await cli.runs()] == [first["id"]]
    _, err = await cli.evals("report", first["id"], "--html", page)
    assert err == f"Wrote {page}.\n"
    for command, name in (("suites", "ci"), ("evaluators", "exact")):
        out, _ = await cli.evals(command)
        assert name in out
        out, _ = await cli.evals(command, "--json")
        assert json.loads(out)[0]["name"] == name
