"""Calls for pictures, sound, rerankings and moderations: requests, and what providers answer."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import httpx
from starlette.responses import Response

from gateway.records import Operation
from tests.servers import Gateway, Json, answer

PNG = b"\x89PNG\r\n\x1a\n" + bytes(24)
MP3 = b"ID3\x04" + bytes(60)


def wav(milliseconds: int, rate: int = 8000) -> bytes:
    """Silence of 8 bits a sample."""
    data = bytes(milliseconds * rate // 1000)
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, rate, 1, 8)
    body = b"WAVE" + fmt + struct.pack("<4sI", b"data", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


WAV = wav(3200)

Files = list[tuple[str, tuple[str, bytes, str]]]


@dataclass(frozen=True)
class Request:
    """What a caller sends: JSON, or a form where there are files."""

    body: Json
    files: Files | None = None


REQUESTS: dict[Operation, Request] = {
    Operation.MODERATION: Request({"input": "I want to kill them."}),
    Operation.IMAGE: Request({"prompt": "a white siamese cat"}),
    Operation.IMAGE_EDIT: Request(
        {"prompt": "make it black"}, [("image[]", ("cat.png", PNG, "image/png"))]
    ),
    Operation.SPEECH: Request({"input": "The quick brown fox.", "voice": "alloy"}),
    Operation.TRANSCRIPTION: Request({}, [("file", ("speech.wav", WAV, "audio/wav"))]),
    Operation.RERANK: Request(
        {"query": "What is the capital?", "documents": ["Carson City", {"text": "Washington"}]}
    ),
}

MODELS: dict[Operation, Json] = {
    Operation.MODERATION: {"litellm_params": {"model": "omni-moderation-latest"}},
    Operation.IMAGE: {"litellm_params": {"model": "gpt-image-1"}},
    Operation.IMAGE_EDIT: {"litellm_params": {"model": "gpt-image-1"}},
    Operation.SPEECH: {"litellm_params": {"model": "tts-1"}},
    Operation.TRANSCRIPTION: {"litellm_params": {"model": "whisper-1"}},
    Operation.RERANK: {"provider": "cohere", "litellm_params": {"model": "rerank-v3.5"}},
}
"""A model for each, of litellm's price table."""


def at(operation: Operation, url: str) -> Json:
    """Where that model is, at a fake provider."""
    # Cohere's base URL ends before the version.
    return MODELS[operation] | {"base_url": url if operation is Operation.RERANK else f"{url}/v1"}


async def send(
    gateway: Gateway,
    operation: Operation,
    key: str,
    body: Json | None = None,
    files: Files | None = None,
    path: str | None = None,
    model: str | None = "media",
) -> httpx.Response:
    """Send a call; `body` and `files` go over what REQUESTS has."""
    request = REQUESTS[operation]
    fields = request.body | ({"model": model} if model else {}) | (body or {})
    url = gateway.url + (path or f"/v1{operation}")
    headers = {"authorization": f"Bearer {key}"}
    if request.files is None:
        return await gateway.http.post(url, json=fields, headers=headers)
    return await gateway.http.post(
        url, data=fields, files=request.files if files is None else files, headers=headers
    )


def picture(**more: Any) -> Json:
    """gpt-image-1's answer: 13 tokens of text, 400 of a picture."""
    usage = {
        "input_tokens": 13,
        "output_tokens": 400,
        "total_tokens": 413,
        "input_tokens_details": {"text_tokens": 13, "image_tokens": 0},
    }
    made = {"size": "1024x1536", "quality": "low", "background": "opaque", "output_format": "png"}
    return {"created": 1700000000, "data": [{"b64_json": "aGk="}], **made, "usage": usage} | more


def old_picture(count: int = 1) -> Json:
    """DALL·E's."""
    image = {"url": "https://images.example/1.png", "revised_prompt": "a white cat"}
    return {"created": 1700000000, "data": [image] * count}


def moderation() -> Json:
    categories = (
        "harassment",
        "harassment/threatening",
        "hate",
        "hate/threatening",
        "illicit",
        "illicit/violent",
        "self-harm",
        "self-harm/instructions",
        "self-harm/intent",
        "sexual",
        "sexual/minors",
        "violence",
        "violence/graphic",
    )
    result = {
        "flagged": True,
        "categories": {name: name == "violence" for name in categories},
        "category_scores": {name: 0.5 if name == "violence" else 0.001 for name in categories},
        "category_applied_input_types": {name: ["text"] for name in categories},
    }
    return {"id": "modr-1", "model": "omni-moderation-latest", "results": [result]}


def ranking(**meta: Any) -> Json:
    results = [{"index": 1, "relevance_score": 0.97}, {"index": 0, "relevance_score": 0.25}]
    billed = {"billed_units": {"search_units": 1}}
    return {"id": "r-1", "results": results, "meta": meta or billed}


def whole(operation: Operation) -> Response:
    """A new answer of the provider's."""
    match operation:
        case Operation.MODERATION:
            return answer(moderation())
        case Operation.IMAGE | Operation.IMAGE_EDIT:
            return answer(picture())
        case Operation.SPEECH:
            return Response(MP3, media_type="audio/mpeg")
        case Operation.TRANSCRIPTION:
            return answer({"text": "Hello.", "usage": {"type": "duration", "seconds": 4}})
        case Operation.RERANK:
            return answer(ranking())
        case _:
            raise NotImplementedError(operation)
