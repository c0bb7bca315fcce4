"""docs/examples: what each README has one type does what it shows there.

In the place of models there is a provider that answers by rule; the READMEs' figures are of this.
"""

from __future__ import annotations

import asyncio
import csv
import json
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from starlette.requests import Request
from starlette.responses import Response

from gateway.settings import Settings
from tests.commands.conftest import Result, Run
from tests.servers import FakeProvider, Json, answer, completion, usage

# Commands are processes of their own here.
pytestmark = pytest.mark.sqlite

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"

_BLOCK = re.compile(r"```sh\n(.*?)```(?:\s*```text\n(.*?)```)?", re.S)
_BEGUN = re.compile(r"^Running (run_\w+):", re.M)
_RUN = re.compile(r"\brun_\w+")

Said = Callable[[Json], str]


@dataclass
class Example:
    """A copy of an example, and somebody who follows its README."""

    directory: Path
    type_in: Run
    codes: list[int] = field(default_factory=list)
    """What the commands ended with."""
    runs: list[str] = field(default_factory=list)
    """The ids of the runs that were begun."""
    _ids: dict[str, str] = field(default_factory=dict)
    """By what the README calls them."""

    async def follow(self) -> None:
        """Do all that the README says. Each line that it shows has to come."""
        blocks = _BLOCK.findall((self.directory / "README.md").read_text())
        assert len(blocks) > 3
        for commands, expected in blocks:
            wrote = ""
            for line in commands.replace("\\\n", " ").splitlines():
                wrote += await self._typed(line)
            self._meet(expected, wrote)
            came = _lines(wrote)
            missing = [each for each in _lines(self._ours(expected)) if each not in came]
            assert not missing, wrote

    async def evals(self, *arguments: str) -> Any:
        """What `gateway evals ARGUMENTS --json` prints."""
        return (await self._run("evals", *arguments, "--json")).json

    def ledger(self) -> list[Any]:
        """Of each call, the tags."""
        with closing(sqlite3.connect(self.directory / "gateway.db")) as database:
            return [json.loads(tags) for (tags,) in database.execute("SELECT tags FROM ledger")]

    def junit(self) -> dict[str, set[str]]:
        """By each suite of junit.xml, its tests that failed."""
        root = ElementTree.parse(self.directory / "junit.xml").getroot()
        return {
            suite.attrib["name"]: {
                test.attrib["name"] for test in suite if test.find("failure") is not None
            }
            for suite in root
        }

    async def _typed(self, line: str) -> str:
        match shlex.split(line, comments=True):
            case ["gateway", *arguments]:
                result = await self._run(*arguments)
                self.codes.append(result.code)
                return result.out + result.err
            case ["echo", "$?"]:
                return f"{self.codes[-1]}\n"
            case ["sed", *_]:
                await asyncio.to_thread(subprocess.run, line, shell=True, check=True)
                return ""
            case ["cd", _] | ["export", _]:
                return ""  # as the fixture has done
        raise AssertionError(f"{line} is nothing that this test knows")

    async def _run(self, *arguments: str) -> Result:
        ours = [self._ours(each) for each in arguments]
        return await asyncio.to_thread(self.type_in, *ours)

    def _ours(self, text: str) -> str:
        return _RUN.sub(lambda found: self._ids.get(found[0], found[0]), text)

    def _meet(self, expected: str, wrote: str) -> None:
        begun = _BEGUN.findall(wrote)
        self.runs += begun
        self._ids |= zip(_BEGUN.findall(expected), begun, strict=True)


def _lines(text: str) -> list[list[str]]:
    """Of each line the words, but for a table's rules, how long calls took, and `…`."""
    found, timed = [], False
    for line in text.splitlines():
        words = [word for word in line.split() if word.strip("─")]
        timed = "P50" in words or (timed and line.strip() != "")
        if timed and "P50" not in words:
            words[3:5] = []
        if words and words != ["…"]:
            found.append(words)
    return found


Follow = Callable[[str, Said], Example]


@pytest.fixture
def example(
    settings: Settings,  # noqa: ARG001 - an empty database
    tmp_path: Path,
    provider: FakeProvider,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> Follow:
    """An example by its name, and a provider that says what is given."""

    def made(name: str, said: Said) -> Example:
        async def behaviour(request: Request) -> Response:
            body = await request.json()
            text = said(body)
            asked = sum(len(message["content"]) for message in body["messages"])
            return answer(completion(text) | {"usage": usage(asked // 4, len(text) // 4)})

        provider.behaviour = behaviour
        shutil.copytree(EXAMPLES / name, tmp_path, dirs_exist_ok=True)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "path", list(sys.path))
        monkeypatch.setenv("OPENAI_BASE_URL", f"{provider.url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "sk-upstream-0123456789")
        return Example(tmp_path, run)

    return made


def _rows(name: str) -> dict[str, dict[str, str]]:
    """An example's cases, by what is asked."""
    with (EXAMPLES / name).open(newline="") as file:
        return {row["input"]: row for row in csv.DictReader(file)}


def librarian() -> Said:
    """The small model is wrong of a few facts, and of fewer where its temperature is 0."""
    rows = _rows("faq/faq.csv")

    def said(body: Json) -> str:
        row = rows[body["messages"][-1]["content"]]
        given = {"answer": f"At the Riverside Library: {row['expected']}.", "topic": row["topic"]}
        if body["model"] == "gpt-4o-mini":
            wrong = {"film-days", "hall", "reserve-kept"}
            if body.get("temperature") == 0:
                wrong -= {"hall", "reserve-kept"}
            if row["id"] in wrong:
                given["answer"] = "I think that you had better ask at the desk."
            if row["id"] == "lost-card":
                given["topic"] = "loans"
        return json.dumps(given)

    return said


def assistant() -> Said:
    """It cites a policy where it is told to, or asked for one; and a judge knows what is right."""
    rows = _rows("prompt-change/tickets.csv")

    def said(body: Json) -> str:
        asked = body["messages"][-1]["content"]
        if "response_format" in body:
            right, told = re.findall(r"What is right: (.*)\n\nThe answer was: (.*)", asked)[0]
            verdict = {"reason": "That is the policy.", "score": 5}
            if right not in told:
                verdict = {"reason": "It leaves open what holds.", "score": 2}
            return json.dumps(verdict)
        row, system = rows[asked], body["messages"][0]["content"]
        text = row["expected"] if row["id"] != "return-late" else "Please ask the shop."
        if "Cite" in system or "policy" in asked:
            text += f" See our policy [{row['policy']}]."
        if "thorough" in system:
            text = f"Thank you for asking! {text} Is there anything else that we can do for you?"
        return text

    return said


async def test_a_faq_of_two_models(example: Follow) -> None:
    followed = example("faq", librarian())
    await followed.follow()
    assert set(followed.codes) == {0}
    first, second = followed.runs
    found = await followed.evals("compare", second, first)
    assert {
        (pair["model"], pair["evaluator"]): {change["case_id"] for change in pair["fixed"]}
        for pair in found["evaluators"]
        if pair["fixed"] or pair["regressed"]
    } == {("small", name): {"hall", "reserve-kept"} for name in ("fact", "sure")}
    shown = await followed.evals("show", second)
    assert all(each["pass_rate"]["n"] >= 30 for each in shown["results"]["evaluators"])
    assert shown["gate"]["passed"] is True
    failed = followed.junit()
    assert failed["small × fact"] == {"film-days", "hall", "reserve-kept"}
    assert failed["large × fact"] == failed["gate"] == set()
    tags = followed.ledger()
    assert len(tags) == 2 * 68
    for each in (first, second):
        assert tags.count([f"eval_run:{each}", "eval_role:target"]) == 68


async def test_a_shorter_prompt_that_loses_something(example: Follow) -> None:
    followed = example("prompt-change", assistant())
    await followed.follow()
    first, second, _ = followed.runs
    assert followed.codes == [0, 0, 100, 0, 0]
    found = await followed.evals("compare", second, first)
    pairs = {pair["evaluator"]: pair for pair in found["evaluators"]}
    cites, helpful = pairs["cites"], pairs["helpful"]
    assert (cites["verdict"], helpful["verdict"]) == ("worse", "no clear difference")
    assert cites["pass_rate_difference"]["high"] < 0
    asked_for = {row["id"] for row in _rows("prompt-change/tickets.csv").values()} - {
        "return-rule", "measure-rule", "service-rule",
    }  # fmt: skip
    assert {change["case_id"] for change in cites["regressed"]} == asked_for
    failed = followed.junit()
    assert failed["assistant × cites"] == asked_for
    assert failed["gate"] == {"no_regression_vs: assistant × cites"}
    page = (followed.directory / "report.html").read_text()
    assert "31 cases of assistant regressed by cites" in page
    assert all(case_id in page for case_id in asked_for)
    tags = followed.ledger()
    for each in (first, second):
        for role in ("target", "judge"):
            assert tags.count([f"eval_run:{each}", f"eval_role:{role}"]) == 34


def test_the_prompts_alone_differ() -> None:
    before, after = (
        yaml.safe_load((EXAMPLES / "prompt-change" / name).read_text())["evals"]["suites"]
        for name in ("gateway.yaml", "shorter.yaml")
    )
    assert before != after
    for [suite] in (before, after):
        del suite["messages"][0]["content"]
    assert before == after
