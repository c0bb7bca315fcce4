"""Moderations, pictures, sound and rerankings: what providers get, and what callers do."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from openai.types import ImagesResponse, ModerationCreateResponse
from openai.types.audio import Transcription, TranscriptionDiarized, TranscriptionVerbose
from python_multipart.multipart import parse_options_header
from starlette.responses import Response

from gateway.records import LedgerRow, Operation
from tests import media
from tests.media import MP3, PNG, WAV
from tests.servers import Gateway, Json, Received, answer
from tests.upstream.strict import strictly

MODERATION, IMAGE, IMAGE_EDIT, SPEECH, TRANSCRIPTION, RERANK = media.REQUESTS


@pytest.fixture
async def ask(gateway: Gateway) -> Callable[..., Any]:
    """Make one call to a model made for it, and get the answer, what the provider got, and the
    ledger's row."""

    async def ask(
        operation: Operation,
        says: Response | Json | None = None,
        model: Json | None = None,
        files: media.Files | None = None,
        status: int = 200,
        **body: Any,
    ) -> tuple[httpx.Response, Received | None, LedgerRow]:
        fields = media.at(operation, gateway.provider.url) | (model or {})
        await gateway.add_model("media", **fields)
        issued = await gateway.issue_key(max_budget=1000)
        given = media.whole(operation) if says is None else says
        gateway.provider.does(answer(given) if isinstance(given, dict) else given)
        got = await media.send(gateway, operation, issued["key"], body, files)
        assert got.status_code == status, got.text
        [row] = await gateway.rows(issued["id"])
        received = gateway.provider.received
        # Nothing is tried again unseen.
        assert len(received) <= 1
        return got, received[0] if received else None, row

    return ask


def form(received: Received) -> dict[str, list[tuple[str | None, str, bytes]]]:
    """The parts of a form that the provider got: file names, types and data by name."""
    boundary = parse_options_header(received.headers["content-type"])[1][b"boundary"]
    parts: dict[str, list[tuple[str | None, str, bytes]]] = {}
    for part in received.raw.split(b"--" + boundary)[1:-1]:
        head, _, data = part.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().strip().split("\r\n"))
        options = parse_options_header(headers["Content-Disposition"])[1]
        name = options.get(b"filename")
        found = (name.decode() if name else None, headers.get("Content-Type", ""), data[:-2])
        parts.setdefault(options[b"name"].decode(), []).append(found)
    return parts


def texts(received: Received) -> dict[str, list[str]]:
    return {
        name: [data.decode() for file, _, data in found]
        for name, found in form(received).items()
        if all(file is None for file, _, _ in found)
    }


# Moderations


async def test_moderation(ask: Any) -> None:
    parts = [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "data:,"}}]
    got, received, row = await ask(MODERATION, input=parts)
    assert received.path == "/v1/moderations"
    assert received.body == {"model": "omni-moderation-latest", "input": parts}
    assert got.json() == media.moderation() | {"model": "media"}
    result = strictly(ModerationCreateResponse, got.json()).results[0]
    assert result.categories.violence
    assert not result.categories.harassment_threatening
    assert (row.cost, row.operation) == (0, "/moderations")


async def test_no_provider_gets_the_key_of_another(ask: Any) -> None:
    """litellm asks OpenAI, with whatever key there is."""
    model = {"provider": "anthropic", "base_url": None, "litellm_params": {"model": "claude"}}
    got, received, row = await ask(MODERATION, model=model, status=400)
    assert "no moderations" in got.json()["error"]["message"]
    assert received is None
    assert row.outcome == "failed"


# Pictures


async def test_a_picture_is_made(ask: Any) -> None:
    params = {
        "n": 1,
        "size": "1024x1536",
        "quality": "low",
        "background": "opaque",
        "moderation": "low",
        "output_format": "png",
        "output_compression": 90,
        "user": "someone",
    }
    got, received, row = await ask(IMAGE, **params)
    assert received.path == "/v1/images/generations"
    assert received.body == {"model": "gpt-image-1", "prompt": "a white siamese cat", **params}
    assert got.json() == media.picture()
    strictly(ImagesResponse, got.json())
    # 13 at 5e-06 and 400 at 4e-05.
    assert row.cost == 16_065_000
    assert got.headers["x-litellm-response-cost"] == "0.016065"
    assert (row.prompt_tokens, row.completion_tokens) == (13, 400)
    assert (row.estimated, row.end_user) == (False, "someone")


async def test_a_picture_of_azures_dall_e(ask: Any, gateway: Gateway) -> None:
    """It counts no tokens, and what litellm puts there is not the provider's."""
    model = {
        "provider": "azure",
        "base_url": gateway.provider.url,
        "api_version": "2024-10-21",
        "litellm_params": {"model": "dall-e-3"},
    }
    wanted = {"quality": "hd", "size": "1024x1024", "style": "vivid", "response_format": "url"}
    got, received, row = await ask(IMAGE, media.old_picture(2), model, n=2, **wanted)
    assert received.path == "/openai/deployments/dall-e-3/images/generations"
    assert received.body == {"prompt": "a white siamese cat", "n": 2, **wanted}
    assert got.json() == media.old_picture(2)
    strictly(ImagesResponse, got.json())
    # 2 * 1024 * 1024 pixels at 8.39233e-08.
    assert (row.cost, row.estimated, row.prompt_tokens) == (175_999_916, False, 0)


async def test_a_server_of_ones_own_makes_pictures(ask: Any) -> None:
    """litellm takes what it does not know for one of OpenAI's newest."""
    model = {
        "litellm_params": {"model": "flux", "output_cost_per_image": 0.02},
        "model_info": {"mode": "image_generation"},
    }
    wanted = {"response_format": "b64_json", "style": "vivid", "size": "64x64"}
    _, received, row = await ask(IMAGE, media.old_picture(), model, **wanted)
    assert received.body == {"model": "flux", "prompt": "a white siamese cat", **wanted}
    assert (row.cost, row.estimated) == (20_000_000, False)


async def test_a_picture_of_geminis(ask: Any, gateway: Gateway) -> None:
    model = {
        "provider": "gemini",
        "base_url": f"{gateway.provider.url}/v1beta",
        "litellm_params": {"model": "gemini-2.5-flash-image"},
    }
    part = {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(PNG).decode()}}
    usage = {
        "promptTokenCount": 9,
        "candidatesTokenCount": 1290,
        "totalTokenCount": 1310,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 9}],
        "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1290}],
    }
    content = {"parts": [part], "role": "model"}
    says = {"candidates": [{"content": content, "finishReason": "STOP"}], "usageMetadata": usage}
    got, received, row = await ask(IMAGE, says, model)
    assert received.path.endswith("gemini-2.5-flash-image:generateContent")
    assert base64.b64decode(got.json()["data"][0]["b64_json"]) == PNG
    strictly(ImagesResponse, got.json())
    # Of its 11 thoughts Google tells in the total alone: 9 * 3e-07 + 1290 * 3e-05 + 11 * 2.5e-06.
    assert (row.cost, row.completion_tokens, row.reasoning_tokens) == (38_730_200, 1301, 11)


@pytest.mark.parametrize("says", [{"created": 1, "data": []}, {"created": 1, "data": [{}]}])
async def test_no_picture_is_no_answer(ask: Any, says: Json) -> None:
    got, _, row = await ask(IMAGE, says, status=400)
    assert "No picture came back" in got.json()["error"]["message"]
    assert (row.outcome, row.cost) == ("failed", 0)


async def test_a_picture_is_edited(ask: Any) -> None:
    files = [
        ("image[]", ("a.png", PNG, "image/png")),
        ("image[]", ("b.jpg", b"\xff\xd8\xff\xe0", "image/jpeg")),
        ("mask", ("m.png", PNG, "image/png")),
    ]
    params = {
        "n": "1",
        "size": "1024x1536",
        "quality": "low",
        "background": "opaque",
        "input_fidelity": "high",
        "output_format": "png",
        "output_compression": "90",
        "user": "someone",
    }
    got, received, row = await ask(IMAGE_EDIT, files=files, **params)
    assert received.path == "/v1/images/edits"
    found = form(received)
    assert found["image[]"] == [
        ("image.png", "image/png", PNG),
        ("image.png", "image/jpeg", b"\xff\xd8\xff\xe0"),
    ]
    assert found["mask"] == [("mask.png", "image/png", PNG)]
    named = {"model": "gpt-image-1", "prompt": "make it black", **params}
    assert texts(received) == {name: [value] for name, value in named.items()}
    strictly(ImagesResponse, got.json())
    assert (row.cost, row.operation, row.end_user) == (16_065_000, "/images/edits", "someone")


# Sound


async def test_speech(ask: Any) -> None:
    params = {"instructions": "softly", "response_format": "mp3", "speed": 1.5}
    got, received, row = await ask(SPEECH, stream_format="audio", **params)
    assert received.path == "/v1/audio/speech"
    said = {"model": "tts-1", "input": "The quick brown fox.", "voice": "alloy"}
    assert received.body == said | params
    assert (got.content, got.headers["content-type"]) == (MP3, "audio/mpeg")
    # 20 characters at 1.5e-05.
    assert (row.cost, row.estimated) == (300_000, False)
    assert got.headers["x-litellm-response-cost"] == "0.0003"


@pytest.mark.parametrize(
    ("wanted", "theirs", "ours"),
    [
        ("wav", "audio/x-wav", "audio/x-wav"),
        ("opus", "application/octet-stream", "audio/ogg"),
        ("pcm", None, "audio/pcm"),
        ("ulaw_8000", "binary/octet-stream", "application/octet-stream"),
        # A page of the provider's is no page of the gateway's.
        ("flac", "image/svg+xml", "audio/flac"),
        (None, "application/x-quux; a=b", "audio/mpeg"),
    ],
)
async def test_the_type_of_sound(ask: Any, wanted: str | None, theirs: str, ours: str) -> None:
    params = {"response_format": wanted} if wanted else {}
    got, _, _ = await ask(SPEECH, Response(MP3, media_type=theirs), **params)
    assert (got.headers["content-type"], got.content) == (ours, MP3)


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ({"error": {"message": "no"}}, "no sound"),
        (Response(b"<h1>no</h1>", media_type="text/html"), "a web page"),
        (Response(b"no", media_type="text/plain"), "no sound"),
        (Response(b"", media_type="audio/mpeg"), "no sound"),
    ],
)
async def test_what_is_no_sound_is_no_answer(ask: Any, says: Any, told: str) -> None:
    got, _, row = await ask(SPEECH, says, status=502)
    assert told in got.json()["error"]["message"]
    assert row.outcome == "failed"


async def test_gemini_speaks_once(ask: Any, gateway: Gateway) -> None:
    """litellm would have it speak twice, in a thread that nothing stops."""
    model = {
        "provider": "gemini",
        "base_url": f"{gateway.provider.url}/v1beta",
        "litellm_params": {"model": "gemini-2.5-flash-preview-tts"},
    }
    sound = {"inlineData": {"mimeType": "audio/L16;rate=24000", "data": "AAAA"}}
    usage = {
        "promptTokenCount": 6,
        "candidatesTokenCount": 50,
        "totalTokenCount": 56,
        "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 50}],
    }
    content = {"parts": [sound], "role": "model"}
    says = {"candidates": [{"content": content, "finishReason": "STOP"}], "usageMetadata": usage}
    got, received, row = await ask(SPEECH, says, model, response_format="pcm", voice="Kore")
    assert received.body["generationConfig"]["responseModalities"] == ["AUDIO"]
    assert (got.content, got.headers["content-type"]) == (b"\0\0\0", "audio/pcm")
    # 6 at 5e-07, 50 at 1e-05.
    assert (row.cost, row.estimated, row.completion_tokens) == (503_000, False, 50)
    assert row.status == 200


TOKENS = {
    "type": "tokens",
    "input_tokens": 14,
    "output_tokens": 5,
    "total_tokens": 19,
    "input_token_details": {"audio_tokens": 14, "text_tokens": 0},
}
DURATION = {"type": "duration", "seconds": 4}
GPT = {"litellm_params": {"model": "gpt-4o-transcribe"}}
DIARIZE = {"litellm_params": {"model": "gpt-4o-transcribe-diarize"}}
SEGMENT = {
    "id": 0,
    "seek": 0,
    "start": 0.0,
    "end": 3.2,
    "text": "Hello.",
    "tokens": [1],
    "temperature": 0.0,
    "avg_logprob": -0.1,
    "compression_ratio": 1.0,
    "no_speech_prob": 0.0,
}
SPOKEN_BY = {"id": "s1", "type": "transcript.text.segment", "start": 0.0, "end": 1.0}
VERBOSE = {"language": "english", "duration": 3.2, "text": "Hello.", "segments": [SEGMENT]}


@pytest.mark.parametrize(
    ("wanted", "says", "shown", "kind", "model", "cost", "estimated"),
    [
        # By default. Of whisper-1 litellm asks for all that is known.
        (None, VERBOSE, {"text": "Hello."}, Transcription, {}, 320_000, False),
        (
            "json",
            {"text": "Hello.", "usage": DURATION},
            {"text": "Hello.", "usage": DURATION},
            Transcription,
            {},
            400_000,
            False,
        ),
        # Nobody says how long it was: 3.2 s of the file.
        ("json", {"text": "Hello."}, {"text": "Hello."}, Transcription, {}, 320_000, True),
        (
            "json",
            {"text": "Hello.", "usage": TOKENS},
            {"text": "Hello.", "usage": TOKENS},
            Transcription,
            GPT,
            85_000,
            False,
        ),
        ("verbose_json", VERBOSE, VERBOSE, TranscriptionVerbose, {}, 320_000, False),
        # The seconds that are charged are the truth.
        (
            "verbose_json",
            VERBOSE | {"usage": DURATION},
            VERBOSE | {"usage": DURATION},
            TranscriptionVerbose,
            {},
            400_000,
            False,
        ),
        (
            "diarized_json",
            {
                "task": "transcribe",
                "duration": 3.2,
                "text": "Hello.",
                "segments": [SPOKEN_BY | {"text": "Hello.", "speaker": "A"}],
                "usage": TOKENS,
            },
            None,
            TranscriptionDiarized,
            DIARIZE,
            85_000,
            False,
        ),
    ],
)
async def test_transcription(
    ask: Any,
    wanted: str | None,
    says: Json,
    shown: Json | None,
    kind: Any,
    model: Json,
    cost: int,
    estimated: bool,
) -> None:
    params = {"response_format": wanted} if wanted else {}
    got, received, row = await ask(TRANSCRIPTION, says, model, **params)
    assert received.path == "/v1/audio/transcriptions"
    assert form(received)["file"] == [("speech.wav", "audio/wav", WAV)]
    if shown is not None:
        assert got.json() == shown
    if kind is not None:
        strictly(kind, got.json())
    assert (row.cost, row.estimated) == (cost, estimated)


@pytest.mark.parametrize("wanted", ["text", "srt", "vtt"])
async def test_a_transcription_as_text(ask: Any, wanted: str) -> None:
    text = "1\n00:00:00,000 --> 00:00:09,500\nGrüße\n"
    says = Response(text.encode(), media_type="text/plain; charset=utf-8")
    got, received, row = await ask(TRANSCRIPTION, says, response_format=wanted)
    assert texts(received)["response_format"] == [wanted]
    assert got.text == text
    assert got.headers["content-type"] == "text/plain; charset=utf-8"
    # By the file; that someone speaks until then says nothing of its end.
    assert (row.cost, row.estimated) == (320_000, True)


async def test_parameters_of_a_transcription(ask: Any) -> None:
    params: dict[str, Any] = {
        "language": "en",
        "prompt": "Names: Ann",
        "temperature": "0.5",
        "response_format": "verbose_json",
        "timestamp_granularities[]": ["word", "segment"],
        "chunking_strategy": "auto",
        "known_speaker_names[]": ["A"],
        "keywords[]": ["Ann", "Bob"],
    }
    _, received, _ = await ask(TRANSCRIPTION, VERBOSE, **params)
    named = {name: [value] if isinstance(value, str) else value for name, value in params.items()}
    assert texts(received) == {"model": ["whisper-1"], **named}


# Rerankings


async def test_reranking(ask: Any) -> None:
    params = {"top_n": 2, "return_documents": True, "max_tokens_per_doc": 100}
    got, received, row = await ask(RERANK, **params)
    assert received.path == "/v2/rerank"
    documents = ["Carson City", {"text": "Washington"}]
    asked = {"model": "rerank-v3.5", "query": "What is the capital?", "documents": documents}
    assert received.body == asked | params
    assert got.json() == media.ranking()
    assert (row.cost, row.estimated, row.prompt_tokens) == (2_000_000, False, 0)


@pytest.mark.parametrize(
    ("where", "name", "says", "meta", "cost", "tokens"),
    [
        (
            "jina_ai",
            "jina-reranker-v2-base-multilingual",
            {"results": media.ranking()["results"], "usage": {"total_tokens": 38}},
            {"billed_units": {"total_tokens": 38}},
            38 * 50,
            38,
        ),
        (
            "voyage",
            "rerank-2",
            {"data": media.ranking()["results"], "usage": {"total_tokens": 26}},
            {
                "billed_units": {"total_tokens": 26},
                "tokens": {"input_tokens": 26, "output_tokens": 0},
            },
            26 * 50,
            26,
        ),
        (
            "hosted_vllm",
            "m",
            {
                "id": "r-1",
                "results": [
                    result | {"document": {"text": "x"}} for result in media.ranking()["results"]
                ],
                "usage": {"total_tokens": 56},
            },
            {"billed_units": {"total_tokens": 56}, "tokens": {"input_tokens": 56}},
            None,
            56,
        ),
        # litellm says 2, for the results are 2.
        (
            "nvidia_nim",
            "nvidia/nv-rerankqa-mistral-4b-v3",
            {"rankings": [{"index": 1, "logit": 2.5}, {"index": 0, "logit": -3.0}]},
            None,
            None,
            14,
        ),
    ],
)
async def test_rerankers_that_count_tokens(
    ask: Any,
    gateway: Gateway,
    where: str,
    name: str,
    says: Json,
    meta: Json | None,
    cost: int | None,
    tokens: int,
) -> None:
    model = {
        "provider": where,
        "base_url": f"{gateway.provider.url}/v1",
        "litellm_params": {"model": name},
    }
    got, _, row = await ask(RERANK, says, model, documents=["Carson City", "Washington"])
    body = got.json()
    assert body.keys() == {"id", "results"} | ({"meta"} if meta else set())
    assert body.get("meta") == meta
    assert [result["index"] for result in body["results"]] == [1, 0]
    assert row.prompt_tokens == tokens or meta is None
    assert row.estimated == (meta is None)
    if cost is not None:
        assert row.cost == cost


# Failures


@pytest.mark.parametrize("operation", media.REQUESTS)
@pytest.mark.parametrize("where", ["openai", "azure"])
async def test_a_failure_is_tried_once_and_told(
    ask: Any, gateway: Gateway, operation: Operation, where: str
) -> None:
    """The openai package would try pictures and moderations, and sound at Azure, thrice."""
    model: Json = {}
    if where == "azure" and operation not in (MODERATION, RERANK):
        name = media.MODELS[operation]["litellm_params"]["model"]
        model = {"provider": "azure", "base_url": gateway.provider.url, "api_version": "2024-10-21"}
        model |= {"litellm_params": {"model": name}}
    error = {"error": {"message": "slow down", "type": "tokens", "code": "rate_limit_exceeded"}}
    says = answer(error, 429, {"retry-after": "7"})
    got, received, row = await ask(operation, says, model, status=429)
    assert received is not None
    assert got.json()["error"]["message"] == "litellm.RateLimitError: slow down"
    assert got.headers["retry-after"] == "7"
    assert (row.outcome, row.status, row.cost) == ("failed", 429, 0)


@pytest.mark.parametrize("operation", [IMAGE_EDIT, SPEECH, TRANSCRIPTION, RERANK])
async def test_a_provider_without_such_calls(ask: Any, operation: Operation) -> None:
    model = {"provider": "anthropic", "litellm_params": {"model": "claude"}}
    got, received, row = await ask(operation, model=model, status=400)
    assert received is None
    error = got.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert "The provider has no such calls" in error["message"]
    assert row.outcome == "failed"
