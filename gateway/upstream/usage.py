"""What a provider reported of a call, read from litellm's `Usage`.

litellm makes one shape of what the providers report, with the cache's tokens added to the prompt
(Anthropic, Bedrock) and thoughts to the completion (Gemini, xAI). Where it leaves a rest, it is
put right here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from gateway.records import Units, Usage

# Names of service tiers in answers and requests, by what their prices go under.
_TIERS = {
    "balanced": "balanced",
    "batch": "batches",
    "batches": "batches",
    "fast": "priority",
    "flex": "flex",
    "priority": "priority",
    "ultrafast": "ultrafast",
    # Google's `trafficType`.
    "on_demand_flex": "flex",
    "on_demand_priority": "priority",
}
_UNDECIDED = (None, "", "auto")


def read_usage(raw: Mapping[str, Any], tier: str = "") -> Usage:
    """Make the record of litellm's usage, dumped. `tier` is what `service_tier` makes of it.

    The parts of the prompt do not overlap: what is cached counts as cached, whatever it is.
    """
    of_prompt = _mapping(raw.get("prompt_tokens_details"))
    of_completion = _mapping(raw.get("completion_tokens_details"))
    prompt = count(raw.get("prompt_tokens"))
    completion = count(raw.get("completion_tokens"))
    reasoning = count(of_completion.get("reasoning_tokens"))
    hidden = count(raw.get("total_tokens")) - prompt - completion
    # Google does not charge for what its search put into the prompt, and has it in the total.
    hidden -= count(of_prompt.get("tool_use_tokens"))
    if hidden > 0:
        # Thoughts that are in the total alone: of Gemini and Grok by OpenAI's format.
        completion += hidden
        reasoning = max(reasoning, hidden)
    elif reasoning > completion:
        # Perplexity's deep research counts them apart.
        completion += reasoning
    written = count(of_prompt.get("cache_write_tokens")) or count(
        raw.get("cache_creation_input_tokens")
    )
    by_duration = _mapping(of_prompt.get("cache_creation_token_details"))
    written_1h = count(by_duration.get("ephemeral_1h_input_tokens"))
    cached = count(of_prompt.get("cached_tokens")) or count(raw.get("cache_read_input_tokens"))
    of_cached = _mapping(of_prompt.get("cached_tokens_details"))
    written = min(max(written, written_1h), prompt)
    cached = min(cached, prompt - written)
    fresh = prompt - written - cached
    audio = _uncached("audio_tokens", of_prompt, of_cached, fresh)
    said_audio = min(count(of_completion.get("audio_tokens")), completion)
    said_image = min(count(of_completion.get("image_tokens")), completion - said_audio)
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        cached_tokens=cached,
        cache_write_tokens=written,
        cache_write_1h_tokens=min(written_1h, written),
        audio_prompt_tokens=audio,
        image_prompt_tokens=_uncached("image_tokens", of_prompt, of_cached, fresh - audio),
        reasoning_tokens=min(reasoning, completion - said_audio - said_image),
        audio_completion_tokens=said_audio,
        image_completion_tokens=said_image,
        searches=_searches(raw, of_prompt),
        tier=tier,
    )


def read_image_usage(raw: Mapping[str, Any]) -> Usage | None:
    """Make the record of a picture's usage; None where it counts nothing."""
    of_prompt = _mapping(raw.get("input_tokens_details"))
    of_completion = raw.get("output_tokens_details")
    prompt = count(raw.get("input_tokens"))
    completion = count(raw.get("output_tokens"))
    if not (prompt or completion):
        return None
    made = completion
    if isinstance(of_completion, dict):
        made = min(count(of_completion.get("image_tokens")), completion)
    # Gemini's thoughts are in the total alone.
    thoughts = max(count(raw.get("total_tokens")) - prompt - completion, 0)
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion + thoughts,
        image_prompt_tokens=min(count(of_prompt.get("image_tokens")), prompt),
        image_completion_tokens=made,
        reasoning_tokens=thoughts,
    )


def read_transcription_usage(raw: Mapping[str, Any]) -> Usage | None:
    """Make the record of a transcription's usage, by tokens or by duration; None of another."""
    if raw.get("type") == "duration":
        return read_duration(raw.get("seconds"))
    of_prompt = _mapping(raw.get("input_token_details"))
    prompt, completion = count(raw.get("input_tokens")), count(raw.get("output_tokens"))
    if not (prompt or completion):
        return None
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        audio_prompt_tokens=min(count(of_prompt.get("audio_tokens")), prompt),
    )


def read_duration(seconds: object) -> Usage | None:
    """Make the record of so many seconds of sound, which some servers write as text."""
    try:
        length = float(seconds) if isinstance(seconds, int | float | str) else 0.0
    except ValueError:
        return None
    if not (math.isfinite(length) and length > 0):
        return None
    return Usage(units=Units(milliseconds=round(length * 1000)))


def read_rerank_usage(meta: Mapping[str, Any]) -> Usage | None:
    """Make the record of a reranking's usage, by search or by tokens; None where it has none."""
    billed, tokens = _mapping(meta.get("billed_units")), _mapping(meta.get("tokens"))
    prompt = count(billed.get("total_tokens")) or count(tokens.get("input_tokens"))
    # Those of Fireworks are its tokens once more.
    searches = count(billed.get("search_units")) if not prompt else 0
    if not (prompt or searches):
        return None
    return Usage(prompt_tokens=prompt, units=Units(queries=searches) if searches else None)


def is_report(raw: Mapping[str, Any]) -> bool:
    """Whether it counts anything. litellm makes up a usage of nothing where there is none."""
    return bool(count(raw.get("prompt_tokens")) or count(raw.get("completion_tokens")))


def service_tier(served: object, asked: object) -> str:
    """The tier to charge for: what was served, or what was asked where the answer does not say.

    >>> service_tier("default", "flex"), service_tier(None, "flex"), service_tier("batch", None)
    ('', 'flex', 'batches')
    """
    decisive = asked if served in _UNDECIDED else served
    return _TIERS.get(decisive.lower(), "") if isinstance(decisive, str) else ""


def _searches(raw: Mapping[str, Any], of_prompt: Mapping[str, Any]) -> int:
    return (
        count(_mapping(raw.get("server_tool_use")).get("web_search_requests"))
        or count(of_prompt.get("web_search_requests"))
        # xAI's and Perplexity's own names, which litellm reads in some answers only.
        or count(_mapping(raw.get("server_side_tool_usage_details")).get("web_search_calls"))
        or count(raw.get("num_search_queries"))
    )


def _uncached(
    name: str, of_prompt: Mapping[str, Any], of_cached: Mapping[str, Any], most: int
) -> int:
    return min(max(count(of_prompt.get(name)) - count(of_cached.get(name)), 0), most)


def _mapping(value: object) -> Mapping[str, Any]:
    # What was read from JSON is a dict: a look for any mapping takes ten times as long.
    return value if isinstance(value, dict) else {}


def count(value: object) -> int:
    """A reported number of tokens or of other things; 0 for what is none."""
    if value is None:
        return 0
    if type(value) is int:
        return value if value > 0 else 0
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return 0
    return max(int(value), 0)
