"""The bodies of Anthropic's Messages, and of counting their tokens.

https://platform.claude.com/docs/en/api/messages. Left out are `speed` and `inference_geo`, which
multiply prices: they are for the operator to set.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Required

from pydantic import AfterValidator, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

# pydantic needs this one rather than typing's, below Python 3.12.
from typing_extensions import TypedDict

from gateway.http.bodies.shared import ANY, CLOSED, OPEN, ModelName, TextOrObject, one_of


def _by_type(*kinds: str) -> Discriminator:
    def tell(value: object) -> str:
        kind = value.get("type") if isinstance(value, Mapping) else None
        return f"<{kind}>" if kind in kinds else ANY

    return Discriminator(tell)


class _TextBlock(TypedDict):
    __pydantic_config__ = OPEN  # type: ignore[misc]
    type: str
    text: str


class _AttachedBlock(TypedDict):
    __pydantic_config__ = OPEN  # type: ignore[misc]
    type: str
    source: dict[str, Any]


class _ToolUseBlock(TypedDict):
    __pydantic_config__ = OPEN  # type: ignore[misc]
    type: str
    id: str
    name: str
    input: dict[str, Any]


class _ThinkingBlock(TypedDict):
    __pydantic_config__ = OPEN  # type: ignore[misc]
    type: str
    thinking: str


class _OtherBlock(TypedDict):
    __pydantic_config__ = OPEN  # type: ignore[misc]
    type: str


_Within = Annotated[
    Annotated[_TextBlock, Tag("<text>")]
    | Annotated[_AttachedBlock, Tag("<image>")]
    | Annotated[_AttachedBlock, Tag("<document>")]
    | Annotated[_OtherBlock, Tag(ANY)],
    _by_type("text", "image", "document"),
]


class _ToolResultBlock(TypedDict, total=False):
    __pydantic_config__ = OPEN  # type: ignore[misc]
    type: Required[str]
    tool_use_id: Required[str]
    content: Annotated[
        Annotated[str, Tag("<text>")] | Annotated[list[_Within], Tag("<list>")],
        one_of("a string or an array of content blocks"),
    ]


_Block = Annotated[
    Annotated[_TextBlock, Tag("<text>")]
    | Annotated[_AttachedBlock, Tag("<image>")]
    | Annotated[_AttachedBlock, Tag("<document>")]
    | Annotated[_ToolUseBlock, Tag("<tool_use>")]
    | Annotated[_ToolResultBlock, Tag("<tool_result>")]
    | Annotated[_ThinkingBlock, Tag("<thinking>")]
    | Annotated[_OtherBlock, Tag(ANY)],
    _by_type("text", "image", "document", "tool_use", "tool_result", "thinking"),
]
_Content = Annotated[
    Annotated[str, Tag("<text>")] | Annotated[list[_Block], Tag("<list>")],
    one_of("a string or an array of content blocks"),
]


class _Message(TypedDict):
    __pydantic_config__ = OPEN  # type: ignore[misc]
    role: str
    content: _Content


class _Metadata(TypedDict, total=False):
    __pydantic_config__ = OPEN  # type: ignore[misc]
    user_id: str | None


class _ToolChoice(TypedDict, total=False):
    __pydantic_config__ = OPEN  # type: ignore[misc]
    type: Required[str]
    name: str


class _Tool(TypedDict, total=False):
    __pydantic_config__ = OPEN  # type: ignore[misc]
    type: str | None
    name: str
    input_schema: dict[str, Any]


def _is_ours_to_pass(tool: _Tool) -> _Tool:
    # For an advisor litellm would call another model, at an address of the caller's choice, and
    # Anthropic one that the key need not be allowed. The other is for litellm's own proxy.
    kind = tool.get("type") or ""
    if kind == "mcp" or kind.startswith("advisor"):
        raise PydanticCustomError("tool", "the gateway passes on no tool of this type")
    return tool


class _Counted(TypedDict, total=False):
    """What has tokens."""

    model: Required[ModelName]
    messages: Required[Annotated[list[_Message], Field(min_length=1)]]
    cache_control: dict[str, Any]
    context_management: dict[str, Any]
    mcp_servers: list[dict[str, Any]]
    output_config: dict[str, Any]
    output_format: dict[str, Any]
    system: Annotated[
        Annotated[str, Tag("<text>")] | Annotated[list[_TextBlock], Tag("<list>")],
        one_of("a string or an array of text blocks"),
    ]
    thinking: dict[str, Any]
    tool_choice: _ToolChoice
    tools: list[Annotated[_Tool, AfterValidator(_is_ours_to_pass)]]


class CountTokens(_Counted, total=False):
    __pydantic_config__ = CLOSED  # type: ignore[misc]


class Messages(_Counted, total=False):
    __pydantic_config__ = CLOSED  # type: ignore[misc]
    max_tokens: Required[Annotated[int, Field(ge=0)]]
    compaction: dict[str, Any]
    container: TextOrObject
    metadata: _Metadata
    safeguards: list[dict[str, Any]]
    service_tier: str
    stop_sequences: list[str]
    stream: bool
    temperature: float
    top_k: int
    top_p: float
