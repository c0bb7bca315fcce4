"""litellm's exceptions, made into errors that a caller may see.

What the provider answered is kept (status, type, code, message, `retry-after`). Only OpenAI's
exceptions carry the provider's body; elsewhere it is found along the chain of causes, as seen
in litellm 1.106.2.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.errors import UpstreamError

_HIDDEN = "[hidden]"
# Keys as providers write them, whole or masked in the middle: an upstream may quote a key
# that is not the one it was sent.
_KEY_CHARACTERS = r"[-\w*…]"
_KEY_LIKE = re.compile(
    rf"\b(?:sk|pk|rk|gsk|xai|AIza|AKIA|ASIA|hf|r8){_KEY_CHARACTERS}{{12,}}"
    r"|(?i:bearer)\s+[\w.~+/=-]{8,}"
)
_SHORTEST_SECRET = 4
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    422: "invalid_request_error",
    429: "throttling_error",
}


def upstream_error(error: Exception, secrets: Mapping[str, Any]) -> UpstreamError:
    """What to tell the caller of a failed call; `secrets` are the model's, to be hidden."""
    chain = list(_chain(error))
    status = next(filter(None, map(_status, chain)), 500)
    said = next(filter(None, map(_provider_body, chain)), {})
    message = said.get("message")
    if not isinstance(message, str) or not message:
        message = re.sub(r"^(litellm\.)?\w+(Error|Exception): ", "", str(error)) or "no message"
    headers = {}
    retry_after = next(filter(None, map(_retry_after, chain)), None)
    if retry_after:
        headers["retry-after"] = retry_after
    return UpstreamError(
        f"litellm.{type(error).__name__}: {redact(message, secrets)}",
        status=status,
        type=_text(said.get("type")) or _TYPES.get(status, "api_error"),
        param=_text(said.get("param")),
        code=_text(said.get("code")),
        headers=headers,
    )


def redact(text: str, secrets: Mapping[str, Any]) -> str:
    """Hide the given secrets, and whatever looks like a key."""
    for secret in sorted(_strings(secrets), key=len, reverse=True):
        # With what follows it: another key may begin with this one.
        text = re.sub(re.escape(secret) + _KEY_CHARACTERS + "*", _HIDDEN, text)
    return _KEY_LIKE.sub(_HIDDEN, text)


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
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = getattr(link, "original_exception", None) or link.__cause__ or link.__context__


def _status(error: BaseException) -> int | None:
    status = getattr(error, "status_code", None)
    return status if isinstance(status, int) and 400 <= status <= 599 else None


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
    said.setdefault("message", said.get("Message"))
    return said


def _retry_after(error: BaseException) -> str | None:
    response = getattr(error, "response", None)
    for headers in (
        getattr(error, "litellm_response_headers", None),
        getattr(response, "headers", None),
    ):
        if headers and headers.get("retry-after"):
            return str(headers["retry-after"])
    return None


def _text(value: object) -> str | None:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else None
