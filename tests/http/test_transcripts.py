"""Prompts and answers: kept only if asked for, redacted, read by admins and never unnoticed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.store.ledger import Transcript
from tests.ledgers import ledger_row
from tests.servers import Gateway, Json, answer, chunks, completion

SECRET = "sk-proj-AbCdEfGhIjKlMnOp"


async def store_prompts(gateway: Gateway, **settings: object) -> None:
    patch = {"store_prompts_in_spend_logs": True} | settings
    assert (await gateway.manage("PATCH", "/settings", patch)).status_code == 200


async def ask(gateway: Gateway, key: str, text: str, **params: Any) -> str:
    """Chat; the gateway's id of the call, which is in the database then."""
    answered = await gateway.chat(key, messages=[{"role": "user", "content": text}], **params)
    await gateway.flush()
    return str(answered.headers["x-litellm-call-id"])


def transcript(call_id: str) -> str:
    return f"/usage/requests/{call_id}/transcript"


async def reads(gateway: Gateway) -> list[Json]:
    entries = await gateway.manage("GET", "/audit?action=transcript.read")
    return list(entries.json()["data"])


async def stored(gateway: Gateway, call_id: str) -> None:
    row = ledger_row(id=call_id)
    kept = Transcript(call_id, row.started_ms, '{"model":"gpt"}', None)
    await gateway.app.state.services.store.ledger.write([row], [kept])


async def test_a_transcript_is_read_and_that_is_noted(gateway: Gateway) -> None:
    await stored(gateway, "call-x")
    found = await gateway.manage("GET", transcript("call-x"))
    assert found.status_code == 200
    assert found.headers["cache-control"] == "no-store"
    assert found.json() == {
        "id": "call-x",
        "object": "transcript",
        "started_at": "2026-11-20T12:00:00Z",
        "request": {"model": "gpt"},
        "response": None,
    }
    [noted] = await reads(gateway)
    assert noted["target"] == {"id": "call-x", "name": None}
    assert noted["actor"]["label"] == "GATEWAY_ADMIN_KEY"
    assert (noted["before"], noted["after"]) == (None, None)


async def test_what_is_not_there_is_not_found_and_says_why(gateway: Gateway) -> None:
    missing = await gateway.manage("GET", transcript("none"))
    assert missing.status_code == 404
    assert "store_prompts_in_spend_logs" in missing.json()["error"]["message"]
    assert await reads(gateway) == []


async def test_a_gateway_key_reads_no_transcript_not_even_its_own(
    gateway: Gateway, key: str
) -> None:
    await stored(gateway, "call-x")
    path = "/api/v1/gateway" + transcript("call-x")
    for given in (key, None):
        assert (await gateway.request("GET", path, given)).status_code == 401
    assert await reads(gateway) == []


async def test_nothing_is_kept_unless_asked_for(gateway: Gateway, key: str, tmp_path: Path) -> None:
    call_id = await ask(gateway, key, "quite a private question")
    assert (await gateway.manage("GET", transcript(call_id))).status_code == 404
    for file in tmp_path.iterdir():
        assert b"private question" not in file.read_bytes(), file.name


@pytest.mark.parametrize("stream", [False, True])
async def test_a_prompt_and_its_answer_are_kept_redacted(
    gateway: Gateway, key: str, tmp_path: Path, stream: bool
) -> None:
    await store_prompts(gateway)
    said = f"Write to joe@x.com, never to {SECRET}"
    if stream:
        gateway.provider.streams(chunks(said))
    else:
        gateway.provider.does(answer(completion(said)))
    call_id = await ask(gateway, key, f"my key is {SECRET}", stream=stream)
    found = (await gateway.manage("GET", transcript(call_id))).json()
    asked = [{"role": "user", "content": "my key is [redacted key]"}]
    assert found["request"]["messages"] == asked
    [choice] = found["response"]["choices"]
    assert choice["message"]["content"] == "Write to [redacted email], never to [redacted key]"
    # What the provider and the caller got is as it was.
    assert gateway.provider.received[-1].body["messages"][0]["content"] == f"my key is {SECRET}"
    for file in tmp_path.iterdir():
        assert SECRET.encode() not in file.read_bytes(), file.name


async def test_the_rules_are_those_of_the_settings(gateway: Gateway, key: str) -> None:
    await store_prompts(gateway, redact_stored_prompts=[{"pattern": "acme", "replacement": "…"}])
    call_id = await ask(gateway, key, f"acme {SECRET}")
    found = (await gateway.manage("GET", transcript(call_id))).json()
    assert found["request"]["messages"][0]["content"] == f"… {SECRET}"


async def test_a_call_that_failed_has_a_prompt_and_no_answer(gateway: Gateway, key: str) -> None:
    await store_prompts(gateway)
    gateway.provider.does(answer({"error": {"message": "no"}}, 400))
    call_id = await ask(gateway, key, "a question")
    found = (await gateway.manage("GET", transcript(call_id))).json()
    assert found["request"]["messages"][0]["content"] == "a question"
    assert found["response"] is None


async def test_turning_it_off_counts_from_the_next_call(gateway: Gateway, key: str) -> None:
    await store_prompts(gateway)
    first = await ask(gateway, key, "one")
    await store_prompts(gateway, store_prompts_in_spend_logs=False)
    second = await ask(gateway, key, "two")
    assert (await gateway.manage("GET", transcript(first))).status_code == 200
    assert (await gateway.manage("GET", transcript(second))).status_code == 404
