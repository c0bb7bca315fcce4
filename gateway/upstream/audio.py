"""Sound by way of litellm: spoken from a text, or made into one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.errors import UpstreamError
from gateway.records import Call, Content, Operation, Usage
from gateway.upstream import reports
from gateway.upstream.reports import Witness
from gateway.upstream.usage import read_duration, read_transcription_usage

Json = dict[str, Any]
_Arguments = dict[str, Any]

# What OpenAI's formats are on the web; MP3 is the one that nobody has to ask for.
_MEDIA_TYPES = {
    "aac": "audio/aac",
    "flac": "audio/flac",
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "pcm": "audio/pcm",
    "wav": "audio/wav",
}
_TEXTS = ("text", "srt", "vtt")
# openai/types/audio/transcription.py, transcription_verbose.py, transcription_diarized.py
_FIELDS = {
    "json": ("text", "usage"),
    "verbose_json": ("text", "language", "duration", "segments", "words", "usage"),
    "diarized_json": ("text", "task", "duration", "segments", "usage"),
}
_USAGE = ("type", "seconds", "input_tokens", "output_tokens", "total_tokens", "input_token_details")


@dataclass(frozen=True, slots=True)
class Spoken:
    """Sound that came as a chat's answer."""

    content: bytes
    media_type: str
    usage: Usage | None


async def speak(litellm: Any, **made: Any) -> Any:
    """Have a text spoken; what comes is for `speech`.

    Gemini speaks in chats. litellm's own way there asks it twice, and charges the operator twice:
    `aspeech` takes an answer for a function that is still to be called.
    """
    provider, _, name = made["model"].partition("/")
    if provider == "gemini" or (provider.startswith("vertex_ai") and "gemini" in name):
        return await _speak_in_chat(litellm, provider, name, made)
    return await litellm.aspeech(**made)


async def _speak_in_chat(litellm: Any, provider: str, name: str, made: _Arguments) -> Spoken:
    from litellm.endpoints.speech.speech_to_completion_bridge.transformation import (
        SpeechToCompletionBridgeTransformationHandler,
    )

    bridge: Any = SpeechToCompletionBridgeTransformationHandler()
    of_speech = ("input", "instructions", "response_format", "speed", "voice")
    asked = {field: made.pop(field) for field in of_speech if field in made}
    request = bridge.transform_request(
        model=name,
        input=asked["input"],
        voice=asked.get("voice"),
        optional_params=asked,
        litellm_params={},
        headers={},
        litellm_logging_obj=None,
        custom_llm_provider=provider,
    )
    del request["model"], request["custom_llm_provider"], request["headers"]
    answer = await litellm.acompletion(**made, **request)
    sound = bridge.transform_response(answer, asked.get("response_format"))
    usage = reports.of_answer(answer, Witness(provider, Operation.CHAT))
    return Spoken(sound.content, sound.response.headers["content-type"], usage)


def speech(answer: Any, call: Call, _witness: Witness) -> tuple[Content, Usage | None]:
    """The sound, in the format that was asked for. Raises UpstreamError where it is none."""
    if isinstance(answer, Spoken):
        return Content(answer.content, answer.media_type), answer.usage
    named = answer.response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if named.startswith("text/") or named.endswith("json") or not answer.content:
        raise UpstreamError("The provider answered no sound", status=502, type="api_error")
    # Nothing else is believed: it is the gateway that serves it, maybe to a browser.
    asked = _MEDIA_TYPES.get(call.body.get("response_format", "mp3"), "application/octet-stream")
    return Content(answer.content, named if named.startswith("audio/") else asked), None


def transcription_arguments(made: _Arguments, _call: Call) -> _Arguments:
    """Give litellm the file as the openai package takes it."""
    file = made["file"]
    return made | {"file": (file.name, file.data, file.media_type)}


def transcription(
    answer: Any, call: Call, _witness: Witness
) -> tuple[Json | Content, Usage | None]:
    """The text, or what OpenAI's API has around it in the format that was asked for."""
    raw = answer.model_dump(exclude_none=True, warnings=False)
    text = raw.get("text") or ""
    counts = raw.get("usage") or {}
    usage = read_transcription_usage(counts)
    if usage is None:
        # Of litellm's answers, what it counted itself is elsewhere.
        usage = read_duration(raw.get("duration"))
    wanted = call.body.get("response_format", "json")
    if wanted in _TEXTS:
        return Content(text.encode(errors="replace"), "text/plain; charset=utf-8"), usage
    body = _present(raw, _FIELDS[wanted]) | {"text": text}
    if counts:
        body["usage"] = _present(counts, _USAGE)
    return body, usage


def _present(values: Mapping[str, Any], names: Iterable[str]) -> Json:
    return {name: values[name] for name in names if values.get(name) is not None}
