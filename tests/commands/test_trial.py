"""One real call to a model, of each kind."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.commands.trial import attempt
from gateway.records import Operation
from gateway.settings import Settings
from gateway.specs import model_spec
from gateway.store import Store
from tests import media
from tests.servers import TESTER, FakeProvider, answer, completion, usage


async def _try(settings: Settings, **described: Any) -> dict[str, Any]:
    spec = model_spec({"model_name": "m", "provider": "openai", "api_key": "sk-x"} | described)
    async with Store.open(settings) as store:
        await store.models.add(spec.record(None, None, 1), TESTER)
        return await attempt(store, "m")


async def test_chat(settings: Settings, provider: FakeProvider) -> None:
    tried = await _try(settings, base_url=f"{provider.url}/v1")
    seconds = tried.pop("seconds")
    assert 0 < seconds < 30
    assert tried == {
        "ok": True,
        "model_name": "m",
        "answer": "Hello from the fake provider.",
        "tokens": 17,
    }
    assert provider.received[-1].body["max_tokens"] == 16


async def test_an_answer_without_text(settings: Settings, provider: FakeProvider) -> None:
    provider.does(answer(completion(None)))
    tried = await _try(settings, base_url=f"{provider.url}/v1")
    assert tried["answer"] == "(an answer without text)"


async def test_embedding(settings: Settings, provider: FakeProvider) -> None:
    vectors = [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}]
    provider.does(answer({"object": "list", "data": vectors, "model": "e", "usage": usage(3, 0)}))
    tried = await _try(settings, base_url=f"{provider.url}/v1", model_info={"mode": "embedding"})
    assert (tried["ok"], tried["answer"], tried["tokens"]) == (True, "a vector of 2 numbers", 3)


async def test_an_embedding_model_of_litellms_table(
    settings: Settings, provider: FakeProvider
) -> None:
    vectors = [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}]
    provider.does(answer({"object": "list", "data": vectors, "model": "e", "usage": usage(3, 0)}))
    known = {"model": "text-embedding-3-small"}
    tried = await _try(settings, base_url=f"{provider.url}/v1", litellm_params=known)
    assert tried["answer"] == "a vector of 2 numbers"


async def test_completion(settings: Settings, provider: FakeProvider) -> None:
    choice = {"text": "Hi", "index": 0, "logprobs": None, "finish_reason": "stop"}
    provider.does(
        answer(
            {"id": "c", "object": "text_completion", "created": 1, "model": "x",
             "choices": [choice], "usage": usage()}
        )
    )  # fmt: skip
    tried = await _try(settings, base_url=f"{provider.url}/v1", model_info={"mode": "completion"})
    assert (tried["ok"], tried["answer"]) == (True, "Hi")


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        (Operation.MODERATION, "1 result(s)"),
        (Operation.RERANK, "2 result(s)"),
        (Operation.SPEECH, "64 bytes of audio/mpeg"),
        (Operation.TRANSCRIPTION, "Hello."),
    ],
)
async def test_other_kinds_of_litellms_table(
    settings: Settings, provider: FakeProvider, operation: Operation, said: str
) -> None:
    provider.does(lambda: media.whole(operation))
    tried = await _try(settings, **media.at(operation, provider.url))
    assert (tried["ok"], tried["answer"]) == (True, said)
    assert len(provider.received) == 1


@pytest.mark.parametrize(
    "described",
    [
        {"litellm_params": {"model": "gpt-image-1"}},
        {"model_info": {"mode": "image_edit"}},
    ],
)
async def test_pictures_are_not_made_to_try(
    settings: Settings, provider: FakeProvider, described: dict[str, Any]
) -> None:
    tried = await _try(settings, base_url=f"{provider.url}/v1", **described)
    assert tried.keys() == {"ok", "model_name", "not_tried"}
    assert tried["ok"] is None
    assert "costs money" in tried["not_tried"]
    assert provider.received == []


async def test_a_variable_that_is_not_set(
    settings: Settings, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    tried = await _try(settings, base_url=f"{provider.url}/v1", api_key="os.environ/NO_SUCH_KEY")
    assert tried["ok"] is False
    assert tried["problem"] == "The environment variable NO_SUCH_KEY is not set"
    assert "gateway models update m --api-key-stdin" in tried["remedy"]


async def test_nobody_is_there(settings: Settings) -> None:
    tried = await _try(settings, base_url="http://127.0.0.1:9/v1")
    assert (tried["ok"], tried["status"]) == (False, 500)
    assert "http://127.0.0.1:9/v1" in tried["remedy"]


async def test_it_takes_too_long(settings: Settings, provider: FakeProvider) -> None:
    provider.hangs()
    tried = await _try(settings, base_url=f"{provider.url}/v1", litellm_params={"timeout": 0.2})
    assert (tried["ok"], tried["status"]) == (False, 408)
    assert "--param timeout=600" in tried["remedy"]


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (401, "gateway models update m --api-key-stdin"),
        (403, "gateway models update m --api-key-stdin"),
        (404, "check the provider's name for the model ('m')"),
        (429, "wait, or raise the limit there"),
        (400, "the provider refused the request"),
        (503, "check that the provider is up"),
    ],
)
async def test_what_a_refusal_means(
    settings: Settings, provider: FakeProvider, status: int, remedy: str
) -> None:
    provider.does(answer({"error": {"message": "because", "type": "t"}}, status))
    tried = await _try(settings, base_url=f"{provider.url}/v1")
    assert (tried["ok"], tried["status"]) == (False, status)
    assert "because" in tried["problem"]
    assert remedy in tried["remedy"]


async def test_a_pattern_is_tried_with_the_model_that_it_names(
    settings: Settings, provider: FakeProvider
) -> None:
    at = {
        "model_name": "openai/*",
        "base_url": f"{provider.url}/v1",
        "litellm_params": {"model": "*"},
    }
    info = {"health_check_model": "openai/gpt-4o-mini", "id": "x"}
    async with Store.open(settings) as store:
        for described in (at | {"model_info": info}, at | {"api_key": "sk-other"}):
            spec = model_spec({"provider": "openai", "api_key": "sk-x"} | described)
            await store.models.add(spec.record(None, None, 1), TESTER)
        tried = await attempt(store, "x")
        assert tried["ok"] is True
        assert [received.body["model"] for received in provider.received] == ["gpt-4o-mini"]
        await store.models.remove("x", TESTER)
        tried = await attempt(store, "openai/*")
    assert tried["ok"] is None
    assert "model_info.health_check_model" in tried["not_tried"]
    assert len(provider.received) == 1
