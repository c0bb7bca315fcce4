"""Responses for providers without OpenAI's Responses API: a chat, by litellm's translation.

litellm would make the response, too, but not as OpenAI's API has it, and it keeps the tool calls
of all callers in one place by ids that need not be unique: `response_maker` makes it instead. The
names here are those of 1.106.2.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from gateway.errors import Fault, UpstreamError
from gateway.records import Call, Usage
from gateway.upstream import completions, reports, wire
from gateway.upstream.openai_wire import OPENAI_WIRE, pass_on
from gateway.upstream.reports import Witness
from gateway.upstream.response_maker import ResponseMaker, ToolNames

Json = dict[str, Any]

_TRANSLATED = (
    "input",
    "instructions",
    "max_output_tokens",
    "parallel_tool_calls",
    "reasoning",
    "safety_identifier",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_p",
    "user",
)
# Hints, and what is so anyway: the provider stores nothing.
_HINTS = (
    "background",
    "client_metadata",
    "context_management",
    "include",
    "max_tool_calls",
    "prompt_cache_options",
    "store",
    "top_logprobs",
    "truncation",
    "use_chat_completions_api",
)
# Hints that servers of OpenAI's format may take in a chat.
_WIRE_HINTS = ("prompt_cache_key", "prompt_cache_retention", "safety_identifier")
# What only the Responses API has.
_ONLY_THERE = ("moderation", "previous_response_id", "prompt")
_TOOLS_ONLY_THERE = ("code_interpreter", "file_search")
# Left out: models of others were not made for them, and clients offer them to any model.
_TOOLS_OF_ITS_MODELS = ("computer_use", "image_generation", "local_shell", "shell", "tool_search")


@dataclass(frozen=True, slots=True)
class Adapted:
    """A chat's answer, or its stream, which is to become a response."""

    answer: Any
    tools: ToolNames


async def send(litellm: Any, **made: Any) -> Adapted:
    """Make the call as a chat.

    Raises:
        UpstreamError: 400, for what cannot be asked in a chat.
    """
    provider, _, name = made.pop("model").partition("/")
    name = name.removeprefix("chat_completions/")
    _check(made)
    for hint in _HINTS if provider in OPENAI_WIRE else (*_HINTS, *_WIRE_HINTS):
        made.pop(hint, None)
    request = {key: made.pop(key) for key in _TRANSLATED if key in made}
    # As it would be without, or nearly so; and not every provider takes it.
    supported = litellm.get_supported_openai_params(name, custom_llm_provider=provider) or ()
    if request.get("parallel_tool_calls") or "parallel_tool_calls" not in supported:
        request.pop("parallel_tool_calls", None)
    if request.get("tool_choice") == "auto":
        del request["tool_choice"]
    streamed = made.get("stream")
    try:
        chat, tools = _translated(request, name, provider, streamed)
    except Exception as error:  # whatever it stumbles over, it is in the request
        raise _refused(
            "The provider of this model has no Responses API, and the request cannot be put as a "
            "chat: look for an item of the input, or a tool, that is not as OpenAI has it",
            "input",
        ) from error
    made |= chat
    pass_on(made, provider)
    answer = await litellm.acompletion(
        model=f"{provider}/{name}",
        **made,
        # litellm would run such tools itself, by servers that its proxy knows.
        _skip_mcp_handler=True,
        _skip_responses_api_bridge=True,
    )
    return Adapted(answer, tools)


def _translated(
    request: Json, name: str, provider: str, streamed: bool | None
) -> tuple[Json, ToolNames]:
    from litellm.responses.additional_tools import hoist_additional_tools
    from litellm.responses.litellm_completion_transformation.custom_tools import (
        extract_custom_tool_names,
    )
    from litellm.responses.litellm_completion_transformation.transformation import (
        LiteLLMCompletionResponsesConfig,
    )

    bridge: Any = LiteLLMCompletionResponsesConfig
    hoisted = hoist_additional_tools(request.pop("input"), request.get("tools"))
    given = list(hoisted.tools)
    if given:
        request["tools"] = [tool for tool in given if tool.get("type") not in _TOOLS_OF_ITS_MODELS]
    chat: Json = bridge.transform_responses_api_request_to_chat_completion_request(
        model=name,
        input=hoisted.input,
        responses_api_request=request,
        custom_llm_provider=provider,
        stream=streamed,
    )
    for own in ("model", "custom_llm_provider", "stream"):
        chat.pop(own, None)
    custom = frozenset(extract_custom_tool_names(given))
    return chat, ToolNames(custom, bridge.namespace_tool_name_map(given))


def _check(made: Mapping[str, Any]) -> None:
    """Refuse what would be lost."""
    lost = next((name for name in _ONLY_THERE if name in made), None)
    if lost:
        raise _refused(
            f"'{lost}' needs a provider with the Responses API, which that of this model is not; "
            "send the whole conversation as 'input'",
            lost,
        )
    given = made["input"]
    for item in given if isinstance(given, list) else ():
        if isinstance(item, Mapping) and item.get("type") == "item_reference":
            raise _refused(
                "The provider of this model stores nothing that an 'item_reference' could refer to",
                "input",
            )
    for tool in made.get("tools", ()):
        if tool.get("type") in _TOOLS_ONLY_THERE:
            raise _refused(
                f"The provider of this model has no tools of the type '{tool['type']}'", "tools"
            )


def _refused(message: str, param: str) -> UpstreamError:
    return UpstreamError(
        message, status=400, type="invalid_request_error", param=param, fault=Fault.BAD_REQUEST
    )


def whole(adapted: Adapted, call: Call, witness: Witness) -> tuple[Json, Usage | None]:
    """OpenAI's `response`."""
    chat = wire.chat_completion(adapted.answer, call.model_name)
    maker = ResponseMaker(call, chat, adapted.tools)
    maker.take(chat)
    response: Json = maker.end(chat.get("usage"))[-1]["response"]
    return response, reports.of_answer(adapted.answer, witness)


async def stream(
    adapted: Adapted, call: Call, witness: Witness
) -> AsyncGenerator[tuple[Json, Usage | None]]:
    """OpenAI's events; the usage is beside the last."""
    maker: ResponseMaker | None = None
    counts: Json | None = None
    usage: Usage | None = None
    async with aclosing(completions.stream(adapted.answer, call, witness)) as batches:
        async for batch in batches:
            for chunk, reported in batch:
                if maker is None:
                    maker = ResponseMaker(call, chunk, adapted.tools)
                    for event in maker.begin():
                        yield event, None
                counts, usage = chunk.get("usage") or counts, reported or usage
                for event in maker.take(chunk):
                    yield event, None
    if maker is not None:
        *others, last = maker.end(counts)
        for event in others:
            yield event, None
        yield last, usage
