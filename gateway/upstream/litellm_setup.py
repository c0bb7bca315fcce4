"""Importing litellm, and keeping it from what a gateway must not do.

The names that are replaced here are those of litellm 1.106.2; tests/upstream show what each is for.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from gateway.errors import UpstreamError


@cache
def load() -> Any:
    """Import litellm, which takes seconds. Safe to call from a thread."""
    # Before the import: no price map from the internet, no .env file read behind our back.
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    os.environ["LITELLM_MODE"] = "PRODUCTION"
    import litellm as module

    litellm: Any = module
    litellm.telemetry = False
    # Its hints go to stdout and name models and addresses.
    litellm.suppress_debug_info = True
    # Otherwise it fetches tokenizers from a hub, on the event loop, for Llama models' streams.
    litellm.disable_hf_tokenizer_download = True
    litellm.turn_off_message_logging = True
    litellm.drop_params = False
    # For embeddings `max_retries=0` means this number, and not none.
    litellm.DEFAULT_MAX_RETRIES = 0
    _forbid_redirects()
    _forbid_lookups(litellm)
    _forbid_invented_ends(litellm)
    return litellm


def share_connections(litellm: Any) -> None:
    """Have one pool of connections for OpenAI-like providers. To be called in the event loop.

    For text completions litellm would otherwise make a pool for each call, and not close it.
    """
    from litellm.llms.openai.common_utils import BaseOpenAILLM

    session = BaseOpenAILLM.get_async_http_client()
    assert session is not None  # noqa: S101 - None is for litellm's own tests
    session.follow_redirects = False
    litellm.aclient_session = session


async def close(litellm: Any) -> None:
    """Close every connection and background task of litellm's."""
    from litellm.litellm_core_utils.logging_worker import GLOBAL_LOGGING_WORKER

    await GLOBAL_LOGGING_WORKER.stop()
    shared, litellm.aclient_session = litellm.aclient_session, None
    if shared:
        await shared.aclose()
    await litellm.close_litellm_async_clients()
    litellm.in_memory_llm_clients_cache.flush_cache()


def _forbid_redirects() -> None:
    """Keep a provider from sending a call on, prompt and all, to an address of its choice.

    That could be one inside the operator's network, whose answer would come back to the caller.
    """
    from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler

    handler: Any = AsyncHTTPHandler
    create = handler.create_client

    def create_straight(self: Any, *arguments: Any, **options: Any) -> Any:
        client = create(self, *arguments, **options)
        client.follow_redirects = False
        return client

    handler.create_client = create_straight


def _forbid_lookups(litellm: Any) -> None:
    """Keep litellm from asking a server about the model whenever a call has ended.

    It would do so on the event loop: it asks huggingface.co, and for Ollama and Lemonade a port of
    this host, whatever the model's address.
    """
    from litellm.llms.lemonade.chat.transformation import LemonadeChatConfig
    from litellm.llms.ollama.common_utils import OllamaModelInfo

    def unknown(_self: object, model: str, **_address: object) -> dict[str, Any]:
        free = {"input_cost_per_token": 0.0, "output_cost_per_token": 0.0}
        limits = dict.fromkeys(("max_tokens", "max_input_tokens", "max_output_tokens"))
        return {"key": model, "litellm_provider": "ollama", "mode": "chat", **free, **limits}

    ollama: Any = OllamaModelInfo
    ollama.get_runtime_model_info = unknown
    lemonade: Any = LemonadeChatConfig
    lemonade.get_model_info = unknown
    litellm.utils._get_max_position_embeddings = lambda **_model: None


def _forbid_invented_ends(litellm: Any) -> None:
    """Have litellm fail where a stream ends without a finish reason, instead of making one up."""
    stream = litellm.CustomStreamWrapper
    end = stream.finish_reason_handler

    def checked_end(self: Any) -> Any:
        # The latter alone for Gemini, where a missing reason cannot be told from a given one.
        if not (self.received_finish_reason or self.intermittent_finish_reason):
            raise UpstreamError("The provider broke off its answer", status=502, type="api_error")
        return end(self)

    stream.finish_reason_handler = checked_end
