"""No address is looked up or connected to but the providers', from the import on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import media

# In a process of its own: litellm is imported once, and an audit hook cannot be taken off.
PROGRAM = """
import sys

seen = []

def watch(event, args):
    if event == "socket.connect":
        seen.append(str(args[1]))
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        seen.append(str(args[0]))

sys.addaudithook(watch)

import asyncio, json
import httpx
from gateway.app import create_app
from gateway.settings import Settings
from tests import media
from tests.servers import FakeProvider, Gateway, answer, chunks, serving
from tests.upstream.providers import PROVIDERS, registration

ADMIN = "sk-admin-0123456789abcdef"

async def calls(gateway, provider):
    # A tokenizer would be fetched for Llama models; prices for the last two, and Ollama's.
    for name in (*PROVIDERS, "huggingface", "lemonade"):
        fields = {"provider": name, "base_url": provider.url + "/v1", "api_key": "secret-key"}
        if name in PROVIDERS:
            fields = registration(name, provider.url)
        fields["litellm_params"] = {
            **fields.get("litellm_params", {}), "model": "meta-llama/Llama-3.1-8B-Instruct"
        }
        await gateway.add_model(name, **fields)
    key = (await gateway.issue_key())["key"]
    ollama = json.dumps({
        "model": "m", "created_at": "2026-01-01T00:00:00Z", "done_reason": "stop", "done": True,
        "message": {"role": "assistant", "content": "Hi"},
    })
    answered = {}
    for name in (*PROVIDERS, "huggingface", "lemonade"):
        for stream in (False, True):
            # No usage is reported, so litellm counts for itself.
            if name == "ollama":
                provider.streams([ollama + "\\n"], done=False)
            elif stream:
                provider.streams(chunks()[:-1])
            else:
                provider.behaviour = None
            response = await gateway.chat(key, name, stream=stream)
            answered.setdefault(name, []).append(response.status_code)
    for operation in media.REQUESTS:
        await gateway.add_model(operation, **media.at(operation, provider.url))
        provider.does(media.whole(operation))
        response = await media.send(gateway, operation, key, model=operation)
        answered.setdefault("media", []).append(response.status_code)
    provider.does(answer({"error": {"message": "no"}}, 401))
    await gateway.chat(key, "hosted_vllm")
    # What litellm does after an answer.
    await asyncio.sleep(0.5)
    return answered

async def main(path):
    provider = FakeProvider()
    app = create_app(Settings(database_url=f"sqlite:///{path}", admin_key=ADMIN))
    async with serving(provider.app()) as provider.url, serving(app) as url:
        async with httpx.AsyncClient(timeout=30) as http:
            answered = await calls(Gateway(url, ADMIN, provider, app, http), provider)
    paths = sorted({request.path for request in provider.received})
    print(json.dumps({"seen": seen, "answered": answered, "paths": paths}))

asyncio.run(main(sys.argv[1]))
"""
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    path = tmp_path_factory.mktemp("home") / "gateway.db"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path)],
        cwd=ROOT,
        # Without what tests/conftest.py sets: the gateway has to see to it by itself.
        env={name: value for name, value in os.environ.items() if "LITELLM" not in name},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_only_this_host_is_looked_up_or_connected_to(report: dict[str, list[str]]) -> None:
    seen = report["seen"]
    assert seen, "the hook saw nothing, not even the calls themselves"
    assert [address for address in seen if "127.0.0.1" not in address] == []


def test_the_calls_were_answered(report: dict[str, dict[str, list[int]]]) -> None:
    """The test above would say nothing of calls that were never made."""
    answered = report["answered"]
    for provider in ("openai", "azure", "hosted_vllm", "ollama", "lemonade", "mistral"):
        assert answered[provider] == [200, 200], answered
    assert answered["media"] == [200] * len(media.REQUESTS)


def test_only_calls_are_made_of_the_provider(report: dict[str, list[str]]) -> None:
    """No list of models, no model's details, beside the calls."""
    lookups = ("/api/show", "/api/tags", "/config.json")
    assert [path for path in report["paths"] if path.endswith(lookups)] == []
    assert not [path for path in report["paths"] if "/models" in path and ":" not in path]


def test_nothing_is_printed_by_litellm(capfd: pytest.CaptureFixture[str]) -> None:
    """Its hints would name models and addresses."""
    from gateway.upstream.litellm_setup import load

    litellm = load()
    with pytest.raises(litellm.BadRequestError):
        litellm.completion(model="no-such-model", messages=[])
    assert capfd.readouterr() == ("", "")
