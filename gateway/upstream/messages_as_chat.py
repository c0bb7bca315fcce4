"""Anthropic's Messages for providers that do not take them: a chat, by litellm's translation.

litellm would do all of it in `litellm.anthropic_messages`, together with what a gateway must not:
it calls OpenAI's Responses API instead, asks a further model to shorten the conversation or for
advice, and hides the provider's own report of the usage. The names here are those of 1.106.2.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from gateway.errors import Fault, UpstreamError
from gateway.records import Usage
from gateway.upstream import reports
from gateway.upstream.openai_wire import pass_on
from gateway.upstream.reports import Witness

Json = dict[str, Any]

# What litellm translates, and what means the same to other providers.
_TRANSLATED = (
    "messages",
    "max_tokens",
    "metadata",
    "output_config",
    "output_format",
    "stop_sequences",
    "system",
    "temperature",
    "thinking",
    "tool_choice",
    "tools",
    "top_k",
    "top_p",
)
# Hints, without which an answer is none the worse.
_HINTS = ("cache_control", "context_management", "service_tier")
# What only Anthropic does.
_ANTHROPICS = ("compaction", "container", "mcp_servers", "safeguards")
_ANTHROPICS_HEADERS = ("anthropic-beta", "anthropic-version")


@dataclass(frozen=True, slots=True)
class Adapted:
    """A chat's answer, or its stream, which is to become Anthropic's."""

    answer: Any
    tool_names: Mapping[str, str]
    """The caller's names of tools, by those that OpenAI's limit of 64 characters made of them."""


async def send(litellm: Any, **made: Any) -> Adapted:
    """Make the call as a chat.

    Raises:
        UpstreamError: 400, for what cannot be asked of another provider.
    """
    from litellm.llms.anthropic.pass_through.adapters.handler import ANTHROPIC_ADAPTER

    model = made.pop("model")
    provider, _, name = model.partition("/")
    own = [name for name in _ANTHROPICS if made.pop(name, None) is not None]
    if own and not made["drop_params"]:
        raise UpstreamError(
            f"'{own[0]}' is for Anthropic's models alone; leave it out, or have an operator set "
            "drop_params",
            status=400,
            type="invalid_request_error",
            param=own[0],
            fault=Fault.BAD_REQUEST,
        )
    for hint in _HINTS:
        made.pop(hint, None)
    headers = made.pop("extra_headers", {})
    if kept := {key: headers[key] for key in headers if key.lower() not in _ANTHROPICS_HEADERS}:
        made["extra_headers"] = kept
    request = {key: made.pop(key) for key in _TRANSLATED if key in made}
    if not _thinks(litellm, name, provider, request.get("thinking")):
        request.pop("thinking", None)
    translated, tool_names = ANTHROPIC_ADAPTER.translate_completion_input_params_with_tool_mapping(
        {"model": model, **request}, custom_llm_provider=provider
    )
    made |= translated or {}
    if "reasoning_effort" in made:
        made["reasoning_effort"] = _effort(made["reasoning_effort"], name, provider)
    if made.get("stream"):
        made["stream_options"] = {"include_usage": True}
    pass_on(made, provider)
    answer = await litellm.acompletion(**made, _skip_mcp_handler=True)
    return Adapted(answer, tool_names)


def _thinks(litellm: Any, model: str, provider: str, thinking: object) -> bool:
    """Whether a wish for thoughts can be passed on; others take it amiss, or the wish for none."""
    wanted = isinstance(thinking, Mapping) and thinking.get("type") != "disabled"
    return wanted and bool(litellm.supports_reasoning(model=model, custom_llm_provider=provider))


def _effort(effort: Any, model: str, provider: str) -> Any:
    """The nearest effort that the model knows."""
    from litellm.llms.anthropic.pass_through.utils import normalize_reasoning_effort_value

    if isinstance(effort, Mapping):
        # With a style of summary, which is for OpenAI's Responses alone.
        effort = effort.get("effort")
    return normalize_reasoning_effort_value(effort, model=model, custom_llm_provider=provider)


def whole(adapted: Adapted, witness: Witness) -> tuple[Json, Usage | None]:
    """Anthropic's `message`."""
    from litellm.llms.anthropic.pass_through.adapters.handler import ANTHROPIC_ADAPTER

    answer = adapted.answer
    made = ANTHROPIC_ADAPTER.translate_completion_output_params(
        answer, tool_name_mapping=dict(adapted.tool_names)
    )
    body: Json = dict(made or {})
    body["content"] = [_tidy(block) for block in body.get("content") or ()]
    if body.get("stop_details") is None:
        body.pop("stop_details", None)
    return body, reports.of_answer(answer, witness)


async def stream(adapted: Adapted, witness: Witness) -> AsyncGenerator[tuple[Json, Usage | None]]:
    """Anthropic's events; the usage is beside the last."""
    from litellm.llms.anthropic.pass_through.adapters.streaming_iterator import (
        AnthropicStreamWrapper,
    )

    chat = adapted.answer
    last: Any = None

    async def noted() -> AsyncGenerator[Any]:
        nonlocal last
        async for piece in chat:
            if getattr(piece, "usage", None):
                last = piece
            yield piece

    pieces: Any = noted()
    async with aclosing(chat):
        events = AnthropicStreamWrapper(pieces, "", dict(adapted.tool_names))
        async for event in events:
            match event["type"]:
                case "content_block_start":
                    event["content_block"] = _tidy(event["content_block"])
                case "message_delta":
                    event["delta"].setdefault("stop_sequence", None)
            ended = event["type"] == "message_stop" and last is not None
            yield event, reports.of_stream(last, chat, witness) if ended else None


def _tidy(block: Mapping[str, Any]) -> Json:
    """Without litellm's nulls; Anthropic's thoughts always have a signature."""
    tidy = {name: value for name, value in block.items() if value is not None}
    if tidy.get("type") == "thinking":
        tidy.setdefault("signature", "")
    return tidy
