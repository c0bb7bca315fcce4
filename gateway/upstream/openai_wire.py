"""What litellm keeps to itself, or refuses, though OpenAI-like providers may well take it."""

from __future__ import annotations

from typing import Any

OPENAI_WIRE = ("openai", "azure", "hosted_vllm")
# To litellm these are arguments of its own; they go to OpenAI-like providers in the raw body.
_RAW = ("metadata", "prompt_cache_retention")
# What litellm refuses for models whose names it does not know, though their servers may well take
# it. It translates none of these.
_NOT_ITS_TO_JUDGE = frozenset(
    {
        "audio",
        "dimensions",
        "modalities",
        "prediction",
        "prompt_cache_key",
        "prompt_cache_retention",
        "reasoning_effort",
        "safety_identifier",
        "service_tier",
        "store",
        "user",
        "verbosity",
        "web_search_options",
    }
)


def pass_on(made: dict[str, Any], provider: str) -> None:
    """Have litellm pass on to OpenAI-like providers what it would keep or refuse.

    `made` are the arguments of one of its functions for completions or embeddings.
    """
    raw = {name: made.pop(name) for name in _RAW if name in made}
    if provider not in OPENAI_WIRE:
        return
    if raw:
        made["extra_body"] = {**made.get("extra_body", {}), **raw}
    if not made["drop_params"]:
        made["allowed_openai_params"] = [
            *made.get("allowed_openai_params", ()),
            *(name for name in made if name in _NOT_ITS_TO_JUDGE),
        ]
