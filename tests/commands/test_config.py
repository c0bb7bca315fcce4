"""`gateway config`, and `gateway serve --config`."""

from __future__ import annotations

from pathlib import Path

import httpx
import jsonschema
import pytest
import yaml

from tests.commands.conftest import Run
from tests.http.console.conftest import settings_page
from tests.processes import ROOT, serve
from tests.servers import FakeProvider, Gateway

LITELLM = """\
model_list:
  - model_name: gpt
    litellm_params:
      model: openai/gpt-4o
      api_key: provider-secret-0123456789
      max_parallel_requests: 60
litellm_settings:
  drop_params: true
  callbacks: [langfuse]
general_settings:
  master_key: sk-master-0123456789abcdef
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(LITELLM)
    return path


def test_check_lists_what_is_not_supported_by_line_and_changes_nothing(
    run: Run, file: Path, tmp_path: Path
) -> None:
    checked = run("config", "check", str(file), "--json")
    assert checked.code == 0
    found = {(f["line"], f["path"]): f["level"] for f in checked.json}
    assert found[6, "model_list[0].litellm_params.max_parallel_requests"] == "unsupported"
    assert found[9, "litellm_settings.callbacks"] == "unsupported"
    assert found[11, "general_settings.master_key"] == "warning"
    assert "model_list[0].litellm_params.max_parallel" in run("config", "check", str(file)).out
    assert run("config", "check", str(file), "--strict").code == 4
    assert not (tmp_path / "gateway.db").exists()


def test_check_fails_on_an_error(run: Run, file: Path) -> None:
    file.write_text("model_lst: []\n")
    checked = run("config", "check", str(file), "--json")
    assert checked.code == 4
    assert [f["level"] for f in checked.json] == ["error"]
    applied = run("config", "apply", str(file))
    assert applied.code == 2
    assert "line 1: model_lst" in applied.err
    assert "Traceback" not in applied.err


def test_apply_twice_changes_nothing(run: Run, file: Path) -> None:
    first = run("config", "apply", str(file), "--json")
    assert {(c["kind"], c["state"]) for c in first.json} == {
        ("model", "added"),
        ("setting", "updated"),
        ("admin key", "added"),
    }
    assert "config.yaml: unsupported: line 6" in first.err
    before = run("models", "show", "gpt", "--json").json
    second = run("config", "apply", str(file))
    assert "Nothing to change." in second.err
    assert run("models", "show", "gpt", "--json").json == before


def test_export_holds_no_secret_and_can_be_applied(run: Run, file: Path, tmp_path: Path) -> None:
    run("config", "apply", str(file))
    run("teams", "create", "Research", "--id", "research")
    run("keys", "create", "--label", "ci", "--team", "research", "--max-budget", "0.1")
    exported = run("config", "export")
    assert "provider-secret" not in exported.out
    assert "sk-master" not in exported.out
    assert [m["model_name"] for m in yaml.safe_load(exported.out)["model_list"]] == ["gpt"]
    document = yaml.safe_load(exported.out)
    assert document["teams"] == [{"team_id": "research", "name": "Research"}]
    assert [(key["team_id"], key["max_budget"]) for key in document["keys"]] == [("research", 0.1)]
    written = tmp_path / "out.yaml"
    assert run("config", "export", "--output", str(written)).code == 0
    assert written.read_text() == exported.out
    assert written.stat().st_mode & 0o777 == 0o600
    again = run("config", "export", "--output", str(written))
    assert (again.code, again.err) == (1, f"Error: {written} exists already; name another file\n")


def test_import_translates_and_lists_what_is_left_out(run: Run, file: Path) -> None:
    translated = run("config", "import-litellm", str(file))
    assert "provider-secret" not in translated.out
    assert "line 6: model_list[0].litellm_params.max_parallel_requests" in translated.out
    file.write_text(translated.out)
    assert run("config", "check", str(file), "--strict").code == 0


def test_the_shipped_files_are_in_order(run: Run) -> None:
    for path in sorted((ROOT / "config").glob("*.yaml")):
        assert run("config", "check", str(path), "--strict").code == 0
        assert run("config", "apply", str(path)).code == 0
        jsonschema.validate(yaml.safe_load(path.read_text()), run("config", "schema").json)


def test_a_file_that_is_not_there_is_wrong_usage(run: Run) -> None:
    assert run("config", "apply", "/none.yaml").code == 2


async def test_serve_applies_its_file_first(tmp_path: Path, provider: FakeProvider) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        f"""
model_list:
  - model_name: fake
    litellm_params:
      model: openai/gpt-4o
      api_key: os.environ/FAKE_KEY
      api_base: {provider.url}/v1
keys:
  - label: mine
    key: os.environ/MY_KEY
general_settings:
  master_key: os.environ/MASTER
  store_prompts_in_spend_logs: false
"""
    )
    mine, master = "sk-mine-0123456789abcdef", "sk-master-0123456789abcdef"
    async with (
        serve(tmp_path, "--config", str(file), FAKE_KEY="up", MY_KEY=mine, MASTER=master) as server,
        httpx.AsyncClient(timeout=30) as http,
    ):
        gateway = Gateway(server.url, master, provider, None, http)  # type: ignore[arg-type]
        assert (await gateway.manage("GET", "/models/fake")).status_code == 200
        answered = await gateway.chat(mine, "fake")
        assert answered.status_code == 200, answered.text
        assert provider.received[-1].headers["authorization"] == "Bearer up"
        page = await settings_page(server.url, master)
        assert f"false Set by {file}" in page
        assert page.count(f"Set by {file}") == 1
        # A master key in the file is an admin key: none other is made.
        assert not any("shown this once" in line for line in server.log)
