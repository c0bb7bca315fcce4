"""OpenAI's calls beside text: embeddings, moderations, pictures, sound; and Cohere's rerank."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterable

from starlette.responses import Response

from tests.clients.upstream.model import count
from tests.clients.upstream.wire import Json, json_response, text_of

# A picture of one transparent pixel.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
SOUND = b"ID3\x04\x00\x00\x00\x00\x00\x00 sound"
_DIMENSIONS = 4


def embed(body: Json) -> Response:
    """Vectors, of which the first number is the text's words."""
    given = body["input"]
    texts = given if isinstance(given, list) and not isinstance(given[0], int) else [given]
    vectors = [_vector(text, body.get("dimensions", _DIMENSIONS)) for text in texts]
    encode = _base64 if body.get("encoding_format") == "base64" else list
    data = [
        {"object": "embedding", "index": index, "embedding": encode(vector)}
        for index, vector in enumerate(vectors)
    ]
    tokens = sum(int(vector[0]) for vector in vectors)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return json_response({"object": "list", "data": data, "model": body["model"], "usage": usage})


def moderate(body: Json) -> Response:
    """Flags what says `bomb`."""
    given = body["input"]
    texts = [given] if isinstance(given, str) else given
    results = [_moderation("bomb" in text) for text in texts]
    return json_response({"id": "modr-1", "model": body["model"], "results": results})


def draw(body: Json) -> Response:
    """As many pictures as are asked for."""
    pictures = [{"b64_json": base64.b64encode(PNG).decode()}] * int(body.get("n", 1))
    details = {"image_tokens": 0, "text_tokens": 5}
    usage = {"input_tokens": 5, "input_tokens_details": details, "output_tokens": 7}
    return json_response(
        {"created": 1700000000, "data": pictures, "usage": usage | {"total_tokens": 12}}
    )


def speak(_body: Json) -> Response:
    return Response(SOUND, media_type="audio/mpeg")


def transcribe(body: Json) -> Response:
    """Tells how many bytes were heard."""
    heard = f"{len(body['file'])} bytes of sound"
    if body.get("response_format") == "text":
        return Response(heard + "\n", media_type="text/plain")
    return json_response({"text": heard, "usage": {"type": "duration", "seconds": 3}})


def rerank(body: Json) -> Response:
    """Those documents first that have more words of the query."""
    asked = set(body["query"].lower().split())
    texts = [text_of([document]) for document in body["documents"]]
    shared = [len(asked & set(text.lower().split())) / len(asked) for text in texts]
    order = sorted(range(len(texts)), key=lambda index: -shared[index])
    results = [{"index": index, "relevance_score": shared[index]} for index in order]
    meta = {"billed_units": {"search_units": 1}}
    return json_response({"id": "rerank-1", "results": results[: body.get("top_n")], "meta": meta})


def _vector(text: str | list[int], dimensions: int) -> list[float]:
    words = count(text) if isinstance(text, str) else len(text)
    return [float(words), *(0.5 for _ in range(dimensions - 1))]


def _base64(vector: Iterable[float]) -> str:
    numbers = list(vector)
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def _moderation(flagged: bool) -> Json:
    categories = {"violence": flagged, "hate": False}
    return {
        "flagged": flagged,
        "categories": categories,
        "category_scores": {name: float(value) for name, value in categories.items()},
        "category_applied_input_types": {name: ["text"] for name in categories},
    }
