"""Counting the tokens of Anthropic's Messages: by Anthropic, or else an estimate.

https://platform.claude.com/docs/en/api/messages-count-tokens
"""

from __future__ import annotations

from typing import Any

from gateway.records import Call, Usage
from gateway.tokens import likely_prompt_tokens
from gateway.upstream.reports import Witness

Json = dict[str, Any]

_OPTIONS = ("thinking", "tool_choice", "output_config")
# Servers that speak Anthropic's format need not count.
_CANNOT = (404, 405, 501)


async def count(_litellm: Any, **made: Any) -> Json | None:
    """Anthropic's answer, or None where the provider does not count."""
    provider, _, model = made["model"].partition("/")
    if provider != "anthropic":
        return None
    from litellm.llms.anthropic.common_utils import AnthropicError, AnthropicModelInfo
    from litellm.llms.anthropic.count_tokens import AnthropicCountTokensHandler

    api_key, api_base = made.get("api_key"), made.get("api_base")
    auth = await AnthropicModelInfo.aget_auth_header(api_key=api_key, api_base=api_base)
    headers = {**made.get("extra_headers", {}), **(auth or {})}
    try:
        answer: Json = await AnthropicCountTokensHandler().handle_count_tokens_request(
            model=model,
            messages=made["messages"],
            auth_header=headers,
            api_base=api_base,
            timeout=made["timeout"],
            tools=made.get("tools"),
            system=made.get("system"),
            optional_params={name: made[name] for name in _OPTIONS if name in made},
        )
    except AnthropicError as error:
        if error.status_code in _CANNOT:
            return None
        raise
    return answer


def counted(answer: Json | None, call: Call, _witness: Witness) -> tuple[Json, Usage]:
    """`{"input_tokens": …}`. To count uses nothing."""
    given = answer.get("input_tokens") if answer else None
    tokens = given if isinstance(given, int) else likely_prompt_tokens(call)
    return {"input_tokens": tokens}, Usage()
