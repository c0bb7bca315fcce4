"""Importing litellm, and keeping it from what a gateway must not do.

The names that are replaced here are those of litellm 1.106.2; tests/upstream show what each is for.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import warnings
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from functools import cache, wraps
from threading import Lock
from typing import Any

import httpx

from gateway.errors import UpstreamError
from gateway.records import Model
from gateway.upstream import anthropic_relay, http_answers, openai_models

_DONE = "[DONE]"
# litellm's GenericStreamingChunk, of a stream that goes on.
_NOTHING = {
    "text": "",
    "is_finished": False,
    "finish_reason": "",
    "usage": None,
    "index": 0,
    "tool_use": None,
}

prepares_here: ContextVar[bool] = ContextVar("prepares_here", default=False)
"""Whether litellm is to put a chat into the provider's form in the event loop, and in no thread."""
_loading = Lock()


def load() -> Any:
    """Import litellm, which takes seconds, and set it up once. Safe to call from threads."""
    # Two apps in one process may want it at the same time.
    with _loading:
        return _loaded()


@cache
def _loaded() -> Any:
    # Before the import: no price map from the internet, nor what betas providers know; no .env
    # file read behind our back.
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    os.environ["LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS"] = "True"
    os.environ["LITELLM_MODE"] = "PRODUCTION"
    # litellm imports it only with its first Responses call, in a thread; the openai package uses it
    # as soon as it sees the import begun, so that calls beside that one would fail.
    import httpx2  # noqa: F401
    import litellm as module

    litellm: Any = module
    # 6 MB that nobody reads again: it is kept as a text too, of which a tokenizer is made.
    del litellm.utils.json_data
    # litellm prepares a call in a thread: who leaves meanwhile leaves a coroutine behind that
    # nobody starts. Python would say so for every line at which one is collected, and keep the
    # whole source of each such line's module.
    warnings.filterwarnings("ignore", "coroutine '.*' was never awaited", RuntimeWarning)
    litellm.telemetry = False
    # Its hints go to stdout and name models and addresses.
    litellm.suppress_debug_info = True
    # Otherwise it fetches tokenizers from a hub, on the event loop, for Llama models' streams.
    litellm.disable_hf_tokenizer_download = True
    litellm.turn_off_message_logging = True
    litellm.drop_params = False
    # For embeddings `max_retries=0` means this number, and not none.
    litellm.DEFAULT_MAX_RETRIES = 0
    _forbid_hidden_retries()
    _forbid_skipped_events()
    _tell_errors_of_ollama()
    _forbid_lookups(litellm)
    _forbid_invented_ends(litellm)
    _relay_messages()
    _forbid_changed_ids()
    _forbid_needless_fakes(litellm)
    _forbid_unread_work(litellm)
    _forbid_repeated_lookups(litellm)
    _forbid_needless_threads(litellm)
    openai_models.install()
    return litellm


def share_connections(litellm: Any, max_answer_bytes: int) -> None:
    """Have one pool of connections for OpenAI-like providers, and all clients as a gateway needs
    them. To be called in the event loop.

    For text completions litellm would otherwise make a pool for each call, and not close it.
    """
    from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler
    from litellm.llms.openai.common_utils import BaseOpenAILLM

    handler: Any = AsyncHTTPHandler
    create = getattr(handler.create_client, "__wrapped__", handler.create_client)

    @wraps(create)
    def create_tamed(*arguments: Any, **options: Any) -> httpx.AsyncClient:
        return _tamed(create(*arguments, **options), max_answer_bytes)

    handler.create_client = create_tamed
    session = BaseOpenAILLM.get_async_http_client()
    assert session is not None  # noqa: S101 - None is for litellm's own tests
    litellm.aclient_session = _tamed(session, max_answer_bytes)


def _tamed(client: httpx.AsyncClient, max_answer_bytes: int) -> httpx.AsyncClient:
    # A provider could send a call on, prompt and all, to an address of its choice: also one inside
    # the operator's network, whose answer would come back to the caller.
    client.follow_redirects = False
    http_answers.watch(client, max_answer_bytes)
    return client


async def close(litellm: Any) -> None:
    """Close every connection and background task of litellm's."""
    from litellm.litellm_core_utils.logging_worker import GLOBAL_LOGGING_WORKER

    await GLOBAL_LOGGING_WORKER.stop()
    shared, litellm.aclient_session = litellm.aclient_session, None
    if shared:
        await shared.aclose()
    await litellm.close_litellm_async_clients()
    litellm.in_memory_llm_clients_cache.flush_cache()


def refused(litellm: Any, model: Model, response: httpx.Response) -> Exception:
    """litellm's exception for a provider's answer that is an error.

    It tells by words in it what was too long, or against a policy.
    """
    from litellm.llms.base_llm.chat.transformation import BaseLLMException

    cause = httpx.HTTPStatusError("an error", request=response.request, response=response)
    said = BaseLLMException(response.status_code, response.text, response.headers)
    said.__cause__ = cause
    try:
        litellm.exception_type(model.upstream_model, said, model.provider)
    except Exception as named:
        named.__cause__ = cause
        return named
    return cause


def _forbid_hidden_retries() -> None:
    """Have each call tried once, as the limits and the headers of tries go by.

    For pictures, moderations and sound at Azure litellm would not tell the openai package so, which
    tries thrice. Its own client sends what was broken off once more, perhaps when the provider had
    begun to work on it.
    """
    from litellm.llms.azure import common_utils
    from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler
    from litellm.llms.openai import openai

    async def fail(*_arguments: Any, **_options: Any) -> None:
        # The reason is this one's context.
        raise httpx.NetworkError("not sent once more")

    handler: Any = AsyncHTTPHandler
    handler.single_connection_post_request = fail

    def once(client: Any) -> Any:
        class Once(client):  # type: ignore[misc]
            def __init__(self, **options: Any) -> None:
                super().__init__(**options | {"max_retries": 0})

        return Once

    wire: Any = openai
    azure: Any = common_utils
    wire.AsyncOpenAI = once(wire.AsyncOpenAI)
    azure.AsyncOpenAI = once(azure.AsyncOpenAI)
    azure.AsyncAzureOpenAI = once(azure.AsyncAzureOpenAI)


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


def _forbid_skipped_events() -> None:
    """Have litellm read each event of a stream as what it is.

    It skips what is no JSON, and takes a text with `[DONE]` in it for the end, for which it makes a
    reason up. A whole answer in place of a stream it reads as an event without text.
    """
    from litellm.llms.base_llm.base_model_iterator import BaseModelResponseIterator
    from litellm.llms.openai.chat.gpt_transformation import OpenAIChatCompletionStreamingHandler
    from litellm.llms.openrouter.chat.transformation import OpenRouterChatCompletionStreamingHandler
    from litellm.llms.ovhcloud.chat.transformation import OVHCloudChatCompletionStreamingHandler

    like_openai = (
        OpenAIChatCompletionStreamingHandler,
        OpenRouterChatCompletionStreamingHandler,
        OVHCloudChatCompletionStreamingHandler,
    )
    iterator: Any = BaseModelResponseIterator
    handle = iterator._handle_string_chunk

    def handle_as_it_is(self: Any, str_line: str) -> Any:
        field, _, data = str_line.partition(":")
        field, data = field.lstrip("\ufeff"), data.strip()
        if field == "data" and data != _DONE and data.startswith(("{", "[")):
            try:
                chunk = json.loads(data)
            except ValueError:
                raise UpstreamError(http_answers.NO_JSON, status=502, type="api_error") from None
            return self.chunk_parser(chunk=chunk)
        if isinstance(self, like_openai) or (field == "data" and data != _DONE):
            # Comments, names of events, marks: a piece in which nothing is.
            return dict(_NOTHING)
        return handle(self, _DONE if data == _DONE else str_line)

    iterator._handle_string_chunk = handle_as_it_is


def _tell_errors_of_ollama() -> None:
    """Have litellm know an error within a stream, where it misses the fields of a piece."""
    from litellm.llms.ollama.chat.transformation import OllamaChatCompletionResponseIterator
    from litellm.llms.ollama.common_utils import OllamaError

    iterator: Any = OllamaChatCompletionResponseIterator
    parse = iterator.chunk_parser

    def parse_errors_too(self: Any, chunk: dict[str, Any]) -> Any:
        if isinstance(chunk.get("error"), str):
            raise OllamaError(status_code=502, message=chunk["error"], headers={})
        return parse(self, chunk)

    iterator.chunk_parser = parse_errors_too


def _relay_messages() -> None:
    """Have Anthropic's Messages go their way without litellm's proxy, and with all parameters."""
    from litellm.llms.anthropic.pass_through.messages import utils

    replaced = "litellm.llms.anthropic.pass_through.messages.streaming_iterator"
    sys.modules[replaced] = anthropic_relay
    module: Any = utils
    # It would leave this one out without a word.
    known = module.anthropic_messages_optional_param_keys() | {"service_tier"}
    module.anthropic_messages_optional_param_keys = lambda: known


def _forbid_changed_ids() -> None:
    """Keep litellm from putting its names for provider and model into the Responses API's ids.

    What they lead back to, and for whom, the gateway's own ids say (`gateway.response_ids`).
    """
    from litellm.responses.utils import ResponsesAPIRequestUtils

    ids: Any = ResponsesAPIRequestUtils
    ids.update_responses_api_response_id_with_model_id = staticmethod(
        lambda responses_api_response, **_named: responses_api_response
    )


def _forbid_needless_fakes(litellm: Any) -> None:
    """Have litellm stream the responses of models that it does not know, instead of cutting up a
    whole one."""

    def streams(model: str, custom_llm_provider: str | None) -> bool:
        try:
            known = litellm.utils.get_model_info_helper(model, custom_llm_provider)
        except Exception:  # it knows nothing of the model, in whatever words
            return True
        return known.get("supports_native_streaming") is not False

    litellm.utils.supports_native_streaming = streams


def _forbid_unread_work(litellm: Any) -> None:
    """Keep litellm from what it would do at each call for callbacks, of which there are none.

    It copies question and answer to take out what a log should not show, looks the price up three
    times (ours is in `gateway.pricing`), and has all of that done by tasks and threads that live on
    when the call has ended. It notes in the answer how long it took, and where. The openai package
    would look through the request for Python's names.
    """
    from litellm.litellm_core_utils.litellm_logging import Logging
    from openai._utils import is_given
    from openai.resources.chat.completions import completions as chats

    def skip(*_arguments: Any, **_named: Any) -> None:
        """Nobody would read it."""

    async def skip_later(*_arguments: Any, **_named: Any) -> None:
        """Likewise."""

    async def as_it_is(data: dict[str, Any], _expected: object) -> dict[str, Any]:
        return {name: value for name, value in data.items() if is_given(value)}

    litellm.utils._dispatch_success_logging = skip
    litellm.utils.update_response_metadata = skip
    logging: Any = Logging
    logging.response_cost_calculator = skip
    for name in ("success_handler", "failure_handler"):
        setattr(logging, name, skip)
    for name in (
        "async_success_handler",
        "async_failure_handler",
        "dispatch_success_handlers",
        "dispatch_failure_handlers",
    ):
        setattr(logging, name, skip_later)
    wire: Any = chats
    wire.async_maybe_transform = as_it_is


def _forbid_repeated_lookups(litellm: Any) -> None:
    """Have litellm look for a model in its list once, and not before each chat."""
    look_up = litellm.utils.cached_get_model_info_helper

    def copied(model: str, custom_llm_provider: str | None = None) -> dict[str, Any]:
        # It writes into what it gets.
        return dict(look_up(model, custom_llm_provider))

    litellm.main.get_model_info_helper = copied


def _forbid_needless_threads(litellm: Any) -> None:
    """Have a chat prepared where it is, if `prepares_here` says so.

    litellm does so in a thread, as it asks for some providers' credentials on the way. Where it
    does not, to change threads twice is all that comes of it.
    """

    class Loop:
        def __init__(self) -> None:
            self._loop = asyncio.get_running_loop()

        def run_in_executor(self, executor: Any, function: Callable[[], Any]) -> Awaitable[Any]:
            async def here() -> Any:
                return function()

            return here() if prepares_here.get() else self._loop.run_in_executor(executor, function)

    class Asyncio:
        get_event_loop = Loop

        def __getattr__(self, name: str) -> Any:
            return getattr(asyncio, name)

    litellm.main.asyncio = Asyncio()
