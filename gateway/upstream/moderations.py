"""Moderations by way of litellm, which asks OpenAI, or whoever has its API."""

from __future__ import annotations

from typing import Any

from gateway.errors import Fault, UpstreamError
from gateway.records import Call, Usage
from gateway.upstream.reports import Witness

Json = dict[str, Any]
_Arguments = dict[str, Any]

# Whose public address litellm asks; the others' keys it would send to OpenAI.
_HAVE_THEM = ("mistral", "openai")
# OpenAI's categories that are no names in Python, by litellm's names for them, which it adds.
_CATEGORIES = {
    name.replace("/", "_").replace("-", "_"): name
    for name in (
        "harassment/threatening",
        "hate/threatening",
        "illicit/violent",
        "self-harm",
        "self-harm/instructions",
        "self-harm/intent",
        "sexual/minors",
        "violence/graphic",
    )
}
_BY_CATEGORY = ("categories", "category_applied_input_types", "category_scores")


def arguments(made: _Arguments, _call: Call) -> _Arguments:
    """Raises UpstreamError for a provider without moderations."""
    provider = made["model"].partition("/")[0]
    if provider not in _HAVE_THEM and "api_base" not in made:
        raise UpstreamError(
            f"The provider {provider} has no moderations, or litellm does not know them",
            status=400,
            type="invalid_request_error",
            fault=Fault.BAD_REQUEST,
        )
    return made


def whole(answer: Any, call: Call, _witness: Witness) -> tuple[Json, Usage | None]:
    """OpenAI's `ModerationCreateResponse`."""
    raw = answer.model_dump(exclude_none=True, warnings=False)
    for result in raw["results"]:
        for field in _BY_CATEGORY:
            if field in result:
                result[field] = _named(result[field])
    return {"id": raw["id"], "model": call.model_name, "results": raw["results"]}, None


def _named(by_category: Json) -> Json:
    named: Json = {}
    for name, value in by_category.items():
        if value is not None:
            named.setdefault(_CATEGORIES.get(name, name), value)
    return named
