"""A small real call to a model, and what its outcome means to an operator."""

from __future__ import annotations

import io
import wave
from typing import Any

from gateway.catalogue import stand_in
from gateway.errors import GatewayError, Misconfigured
from gateway.litellm_names import UNIT_PRICES
from gateway.price_table import mode_of
from gateway.records import Call, Content, Key, Model, Operation, Upload

_GREETING = "Say hello in one word."
_MOST_TOKENS = 16
_SILENT_SECONDS = 1
_PICTURES = UNIT_PRICES["output_cost_per_image"]


class NotTried(Exception):
    """Says why no call is made to try a model."""


def tried_model(model: Model) -> Model:
    """The model to call in order to try this one: itself, or one of those that a pattern stands
    for.

    Raises:
        NotTried: Which one is not said.
    """
    found = stand_in(model)
    if found is None:
        raise NotTried("it is a pattern: say with which model, as model_info.health_check_model")
    return found


def trial_call(model: Model, key: Key, request_id: str) -> Call:
    """The call that tries a model, of the kind that its mode asks for.

    Raises:
        NotTried: It would cost more than a trial may.
    """
    mode = mode_of(model)
    if mode in _PICTURES:
        raise NotTried("it makes pictures, and each costs money: ask for one yourself")
    body: dict[str, Any] = {"model": model.name}
    match mode:
        case "embedding":
            operation = Operation.EMBEDDING
            body |= {"input": _GREETING}
        case "completion":
            operation = Operation.COMPLETION
            body |= {"prompt": _GREETING, "max_tokens": _MOST_TOKENS}
        case "moderation":
            operation = Operation.MODERATION
            body |= {"input": _GREETING}
        case "rerank":
            operation = Operation.RERANK
            body |= {"query": _GREETING, "documents": ["hello", "goodbye"]}
        case "audio_speech":
            operation = Operation.SPEECH
            # As far as the operator has not said which voices there are.
            voice = {} if "voice" in model.params else {"voice": _voice(model)}
            body |= {"input": "Hello."} | voice
        case "audio_transcription":
            operation = Operation.TRANSCRIPTION
            body |= {"file": Upload("silence.wav", _silence(), "audio/wav")}
        case _:
            operation = Operation.CHAT
            messages = [{"role": "user", "content": _GREETING}]
            body |= {"messages": messages, "max_tokens": _MOST_TOKENS}
    return Call(operation, key, body, request_id, deployment_id=model.id, once=True)


def _voice(model: Model) -> str:
    return "Kore" if "gemini" in f"{model.provider}/{model.upstream_model}" else "alloy"


def _silence() -> bytes:
    """A WAV file that says nothing."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16_000)
        sound.writeframes(bytes(2 * 16_000 * _SILENT_SECONDS))
    return file.getvalue()


def said(body: dict[str, Any] | Content) -> str:
    """The text of the answer to a trial."""
    if isinstance(body, Content):
        return f"{len(body.data):,} bytes of {body.media_type}"
    try:
        return _said(body)
    except (KeyError, IndexError, TypeError):
        return "(an answer that is not as its format says)"


def _said(body: dict[str, Any]) -> str:
    if body.get("object") == "list":
        return f"a vector of {len(body['data'][0]['embedding'])} numbers"
    if "results" in body:
        return f"{len(body['results'])} result(s)"
    if "choices" not in body:
        return str(body.get("text") or "(an answer without text)")
    choice = body["choices"][0]
    text = choice["message"]["content"] if "message" in choice else choice["text"]
    return str(text or "(an answer without text)")


def problem(error: GatewayError) -> str:
    """What is wrong, for operators alone: it may name a variable of the environment."""
    return str(error.__cause__ if isinstance(error, Misconfigured) else error)


def remedy(model: Model, error: GatewayError, named: str) -> str:
    """What to do about it. `named` is what commands call the model: its name, or its id."""
    update = f"gateway models update {named}"
    if isinstance(error, Misconfigured):
        return "set the variable where the gateway runs, or store the key: " + (
            f"{update} --api-key-stdin"
        )
    match error.status:
        case 401 | 403:
            return f"give it a key that the provider accepts: {update} --api-key-stdin"
        case 404:
            return (
                f"check the provider's name for the model ({model.upstream_model!r}) and the base "
                f"URL ({model.base_url or 'the public one'}): {update} --model NAME --base-url URL"
            )
        case 408 | 504:
            return f"give it more time (seconds): {update} --param timeout=600"
        case 429:
            return "the provider works, and limits this key: wait, or raise the limit there"
        case 400 | 422:
            return (
                "the provider refused the request: check its parameters "
                f"(gateway models show {named}), and for an embedding model: "
                f"{update} --info mode=embedding"
            )
        case _:
            return (
                f"check that the provider is up and the base URL ({model.base_url or 'public'}) "
                f"is right: {update} --base-url URL"
            )
