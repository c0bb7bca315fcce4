"""Calls by way of litellm, which translates to each provider.

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
from dataclasses import replace
from typing import Any

from gateway.errors import Misconfigured, NotReady
from gateway.litellm_names import is_price
from gateway.records import Call, CallSettings, Model, Operation, Usage
from gateway.upstream import litellm_setup, reports, wire
from gateway.upstream.failures import upstream_error
from gateway.vault import resolve_references

log = logging.getLogger(__name__)

# `ollama/` is Ollama's completion API, which has no tools; litellm has its chat API apart.
_CHAT_PROVIDERS = {"ollama": "ollama_chat"}
_OPENAI_WIRE = ("openai", "azure", "hosted_vllm")
# To litellm these are arguments of its own; they go to OpenAI-like providers in the raw body.
_RAW = ("metadata", "prompt_cache_retention")
# What litellm refuses for models whose names it does not know, though their servers may well take
# it. It translates none of these.
_NOT_ITS_TO_JUDGE = frozenset(
    {
        "audio",
        "dimensions",
        "modalities",
        "prediction",
        "prompt_cache_key",
        "prompt_cache_retention",
        "reasoning_effort",
        "safety_identifier",
        "service_tier",
        "store",
        "user",
        "verbosity",
        "web_search_options",
    }
)
# What the lane itself says to litellm; never from a body.
_OWN = ("model", "stream", "stream_options", "encoding_format", *_RAW)


class LitellmLane:
    """Owns litellm: its import, its settings and its connections."""

    def __init__(self) -> None:
        self._loading: asyncio.Task[Any] | None = None

    def start(self) -> None:
        """Begin to import litellm in the background."""
        self._loading = asyncio.create_task(self._open())

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
        opened = (await asyncio.gather(self._loading, return_exceptions=True))[0]
        if not isinstance(opened, BaseException):
            await litellm_setup.close(opened)

    async def complete(
        self, call: Call, model: Model, settings: CallSettings
    ) -> tuple[wire.Json, Usage | None]:
        """The whole answer, as JSON, and its usage, None where the provider reported none.

        The JSON may have numbers then all the same, of litellm's counting.

        Raises:
            UpstreamError: The provider refused or could not be reached.
            Misconfigured: The model refers to a variable that is not set.
        """
        model = _resolved(model)
        arguments = _arguments(call, model, settings)
        witness = reports.Witness(model.provider, call.operation)
        answer = await self._send(call.operation, arguments | witness.arguments, model.secrets)
        usage = reports.of_answer(answer, arguments.get("service_tier"), witness)
        match call.operation:
            case Operation.CHAT:
                return wire.chat_completion(answer, call.model_name), usage
            case Operation.COMPLETION:
                return wire.text_completion(answer, call.model_name), usage
            case Operation.EMBEDDING:
                body = wire.embeddings(answer, call.model_name)
                if call.body.get("encoding_format") == "base64":
                    for item in body["data"]:
                        item["embedding"] = _base64(item["embedding"])
                return body, usage

    async def stream(
        self, call: Call, model: Model, settings: CallSettings
    ) -> AsyncGenerator[tuple[wire.Json, Usage | None]]:
        """The answer in chunks as they come, the last one with the usage and no choices.

        Beside the last chunk is the usage that the provider reported; see `complete`.

        Raises what `complete` raises, before or between chunks. Closing the generator cancels the
        request.
        """
        model = _resolved(model)
        arguments = _arguments(call, model, settings)
        pieces = await self._send(call.operation, arguments, model.secrets)
        # The stream of text completions wraps the one that can be closed.
        stream = pieces if hasattr(pieces, "aclose") else pieces.completion_stream
        counts: wire.Json | None = None
        usage: Usage | None = None
        last: wire.Json | None = None
        async with aclosing(stream):
            try:
                while True:
                    # litellm's streams of Gemini know no timeout.
                    async with asyncio.timeout(arguments["timeout"]):
                        piece = await anext(pieces, None)
                    if piece is None:
                        break
                    body, reported = wire.chunk(
                        piece, call.model_name, last["id"] if last else None
                    )
                    if reported:
                        counts = reported
                        usage = reports.of_stream(piece, stream, arguments.get("service_tier"))
                    last = body
                    if not wire.is_hollow(body):
                        yield body, None
            except Exception as error:
                raise upstream_error(error, model.secrets) from error
            finally:
                # Generators around a stream do not close it: it would run until it is collected.
                inner = reports.innermost(stream)
                if inner is not stream and hasattr(inner, "aclose"):
                    await inner.aclose()
        if counts and last:
            yield wire.usage_chunk(last, counts), usage

    async def _send(
        self, operation: Operation, arguments: dict[str, Any], secrets: Mapping[str, Any]
    ) -> Any:
        litellm = await self._litellm()
        send = {
            Operation.CHAT: litellm.acompletion,
            Operation.COMPLETION: litellm.atext_completion,
            Operation.EMBEDDING: litellm.aembedding,
        }[operation]
        try:
            # litellm applies its timeout to each read, so that a slow trickle would never end.
            async with asyncio.timeout(arguments["timeout"]):
                return await send(**arguments)
        except Exception as error:
            raise upstream_error(error, secrets) from error

    async def _open(self) -> Any:
        litellm = await asyncio.to_thread(litellm_setup.load)
        litellm_setup.share_connections(litellm)
        return litellm

    async def _litellm(self) -> Any:
        if self._loading is None:
            raise NotReady("The gateway is not running")
        # Shielded: a caller who leaves must not cancel the import for all others.
        return await asyncio.shield(self._loading)


def _arguments(call: Call, model: Model, settings: CallSettings) -> dict[str, Any]:
    """The keyword arguments of litellm's call. The caller's parameters win over the model's."""
    provider = model.provider
    if call.operation is Operation.CHAT:
        provider = _CHAT_PROVIDERS.get(provider, provider)
    # litellm would note a price for all models of this name.
    params = {name: value for name, value in model.params.items() if not is_price(name)}
    # Named by the deployment, a model is still known to litellm by this.
    if base_model := model.info.get("base_model"):
        params["base_model"] = base_model
    params |= call.body
    raw = {name: params.pop(name) for name in _RAW if name in params}
    timeout = params.pop("timeout", None) or settings.request_timeout
    stream_timeout = params.pop("stream_timeout", None) or settings.stream_timeout
    for name in _OWN:
        params.pop(name, None)
    arguments = {
        # The openai package would retry by itself, hidden from limits and headers.
        "max_retries": 0,
        "drop_params": settings.drop_params,
        **params,
        **model.secrets,
        "model": f"{provider}/{model.upstream_model}",
        "timeout": stream_timeout if call.streams and stream_timeout else timeout,
    }
    if model.base_url:
        arguments["api_base"] = model.base_url
    if model.api_version:
        arguments["api_version"] = model.api_version
    if call.streams:
        options = call.body.get("stream_options") or {}
        arguments |= {"stream": True, "stream_options": {**options, "include_usage": True}}
    if provider in _OPENAI_WIRE:
        if raw:
            arguments["extra_body"] = {**arguments.get("extra_body", {}), **raw}
        if not arguments["drop_params"]:
            arguments["allowed_openai_params"] = [
                *arguments.get("allowed_openai_params", ()),
                *(name for name in params if name in _NOT_ITS_TO_JUDGE),
            ]
    return arguments


def _resolved(model: Model) -> Model:
    """The model with its references to environment variables replaced. Raises Misconfigured."""
    named = ("params", "secrets", "base_url", "api_version")
    try:
        values = {name: resolve_references(getattr(model, name), os.environ) for name in named}
    except Misconfigured as error:
        log.error("The model %r cannot be called: %s", model.name, error)
        # Which variable it is concerns the operator alone.
        raise Misconfigured(
            f"The model {model.name!r} is not set up completely; an operator can see what is "
            "missing with `gateway models test`"
        ) from error
    return replace(model, **values)


def _base64(vector: list[float]) -> str:
    """Little-endian 32-bit floats, as OpenAI sends them (and its SDKs ask for)."""
    return b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
