"""Answers of the direct lane: what they report is read, and their bytes are left as they are.

But for the model's name, which is the one that the caller asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import orjson

from gateway.errors import broken_answer
from gateway.records import Call, Operation, Usage
from gateway.said import text_alone
from gateway.upstream import completions, http_answers, messages, responses
from gateway.upstream.direct_requests import MODEL, with_model
from gateway.upstream.lane import Piece, Whole
from gateway.upstream.messages import StreamError
from gateway.upstream.reports import Witness
from gateway.upstream.responses import ResponseError
from gateway.upstream.usage import is_report, read_usage, service_tier

Json = dict[str, Any]

BROKE_OFF = "The provider broke off its answer"
_DONE = b"[DONE]"
_NO_CHUNK = "The provider sent an event that is no chunk of OpenAI's"
_SHAPES = {
    Operation.CHAT: ("choices", "chat completion of OpenAI's"),
    Operation.COMPLETION: ("choices", "completion of OpenAI's"),
    Operation.EMBEDDING: ("data", "list of embeddings of OpenAI's"),
    Operation.RESPONSES: ("output", "response of OpenAI's"),
    Operation.MESSAGES: ("content", "message of Anthropic's"),
}
TELLS: Mapping[Operation, Callable[[Json], bool]] = {
    Operation.CHAT: completions.tells,
    Operation.COMPLETION: completions.tells,
    Operation.RESPONSES: responses.tells,
    Operation.MESSAGES: messages.tells,
}


def whole(raw: bytes, call: Call, witness: Witness) -> Whole:
    """An answer. Raises UpstreamError, or what `failures` knows, where it is none."""
    body = _parsed(raw, http_answers.UNREADABLE)
    held, shape = _SHAPES[call.operation]
    if body.get("error"):
        raise _error(body["error"], 502)
    if not isinstance(body.get(held), list):
        raise broken_answer(f"The provider's answer is no {shape}")
    usage = _READ[call.operation](body, witness)
    if call.operation is Operation.RESPONSES:
        if body.get("status") == "failed":
            raise ResponseError(body.get("error"))
        # It gets the gateway's ids.
        return Whole(responses.filled(body, call), usage)
    return Whole(body, usage, _renamed(body, raw, call.model_name))


class Events(Protocol):
    """Reads the events of a stream.

    Attributes:
        ended: Whether the last has come.
        failure: What is to be raised once the pieces before it were told.
    """

    ended: bool
    failure: Exception | None

    def take(self, name: str, data: bytes) -> Piece | None:
        """What the caller gets of an event. Raises what `failures` knows."""
        ...

    def end(self) -> Piece | None:
        """What there is to say where the stream ends, a report without a body.

        Raises UpstreamError where something is missing.
        """
        ...


def events(call: Call, witness: Witness) -> Events:
    match call.operation:
        case Operation.RESPONSES:
            return _Responses(call, witness)
        case Operation.MESSAGES:
            return _Messages(call, witness)
        case _:
            return _Completions(call, witness)


class _Completions:
    def __init__(self, call: Call, witness: Witness) -> None:
        self.ended = False
        self.failure: Exception | None = None
        self._rename = _Renaming(call.model_name)
        self._witness = witness
        self._counted: Usage | None = None
        self._finished = False

    def take(self, _name: str, data: bytes) -> Piece | None:
        if data == _DONE:
            self.ended = True
            return None
        body = _parsed(data, http_answers.NO_JSON)
        text = text_alone(body)
        if text is not None and not body.get("usage") and not body.get("error"):
            return Piece(body, None, self._rename(body, data), text)
        if body.get("error"):
            raise _error(body["error"], StreamError.UNKNOWN)
        choices = body.get("choices")
        if not isinstance(choices, list):
            raise broken_answer(_NO_CHUNK)
        for choice in choices:
            if not isinstance(choice, dict):
                raise broken_answer(_NO_CHUNK)
            if choice.get("finish_reason") is not None:
                self._finished = True
        usage = _completion_usage(body, self._witness) if body.get("usage") else None
        if usage and choices:
            # Some servers count with every chunk, and which is the last is not known yet.
            self._counted, usage = usage, None
        elif usage:
            self._counted = None
        return Piece(body, usage, self._rename(body, data))

    def end(self) -> Piece | None:
        if not self._finished:
            raise broken_answer(BROKE_OFF)
        return Piece({}, self._counted) if self._counted else None


class _Messages:
    def __init__(self, call: Call, witness: Witness) -> None:
        self.ended = False
        self.failure: Exception | None = None
        self._model_name = call.model_name
        self._reading = messages.Reading(witness)

    def take(self, name: str, data: bytes) -> Piece:
        event, usage = self._reading.take(name, data)
        self.ended = event["type"] == messages.LAST
        raw: bytes | None = data
        if isinstance(message := event.get("message"), dict):
            raw = _renamed(message, data, self._model_name)
        return Piece(event, usage, raw)

    def end(self) -> None:
        _check_ended(self)


class _Responses:
    def __init__(self, call: Call, witness: Witness) -> None:
        self.ended = False
        self.failure: Exception | None = None
        self._reading = responses.Reading(call, witness)

    def take(self, name: str, data: bytes) -> Piece | None:
        if data == _DONE:
            return None
        event = responses.event_of(name, data)
        # What has a response in it gets the gateway's ids.
        as_it_is = "sequence_number" in event and "response" not in event
        usage = self._reading.take(event)
        self.ended, self.failure = self._reading.ended, self._reading.failure
        return Piece(event, usage, data if as_it_is else None)

    def end(self) -> None:
        _check_ended(self)


def _check_ended(reading: Events) -> None:
    if not reading.ended:
        raise broken_answer(BROKE_OFF)


def _parsed(data: bytes, fault: str) -> Json:
    """Raises UpstreamError, with this for a message where it is no JSON."""
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError:
        body = _odd(data, fault)
    if not isinstance(body, dict):
        raise broken_answer(http_answers.UNREADABLE)
    return body


def _odd(data: bytes, fault: str) -> Any:
    """Of JSON with half of a surrogate pair, which orjson does not take."""
    try:
        return json.loads(data)
    except UnicodeDecodeError:
        raise broken_answer(http_answers.NO_TEXT) from None
    except (ValueError, RecursionError):
        raise broken_answer(fault) from None


class _Renaming:
    """Puts the caller's name for the model into the events of a stream."""

    def __init__(self, name: str) -> None:
        self._name = name
        # As they stand in the event before: the others will have them so, too.
        self._old = self._new = b""

    def __call__(self, body: Json, raw: bytes) -> bytes | None:
        """The bytes with the name, which is in `body` too then; None where they are to be written
        anew."""
        own = body.get("model")
        if own == self._name:
            return raw
        body["model"] = self._name
        if self._old and raw.count(self._old) == 1:
            return raw.replace(self._old, self._new)
        if not isinstance(own, str):
            return None
        renamed = with_model(raw, own, self._name)
        if renamed is not None:
            start = raw.index(MODEL)
            self._old = raw[start : raw.index(orjson.dumps(own), start) + len(orjson.dumps(own))]
            self._new = self._old[: -len(orjson.dumps(own))] + orjson.dumps(self._name)
        return renamed


def _renamed(body: Json, raw: bytes, name: str) -> bytes | None:
    return _Renaming(name)(body, raw)


def _error(said: object, usual: int) -> StreamError:
    """What a provider said in place of an answer, with this status where it says none."""
    error = StreamError(said if isinstance(said, Mapping) else {"message": str(said)})
    code = error.body.get("code")
    if isinstance(code, int) and 400 <= code <= 599:
        error.status_code = code
    elif error.status_code == StreamError.UNKNOWN:
        error.status_code = usual
    return error


def _completion_usage(body: Json, witness: Witness) -> Usage | None:
    raw = body.get("usage")
    if not isinstance(raw, dict) or not is_report(raw):
        return None
    tier = service_tier(body.get("service_tier") or raw.get("service_tier"), witness.tier)
    if "prompt_cache_hit_tokens" in raw:
        # DeepSeek's name: https://api-docs.deepseek.com/api/create-chat-completion
        raw = {"cache_read_input_tokens": raw["prompt_cache_hit_tokens"], **raw}
    return read_usage(raw, tier)


def _message_usage(body: Json, witness: Witness) -> Usage | None:
    return messages.usage_of(body.get("usage"), witness)


_READ: Mapping[Operation, Callable[[Json, Witness], Usage | None]] = {
    Operation.CHAT: _completion_usage,
    Operation.COMPLETION: _completion_usage,
    Operation.EMBEDDING: _completion_usage,
    Operation.RESPONSES: responses.usage_of,
    Operation.MESSAGES: _message_usage,
}
