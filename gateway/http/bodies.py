"""The bodies of calls to models: which parameters pass, and of what type.

Only what is listed here reaches litellm, whose functions take far more than OpenAI's parameters
(`api_base`, `api_key`, `mock_response`, …). Values are checked for type, and otherwise left for
the provider to judge. Errors are worded as OpenAI's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, NotRequired, Required

from pydantic import ConfigDict, Discriminator, Field, Tag, TypeAdapter, ValidationError

# pydantic needs this one rather than typing's, below Python 3.12.
from typing_extensions import TypedDict

from gateway.errors import InvalidRequest
from gateway.records import Operation

_CLOSED = ConfigDict(strict=True, extra="forbid")
_OPEN = ConfigDict(strict=True, extra="allow")

# Tags of unions appear in pydantic's locations; the brackets tell them from the caller's fields.
_TAG = re.compile("<[a-z_]+>")
_ANY = "<any>"


def _by_type(value: object) -> str | None:
    tags: dict[type, str] = {str: "<text>", list: "<list>", dict: "<object>"}
    return tags.get(type(value))


def _by_items(value: object) -> str | None:
    if not isinstance(value, list) or not value:
        return _by_type(value)
    tags: dict[type, str] = {str: "<list>", int: "<tokens>", list: "<batch>"}
    return tags.get(type(value[0]))


def _one_of(expected: str, tell: Callable[[object], str | None] = _by_type) -> Discriminator:
    """Tell the members of a union apart by `tell`, or say what was expected."""
    return Discriminator(
        tell, custom_error_type="union_type", custom_error_message=f"expected {expected}"
    )


def _by_part(value: object) -> str:
    kind = value.get("type") if isinstance(value, Mapping) else None
    return f"<{kind}>" if kind in ("text", "image_url") else _ANY


def _by_role(value: object) -> str | None:
    if not isinstance(value, Mapping):
        return _ANY
    role = value.get("role")
    if role in ("system", "developer", "user"):
        return "<prompt>"
    return f"<{role}>" if role in ("assistant", "tool", "function") else None


class _TextPart(TypedDict):
    __pydantic_config__ = _OPEN  # type: ignore[misc]
    type: Literal["text"]
    text: str


class _Image(TypedDict):
    __pydantic_config__ = _OPEN  # type: ignore[misc]
    url: str


class _ImagePart(TypedDict):
    __pydantic_config__ = _OPEN  # type: ignore[misc]
    type: Literal["image_url"]
    image_url: _Image


class _OtherPart(TypedDict):
    __pydantic_config__ = _OPEN  # type: ignore[misc]
    type: str


_Part = Annotated[
    Annotated[_TextPart, Tag("<text>")]
    | Annotated[_ImagePart, Tag("<image_url>")]
    | Annotated[_OtherPart, Tag(_ANY)],
    Discriminator(_by_part),
]
_Content = Annotated[
    Annotated[str, Tag("<text>")] | Annotated[list[_Part], Tag("<list>")],
    _one_of("a string or an array of content parts"),
]


class _Function(TypedDict):
    __pydantic_config__ = _OPEN  # type: ignore[misc]
    name: str


class _CalledFunction(_Function):
    arguments: str


class _ToolCall(TypedDict, total=False):
    __pydantic_config__ = _OPEN  # type: ignore[misc]
    id: str
    type: str
    function: _CalledFunction


class _PromptMessage(TypedDict):
    __pydantic_config__ = _OPEN  # type: ignore[misc]
    role: str
    content: _Content


class _AssistantMessage(TypedDict):
    __pydantic_config__ = _OPEN  # type: ignore[misc]
    role: str
    content: NotRequired[_Content | None]
    tool_calls: NotRequired[list[_ToolCall] | None]


class _ToolMessage(_PromptMessage):
    tool_call_id: str


class _FunctionMessage(TypedDict):
    __pydantic_config__ = _OPEN  # type: ignore[misc]
    role: str
    name: str
    content: str | None


class _AnyMessage(TypedDict):
    __pydantic_config__ = _OPEN  # type: ignore[misc]
    role: str


_Message = Annotated[
    Annotated[_PromptMessage, Tag("<prompt>")]
    | Annotated[_AssistantMessage, Tag("<assistant>")]
    | Annotated[_ToolMessage, Tag("<tool>")]
    | Annotated[_FunctionMessage, Tag("<function>")]
    | Annotated[_AnyMessage, Tag(_ANY)],
    Discriminator(
        _by_role,
        custom_error_type="role",
        custom_error_message="expected system, developer, user, assistant, tool or function",
    ),
]


class _Tool(TypedDict):
    __pydantic_config__ = _OPEN  # type: ignore[misc]
    type: str
    function: NotRequired[_Function]


class _ResponseFormat(TypedDict):
    __pydantic_config__ = _OPEN  # type: ignore[misc]
    type: Literal["text", "json_object", "json_schema"]
    json_schema: NotRequired[dict[str, Any]]


class _StreamOptions(TypedDict, total=False):
    __pydantic_config__ = _CLOSED  # type: ignore[misc]
    include_usage: bool
    include_obfuscation: bool


_Model = Annotated[str, Field(min_length=1)]
_Strings = Annotated[
    Annotated[str, Tag("<text>")] | Annotated[list[str], Tag("<list>")],
    _one_of("a string or an array of strings"),
]
_TextOrObject = Annotated[
    Annotated[str, Tag("<text>")] | Annotated[dict[str, Any], Tag("<object>")],
    _one_of("a string or an object"),
]
_Input = Annotated[
    Annotated[str, Tag("<text>")]
    | Annotated[list[str], Field(min_length=1), Tag("<list>")]
    | Annotated[list[int], Tag("<tokens>")]
    | Annotated[list[list[int]], Tag("<batch>")],
    _one_of("a string, an array of strings, or arrays of token numbers", _by_items),
]


class _Common(TypedDict, total=False):
    """What chat and text completions share."""

    model: Required[_Model]
    frequency_penalty: float
    logit_bias: dict[str, float]
    max_tokens: Annotated[int, Field(ge=1)]
    n: Annotated[int, Field(ge=1, le=128)]
    presence_penalty: float
    seed: int
    stop: _Strings
    stream: bool
    stream_options: _StreamOptions
    temperature: float
    top_p: float
    user: str
    # Sampling parameters of vLLM and other servers of open models.
    min_p: float
    repetition_penalty: float
    top_k: int


class _Chat(_Common, total=False):
    __pydantic_config__ = _CLOSED  # type: ignore[misc]
    messages: Required[Annotated[list[_Message], Field(min_length=1)]]
    audio: dict[str, Any]
    function_call: _TextOrObject
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
    tool_choice: _TextOrObject
    tools: list[_Tool]
    top_logprobs: Annotated[int, Field(ge=0, le=20)]
    verbosity: str
    web_search_options: dict[str, Any]
    # Anthropic's, and vLLM's.
    chat_template_kwargs: dict[str, Any]
    thinking: dict[str, Any]


class _Completion(_Common, total=False):
    __pydantic_config__ = _CLOSED  # type: ignore[misc]
    prompt: Required[_Input]
    best_of: Annotated[int, Field(ge=1, le=20)]
    echo: bool
    logprobs: Annotated[int, Field(ge=0, le=20)]
    suffix: str


class _Embedding(TypedDict, total=False):
    __pydantic_config__ = _CLOSED  # type: ignore[misc]
    model: Required[_Model]
    input: Required[_Input]
    dimensions: Annotated[int, Field(ge=1)]
    encoding_format: Literal["float", "base64"]
    user: str
    # Cohere's and NVIDIA's.
    input_type: str


_ADAPTERS: dict[Operation, TypeAdapter[Any]] = {
    Operation.CHAT: TypeAdapter(_Chat),
    Operation.COMPLETION: TypeAdapter(_Completion),
    Operation.EMBEDDING: TypeAdapter(_Embedding),
}


def validate(operation: Operation, body: Mapping[str, Any]) -> dict[str, Any]:
    """The body without its nulls, which OpenAI's API takes for parameters not given.

    Raises:
        InvalidRequest: `param` names the first parameter at fault.
    """
    given = {name: value for name, value in body.items() if value is not None}
    try:
        _ADAPTERS[operation].validate_python(given)
    except ValidationError as error:
        raise _invalid_request(error) from None
    if "stream_options" in given and not given.get("stream"):
        raise InvalidRequest(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            param="stream_options",
            code="invalid_value",
        )
    return given


def _invalid_request(error: ValidationError) -> InvalidRequest:
    first = error.errors(include_url=False, include_input=False)[0]
    param = _param(first["loc"])
    message = first["msg"][0].lower() + first["msg"][1:].replace(" after validation", "")
    match first["type"]:
        case "role":
            param += ".role"
            return InvalidRequest(
                f"Invalid value for '{param}': {message}.", param=param, code="invalid_value"
            )
        case "missing":
            return InvalidRequest(
                f"Missing required parameter: '{param}'.",
                param=param,
                code="missing_required_parameter",
            )
        case "extra_forbidden":
            return InvalidRequest(
                f"Unrecognized request argument supplied: {param}. The gateway passes on OpenAI's "
                "parameters and a few of other providers; an operator can set any other for all "
                "calls in the model's litellm_params.",
                param=param,
                code="unknown_parameter",
            )
        case kind if kind.endswith(("_type", "_parsing")):
            return InvalidRequest(
                f"Invalid type for '{param}': {message}.", param=param, code="invalid_type"
            )
        case _:
            return InvalidRequest(
                f"Invalid value for '{param}': {message}.", param=param, code="invalid_value"
            )


def _param(location: tuple[int | str, ...]) -> str:
    """`messages[0].content`, as OpenAI writes it.

    >>> _param(("messages", 0, "<prompt>", "content"))
    'messages[0].content'
    """
    name = ""
    for part in location:
        if isinstance(part, int):
            name += f"[{part}]"
        # The first is the caller's own, whatever it looks like.
        elif not name or not _TAG.fullmatch(part):
            name += f".{part}" if name else part or '""'
    return name
