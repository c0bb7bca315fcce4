"""The bodies of calls to models: which parameters pass, and of what type.

Only what is listed here reaches litellm, whose functions take far more than OpenAI's parameters
(`api_base`, `api_key`, `mock_response`, …). Values are checked for type, and otherwise left for
the provider to judge. Errors are worded as OpenAI's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from gateway.errors import InvalidRequest
from gateway.http.bodies.completions import Chat, Completion, Embedding
from gateway.http.bodies.shared import invalid_request
from gateway.records import Operation

BODIES: dict[Operation, TypeAdapter[Any]] = {
    Operation.CHAT: TypeAdapter(Chat),
    Operation.COMPLETION: TypeAdapter(Completion),
    Operation.EMBEDDING: TypeAdapter(Embedding),
}


def validate(operation: Operation, body: Mapping[str, Any]) -> dict[str, Any]:
    """The body without its nulls, which OpenAI's API takes for parameters not given.

    Raises:
        InvalidRequest: `param` names the first parameter at fault.
    """
    given = {name: value for name, value in body.items() if value is not None}
    try:
        BODIES[operation].validate_python(given)
    except ValidationError as error:
        raise invalid_request(error) from None
    if "stream_options" in given and not given.get("stream"):
        raise InvalidRequest(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            param="stream_options",
            code="invalid_value",
        )
    return given
