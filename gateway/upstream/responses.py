"""OpenAI's Responses by way of litellm: as they are where the provider has them, or a chat.

litellm's reader of streams is passed over: it skips what it cannot read, fails at a response that
has failed, and changes what it gives out when it logs it later. Names are those of 1.106.2.
https://platform.openai.com/docs/api-reference/responses-streaming has the events.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from typing import Any

from gateway.errors import UpstreamError, broken_answer
from gateway.records import Call, Usage
from gateway.upstream import responses_as_chat
from gateway.upstream.event_stream import EventReader, EventTooLarge
from gateway.upstream.reports import Witness
from gateway.upstream.responses_as_chat import Adapted
from gateway.upstream.usage import read_usage, service_tier

Json = dict[str, Any]
_Piece = tuple[Json, Usage | None]

_LAST = ("response.completed", "response.incomplete")
_NAME = re.compile("[a-z_.]{1,64}")
_BEFORE_OUTPUT = ("response.created", "response.queued", "response.in_progress")
# Of what OpenAI's API takes, and litellm does not know of.
_RAW = ("client_metadata", "moderation")
_TAKING_RAW = ("openai", "azure")
# A connection whose last answer was read to its end can be used again.
_REST_SECONDS = 0.1
# openai/types/responses/response_usage.py
_DETAILS = {
    "input_tokens_details": ("cache_write_tokens", "cached_tokens"),
    "output_tokens_details": ("reasoning_tokens",),
}
_OVERLOADED = ("server_is_overloaded", "slow_down")
_LIMITED = ("rate_limit_exceeded", "insufficient_quota")
# Parts of the codes of what is wrong with a request.
_OF_THE_REQUEST = ("context_length", "image", "invalid", "mismatch", "policy")


class ResponseError(Exception):
    """A response that failed, or an error event.

    Attributes:
        body: The provider's error object, as `failures` looks for it.
        status_code: What it would have been answered with in place of a response.
    """

    def __init__(self, error: object) -> None:
        super().__init__("a response that failed")
        self.body = error if isinstance(error, dict) else {}
        self.status_code = _status(self.body.get("code"))


def arguments(made: Json, call: Call) -> Json:
    """With the options of a stream, which mean something else to a chat."""
    options = call.body.get("stream_options")
    return made if options is None else made | {"stream_options": options}


async def send(litellm: Any, **made: Any) -> Any:
    """Make the call; what comes is for `whole` or `stream`."""
    limits = [made.pop(name, None) for name in ("max_completion_tokens", "max_tokens")]
    if limit := next(filter(None, limits), None):
        # A default of the model's, by the names that chats have for it.
        made.setdefault("max_output_tokens", limit)
    if not is_native(litellm, made):
        return await responses_as_chat.send(litellm, **made)
    raw = {name: made.pop(name) for name in _RAW if name in made}
    if raw and made["model"].partition("/")[0] in _TAKING_RAW:
        made["extra_body"] = {**made.get("extra_body", {}), **raw}
    # litellm would run such tools itself, by servers that its proxy knows.
    answer = await litellm.aresponses(**made, _skip_mcp_handler=True)
    if getattr(answer, "status", None) == "failed":
        raise ResponseError(answer.error)
    return answer


def is_native(litellm: Any, made: Mapping[str, Any]) -> bool:
    """Whether the provider of a call with these arguments has the Responses API."""
    provider, _, name = made["model"].partition("/")
    if made.get("use_chat_completions_api") or name.startswith("chat_completions/"):
        return False
    manager = litellm.utils.ProviderConfigManager
    config = manager.get_provider_responses_api_config(
        provider=provider, model=name, api_base=made.get("api_base")
    )
    return config is not None


async def ask(function: str, litellm: Any, **made: Any) -> Json:
    """What a function of litellm's says of a stored response. Raises UpstreamError."""
    if not is_native(litellm, made):
        raise UpstreamError(
            "The provider of this model stores no responses", status=404, type="not_found_error"
        )
    provider = made.pop("model").partition("/")[0]
    answer = await getattr(litellm, function)(**made, custom_llm_provider=provider)
    return answer if isinstance(answer, dict) else _dumped(answer)


def whole(answer: Any, call: Call, witness: Witness) -> tuple[Json, Usage | None]:
    """A `response` under the name that the caller asked for."""
    if isinstance(answer, Adapted):
        return responses_as_chat.whole(answer, call, witness)
    body = filled(_dumped(answer), call)
    if not isinstance(body.get("output"), list):
        raise broken_answer("The provider's answer is no response of OpenAI's")
    return body, usage_of(body, witness)


async def stream(pieces: Any, call: Call, witness: Witness) -> AsyncGenerator[list[_Piece]]:
    """OpenAI's events, a last one with the whole response among them; the usage is beside it.

    A response that fails when some of it has been told is told, too.
    """
    if isinstance(pieces, Adapted):
        events = responses_as_chat.stream(pieces, call, witness)
    else:
        events = _native(pieces, call, witness)
    async with aclosing(events):
        async for piece in events:
            yield [piece]


async def _native(pieces: Any, call: Call, witness: Witness) -> AsyncGenerator[_Piece]:
    reading = Reading(call, witness)
    # Cut from a whole response by litellm, for a few models that have no stream.
    made = getattr(pieces, "_events", None)
    events = _events(pieces) if made is None else _renumbered(made)
    async with aclosing(pieces.response), aclosing(events):
        async for event in events:
            usage = reading.take(event)
            if reading.ended:
                # Whatever comes of the rest: nothing is missing.
                with suppress(Exception):
                    async with asyncio.timeout(_REST_SECONDS):
                        await anext(events, None)
            yield event, usage
            if reading.failure is not None:
                raise reading.failure
            if reading.ended:
                return
    raise broken_answer("The provider broke off its answer")


class Reading:
    """What the events of a stream have said.

    Attributes:
        ended: Whether the last has come.
        failure: What is to be raised once it was told that the response failed.
    """

    def __init__(self, call: Call, witness: Witness) -> None:
        self.ended = False
        self.failure: ResponseError | None = None
        self._call = call
        self._witness = witness
        self._told = False
        self._number = 0

    def take(self, event: Json) -> Usage | None:
        """Fill an event with what it lacks. The usage is beside the last.

        Raises:
            ResponseError: The response failed before anything was told of it.
        """
        kind = event["type"]
        event.setdefault("sequence_number", self._number)
        self._number += 1
        response = event.get("response")
        if isinstance(response, dict):
            filled(response, self._call)
        else:
            response = {}
        if kind == "response.failed":
            self.failure = ResponseError(response.get("error"))
            if not self._told:
                raise self.failure
        self._told = self._told or tells(event)
        self.ended = kind in _LAST
        return usage_of(response, self._witness) if self.ended else None


async def _events(pieces: Any) -> AsyncGenerator[Json]:
    """Those of a provider until the last, and nothing but waiting after that."""
    reader = EventReader()
    config, ended = pieces.responses_api_provider_config, False
    async with aclosing(pieces.response.aiter_bytes()) as raw:
        async for piece in raw:
            try:
                found = reader.feed(piece)
            except EventTooLarge:
                raise broken_answer("The provider sent an event that is too large") from None
            for name, data in found:
                ended = ended or data == b"[DONE]"
                if ended:
                    break
                event = event_of(name, data)
                # Some providers' events need to be put right.
                made = config.transform_streaming_response(
                    model=pieces.model, parsed_chunk=event, logging_obj=pieces.logging_obj
                )
                event = _dumped(made)
                ended = event["type"] in _LAST
                yield event


async def _renumbered(made: list[Any]) -> AsyncGenerator[Json]:
    for number, event in enumerate(made):
        yield _dumped(event) | {"sequence_number": number}


def event_of(name: str, data: bytes) -> Json:
    """An event of a stream. Raises ResponseError where it is an error, UpstreamError if none."""
    try:
        event = json.loads(data)
    except ValueError:
        event = None
    if not isinstance(event, dict):
        raise broken_answer("The provider sent an event that is no JSON object")
    kind = event.setdefault("type", name)
    if kind == "error" or (not kind and "error" in event):
        given = event.get("error")
        flat = {part: event.get(part) for part in ("code", "message", "param")}
        raise ResponseError(given if isinstance(given, dict) else flat)
    if not isinstance(kind, str) or not _NAME.fullmatch(kind):
        raise broken_answer("The provider sent an event of no type")
    return event


def tells(event: Json) -> bool:
    """Whether an event says more than that an answer is to come."""
    return event["type"] not in _BEFORE_OUTPUT


def _dumped(part: Any) -> Json:
    """litellm's object of a response, or of an event, as the provider had it."""
    dumped: Json = part.model_dump(mode="json", exclude_unset=True, warnings=False)
    return dumped


def filled(response: Json, call: Call) -> Json:
    """With the caller's name for the model, and what servers of OpenAI's format may leave out."""
    body = call.body
    response["model"] = call.model_name
    for name, usual in (("parallel_tool_calls", True), ("tool_choice", "auto"), ("tools", [])):
        response.setdefault(name, body.get(name, usual))
    usage = response.get("usage")
    if isinstance(usage, dict):
        for details, names in _DETAILS.items():
            given = usage.get(details)
            given = given if isinstance(given, dict) else {}
            usage[details] = dict.fromkeys(names, 0) | given
    return response


def usage_of(response: Mapping[str, Any], witness: Witness) -> Usage | None:
    """What a response reports, in OpenAI's names."""
    reported = response.get("usage")
    if not isinstance(reported, Mapping):
        return None
    raw: Json = dict(reported)
    for name, chats in (("input_tokens", "prompt_tokens"), ("output_tokens", "completion_tokens")):
        raw[chats] = raw.get(name)
        raw[f"{chats}_details"] = raw.get(f"{name}_details")
    if not raw.get("prompt_tokens") and not raw.get("completion_tokens"):
        return None
    if "server_side_tool_usage_details" not in raw and "num_search_queries" not in raw:
        raw["num_search_queries"] = _searches(response.get("output"))
    return read_usage(raw, service_tier(response.get("service_tier"), witness.tier))


def _searches(output: object) -> int:
    """How often the model searched the web; to open a page that was found costs nothing:
    https://platform.openai.com/docs/pricing#built-in-tools."""
    found = 0
    for item in output if isinstance(output, list) else ():
        if isinstance(item, Mapping) and item.get("type") == "web_search_call":
            action = item.get("action")
            kind = action.get("type") if isinstance(action, Mapping) else None
            found += kind in (None, "search") and item.get("status") != "failed"
    return found


def _status(code: object) -> int:
    if isinstance(code, int) and 400 <= code <= 599:
        return code
    if code in _LIMITED:
        return 429
    if code in _OVERLOADED:
        return 503
    of_request = isinstance(code, str) and any(part in code for part in _OF_THE_REQUEST)
    return 400 if of_request else 500
