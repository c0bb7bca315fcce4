"""The answers of operations: their own, and those of errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from gateway.http.openapi.answers import AnthropicError, Error, Faults
from gateway.http.openapi.description import Description, Envelope
from gateway.http.openapi.schemas import Schemas

Json = dict[str, Any]

ENVELOPES: Mapping[Envelope, Any] = {
    "openai": Error,
    "anthropic": AnthropicError,
    "either": Error | AnthropicError,
    "litellm": Faults,
}
HEADERS: Json = {
    "Allow": {"description": "Methods", "required": True, "schema": {"type": "string"}},
    "RequestId": {
        "description": "The caller's own, or one that the gateway made",
        "required": True,
        "schema": {"type": "string"},
    },
    "RetryAfter": {"description": "Seconds to wait, or until when", "schema": {"type": "string"}},
    "Authenticate": {"description": "Bearer", "required": True, "schema": {"type": "string"}},
}
_JSON = "application/json"
# By status: a name, and when it is answered.
_ERRORS: Mapping[str, tuple[str, str]] = {
    "400": ("Invalid", "The request is not what it should be."),
    "401": ("Unknown", "There is no key, it is not one of the gateway's, or it is no admin key."),
    "403": ("Denied", "The key may not call this model."),
    "404": ("NotFound", "There is no such thing."),
    "408": ("TooSlow", "The body did not go on coming."),
    "409": ("Conflict", "Something that is there stands against it."),
    "413": ("TooLarge", "The body is larger than the gateway reads."),
    "422": ("Unfit", "A field or parameter is not what it should be, or a budget is spent."),
    "429": ("Limited", "A limit is reached: of the key, the model, the address or the provider."),
    "500": ("Failed", "Something went wrong inside the gateway; its log says more."),
    "4XX": ("Refused", "What the provider found wrong, with its own status."),
    "5XX": ("Upstream", "The provider failed or could not be reached, or the gateway failed."),
}
_BODY = ("400", "408", "413", "422")
_GUARDED = ("401", "429", "500")
_UPSTREAM = ("400", "403", "422", "4XX", "5XX")


def responses(described: Description, schemas: Schemas) -> Json:
    """The answers of an operation, by status."""
    # Without a type: some take a stream for a text, and others for the events in it.
    content: Json = {
        media: {"schema": {"description": what}} for media, what in described.media.items()
    }
    if described.answer is not None:
        content = {_JSON: {"schema": schemas.answer(described.answer)}, **content}
    found: Json = {
        str(status): {
            "description": HTTPStatus(status).phrase,
            "headers": _headers("RequestId"),
            "content": content,
        }
        for status in described.statuses
    }
    for status in sorted(_statuses(described)):
        found[status] = {"$ref": f"#/components/responses/{_name(status, described.envelope)}"}
    return found


def errors(described: Iterable[Description], schemas: Schemas) -> Json:
    """The answers of errors that these operations refer to, by their names."""
    wanted = {(status, each.envelope) for each in described for status in _statuses(each)}
    made: Json = {}
    for status, envelope in sorted(wanted):
        kind = ENVELOPES[_format(status, envelope)]
        more = {"401": ["Authenticate"], "429": ["RetryAfter"]}.get(status, [])
        made[_name(status, envelope)] = {
            "description": _ERRORS[status][1],
            "headers": _headers("RequestId", *more),
            "content": {_JSON: {"schema": schemas.answer(kind)}},
        }
    return made


def _statuses(described: Description) -> set[str]:
    """Of errors."""
    found = {str(status) for status in described.errors}
    if described.access != "public":
        found.update(_GUARDED)
    if described.body is not None:
        found.update(_BODY)
    if described.query is not None:
        found.add("422")
    if described.upstream:
        # The ranges have the others.
        found = found - {"408", "413", "500"} | set(_UPSTREAM)
    elif described.path:
        found.add("404")
    return found


def _format(status: str, envelope: Envelope) -> Envelope:
    """LiteLLM has FastAPI's format for what is wrong with a field, and OpenAI's for all else."""
    return "openai" if envelope == "litellm" and status != "422" else envelope


def _name(status: str, envelope: Envelope) -> str:
    plain = _ERRORS[status][0]
    which = _format(status, envelope)
    return plain if which == "openai" else f"{which.title()}{plain}"


def _headers(*names: str) -> Json:
    written = {"RequestId": "x-request-id", "RetryAfter": "retry-after"}
    return {
        written.get(name, "www-authenticate"): {"$ref": f"#/components/headers/{name}"}
        for name in names
    }
