"""The providers that litellm knows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.providers import BASE_URL_REQUIRED, known_providers, nearest_providers, split_model


def test_the_list_is_litellms_own_without_the_one_that_loads_a_model_into_its_process() -> None:
    from litellm.types.utils import LlmProviders

    assert known_providers() == {provider.value for provider in LlmProviders} - {"vllm"}
    assert {"openai", "azure", "anthropic", "gemini", "bedrock", "ollama"} <= known_providers()


def test_the_list_is_read_without_importing_litellm() -> None:
    code = (
        "import sys; from gateway.providers import known_providers\n"
        "print(len(known_providers()), 'litellm' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.split() == [str(len(known_providers())), "False"]


@pytest.mark.parametrize("source", ["", "class LlmProviders(str, Enum):\n    pass\n\n\nx = 1\n"])
def test_a_litellm_that_moved_its_list_is_told_of(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "litellm" / "types").mkdir(parents=True)
    (tmp_path / "litellm" / "__init__.py").write_text("")
    (tmp_path / "litellm" / "types" / "utils.py").write_text(source)
    monkeypatch.delitem(sys.modules, "litellm", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RuntimeError, match="keeps its provider list elsewhere"):
        known_providers.__wrapped__()


def test_a_missing_litellm_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "litellm", raising=False)
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(RuntimeError, match="litellm is not installed"):
        known_providers.__wrapped__()


def test_every_provider_that_needs_an_address_is_known() -> None:
    assert known_providers() >= BASE_URL_REQUIRED


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("OpenAI", ["openai"]),
        (" Azure ", ["azure"]),
        ("hosted-vllm", ["hosted_vllm"]),
        ("together ai", ["together_ai"]),
        ("vllm", ["hosted_vllm"]),
        ("Azure OpenAI", ["azure"]),
        ("google", ["gemini"]),
        ("claude", ["anthropic"]),
        ("aws", ["bedrock"]),
        ("fireworks", ["fireworks_ai"]),
        ("", []),
        ("qqqqqqq", []),
    ],
)
def test_the_nearest_names_of_what_was_written(written: str, meant: list[str]) -> None:
    assert nearest_providers(written) == meant


def test_near_names_are_found_by_spelling_and_by_part() -> None:
    assert nearest_providers("antropic")[0] == "anthropic"
    assert nearest_providers("mistrall")[0] == "mistral"
    part = nearest_providers("watson")
    assert part
    assert all("watson" in name for name in part)
    for suggested in map(nearest_providers, ("vllm", "azure_openai", "lmstudio", "grok")):
        assert set(suggested) <= known_providers()


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("openai/gpt-4o", ("openai", "gpt-4o")),
        ("openrouter/openai/gpt-4o", ("openrouter", "openai/gpt-4o")),
        ("bedrock/anthropic.claude-3:0", ("bedrock", "anthropic.claude-3:0")),
        ("meta-llama/Llama-3", (None, "meta-llama/Llama-3")),
        ("OpenAI/gpt-4o", (None, "OpenAI/gpt-4o")),
        ("vllm/x", (None, "vllm/x")),
        ("openai/", (None, "openai/")),
        ("openai", (None, "openai")),
        ("/x", (None, "/x")),
        ("", (None, "")),
    ],
)
def test_a_prefix_is_split_off_where_it_is_a_provider(
    name: str, parts: tuple[str | None, str]
) -> None:
    assert split_model(name) == parts
