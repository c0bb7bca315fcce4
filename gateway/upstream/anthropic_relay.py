"""Stands in for the module of litellm's that relays streams of Anthropic's Messages.

litellm's own (`llms/anthropic/pass_through/messages/streaming_iterator.py` in 1.106.2) needs
FastAPI, which its proxy is built on. It also reads on when its caller has left, so that the proxy
can bill the rest: the gateway wants the provider's side cancelled then. Names are litellm's.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any


class AnthropicMessagesStreamingResponse:
    """What litellm returns for a stream."""

    def __init__(self, completion_stream: AsyncGenerator[bytes], hidden_params: object) -> None:
        self._stream = completion_stream
        self._hidden_params = hidden_params

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._stream

    async def aclose(self) -> None:
        """Cancel the request, if it still runs."""
        await self._stream.aclose()


def anthropic_messages_stream_hidden_params(_headers: object) -> dict[str, Any]:
    return {}


class BaseAnthropicMessagesStreamingIterator:
    """Gives out a response's bytes, and closes the response with itself."""

    def __init__(self, litellm_logging_obj: Any, request_body: object) -> None:  # noqa: ARG002
        self._response = litellm_logging_obj.model_call_details["httpx_response"]

    def get_async_streaming_response_iterator(
        self, httpx_response: Any, **_others: object
    ) -> AsyncGenerator[bytes]:
        return self.async_sse_wrapper(httpx_response.aiter_bytes())

    async def async_sse_wrapper(
        self, completion_stream: AsyncGenerator[bytes | Mapping[str, Any]]
    ) -> AsyncGenerator[bytes]:
        """Bytes of events; some providers' events come as objects (Bedrock)."""
        try:
            async with aclosing(completion_stream):
                async for piece in completion_stream:
                    yield piece if isinstance(piece, bytes) else _event(piece)
        finally:
            # A generator within, that is closed, does not close what it reads from.
            await self._response.aclose()


def _event(event: Mapping[str, Any]) -> bytes:
    return f"event: {event.get('type', '')}\ndata: {json.dumps(event)}\n\n".encode()
