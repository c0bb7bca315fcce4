"""litellm's table of list prices, read without importing it, and which of its entries is a model's.

The table is `model_prices_and_context_window_backup.json` in the litellm package; its prices are
in dollars. It is looked up under the names that litellm tries (`get_model_info_helper` and
`get_potential_model_names` of its utils.py, `select_model_name_for_cost_calc` of its
cost_calculator.py), in its order.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from gateway.providers import split_model
from gateway.records import Model

Entry = Mapping[str, Any]


class Variant(NamedTuple):
    """What of a picture has a price of its own."""

    quality: str
    """`hd`, `low`, …, or empty for any."""
    size: str
    """`1024x1024`."""


# The table has these providers' models under another provider's name too.
_ALSO = {
    "azure_ai": ("azure", "openai"),
    "azure_text": ("azure",),
    "codestral": ("text-completion-codestral",),
    "cohere": ("cohere_chat",),
    "cohere_chat": ("cohere",),
    "mistral": ("codestral", "text-completion-codestral"),
    "openai": ("text-completion-openai",),
    "vertex_ai_beta": ("vertex_ai",),
}
# Theirs are in the table by kind: `vertex_ai-anthropic_models`, `bedrock_converse`.
_BY_KIND = ("bedrock", "fireworks_ai", "vertex_ai")
# What these lead to may be any provider's model.
_ANY = ("github", "litellm_proxy", "nadir")
# Calls to models on the operator's own machines cost nothing; litellm says so of these alone.
_FREE = frozenset({"lemonade", "ollama", "ollama_chat"})

_DATE = re.compile(r"-\d{4}-\d{2}-\d{2}$")
_FINE_TUNED = re.compile(r"(:[^:]*){3}$")
_VERTEX_VERSION = re.compile(r"-\d+$")
_BEDROCK_ROUTE = re.compile(r"^(?:(?:bedrock|chat_completions|converse|invoke|openai|mantle)/)+")
_BEDROCK_REGION = re.compile(r"^(?:(?:global|us-gov|us|eu|apac|jp|au)\.|[a-z]{2}(?:-[a-z]+)+-\d/)")
_VARIANT = re.compile(
    r"(?:(?P<quality>[a-z]+)/)?(?P<width>\d+)-x-(?P<height>\d+)/"
    r"(?:(?P<steps>\w+-steps)/)?(?P<name>.+)"
)
_BEDROCK_SUFFIX = re.compile(r"(?<=:\d):\d+k$|\[\w+\]$")


def listed(model: Model) -> tuple[str, Entry] | None:
    """The table's entry for a model and its name there; None where it has none.

    `model_info.base_model`, or else `litellm_params.base_model`, says what a model is whose own
    name does not: a deployment of Azure, a server of one's own.
    """
    for names, provider in _named(model):
        found = _first(names, provider)
        if found:
            return found
    if model.provider in _FREE and not _base(model):
        return model.upstream_model, {"input_cost_per_token": 0, "output_cost_per_token": 0}
    return None


def variants(model: Model) -> Mapping[Variant, Entry]:
    """The table's entries for a model's pictures by quality and size, which most have not."""
    for names, provider in _named(model):
        for name in names:
            plain = name.removeprefix(f"{provider}/").lower()
            found = {
                variant: entry
                for variant, entry in _variants().get(plain, ())
                if provider is None or _is_of(entry, provider)
            }
            if found:
                return found
    return {}


def mode_of(model: Model) -> object:
    """`chat`, `embedding`, …: what the operator says, or else the table; None if neither."""
    given = model.info.get("mode")
    if given is not None:
        return given
    found = listed(model)
    entry = found[1] if found else next(iter(variants(model).values()), {})
    return entry.get("mode")


@cache
def table() -> Mapping[str, Entry]:
    """All entries, by name in lower case.

    Raises:
        RuntimeError: litellm is not installed, or has moved the table.
    """
    # find_spec locates the package without running it.
    spec = importlib.util.find_spec("litellm")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("litellm is not installed")
    path = Path(spec.submodule_search_locations[0], "model_prices_and_context_window_backup.json")
    try:
        entries = orjson.loads(path.read_bytes())
    except OSError as error:
        raise RuntimeError("this version of litellm keeps its prices elsewhere") from error
    return {name.lower(): entry for name, entry in entries.items() if name != "sample_spec"}


@cache
def _variants() -> Mapping[str, list[tuple[Variant, Entry]]]:
    """By the model's name in lower case, without its provider."""
    found: dict[str, list[tuple[Variant, Entry]]] = {}
    for key, entry in table().items():
        prefix = f"{entry.get('litellm_provider')}/"
        match = _VARIANT.fullmatch(key.removeprefix(prefix))
        if match:
            quality = match["quality"] or match["steps"] or ""
            variant = Variant(quality, f"{match['width']}x{match['height']}")
            found.setdefault(match["name"].removeprefix(prefix), []).append((variant, entry))
    return found


def _base(model: Model) -> str | None:
    base = model.info.get("base_model") or model.params.get("base_model")
    return base if isinstance(base, str) else None


def _named(model: Model) -> Iterator[tuple[list[str], str | None]]:
    """The names that a model may have, with the provider whose they are, None for any."""
    base = _base(model)
    if base is None:
        region = _region(model)
        yield list(_names(model.provider, model.upstream_model, region)), model.provider
        return
    provider, name = split_model(base)
    if provider:
        yield list(_names(provider, name, None)), provider
        return
    names = list(_names(model.provider, base, _region(model)))
    yield names, model.provider
    yield names, None


def _first(names: list[str], provider: str | None) -> tuple[str, Entry] | None:
    entries = table()
    for name in names:
        entry = entries.get(name.lower())
        if entry is not None and (provider is None or _is_of(entry, provider)):
            return name, entry
    return None


def _is_of(entry: Entry, provider: str) -> bool:
    """Whether an entry prices this provider's model; others may have one of the same name."""
    theirs = entry.get("litellm_provider")
    return (
        theirs in (None, provider)
        or theirs in _ALSO.get(provider, ())
        or provider in _ANY
        or any(provider.startswith(p) and theirs.startswith(p) for p in _BY_KIND)
    )


def _names(provider: str, name: str, region: str | None) -> Iterator[str]:
    """The names a model may have in the table, the most specific first."""
    if provider.startswith("bedrock"):
        name = _BEDROCK_ROUTE.sub("", name)
    if region:
        yield f"bedrock/{region}/{name}"
    plain = _without_version(provider, name)
    yield f"{provider}/{name}"
    yield name
    yield f"{provider}/{plain}"
    yield plain
    match provider:
        case "vertex_ai" | "vertex_ai_beta":
            yield f"vertex_ai/{name}"
            yield f"vertex_ai/meta/{name}"
            yield f"vertex_ai/{name}@latest"
        case "fireworks_ai":
            yield f"fireworks_ai/accounts/fireworks/models/{name}"
        case "perplexity":
            yield f"perplexity/perplexity/{name}"


def _without_version(provider: str, name: str) -> str:
    if provider.startswith("bedrock"):
        name = name.rsplit("/", 1)[-1] if name.lower().startswith("arn:") else name
        return _BEDROCK_REGION.sub("", _BEDROCK_SUFFIX.sub("", name))
    if provider in ("databricks", "gemini", "vertex_ai", "vertex_ai_beta"):
        return _VERTEX_VERSION.sub("", name)
    return (_FINE_TUNED if name.startswith("ft:") else _DATE).sub("", name)


def _region(model: Model) -> str | None:
    """Amazon prices some models by region."""
    region = model.params.get("aws_region_name")
    return region if isinstance(region, str) and model.provider.startswith("bedrock") else None
