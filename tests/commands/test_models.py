"""`gateway models`."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import subprocess
import termios
import time
from pathlib import Path

import pytest

from tests.commands.conftest import Result, Run
from tests.processes import COMMAND, environment
from tests.processes import run as run_process
from tests.servers import FakeProvider, answer

SECRET = "provider-secret-0123456789"


def test_a_model_is_added_listed_shown_changed_and_removed(run: Run) -> None:
    added = run(
        "models", "add", "team/gpt:1", "--provider", "azure", "--model", "gpt-4o",
        "--base-url", "https://me.openai.azure.com", "--api-version", "2024-10-21",
        "--api-key-stdin", "--param", "temperature=0.5", "--param", "user=me",
        "--info", "mode=chat", stdin=f"{SECRET}\n",
    )  # fmt: skip
    assert (added.code, added.out) == (0, "")
    assert "gateway models test team/gpt:1" in added.err
    listed = run("models", "list")
    assert "team/gpt:1" in listed.out
    assert "[hidden]" in listed.out
    shown = run("models", "show", "team/gpt:1", "--json").json
    assert shown["litellm_params"] == {"model": "gpt-4o", "temperature": 0.5, "user": "me"}
    assert shown["api_key"] == "[hidden]"
    assert shown["model_info"] == {"mode": "chat"}
    changed = run(
        "models", "update", "team/gpt:1", "--rename", "gpt", "--param", "temperature=1",
        "--unset", "user", "--unset", "api_key", "--info", "mode=embedding", "--json",
    ).json  # fmt: skip
    assert changed["litellm_params"] == {"model": "gpt-4o", "temperature": 1}
    assert (changed["model_name"], changed["api_key"]) == ("gpt", None)
    assert changed["model_info"] == {"mode": "embedding"}
    assert "provider        azure" in run("models", "show", "gpt").out.splitlines()
    removed = run("models", "remove", "gpt", "--json").json
    assert removed == {"id": shown["model_id"], "model_name": "gpt", "deleted": True}
    assert "gateway models add" in run("models", "list").err


def test_the_key_may_come_from_a_variable_or_stay_there(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PROVIDER_KEY", SECRET)
    read = run(
        "models", "add", "a", "--provider", "openai", "--api-key-env", "PROVIDER_KEY", "--json"
    )
    assert read.json["api_key"] == "[hidden]"
    kept = run(
        "models", "add", "b", "--provider", "openai", "--api-key-ref", "PROVIDER_KEY", "--json"
    )
    assert kept.json["api_key"] == "os.environ/PROVIDER_KEY"
    for file in tmp_path.iterdir():
        assert SECRET.encode() not in file.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--provider", "opnai"], "did you mean openai"),
        (["--provider", "azure"], "base_url is required for the provider azure"),
        ([], "provider is missing"),
        (["--provider", "openai", "--param", "x"], "--param takes NAME=VALUE, not 'x'"),
        (["--provider", "openai", "--param", "rpm=0"], "litellm_params.rpm takes a whole number"),
        (["--provider", "openai", "--param", "tags=5"], "litellm_params.tags is not supported"),
        (["--provider", "openai", "--model", "gpt-*"], "has a * without one in model_name"),
        (
            ["--provider", "openai", "--api-key-env", "NO_SUCH_VARIABLE"],
            "NO_SUCH_VARIABLE is not set",
        ),
        (["--provider", "openai", "--api-key-stdin"], "nothing came on stdin"),
        (["--provider", "openai", "--api-key-stdin", "--api-key-env", "HOME"], "Give one of"),
    ],
)
def test_a_bad_model_is_refused_with_the_way_out(run: Run, arguments: list[str], says: str) -> None:
    refused = run("models", "add", "m", *arguments)
    assert refused.code == 2
    assert says in refused.err
    assert run("models", "list", "--json").json == []


def test_an_update_needs_a_change_and_a_model(run: Run) -> None:
    run("models", "add", "m", "--provider", "openai")
    assert (run("models", "update", "m").code) == 2
    assert run("models", "update", "none", "--rename", "x").code == 3
    assert run("models", "update", "m", "--rename", "n").err == "Changed n.\n"
    assert run("models", "remove", "n").err == "Removed n.\n"
    assert run("models", "remove", "n").code == 3


def test_the_same_name_twice_is_one_more_deployment(run: Run) -> None:
    run("models", "add", "other", "--provider", "openai")
    run("models", "add", "m", "--provider", "openai", "--info", "id=first")
    listed = run("models", "list").out
    assert "first" not in listed
    added = run("models", "add", "m", "--provider", "openai", "--model", "gpt", "--info", "id=2nd")
    assert added.code == 0
    assert added.err == (
        "Registered 2nd, one of now 2 deployments of m. Try it: gateway models test 2nd\n"
    )
    rows = [line.split() for line in run("models", "list").out.splitlines()]
    assert ["m", "2nd", "openai", "gpt", "-", "-"] in rows
    assert ["other", "-", "openai", "other", "-", "-"] in rows
    again = run("models", "add", "m", "--provider", "openai")
    assert again.code == 1
    assert "registered as 'm' already, with the id 'first'" in again.err


def test_one_of_several_deployments_is_named_by_its_id(run: Run) -> None:
    for model_id in ("first", "2nd"):
        run("models", "add", "m", "--provider", "openai", "--model", model_id,
            "--info", f"id={model_id}")  # fmt: skip
    for command in (["show"], ["update", "--param", "seed=1"], ["remove"], ["test"]):
        refused = run("models", command[0], "m", *command[1:])
        assert refused.code == 1
        assert "the id of one instead: 2nd, first" in refused.err or (
            "the id of one instead: first, 2nd" in refused.err
        )
    assert run("models", "show", "2nd", "--json").json["litellm_params"]["model"] == "2nd"
    assert run("models", "update", "2nd", "--param", "weight=3").err == "Changed m.\n"
    assert run("models", "remove", "first", "--json").json == {
        "id": "first",
        "model_name": "m",
        "deleted": True,
    }
    assert run("models", "show", "m", "--json").json["litellm_params"]["weight"] == 3


def test_all_deployments_of_a_name_are_removed_with_all(run: Run) -> None:
    for model_id in ("first", "2nd"):
        run("models", "add", "m", "--provider", "openai", "--model", model_id)
    assert run("models", "remove", "m", "--all").err == "Removed m with 2 deployments.\n"
    assert run("models", "list", "--json").json == []
    run("models", "add", "m", "--provider", "openai", "--info", "id=x")
    one = run("models", "remove", "m", "--all", "--json").json
    assert one == [{"id": "x", "model_name": "m", "deleted": True}]
    assert run("models", "remove", "m", "--all").code == 3


@pytest.mark.sqlite
def test_on_a_terminal_the_key_is_asked_for_and_hidden(run: Run, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "models", "add", "m", "--provider", "openai"],
        env=environment(tmp_path),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    deadline = time.monotonic() + 20
    # The terminal echoes what is typed until it is told not to; what came before is dropped.
    while termios.tcgetattr(theirs)[3] & termios.ECHO and time.monotonic() < deadline:
        time.sleep(0.02)
    os.write(ours, f"{SECRET}\n".encode())
    try:
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
    os.set_blocking(ours, False)
    seen = os.read(ours, 4096)
    os.close(ours)
    os.close(theirs)
    assert b"API key (empty for none)" in seen
    assert SECRET.encode() not in seen
    assert run("models", "show", "m", "--json").json["api_key"] == "[hidden]"


@pytest.mark.sqlite
async def test_trying_a_model_makes_one_real_call(
    run: Run, tmp_path: Path, provider: FakeProvider
) -> None:
    """In a process of its own: litellm belongs to one event loop at a time."""
    ran = await _register(run, f"{provider.url}/v1")
    assert ran.code == 0, ran.err
    tried = await asyncio.to_thread(run_process, tmp_path, "models", "test", "m")
    assert tried.returncode == 0, tried.stderr
    assert tried.stdout == "Hello from the fake provider.\n"
    assert "17 tokens" in tried.stderr
    assert [received.path for received in provider.received] == ["/v1/chat/completions"]


@pytest.mark.sqlite
async def test_a_model_that_fails_says_how_to_mend_it(
    run: Run, tmp_path: Path, provider: FakeProvider
) -> None:
    await _register(run, f"{provider.url}/v1")
    provider.does(answer({"error": {"message": f"{SECRET} is wrong", "type": "t"}}, 401))
    tried = await asyncio.to_thread(run_process, tmp_path, "models", "test", "m")
    assert tried.returncode == 4
    assert "m does not work:" in tried.stderr
    assert "is wrong" in tried.stderr
    assert "To mend it: give it a key that the provider accepts" in tried.stderr
    assert SECRET not in tried.stderr
    shown = await asyncio.to_thread(run_process, tmp_path, "models", "test", "m", "--json")
    assert (shown.returncode, json.loads(shown.stdout)["status"]) == (4, 401)


async def _register(run: Run, base_url: str) -> Result:
    """In a thread, since a command makes an event loop."""
    return await asyncio.to_thread(
        run,
        *("models", "add", "m", "--provider", "openai", "--api-key-stdin", "--base-url", base_url),
        stdin=SECRET,
    )
