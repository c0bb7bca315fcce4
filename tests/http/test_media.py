"""The routes of pictures, sound and rerankings, and those that name the model in the path."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.app import API, CALL_PREFIXES, DEPLOYMENTS, ENGINES
from gateway.records import Operation
from tests import calls, media
from tests.servers import Gateway, answer

ALIASES = [("engines", ENGINES), ("openai/deployments", DEPLOYMENTS)]


def answers(gateway: Gateway, operation: Operation) -> None:
    gateway.provider.does(lambda: media.whole(operation))


async def called(gateway: Gateway, operation: Operation, path: str, **headers: str) -> Any:
    """Call with a body that names another model."""
    if operation in media.REQUESTS:
        answers(gateway, operation)
        key = headers["authorization"].removeprefix("Bearer ")
        return await media.send(gateway, operation, key, path=path, model="of-the-body")
    gateway.provider.does(answer(calls.whole(operation)))
    body = {"model": "of-the-body"} | calls.REQUESTS[operation]
    return await gateway.http.post(gateway.url + path, json=body, headers=headers)


async def test_the_path_names_the_model(gateway: Gateway) -> None:
    """Under each prefix; with slashes in the name, escaped or not."""
    key = {"authorization": f"Bearer {(await gateway.issue_key())['key']}"}
    for operation in DEPLOYMENTS:
        fields = media.at(operation, gateway.provider.url) if operation in media.REQUESTS else {}
        await gateway.add_model(f"team/{operation.name}:1", **fields)
    expected = []
    ways = [(under, operation) for under, operations in ALIASES for operation in operations]
    for position, (under, operation) in enumerate(ways):
        model = f"team/{operation.name}:1"
        written = model.replace("/", "%2F") if position % 2 else model
        prefix = CALL_PREFIXES[position % 3]
        path = f"{prefix}/{under}/{written}{operation}?api-version=2024-10-21"
        got = await called(gateway, operation, path, **key)
        assert got.status_code == 200, (path, got.text)
        expected.append((operation.value, model))
    await gateway.flush()
    pages = await gateway.app.state.services.store.ledger.after(0, 1000)
    assert [(row.operation, row.model) for _, row in pages] == expected


async def test_azures_client_and_its_header(gateway: Gateway, key: str) -> None:
    path = "/openai/deployments/gpt/chat/completions?api-version=2024-10-21"
    got = await called(gateway, Operation.CHAT, path, **{"api-key": key})
    assert (got.status_code, got.json()["model"]) == (200, "gpt")
    refused = await called(gateway, Operation.CHAT, path, **{"api-key": "sk-wrong-0123456789"})
    assert refused.status_code == 401


async def test_the_path_is_no_way_around_a_keys_models(gateway: Gateway) -> None:
    await gateway.add_model("secret")
    key = (await gateway.issue_key(models=["of-the-body"]))["key"]
    for path in ("/engines/secret", "/openai/deployments/secret", f"{API}/engines/secret"):
        headers = {"authorization": f"Bearer {key}"}
        refused = await called(gateway, Operation.CHAT, f"{path}/chat/completions", **headers)
        assert refused.status_code == 403
    assert gateway.provider.received == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        # Not of this kind.
        ("/engines/gpt/rerank", 404),
        ("/openai/deployments/gpt/messages", 404),
        ("/openai/deployments/gpt/quux", 404),
        # No name.
        ("/openai/deployments//chat/completions", 400),
        ("/engines/%20/chat/completions", 400),
    ],
)
async def test_other_paths_lead_nowhere(gateway: Gateway, key: str, path: str, status: int) -> None:
    body = {"model": "gpt", "messages": [{"role": "user", "content": "x"}]}
    refused = await gateway.request("POST", path, key, body)
    assert refused.status_code == status
    assert gateway.provider.received == []


async def test_coheres_second_version(gateway: Gateway) -> None:
    await gateway.add_model("media", **media.at(Operation.RERANK, gateway.provider.url))
    key = (await gateway.issue_key())["key"]
    answers(gateway, Operation.RERANK)
    for path in ("/v2/rerank", "/v1/rerank", "/rerank", f"{API}/rerank"):
        got = await media.send(gateway, Operation.RERANK, key, path=path)
        assert got.json() == media.ranking()


async def test_files_are_sent_as_a_form(gateway: Gateway, key: str) -> None:
    for operation in (Operation.IMAGE_EDIT, Operation.TRANSCRIPTION):
        refused = await gateway.request("POST", f"/v1{operation}", key, {"model": "gpt"})
        assert refused.status_code == 400
        assert "multipart/form-data" in refused.json()["error"]["message"]


async def test_openais_client(gateway: Gateway) -> None:
    """As it writes forms and reads answers."""
    for operation in media.REQUESTS:
        await gateway.add_model(operation.name, **media.at(operation, gateway.provider.url))
    key = (await gateway.issue_key())["key"]
    async with gateway.openai(key) as client:
        answers(gateway, Operation.MODERATION)
        flagged = await client.moderations.create(input="x", model="MODERATION")
        assert flagged.results[0].categories.violence
        answers(gateway, Operation.IMAGE)
        made = await client.images.generate(prompt="x", model="IMAGE", n=1, size="1024x1536")
        assert made.data is not None
        assert made.data[0].b64_json == "aGk="
        answers(gateway, Operation.IMAGE_EDIT)
        images = [("a.png", media.PNG), ("b.png", media.PNG)]
        for image in (images[0], images):
            edited = await client.images.edit(prompt="x", model="IMAGE_EDIT", image=image, n=1)
            assert edited.usage is not None
            assert edited.usage.total_tokens == 413
        answers(gateway, Operation.SPEECH)
        spoken = await client.audio.speech.create(input="x", model="SPEECH", voice="alloy")
        assert spoken.content == media.MP3
        answers(gateway, Operation.TRANSCRIPTION)
        heard = await client.audio.transcriptions.create(
            file=("a.wav", media.WAV), model="TRANSCRIPTION", timestamp_granularities=["word"]
        )
        assert heard.text == "Hello."
        text = await client.audio.transcriptions.create(
            file=("a.wav", media.WAV), model="TRANSCRIPTION", response_format="text"
        )
        assert "Hello." in text


async def test_a_transcript_names_files_and_has_nothing_of_them(gateway: Gateway) -> None:
    patch = {"store_prompts_in_spend_logs": True}
    assert (await gateway.manage("PATCH", "/settings", patch)).status_code == 200
    found = {}
    for operation in (Operation.IMAGE_EDIT, Operation.TRANSCRIPTION, Operation.SPEECH):
        await gateway.add_model(operation, **media.at(operation, gateway.provider.url))
        key = (await gateway.issue_key())["key"]
        answers(gateway, operation)
        text = {"response_format": "text"} if operation is Operation.TRANSCRIPTION else {}
        got = await media.send(gateway, operation, key, text, model=operation)
        await gateway.flush()
        call_id = got.headers["x-litellm-call-id"]
        read = await gateway.manage("GET", f"/usage/requests/{call_id}/transcript")
        found[operation] = (read.json()["request"], read.json()["response"])
    edit, heard, spoken = found.values()
    assert edit[0]["image"] == ["[cat.png, image/png, 32 bytes]"]
    assert heard[0]["file"] == f"[speech.wav, audio/wav, {len(media.WAV)} bytes]"
    assert "Hello." in heard[1]["content"]
    assert spoken[0]["input"] == "The quick brown fox."
    assert spoken[1] == {"content": "[audio/mpeg, 64 bytes]"}
