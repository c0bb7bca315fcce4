"""The bodies of calls for moderations, pictures, sound and rerankings.

Those with files are forms, whose values are text: numbers and switches are read from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Required

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, Tag, WithJsonSchema
from pydantic_core import PydanticCustomError

# pydantic needs this one rather than typing's, below Python 3.12.
from typing_extensions import TypedDict

from gateway.http.bodies.shared import CLOSED, ModelName, TextOrObject, by_type, one_of
from gateway.records import Upload

_FORM = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
_MOST_PICTURES = 16


def _not_streamed(value: object) -> object:
    if value:
        raise PydanticCustomError("unsupported", "this gateway answers such calls as a whole")
    return value


def _file(value: object) -> Upload:
    if not isinstance(value, Upload):
        raise PydanticCustomError("file_type", "expected a file")
    return value


def _listed(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _by_first(value: object) -> str | None:
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        return "<parts>"
    return by_type(value)


_NotStreamed = Annotated[
    bool, AfterValidator(_not_streamed), WithJsonSchema({"type": "boolean", "const": False})
]
_File = Annotated[
    Any, BeforeValidator(_file), WithJsonSchema({"type": "string", "format": "binary"})
]
_Texts = Annotated[list[str], BeforeValidator(_listed)]
_Count = Annotated[int, Field(ge=1, le=128)]


class _Part(TypedDict, total=False):
    __pydantic_config__ = CLOSED  # type: ignore[misc]
    type: Required[Literal["text", "image_url"]]
    text: str
    image_url: dict[str, str]


class Moderation(TypedDict, total=False):
    __pydantic_config__ = CLOSED  # type: ignore[misc]
    model: Required[ModelName]
    input: Required[
        Annotated[
            Annotated[str, Tag("<text>")]
            | Annotated[list[str], Field(min_length=1), Tag("<list>")]
            | Annotated[list[_Part], Tag("<parts>")],
            one_of("a string, an array of strings, or an array of parts", _by_first),
        ]
    ]


class Image(TypedDict, total=False):
    __pydantic_config__ = CLOSED  # type: ignore[misc]
    model: Required[ModelName]
    prompt: Required[str]
    background: str
    moderation: str
    n: _Count
    output_compression: int
    output_format: str
    quality: str
    response_format: Literal["url", "b64_json"]
    size: str
    stream: _NotStreamed
    style: str
    user: str


class ImageEdit(TypedDict, total=False):
    __pydantic_config__ = _FORM  # type: ignore[misc]
    model: Required[ModelName]
    image: Required[
        Annotated[list[_File], Field(max_length=_MOST_PICTURES), BeforeValidator(_listed)]
    ]
    prompt: Required[str]
    background: str
    input_fidelity: str
    mask: _File
    n: _Count
    output_compression: int
    output_format: str
    quality: str
    response_format: Literal["url", "b64_json"]
    size: str
    stream: _NotStreamed
    user: str


class Speech(TypedDict, total=False):
    __pydantic_config__ = CLOSED  # type: ignore[misc]
    model: Required[ModelName]
    input: Required[Annotated[str, Field(min_length=1)]]
    voice: TextOrObject
    instructions: str
    response_format: str
    speed: Annotated[float, Field(gt=0)]
    stream_format: Literal["audio"]
    user: str


class Transcription(TypedDict, total=False):
    __pydantic_config__ = _FORM  # type: ignore[misc]
    model: Required[ModelName]
    file: Required[_File]
    chunking_strategy: str
    keywords: _Texts
    known_speaker_names: _Texts
    known_speaker_references: _Texts
    language: str
    languages: _Texts
    prompt: str
    response_format: Literal["json", "text", "srt", "verbose_json", "vtt", "diarized_json"]
    stream: _NotStreamed
    temperature: float
    timestamp_granularities: Annotated[list[Literal["word", "segment"]], BeforeValidator(_listed)]
    user: str


class Rerank(TypedDict, total=False):
    __pydantic_config__ = CLOSED  # type: ignore[misc]
    model: Required[ModelName]
    query: Required[str]
    documents: Required[Annotated[list[TextOrObject], Field(min_length=1)]]
    max_chunks_per_doc: Annotated[int, Field(ge=1)]
    max_tokens_per_doc: Annotated[int, Field(ge=1)]
    rank_fields: list[str]
    return_documents: bool
    top_n: Annotated[int, Field(ge=1)]
    # Of models that take one, at vLLM's and other servers.
    instruction: str
