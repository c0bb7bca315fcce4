"""The bodies of chat, completions and embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NotRequired, Required

from pydantic import Discriminator, Field, Tag

# pydantic needs this one rather than typing's, below Python 3.12.
from typing_extensions import TypedDict

from gateway.http.bodies.shared import (
    ANY,
    CLOSED,
    OPEN,
    Input,
    ModelName,
    Strings,
    TextOrObject,
    one_of,
)


def _by_part(value: object) -> str:
    kind = value.get("type") if isinstance(value, Mapping) else None
    return f"<{kind}>" if kind in ("text", "image_url") else ANY


def _by_role(value: object) -> str | None:
    if not isinstance(value, Mapping):
        # Which of them says that it is no object does not matter.
        return "<prompt>"
    role = value.get("role")
    if role in ("system", "developer", "user"):
        return "<prompt>"
    return f"<{role}>" if role in ("assistant", "tool", "function") else None


class _TextPart(TypedDict):
    __pydantic_config__ = OPEN  # type: ignore[misc]
    type: Literal["text"]
    text: str


class _Image(TypedDict):
    __pydantic_config__ = OPEN  # type: ignore[misc]
    url: str


class _ImagePart(TypedDict):
    __pydantic_config__ = OPEN  # type: ignore[misc]
    type: Literal["image_url"]
    image_url: _Image


class _OtherPart(TypedDict):
    __pydantic_config__ = OPEN  # type: ignore[misc]
    type: str


_Part = Annotated[
    Annotated[_TextPart, Tag("<text>")]
    | Annotated[_ImagePart, Tag("<image_url>")]
    | Annotated[_OtherPart, Tag(ANY)],
    Discriminator(_by_part),
]
_Content = Annotated[
    Annotated[str, Tag("<text>")] | Annotated[list[_Part], Tag("<list>")],
    one_of("a string or an array of content parts"),
]


class _Function(TypedDict):
    __pydantic_config__ = OPEN  # type: ignore[misc]
    name: str


class _CalledFunction(_Function):
    arguments: str


class _ToolCall(TypedDict, total=False):
    __pydantic_config__ = OPEN  # type: ignore[misc]
    id: str
    type: str
    function: _CalledFunction


class _PromptMessage(TypedDict):
    __pydantic_config__ = OPEN  # type: ignore[misc]
    role: Literal["system", "developer", "user"]
    content: _Content


class _AssistantMessage(TypedDict):
    __pydantic_config__ = OPEN  # type: ignore[misc]
    role: Literal["assistant"]
    content: NotRequired[_Content | None]
    tool_calls: NotRequired[list[_ToolCall] | None]


class _ToolMessage(TypedDict):
    __pydantic_config__ = OPEN  # type: ignore[misc]
    role: Literal["tool"]
    content: _Content
    tool_call_id: str


class _FunctionMessage(TypedDict):
    __pydantic_config__ = OPEN  # type: ignore[misc]
    role: Literal["function"]
    name: str
    content: str | None


_Message = Annotated[
    Annotated[_PromptMessage, Tag("<prompt>")]
    | Annotated[_AssistantMessage, Tag("<assistant>")]
    | Annotated[_ToolMessage, Tag("<tool>")]
    | Annotated[_FunctionMessage, Tag("<function>")],
    Discriminator(
        _by_role,
        custom_error_type="role",
        custom_error_message="expected system, developer, user, assistant, tool or function",
    ),
]


class _Tool(TypedDict):
    __pydantic_config__ = OPEN  # type: ignore[misc]
    type: str
    function: NotRequired[_Function]


class _ResponseFormat(TypedDict):
    __pydantic_config__ = OPEN  # type: ignore[misc]
    type: Literal["text", "json_object", "json_schema"]
    json_schema: NotRequired[dict[str, Any]]


class _StreamOptions(TypedDict, total=False):
    __pydantic_config__ = CLOSED  # type: ignore[misc]
    include_usage: bool
    include_obfuscation: bool


class _Common(TypedDict, total=False):
    """What chat and text completions share."""

    model: Required[ModelName]
    frequency_penalty: float
    logit_bias: dict[str, float]
    max_tokens: Annotated[int, Field(ge=1)]
    n: Annotated[int, Field(ge=1, le=128)]
    presence_penalty: float
    seed: int
    stop: Strings
    stream: bool
    stream_options: _StreamOptions
    temperature: float
    top_p: float
    user: str
    # Sampling parameters of vLLM and other servers of open models.
    min_p: float
    repetition_penalty: float
    top_k: int


class Chat(_Common, total=False):
    __pydantic_config__ = CLOSED  # type: ignore[misc]
    messages: Required[Annotated[list[_Message], Field(min_length=1)]]
    audio: dict[str, Any]
    function_call: TextOrObject
    functions: list[_Function]
    logprobs: bool
    max_completion_tokens: Annotated[int, Field(ge=1)]
    metadata: dict[str, str]
    modalities: list[str]
    parallel_tool_calls: bool
    prediction: dict[str, Any]
    prompt_cache_key: str
    prompt_cache_retention: str
    reasoning_effort: str
    response_format: _ResponseFormat
    safety_identifier: str
    service_tier: str
    store: bool
    tool_choice: TextOrObject
    tools: list[_Tool]
    top_logprobs: Annotated[int, Field(ge=0, le=20)]
    verbosity: str
    web_search_options: dict[str, Any]
    # Anthropic's, and vLLM's.
    chat_template_kwargs: dict[str, Any]
    thinking: dict[str, Any]


class Completion(_Common, total=False):
    __pydantic_config__ = CLOSED  # type: ignore[misc]
    prompt: Required[Input]
    best_of: Annotated[int, Field(ge=1, le=20)]
    echo: bool
    logprobs: Annotated[int, Field(ge=0, le=20)]
    suffix: str


class Embedding(TypedDict, total=False):
    __pydantic_config__ = CLOSED  # type: ignore[misc]
    model: Required[ModelName]
    input: Required[Input]
    dimensions: Annotated[int, Field(ge=1)]
    encoding_format: Literal["float", "base64"]
    user: str
    # Cohere's and NVIDIA's.
    input_type: str
