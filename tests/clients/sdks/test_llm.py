"""llm, Simon Willison's command line, with extra-openai-models.yaml."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from llm.cli import cli

MODELS = """
- model_id: gw-chat
  model_name: gpt-4o-mini
  api_base: {url}/v1
  api_key_name: gateway
  supports_tools: true
  supports_schema: true
- model_id: gw-claude
  model_name: claude-sonnet-5
  api_base: {url}/v1
  api_key_name: gateway
- model_id: gw-responses
  model_name: gpt-4o-mini
  api_base: {url}/v1
  api_key_name: gateway
  responses: true
- model_id: gw-completion
  model_name: gpt-4o-mini
  api_base: {url}/v1
  api_key_name: gateway
  completion: true
- model_id: gw-unknown
  model_name: unheard-of
  api_base: {url}/v1
  api_key_name: gateway
"""
TOOL = "def get_weather(city: str) -> str:\n    return f'Rain in {city}.'\n"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, key: str) -> None:
    (tmp_path / "extra-openai-models.yaml").write_text(MODELS.format(url=url))
    (tmp_path / "keys.json").write_text(json.dumps({"gateway": key}))
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path))


def llm(*arguments: str) -> Result:
    """Run `llm ARGUMENTS`, in this process: it takes seconds to import."""
    return CliRunner().invoke(cli, arguments)


@pytest.mark.parametrize("model", ["gw-chat", "gw-claude", "gw-responses"])
def test_a_streamed_prompt_with_usage(model: str) -> None:
    done = llm("prompt", "-m", model, "Hello!", "--usage")
    assert done.stdout.strip() == "You said: Hello!", done.stderr
    assert "1 input, 3 output" in done.stderr


def test_an_unstreamed_prompt() -> None:
    done = llm("prompt", "-m", "gw-chat", "--no-stream", "Hello!")
    assert done.stdout.strip() == "You said: Hello!", done.stderr


def test_a_text_completion() -> None:
    # It does not ask for the usage of these.
    done = llm("prompt", "-m", "gw-completion", "Hello!")
    assert done.stdout.strip() == "You said: Hello!", done.stderr


def test_a_tool_call_and_its_answer() -> None:
    asked = ("--functions", TOOL, "What is the weather in 'Paris'?")
    done = llm("prompt", "-m", "gw-chat", *asked)
    assert done.stdout.strip() == "The tool says: Rain in Paris.", done.stderr


def test_a_schema() -> None:
    asked = ("--schema", "city, degrees int", "It is 21 degrees in 'Paris'.")
    done = llm("prompt", "-m", "gw-chat", *asked)
    assert json.loads(done.stdout) == {"city": "Paris", "degrees": 21}, done.stderr


def test_embeddings(monkeypatch: pytest.MonkeyPatch, url: str, key: str) -> None:
    # llm knows OpenAI's embeddings only; the openai package finds the gateway by its variables.
    monkeypatch.setenv("OPENAI_BASE_URL", f"{url}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", key)
    done = llm("embed", "-m", "3-small", "-c", "and two")
    assert json.loads(done.stdout)[0] == 2.0, done.stderr


def test_errors() -> None:
    unknown = llm("prompt", "-m", "gw-unknown", "Hello!")
    assert unknown.exit_code == 1
    assert "unheard-of" in unknown.stderr
    denied = llm("prompt", "-m", "gw-chat", "--key", os.environ["GATEWAY_REVOKED_KEY"], "Hello!")
    assert denied.exit_code == 1
    assert "401" in denied.stderr
