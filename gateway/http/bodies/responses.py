"""The body of OpenAI's Responses: what OpenAI documents, and what Codex sends.

Items of the input and tools are of many types, which grow in number: the provider judges them.
"""

from __future__ import annotations

from typing import Annotated, Any, NotRequired, Required

from pydantic import AfterValidator, Field, Tag, WithJsonSchema
from pydantic_core import PydanticCustomError

# pydantic needs this one rather than typing's, below Python 3.12.
from typing_extensions import TypedDict

from gateway.http.bodies.shared import CLOSED, OPEN, ModelName, TextOrObject, one_of


def _not_in_background(value: object) -> object:
    # It would be paid for by nobody: its usage comes when no call runs.
    if value:
        raise PydanticCustomError("unsupported", "this gateway has no responses in the background")
    return value


_NotInBackground = Annotated[
    bool, AfterValidator(_not_in_background), WithJsonSchema({"type": "boolean", "const": False})
]


class _Item(TypedDict):
    __pydantic_config__ = OPEN  # type: ignore[misc]
    type: NotRequired[str]
    role: NotRequired[str]


class _Typed(TypedDict):
    __pydantic_config__ = OPEN  # type: ignore[misc]
    type: str


class _Text(TypedDict, total=False):
    __pydantic_config__ = OPEN  # type: ignore[misc]
    format: _Typed
    verbosity: str | None


class _StreamOptions(TypedDict, total=False):
    __pydantic_config__ = CLOSED  # type: ignore[misc]
    include_obfuscation: bool


_Input = Annotated[
    Annotated[str, Tag("<text>")] | Annotated[list[_Item], Field(min_length=1), Tag("<list>")],
    one_of("a string or an array of input items"),
]


class ResponseBody(TypedDict, total=False):
    __pydantic_config__ = CLOSED  # type: ignore[misc]
    model: Required[ModelName]
    input: Required[_Input]
    background: _NotInBackground
    context_management: list[_Typed]
    include: list[str]
    instructions: str
    max_output_tokens: Annotated[int, Field(ge=1)]
    max_tool_calls: Annotated[int, Field(ge=1)]
    metadata: dict[str, str]
    moderation: dict[str, Any]
    parallel_tool_calls: bool
    previous_response_id: str
    prompt: dict[str, Any]
    prompt_cache_key: str
    prompt_cache_options: dict[str, Any]
    prompt_cache_retention: str
    reasoning: dict[str, Any]
    safety_identifier: str
    service_tier: str
    store: bool
    stream: bool
    stream_options: _StreamOptions
    temperature: float
    text: _Text
    tool_choice: TextOrObject
    tools: list[_Typed]
    top_logprobs: Annotated[int, Field(ge=0, le=20)]
    top_p: float
    truncation: str
    user: str
    # Codex's.
    client_metadata: dict[str, Any]
