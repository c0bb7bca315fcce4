"""litellm's exceptions, made into errors that a caller may see.

What the provider answered is kept (status, type, code, message, `retry-after`). Only OpenAI's
exceptions carry the provider's body; elsewhere it is found along the chain of causes, as seen
in litellm 1.106.2.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

from gateway.errors import Fault, UpstreamError
from gateway.redaction import KEY_CHARACTERS, without_keys
from gateway.upstream import http_answers

_HIDDEN = "[hidden]"
_SHORTEST_SECRET = 4
_LONGEST = 2000
_ADDRESS = re.compile(r"\bhttps?://[^\s'\"<>]+")
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    422: "invalid_request_error",
    429: "throttling_error",
}


_FAULTS = {
    401: Fault.AUTHENTICATION,
    402: Fault.AUTHENTICATION,
    403: Fault.AUTHENTICATION,
    404: Fault.NOT_FOUND,
    408: Fault.TIMEOUT,
    429: Fault.RATE_LIMIT,
}
# litellm's classes, and the codes of OpenAI and Azure.
_TOO_LONG = frozenset({"ContextWindowExceededError", "context_length_exceeded"})
_AGAINST_POLICY = frozenset(
    {"ContentPolicyViolationError", "content_filter", "content_policy_violation"}
)


# What litellm says where it cannot make a call of this kind to a provider.
_UNKNOWN_CALL = re.compile(
    "^(Unable to map the custom llm|Unmapped|Unsupported) provider|is not supported for [a-z_]+$"
)
# What code raises that takes something apart which is not as it thought.
_STUMBLES = (AttributeError, LookupError, TypeError, json.JSONDecodeError, UnicodeDecodeError)
# And what it raises in words of its own, besides Exception itself.
_REFUSALS = (NotImplementedError, ValueError)


def upstream_error(
    error: Exception, secrets: Mapping[str, Any], *, answered: bool | None = None
) -> UpstreamError:
    """What to tell the caller of a failed call; `secrets` are the model's, to be hidden.

    `answered` says whether the provider has taken the call, with a status below 300; None where
    that is not known.
    """
    chain = list(_chain(error))
    ours = next((link for link in chain if isinstance(link, UpstreamError)), None)
    if ours:
        return ours
    said = next(filter(None, map(_provider_body, chain)), {})
    # litellm wraps what breaks a stream, for a fallback of its own.
    named = getattr(error, "original_exception", None) or error
    name, status, message = _name(named), _status(chain, said), said.get("message")
    fault = None if said else _transport_fault(chain) or _form_fault(chain, answered)
    if fault:
        name, status, message = fault[0] or name, *fault[1:]
    elif not isinstance(message, str) or not message:
        message = _own_words(named)
    headers = {}
    retry_after = next(filter(None, map(_retry_after, chain)), None)
    if retry_after:
        headers["retry-after"] = retry_after

    def shown(value: object) -> str | None:
        text = _text(value)
        return redact(text, secrets)[:_LONGEST] if text else None

    return UpstreamError(
        f"litellm.{name}: {shown(message)}",
        status=status,
        type=shown(said.get("type")) or _TYPES.get(status, "api_error"),
        param=shown(said.get("param")),
        code=shown(said.get("code")),
        headers=headers,
        fault=_fault(chain, said, status),
    )


def _name(error: Exception) -> str:
    """By the names of litellm's exceptions, which are OpenAI's."""
    kind = type(error)
    named = kind.__module__.partition(".")[0] in ("litellm", "openai", "builtins")
    return kind.__name__ if named else "APIError"


def _fault(chain: list[BaseException], said: Mapping[str, Any], status: int) -> Fault:
    names = {type(link).__name__ for link in chain} | {str(said.get("code"))}
    if names & _TOO_LONG:
        return Fault.CONTEXT_WINDOW
    if names & _AGAINST_POLICY:
        return Fault.CONTENT_POLICY
    return _FAULTS.get(status, Fault.BAD_REQUEST if status < 500 else Fault.SERVER)


def redact(text: str, secrets: Mapping[str, Any]) -> str:
    """Hide the given secrets, and whatever looks like a key."""
    for secret in sorted(_strings(secrets), key=len, reverse=True):
        # With what follows it: another key may begin with this one.
        text = re.sub(re.escape(secret) + KEY_CHARACTERS + "*", _HIDDEN, text)
    return without_keys(text, _HIDDEN)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if len(value) >= _SHORTEST_SECRET:
            yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and all that led to it, nearest first."""
    seen: set[int] = set()
    pending: list[object] = [error]
    while pending:
        link = pending.pop(0)
        if isinstance(link, BaseException) and id(link) not in seen:
            seen.add(id(link))
            yield link
            pending += [getattr(link, "original_exception", None), link.__cause__, link.__context__]


def _status(chain: list[BaseException], said: Mapping[str, Any]) -> int:
    """The status of the provider's answer; or litellm's, where that was none or a stream's 200."""
    if status := _http_status(chain):
        return status
    # An error within a stream has its status, if any, for a code.
    given = [*(getattr(link, "status_code", None) for link in chain), said.get("code")]
    return next((status for status in given if _is_failure(status) and status != 500), 500)


def _http_status(chain: list[BaseException]) -> int | None:
    for link in chain:
        # litellm's own exceptions have an answer too, but a made-up one: 500 for 529, and so on.
        if type(link).__module__.partition(".")[0] in ("httpx", "openai"):
            status = getattr(getattr(link, "response", None), "status_code", None)
            if _is_failure(status):
                return status
    return None


def _is_failure(status: object) -> TypeGuard[int]:
    return isinstance(status, int) and 400 <= status <= 599


def _transport_fault(chain: list[BaseException]) -> tuple[str | None, int, str] | None:
    """The name, status and message of a failure without an answer.

    What the HTTP libraries say of it names addresses, and objects of theirs.
    """
    # By name, which httpx, aiohttp and asyncio all have, so that none is imported.
    kinds = {cls.__name__ for link in chain for cls in type(link).__mro__}
    if kinds & {"TimeoutError", "TimeoutException", "APITimeoutError"}:
        return "Timeout", 408, "The provider did not answer in time"
    # To litellm's client, also what breaks off before the answer is a connection that failed.
    broken = {"ClientOSError", "ServerDisconnectedError"}
    if kinds & {"ClientConnectorError", "ConnectionRefusedError"}:
        return None, 500, "The provider could not be reached"
    if "ConnectError" in kinds and not kinds & broken:
        return None, 500, "The provider could not be reached"
    if kinds & {"TransportError", "ClientConnectionError", "ClientPayloadError", *broken}:
        return None, 502, "The connection to the provider broke off"
    return None


def _form_fault(chain: list[BaseException], answered: bool | None) -> tuple[str, int, str] | None:
    """Likewise, of a request or an answer that is not as litellm thinks it has to be."""
    if any(_UNKNOWN_CALL.search(str(link)) for link in chain):
        # To litellm that is a failed connection.
        message = "The provider has no such calls, or litellm does not know them"
        return "BadRequestError", 400, message
    if answered is None or _http_status(chain):
        return None
    return _unreadable(chain) if answered else _unspeakable(chain)


def _unreadable(chain: list[BaseException]) -> tuple[str, int, str] | None:
    """What is wrong with an answer."""
    for link in chain:
        # litellm's, of an error in a whole answer. It takes 422 for a code where there is none.
        if type(link) is Exception and hasattr(link, "status_code"):
            status = link.status_code
            status = status if _is_failure(status) and status != 422 else 502
            return "APIError", status, _own_words(Exception(getattr(link, "message", "")))
    if any(isinstance(link, (*_STUMBLES, ValueError)) for link in chain):
        return "APIError", 502, http_answers.UNREADABLE
    return None


def _unspeakable(chain: list[BaseException]) -> tuple[str, int, str] | None:
    """What is wrong with a request, which litellm could not put into the provider's form.

    To litellm such are failures like those of providers. But no deployment is at fault, and who
    sends such requests must not have all of them cool down.
    """
    modules = {type(link).__module__.partition(".")[0] for link in chain}
    if modules - {"litellm", "builtins", "json"} or _status(chain, {}) < 500:
        return None
    message = "litellm cannot put the request into the provider's form"
    if not any(isinstance(link, _STUMBLES) for link in chain):
        if not any(type(link) is Exception or isinstance(link, _REFUSALS) for link in chain):
            return None
        message = _own_words(chain[0])
    return "BadRequestError", 400, message


def _own_words(error: BaseException) -> str:
    """litellm's message, without names before it, addresses within and advice or code after it."""
    text = re.sub(r"^((\w+ )?(litellm\.)?\w*(Error|Exception|Timeout)( -|:) )+", "", str(error))
    text = re.split(
        r"\s*(?:Traceback \(most recent|Handle with `litellm|To drop (?:it|these))", text
    )[0]
    return _ADDRESS.sub(_HIDDEN, text) or "no message"


def _provider_body(error: BaseException) -> dict[str, Any]:
    """The `error` object of the provider's answer, from wherever this exception has it."""
    body = getattr(error, "body", None)
    if not isinstance(body, Mapping):
        try:
            body = json.loads(getattr(error, "response", None).text)  # type: ignore[union-attr]
        except Exception:  # no response, an unread stream, or not JSON
            return {}
    if isinstance(body, list) and body:  # Gemini's streams
        body = body[0]
    if not isinstance(body, Mapping):
        return {}
    inner = body.get("error", body)
    if isinstance(inner, str):  # Ollama
        return {"message": inner}
    if not isinstance(inner, Mapping):
        return {}
    said = dict(inner)
    # Google and AWS have names of their own.
    said.setdefault("type", said.pop("status", None) or said.pop("__type", None))
    said.setdefault("message", said.get("Message") or said.get("detail"))
    return {name: value for name, value in said.items() if value is not None}


def _retry_after(error: BaseException) -> str | None:
    response = getattr(error, "response", None)
    for headers in (
        getattr(error, "litellm_response_headers", None),
        getattr(response, "headers", None),
    ):
        value = str((headers or {}).get("retry-after") or "")
        if value.isascii() and value.isprintable() and value:
            return value
    return None


def _text(value: object) -> str | None:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else None
