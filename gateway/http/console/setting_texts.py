"""What the settings do, in the order and the words of the Settings tab."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from gateway.litellm_names import RETRY_POLICY
from gateway.redaction import BUILT_IN

Kind = Literal["flag", "number", "seconds", "text", "strategy", "names", "json"]


@dataclass(frozen=True, slots=True)
class About:
    """Attributes:
    kind: What its value is, and how it is written in a form.
    text: What it does.
    hint: What it takes, with an example.
    """

    kind: Kind
    text: str
    hint: str = ""


_CHAINS = 'JSON, such as {"gpt-4o": ["claude-sonnet"]}; "*" stands for any model.'
_SECONDS = "Seconds."

SECTIONS: Mapping[str, Mapping[str, About]] = {
    "Retries and routing": {
        "num_retries": About(
            "number", "How often a call is tried again before it falls back, or fails.", "0 to 10."
        ),
        "retry_policy": About(
            "json",
            "The number of retries by what went wrong, where it is another.",
            f'JSON, such as {{"RateLimitErrorRetries": 3}}; there are {", ".join(RETRY_POLICY)}.',
        ),
        "retry_after": About(
            "seconds", "The least time to wait before a deployment is tried again.", _SECONDS
        ),
        "routing_strategy": About(
            "strategy", "How a deployment is chosen among those of one name."
        ),
        "allowed_fails": About(
            "number",
            "Failures within a minute after which a deployment cools down.",
            "Empty: five in a row, or more than half of five or more calls.",
        ),
        "cooldown_time": About(
            "seconds",
            "How long a failing deployment is left alone, where its name has another.",
            _SECONDS,
        ),
    },
    "Fallbacks": {
        "fallbacks": About("json", "The models to turn to where one fails.", _CHAINS),
        "context_window_fallbacks": About(
            "json", "The models to turn to where a prompt is too long.", _CHAINS
        ),
        "content_policy_fallbacks": About(
            "json", "The models to turn to where a provider finds fault with the content.", _CHAINS
        ),
        "default_fallbacks": About(
            "names",
            "The models to turn to for a model without fallbacks of its own.",
            "Names, with commas between.",
        ),
        "max_fallbacks": About(
            "number", "To how many other models one call may turn.", "0 to 100."
        ),
        "model_group_alias": About(
            "json", "Further names for models.", 'JSON, such as {"fast": "gpt-4o-mini"}.'
        ),
    },
    "Time limits": {
        "request_timeout": About(
            "seconds",
            "How long a provider has for a whole answer, unless the model sets a timeout.",
            _SECONDS,
        ),
        "stream_timeout": About(
            "seconds",
            "How long a provider has between two pieces of a stream.",
            "Seconds. Empty: as request_timeout.",
        ),
        "first_token_timeout": About(
            "seconds",
            "How long a provider has for the first piece of a stream that says something.",
            "Seconds. Empty: as stream_timeout.",
        ),
    },
    "Requests": {
        "drop_params": About(
            "flag",
            "Leave out OpenAI parameters that a provider does not know, instead of answering 400.",
        ),
    },
    "Cache of answers": {
        "cache": About(
            "flag",
            "Answer a request that was answered before from the cache, unless its model says "
            "otherwise.",
        ),
        "cache_params": About(
            "json", "How the cache works.", 'JSON, such as {"type": "sqlite", "ttl": 3600}.'
        ),
    },
    "What is kept": {
        "maximum_spend_logs_retention_period": About(
            "text",
            "How long single requests are kept; sums by day stay for ever.",
            "Such as 90d or 6mo, from 2d on; or forever.",
        ),
        "store_prompts_in_spend_logs": About(
            "flag", "Keep what was asked and answered, redacted, as long as the request."
        ),
        "redact_stored_prompts": About(
            "json",
            "What is taken out of prompts and answers before they are stored.",
            f"A JSON list of rules: {', '.join(BUILT_IN)}, and patterns of your own such as "
            '{"pattern": "EMP-[0-9]+", "replacement": "[employee]"}. [] takes nothing out.',
        ),
    },
}
