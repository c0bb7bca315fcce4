"""Streams that end as nobody reckoned with."""

from __future__ import annotations

import json

import httpx
import pytest

from gateway.bill import Bill
from gateway.records import Operation
from tests import calls
from tests.servers import IN_BOTH_LANES, Gateway

pytestmark = IN_BOTH_LANES


@pytest.mark.parametrize("operation", calls.STREAMED)
async def test_a_fault_within_is_told(
    gateway: Gateway,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    operation: Operation,
) -> None:
    """By an event, as nothing else can be told any more; and the stream does not look whole."""
    issued = await gateway.issue_key()
    at = {"provider": "anthropic", "base_url": gateway.provider.url}
    await gateway.add_model("m", **(at if operation is Operation.MESSAGES else {}))
    gateway.provider.streams(
        calls.streamed(operation), pause=0.05, done=operation is not Operation.RESPONSES
    )
    count = Bill.pieces
    batches = 0

    def fail(bill: Bill, pieces: object) -> None:
        nonlocal batches
        batches += 1
        if batches > 2:
            raise RuntimeError("secret")
        count(bill, pieces)  # type: ignore[arg-type]

    monkeypatch.setattr(Bill, "pieces", fail)
    body = calls.REQUESTS[operation] | {"model": "m", "stream": True}
    url, headers = f"{gateway.url}/v1{operation}", {"authorization": f"Bearer {issued['key']}"}
    text = ""

    async def read(answer: httpx.Response) -> None:
        nonlocal text
        async for part in answer.aiter_text():
            text += part

    async with gateway.http.stream("POST", url, json=body, headers=headers) as answer:
        assert answer.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            await read(answer)
    assert not calls.ended(operation, text)
    *_, last = text.rstrip("\n").split("\n\n")
    told = json.loads(last.partition("data: ")[2])
    message = told["message"] if operation is Operation.RESPONSES else told["error"]["message"]
    assert message.startswith("Something went wrong inside the gateway")
    assert answer.headers["x-request-id"] in message
    assert "secret" not in text
    assert "RuntimeError: secret" in caplog.text
    [row] = await gateway.rows(issued["id"])
    assert (row.outcome, row.error) == ("cut", "RuntimeError")
