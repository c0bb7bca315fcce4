"""Each thing that a provider can do wrong: what its caller sees, and what the ledger holds.

Each is tried twice where it fails for another try to mend it; and once more with a deployment
beside it that is well. Then the caller sees nothing of the fault, unless it came amid a stream.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from email.utils import formatdate

import httpx
import pytest

from gateway.records import LedgerRow
from tests.faults import scripts as does
from tests.faults.conftest import MOST_BYTES, frames
from tests.faults.scripts import SAID
from tests.faulty import Faulty, Script
from tests.fleet import Fleet, says, streams
from tests.servers import Json, chunks
from tests.upstream.conftest import events

PLAIN, STREAMED, EITHER = (False,), (True,), (False, True)
BROKE_OFF, UNREADABLE = "The provider broke off its answer", "The provider's answer cannot be read"
LATE = "The provider did not answer in time"
TOO_LARGE = "The provider's answer is larger than the gateway reads"
NO_JSON, NO_TEXT = "The provider sent an event that is no JSON", "The provider's answer is no UTF-8"


@dataclass(frozen=True)
class Fault:
    """What goes wrong before the caller has been sent anything, and what it is told."""

    script: Script
    status: int
    message: str
    streams: tuple[bool, ...] = EITHER
    type: str = "api_error"
    code: str | None = None
    tries: int = 2
    """How often a deployment that is alone is called, where once more is allowed."""
    headers: dict[str, str] = field(default_factory=dict)


def refusal(**error: str | None) -> Json:
    return {"error": {"message": "no", "type": "its-type", "param": None, **error}}


DATE = formatdate(time.time() + 1, usegmt=True)
FAR = formatdate(time.time() + 3600, usegmt=True)
EARLY: dict[str, Fault] = {
    "429 with seconds": Fault(
        does.answers(429, refusal(), retry_after="1"),
        *(429, "no", EITHER, "its-type"),
        headers={"retry-after": "1"},
    ),
    "429 with a date": Fault(
        does.answers(429, refusal(), retry_after=DATE),
        *(429, "no", EITHER, "its-type"),
        headers={"retry-after": DATE},
    ),
    "429 with too many seconds": Fault(
        does.answers(429, refusal(), retry_after="3600"),
        *(429, "no", EITHER, "its-type"),
        tries=1,
        headers={"retry-after": "3600"},
    ),
    "429 with a date too far": Fault(
        does.answers(429, refusal(), retry_after=FAR),
        *(429, "no", EITHER, "its-type"),
        tries=1,
        headers={"retry-after": FAR},
    ),
    "429 for ever": Fault(does.answers(429, refusal()), 429, "no", EITHER, "its-type"),
    "401": Fault(
        does.answers(401, refusal(code="invalid_api_key")),
        *(401, "no", EITHER, "its-type", "invalid_api_key"),
        tries=1,
    ),
    "500": Fault(does.answers(500, refusal()), 500, "no", EITHER, "its-type"),
    "503 as a web page": Fault(does.answers(503, does.HTML, "text/html"), 503, does.HTML),
    "400": Fault(does.answers(400, refusal()), 400, "no", EITHER, "its-type", tries=1),
    "reset at once": Fault(does.resets, 502, "The connection to the provider broke off"),
    "closed at once": Fault(does.closes, 502, "The connection to the provider broke off"),
    "reset before headers": Fault(
        does.reads(does.resets), 502, "The connection to the provider broke off"
    ),
    "hang before headers": Fault(does.reads(does.hangs), 408, LATE, type="timeout_error"),
    "reset amid": Fault(
        does.halves(does.resets), 502, "The connection to the provider broke off", PLAIN
    ),
    "cut amid": Fault(
        does.halves(does.closes), 502, "The connection to the provider broke off", PLAIN
    ),
    "stall amid": Fault(does.halves(does.hangs), 408, LATE, PLAIN, "timeout_error"),
    "web page": Fault(
        does.answers(200, does.HTML, "text/html; charset=utf-8"),
        *(502, "The provider answered with a web page"),
    ),
    "web page called JSON": Fault(does.answers(200, does.HTML), 502, UNREADABLE, PLAIN),
    "empty": Fault(does.answers(200, b""), 502, UNREADABLE, PLAIN),
    "JSON that is no answer": Fault(does.answers(200, b"[1, 2]"), 500, "Empty or invalid", PLAIN),
    "malformed JSON": Fault(does.answers(200, does.HELLO[:-9]), 502, UNREADABLE, PLAIN),
    "invalid UTF-8": Fault(does.answers(200, does.GARBLED), 502, NO_TEXT, PLAIN),
    "error in a whole answer": Fault(does.answers(200, refusal()), 502, "no", PLAIN),
    "without end": Fault(does.never_ends(kind="application/json"), 502, TOO_LARGE, PLAIN),
    "bomb": Fault(does.BOMB, 502, TOO_LARGE, PLAIN),
    "odd encoding": Fault(
        does.answers(200, does.HELLO, content_encoding="br"),
        *(502, "The provider's answer is encoded in a way that was not asked for"),
    ),
    "broken gzip": Fault(
        does.answers(200, does.HELLO, content_encoding="gzip"),
        *(502, "The provider's answer cannot be decompressed", PLAIN),
    ),
    "no event": Fault(does.streams(), 502, BROKE_OFF, STREAMED),
    "no event but the end": Fault(does.streams(does.DONE), 502, BROKE_OFF, STREAMED),
    "JSON for a stream": Fault(does.answers(200, does.HELLO), 502, BROKE_OFF, STREAMED),
    "error event first": Fault(
        does.streams(does.ERROR, does.DONE), 529, "full", STREAMED, "overloaded"
    ),
    "error event after the role": Fault(
        does.streams(does.ROLE, does.ERROR), 529, "full", STREAMED, "overloaded"
    ),
    "reset after the role": Fault(
        does.streams(does.ROLE, then=does.resets), 502, BROKE_OFF, STREAMED
    ),
    "slow first token": Fault(
        does.streams(does.ROLE, then=does.hangs), 408, LATE, STREAMED, "timeout_error"
    ),
    "malformed event first": Fault(does.streams(does.MALFORMED), 502, NO_JSON, STREAMED),
    "invalid UTF-8 first": Fault(does.streams(does.GARBLED_EVENT), 502, NO_TEXT, STREAMED),
    "line without end first": Fault(does.never_ends(), 502, TOO_LARGE, STREAMED),
}
# litellm has a status and words of its own for them.
IN_DIRECT_LANE = {
    "JSON that is no answer": Fault(does.answers(200, b"[1, 2]"), 502, UNREADABLE, PLAIN),
    "error in a whole answer": Fault(
        does.answers(200, refusal()), 502, "no", PLAIN, type="its-type"
    ),
}
# The script, the message, and the type.
MIDWAY: dict[str, tuple[Script, str, str]] = {
    "reset": (does.streams(*SAID, then=does.resets), BROKE_OFF, "api_error"),
    "cut": (does.streams(*SAID), BROKE_OFF, "api_error"),
    "done without a finish": (does.streams(*SAID, does.DONE), BROKE_OFF, "api_error"),
    "stall": (does.streams(*SAID, then=does.hangs), LATE, "timeout_error"),
    "error event": (does.streams(*SAID, does.ERROR, does.DONE), "full", "overloaded"),
    "malformed event": (does.streams(*SAID, does.MALFORMED, *does.REST), NO_JSON, "api_error"),
    "event of another kind": (does.streams(*SAID, "data: [1]\n\n"), UNREADABLE, "api_error"),
    "invalid UTF-8": (does.streams(*SAID, does.GARBLED_EVENT, *does.REST), NO_TEXT, "api_error"),
    "line without end": (does.never_ends(*SAID), TOO_LARGE, "api_error"),
}


def cases() -> list[tuple[str, bool]]:
    return [(name, stream) for name, fault in EARLY.items() for stream in fault.streams]


def said(response: httpx.Response) -> Json:
    error: Json = response.json()["error"]
    return error


@pytest.mark.parametrize(("name", "stream"), cases())
async def test_before_the_first_byte(fleet: Fleet, faulty: Faulty, name: str, stream: bool) -> None:
    fault = (EARLY | IN_DIRECT_LANE if fleet.gateway.lane == "direct" else EARLY)[name]
    faulty.script = fault.script
    model = "hasty" if fault.status == 408 else "patient"
    response = await fleet.chat(model, stream=stream)
    error = said(response)
    assert response.status_code == fault.status
    assert fault.message in error["message"]
    assert (error["type"], error["code"]) == (fault.type, fault.code or str(fault.status))
    assert fault.headers.items() <= response.headers.items()
    assert "127.0.0.1" not in response.text
    assert len(faulty.wires) == fault.tries
    assert response.headers["x-litellm-attempted-retries"] == str(fault.tries - 1)
    row = (await fleet.gateway.rows(fleet.key_id))[-1]
    expected = ("failed", fault.status, fault.type, fault.tries - 1, 0)
    assert (row.outcome, row.status, row.error, row.retries, row.fallbacks) == expected
    assert nothing_used(row)
    assert fleet.deployment(row.deployment_id) == "a"


@pytest.mark.parametrize(("name", "stream"), cases())
async def test_before_the_first_byte_with_another_deployment(
    fleet: Fleet, faulty: Faulty, name: str, stream: bool
) -> None:
    """The caller sees a good answer, and a header that tells of the other try."""
    fault = EARLY[name]
    faulty.script = fault.script
    if stream:
        fleet.does("b", streams(*frames(*chunks("from b"))))
    else:
        fleet.does("b", says("b"))
    model = "hasty" if fault.status == 408 else "patient"
    response = await fleet.chat(f"{model}-and-b", stream=stream)
    if fault.status == 400:
        assert (response.status_code, said(response)["message"][-2:]) == (400, "no")
        assert fleet.called == []
        return
    assert response.status_code == 200
    if stream:
        seen = events(response)
        assert (seen.text, seen.done, seen.error) == ("from b", True, None)
    else:
        assert response.json()["choices"][0]["message"]["content"] == "from b"
    assert len(faulty.wires) == 1
    assert response.headers["x-litellm-attempted-retries"] == "1"
    row = (await fleet.gateway.rows(fleet.key_id))[-1]
    assert (row.outcome, row.status, row.error, row.retries) == ("complete", 200, None, 1)
    assert (row.prompt_tokens, row.completion_tokens, row.estimated) == (11, 6, False)
    assert row.cost == 11 * 1000 + 6 * 2000
    assert fleet.deployment(row.deployment_id) == "b"


@pytest.mark.parametrize("more", ["", "-and-b"])
@pytest.mark.parametrize("name", MIDWAY)
async def test_midway(fleet: Fleet, faulty: Faulty, name: str, more: str) -> None:
    """What was said stays said, by one deployment; an error ends it, and nothing looks whole."""
    script, message, kind = MIDWAY[name]
    faulty.script = script
    model = "impatient" if message == LATE else "patient"
    seen = events(await fleet.chat(f"{model}{more}", stream=True))
    assert (seen.status, seen.text, seen.done, seen.finish_reasons) == (200, "one two", False, [])
    assert seen.error is not None
    assert seen.error["message"].endswith(message)
    assert seen.error["type"] == kind
    assert (len(faulty.wires), fleet.called) == (1, [])
    row = (await fleet.gateway.rows(fleet.key_id))[-1]
    assert (row.outcome, row.status, row.error, row.retries) == ("cut", 200, kind, 0)
    assert (row.prompt_tokens, row.completion_tokens, row.estimated) == (9, 2, True)
    assert row.cost == 9 * 1000 + 2 * 2000
    assert fleet.deployment(row.deployment_id) == "a"


def nothing_used(row: LedgerRow) -> bool:
    counts = (row.prompt_tokens, row.completion_tokens, row.cost)
    return counts == (0, 0, 0) and not row.estimated


@pytest.mark.parametrize(
    ("script", "stream"),
    [
        (does.never_ends(kind="application/json"), False),
        (does.never_ends(), True),
        (does.never_ends(*SAID), True),
        (does.never_stops_talking, True),
    ],
)
async def test_an_answer_without_end_is_not_read_on(
    fleet: Fleet, faulty: Faulty, script: Script, stream: bool
) -> None:
    """What the provider gets rid of is what the gateway reads, and what the sockets hold."""
    faulty.script = script
    await fleet.set(num_retries=0)
    response = await fleet.chat("patient", stream=stream)
    assert TOO_LARGE in response.text
    assert does.DONE not in response.text
    [wire] = faulty.wires
    assert wire.sent < MOST_BYTES + 16 * 1024 * 1024
