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
from gateway.http.bodies.media import (
    Image,
    ImageEdit,
    Moderation,
    Rerank,
    Speech,
    Transcription,
)
from gateway.http.bodies.messages import CountTokens, Messages
from gateway.http.bodies.responses import ResponseBody
from gateway.http.bodies.shared import invalid_request
from gateway.records import Operation

BODIES: dict[Operation, TypeAdapter[Any]] = {
    Operation.CHAT: TypeAdapter(Chat),
    Operation.COMPLETION: TypeAdapter(Completion),
    Operation.EMBEDDING: TypeAdapter(Embedding),
    Operation.RESPONSES: TypeAdapter(ResponseBody),
    Operation.MESSAGES: TypeAdapter(Messages),
    Operation.COUNT_TOKENS: TypeAdapter(CountTokens),
    Operation.MODERATION: TypeAdapter(Moderation),
    Operation.IMAGE: TypeAdapter(Image),
    Operation.IMAGE_EDIT: TypeAdapter(ImageEdit),
    Operation.SPEECH: TypeAdapter(Speech),
    Operation.TRANSCRIPTION: TypeAdapter(Transcription),
    Operation.RERANK: TypeAdapter(Rerank),
}

FORMS = frozenset({Operation.IMAGE_EDIT, Operation.TRANSCRIPTION})
"""Those whose bodies are no JSON, but `multipart/form-data`."""

# OpenAI's, where the caller names none.
DEFAULT_MODELS = {Operation.MODERATION: "omni-moderation-latest"}


def validate(operation: Operation, body: Mapping[str, Any]) -> dict[str, Any]:
    """The body without its nulls, which OpenAI's API takes for parameters not given.

    Raises:
        InvalidRequest: `param` names the first parameter at fault.
    """
    given = {name: value for name, value in body.items() if value is not None}
    if operation in DEFAULT_MODELS:
        given.setdefault("model", DEFAULT_MODELS[operation])
    try:
        read: dict[str, Any] = BODIES[operation].validate_python(given)
    except ValidationError as error:
        raise invalid_request(error) from None
    if "stream_options" in given and not given.get("stream"):
        raise InvalidRequest(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            param="stream_options",
            code="invalid_value",
        )
    # JSON says itself what is a number.
    return read if operation in FORMS else given
