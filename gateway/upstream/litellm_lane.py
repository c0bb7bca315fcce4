"""Calls by way of litellm, which translates to each provider. The only import of it.

litellm takes seconds to import, so that happens in a thread while the gateway opens its socket.
"""

from __future__ import annotations

import asyncio
import logging
import os
import struct
from base64 import b64encode
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from types import ModuleType
from typing import Any

from gateway.errors import Misconfigured, NotReady
from gateway.records import Call, CallSettings, Model, Operation
from gateway.upstream import wire
from gateway.upstream.failures import upstream_error
from gateway.vault import resolve_references

log = logging.getLogger(__name__)

# `ollama/` is Ollama's completion API, which has no tools; litellm has its chat API apart.
_CHAT_PROVIDERS = {"ollama": "ollama_chat"}
# To litellm `metadata` is an argument of its own, so it goes to these providers in the raw body.
_TAKE_METADATA = ("openai", "azure")
# What the lane itself says to litellm; never from a body.
_OWN = ("model", "stream", "stream_options", "metadata", "encoding_format")


class LitellmLane:
    """Owns litellm: its import, its settings and its connections."""

    def __init__(self) -> None:
        self._loading: asyncio.Task[ModuleType] | None = None

    def start(self) -> None:
        """Begin to import litellm in the background."""
        self._loading = asyncio.create_task(asyncio.to_thread(_load))

    @property
    def ready(self) -> bool:
        loading = self._loading
        return loading is not None and loading.done() and loading.exception() is None

    async def wait(self) -> None:
        """Wait until litellm is there. Raises whatever its import raised."""
        await self._litellm()

    async def aclose(self) -> None:
        """Close every connection and background task of litellm's."""
        if self._loading is None:
            return
        # The import cannot be interrupted; it is waited for so that no thread outlives the loop.
        litellm = (await asyncio.gather(self._loading, return_exceptions=True))[0]
        if isinstance(litellm, ModuleType):
            from litellm.litellm_core_utils.logging_worker import GLOBAL_LOGGING_WORKER

            await GLOBAL_LOGGING_WORKER.stop()
            await litellm.close_litellm_async_clients()
            litellm.in_memory_llm_clients_cache.flush_cache()

    async def complete(self, call: Call, model: Model, settings: CallSettings) -> wire.Json:
        """The whole answer, as JSON.

        Raises:
            UpstreamError: The provider refused or could not be reached.
            Misconfigured: The model refers to a variable that is not set.
        """
        secrets = _secrets(model)
        answer = await self._send(call, model, settings, secrets)
        match call.operation:
            case Operation.CHAT:
                return wire.chat_completion(answer, call.model_name)
            case Operation.COMPLETION:
                return wire.text_completion(answer, call.model_name)
            case Operation.EMBEDDING:
                body = wire.embeddings(answer, call.model_name)
                if call.body.get("encoding_format") == "base64":
                    for item in body["data"]:
                        item["embedding"] = _base64(item["embedding"])
                return body

    async def stream(
        self, call: Call, model: Model, settings: CallSettings
    ) -> AsyncGenerator[wire.Json]:
        """The answer in chunks as they come, the last one with the usage and no choices.

        Raises what `complete` raises, before or between chunks. Closing the generator cancels the
        request.
        """
        secrets = _secrets(model)
        pieces = await self._send(call, model, settings, secrets)
        usage: wire.Json | None = None
        last: wire.Json | None = None
        async with aclosing(pieces):
            try:
                async for piece in pieces:
                    body, reported = wire.chunk(
                        piece, call.model_name, last["id"] if last else None
                    )
                    usage = reported or usage
                    last = body
                    if reported is None or not wire.is_hollow(body):
                        yield body
            except Exception as error:
                raise upstream_error(error, secrets) from error
        if usage and last:
            yield wire.usage_chunk(last, usage)

    async def _send(
        self, call: Call, model: Model, settings: CallSettings, secrets: Mapping[str, Any]
    ) -> Any:
        litellm = await self._litellm()
        send = {
            Operation.CHAT: litellm.acompletion,
            Operation.COMPLETION: litellm.atext_completion,
            Operation.EMBEDDING: litellm.aembedding,
        }[call.operation]
        try:
            return await send(**_arguments(call, model, settings, secrets))
        except Exception as error:
            raise upstream_error(error, secrets) from error

    async def _litellm(self) -> ModuleType:
        if self._loading is None:
            raise NotReady("The gateway is not running")
        # Shielded: a caller who leaves must not cancel the import for all others.
        return await asyncio.shield(self._loading)


def _arguments(
    call: Call, model: Model, settings: CallSettings, secrets: Mapping[str, Any]
) -> dict[str, Any]:
    """The keyword arguments of litellm's call. The caller's parameters win over the model's."""
    params = dict(resolve_references(model.params, os.environ))
    timeout = params.pop("timeout", None) or settings.request_timeout
    stream_timeout = params.pop("stream_timeout", None) or settings.stream_timeout
    provider = model.provider
    if call.operation is Operation.CHAT:
        provider = _CHAT_PROVIDERS.get(provider, provider)
    arguments = {
        # The openai package would retry by itself, hidden from limits and headers.
        "max_retries": 0,
        "drop_params": settings.drop_params,
        **params,
        **{name: value for name, value in call.body.items() if name not in _OWN},
        **secrets,
        "model": f"{provider}/{model.upstream_model}",
        "timeout": stream_timeout if call.streams and stream_timeout else timeout,
    }
    if model.base_url:
        arguments["api_base"] = resolve_references(model.base_url, os.environ)
    if model.api_version:
        arguments["api_version"] = resolve_references(model.api_version, os.environ)
    if call.streams:
        options = call.body.get("stream_options") or {}
        arguments |= {"stream": True, "stream_options": {**options, "include_usage": True}}
    if "metadata" in call.body and provider in _TAKE_METADATA:
        arguments["extra_body"] = {
            **arguments.get("extra_body", {}),
            "metadata": call.body["metadata"],
        }
    return arguments


def _secrets(model: Model) -> Mapping[str, Any]:
    try:
        secrets: Mapping[str, Any] = resolve_references(model.secrets, os.environ)
    except Misconfigured as error:
        log.error("The model %r cannot be called: %s", model.name, error)
        raise Misconfigured(
            f"The model {model.name!r} is not set up completely; an operator can see what is "
            "missing with `gateway models test`"
        ) from error
    return secrets


def _base64(vector: list[float]) -> str:
    """Little-endian 32-bit floats, as OpenAI sends them (and its SDKs ask for)."""
    return b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _load() -> ModuleType:
    # Before the import: no price map from the internet, no .env file read behind our back.
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    os.environ["LITELLM_MODE"] = "PRODUCTION"
    import litellm

    litellm.telemetry = False
    # Its hints go to stdout and name models and addresses.
    litellm.suppress_debug_info = True
    # Otherwise it fetches tokenizers from a hub, on the event loop, for Llama models' streams.
    litellm.disable_hf_tokenizer_download = True
    litellm.turn_off_message_logging = True
    litellm.drop_params = False
    return litellm
