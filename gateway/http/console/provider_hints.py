"""What each provider needs, as litellm's own file for its dashboard has it."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import orjson

from gateway.providers import BASE_URL_REQUIRED, known_providers

# What most operators look for comes first.
_USUAL = ("openai", "anthropic", "azure", "bedrock", "gemini", "vertex_ai", "mistral", "groq",
          "ollama", "hosted_vllm", "openrouter", "deepseek")  # fmt: skip
# Of the fields in litellm's file, those that the form has under another name.
_OF_THE_FORM = ("api_key", "api_base", "base_model")


@dataclass(frozen=True, slots=True)
class Hint:
    """Attributes:
    provider: litellm's name for it.
    title: What people call it.
    needs: A sentence about its key and further parameters.
    base_url_required: Whether there is no address to fall back to.
    usual: Whether many look for it.
    """

    provider: str
    title: str
    needs: str
    base_url_required: bool
    usual: bool


@cache
def provider_hints() -> Sequence[Hint]:
    """For each provider that a model can be registered with, the usual ones first."""
    told = _told()
    order = {name: position for position, name in enumerate(_USUAL)}
    made = [_hint(name, told.get(name)) for name in known_providers()]
    return sorted(made, key=lambda hint: (order.get(hint.provider, len(order)), hint.provider))


def _told() -> dict[str, dict[str, object]]:
    """litellm/proxy/public_endpoints/provider_create_fields.json, by provider."""
    # find_spec locates the package without running it.
    spec = importlib.util.find_spec("litellm")
    assert spec is not None  # noqa: S101 - known_providers has seen to it
    for folder in spec.submodule_search_locations or ():
        path = Path(folder, "proxy", "public_endpoints", "provider_create_fields.json")
        if path.exists():
            # Of several entries of one provider, the first is the provider's own.
            return {
                each["litellm_provider"]: each for each in reversed(orjson.loads(path.read_bytes()))
            }
    return {}


def _hint(name: str, told: dict[str, object] | None) -> Hint:
    fields = told.get("credential_fields") if told else None
    fields = fields if isinstance(fields, list) else []
    required = {field["key"] for field in fields if field.get("required")}
    base_url = name in BASE_URL_REQUIRED or "api_base" in required
    further = [field["key"] for field in fields if field["key"] not in _OF_THE_FORM]
    title = str(told["provider_display_name"]) if told else name
    return Hint(name, title, _needs(required, further), base_url, name in _USUAL)


def _needs(required: set[str], further: list[str]) -> str:
    said = []
    if "api_key" in required:
        said.append("Needs an API key.")
    must = [name for name in further if name in required]
    may = [name for name in further if name not in required]
    if must:
        said.append(f"Needs, among further parameters: {', '.join(must)}.")
    if may:
        said.append(f"Takes, among further parameters: {', '.join(may)}.")
    return " ".join(said)
