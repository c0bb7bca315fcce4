"""What calls to models answer, as types.

They name what every provider's answer has, and what most have. Providers add more, which is passed
on.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field

# pydantic needs this one rather than typing's, below Python 3.12.
from typing_extensions import TypedDict

Json = dict[str, Any]
Created = Annotated[int, Field(description="Seconds since 1970")]
Name = Annotated[str, Field(description="The model, by the name that was asked for")]


class CompletionUsage(TypedDict):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: NotRequired[dict[str, int]]
    completion_tokens_details: NotRequired[dict[str, int]]


class ChatMessage(TypedDict):
    role: str
    content: str | None
    tool_calls: NotRequired[list[Json]]


class ChatChoice(TypedDict):
    index: int
    message: ChatMessage
    finish_reason: str


class ChatCompletion(TypedDict):
    """OpenAI's answer to a chat."""

    id: str
    object: Literal["chat.completion"]
    created: Created
    model: Name
    choices: list[ChatChoice]
    usage: NotRequired[CompletionUsage]


class ChatChunkChoice(TypedDict):
    index: int
    delta: Json
    finish_reason: str | None


class ChatCompletionChunk(TypedDict):
    """An event of a streamed chat."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: Created
    model: Name
    choices: list[ChatChunkChoice]
    usage: NotRequired[CompletionUsage]


class TextChoice(TypedDict):
    index: int
    text: str
    finish_reason: NotRequired[str | None]


class TextCompletion(TypedDict):
    """OpenAI's answer to a prompt, and each event of it where it is streamed."""

    id: str
    object: Literal["text_completion"]
    created: Created
    model: Name
    choices: list[TextChoice]
    usage: NotRequired[CompletionUsage]


class Vector(TypedDict):
    object: Literal["embedding"]
    index: int
    embedding: Annotated[list[float] | str, Field(description="As text, it is base64")]


class PromptUsage(TypedDict):
    prompt_tokens: int
    total_tokens: int


class Embeddings(TypedDict):
    object: Literal["list"]
    data: list[Vector]
    model: Name
    usage: PromptUsage


class ModelResponse(TypedDict):
    """OpenAI's response. Its id is the gateway's, of use to the key that made it and its team."""

    id: str
    object: Literal["response"]
    created_at: float
    status: NotRequired[str | None]
    model: Name
    output: list[Json]
    usage: NotRequired[Json | None]


class DeletedResponse(TypedDict):
    id: str
    deleted: NotRequired[bool]


class InputItems(TypedDict):
    """What a response was asked for."""

    data: list[Json]


class MessageUsage(TypedDict):
    input_tokens: int
    output_tokens: int


class Message(TypedDict):
    """Anthropic's answer."""

    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    model: Name
    content: list[Json]
    stop_reason: str | None
    stop_sequence: NotRequired[str | None]
    usage: MessageUsage


class TokenCount(TypedDict):
    input_tokens: int


class ModerationResult(TypedDict):
    flagged: bool
    categories: Json
    category_scores: Json


class Moderations(TypedDict):
    id: str
    model: Name
    results: list[ModerationResult]


class Picture(TypedDict, total=False):
    url: str
    b64_json: str
    revised_prompt: str


class Pictures(TypedDict):
    created: Created
    data: list[Picture]
    usage: NotRequired[Json]


class Transcribed(TypedDict):
    """What was said. With `verbose_json` or `diarized_json`, it has its segments."""

    text: str


class RankedDocument(TypedDict):
    index: Annotated[int, Field(description="Of the document, in the request")]
    relevance_score: float
    document: NotRequired[Any]


class Ranking(TypedDict):
    """Cohere's answer."""

    id: str
    results: list[RankedDocument]
    meta: NotRequired[Json]
