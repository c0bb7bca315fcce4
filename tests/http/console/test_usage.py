"""The Usage tab: figures, what they are of, and single requests."""

from __future__ import annotations

import csv
import io
import re
import time
from html import unescape
from typing import Any

import httpx
import pytest

from gateway.display import timestamp
from gateway.periods import DAY
from gateway.records import LedgerRow
from gateway.store import Store
from gateway.store.ledger import Transcript
from tests.http.console.conftest import Visitor, texts
from tests.ledgers import ledger_row
from tests.servers import Gateway

SPAN = "start=2026-11-17&end=2026-11-23"
_CELL = re.compile(r'data-name="(\w+)" data-value="([^"]*)"')


def store_of(gateway: Gateway) -> Store:
    store: Store = gateway.app.state.services.store
    return store


async def put(gateway: Gateway, *rows: LedgerRow) -> None:
    await store_of(gateway).ledger.write(rows, [])


def ago(seconds: int) -> int:
    """In milliseconds."""
    return (int(time.time()) - seconds) * 1000


def points(page: httpx.Response) -> dict[int, dict[str, str]]:
    """What the page's charts show, by the seconds at which each hour or day begins."""
    rows = re.findall(r'<tr data-at="(\d+)">(.*?)</tr>', page.text, re.DOTALL)
    return {int(at): dict(_CELL.findall(cells)) for at, cells in rows}


def lines(page: httpx.Response) -> list[tuple[str, str]]:
    """The links in the last table's first column, each with where it leads."""
    table = page.text[page.text.rindex("<tbody>") :]
    found = re.findall(r'<th scope="row"><a href="([^"]*)">(.*?)</a>', table)
    return [(unescape(name), unescape(url)) for url, name in found]


def linked(page: httpx.Response, text: str) -> str:
    """Where the link with this text leads."""
    found = re.search(rf'href="([^"]*)"[^>]*>{re.escape(text)}</a>', page.text)
    assert found is not None, text
    return unescape(found[1])


# --- the overview ---


async def test_before_the_first_request_the_next_step_is_there_to_copy(visitor: Visitor) -> None:
    await visitor.gateway.add_model("my model")
    page = await visitor.get("/ui/usage")
    assert "No requests yet" in texts(page)
    assert f"curl {visitor.gateway.api}/chat/completions" in texts(page)
    assert '"model": "my model"' in texts(page)
    assert "uPlot.iife.min.js" in page.text
    empty = await visitor.get("/ui/usage/requests")
    assert "No requests yet" in texts(empty)


async def test_charts_are_only_where_there_are_some(visitor: Visitor) -> None:
    for path in ("/ui/models", "/ui/usage/requests", "/ui/settings"):
        assert "uPlot" not in (await visitor.get(path)).text


async def test_a_day_is_shown_by_the_hour_with_a_total(visitor: Visitor, gateway: Gateway) -> None:
    await put(
        gateway,
        ledger_row("2026-11-20T23:00:00.001", cost=2_000_000, latency_ms=100, first_token_ms=30),
        ledger_row("2026-11-20T23:59:59", cost=1_000_000, latency_ms=300),
        ledger_row("2026-11-20T21:00:00", outcome="failed", status=502, cost=None, latency_ms=5),
        ledger_row("2026-11-19T23:59:59", cost=10**9),
    )
    page = await visitor.get("/ui/usage?start=2026-11-20&end=2026-11-20")
    said = texts(page)
    assert "Spend $0.0030 1 without a known price" in said
    assert "Requests 3 " in said
    assert "Error rate 33.3% 1 error " in said
    assert "Tokens 45 30 in, 15 out" in said
    assert "Latency, p50 100 ms p95 300 ms First token, p50 30 ms p95 30 ms" in said
    found = points(page)
    midnight = ledger_row("2026-11-20").started_ms // 1000
    assert sorted(found) == [midnight + hour * 3600 for hour in range(24)]
    assert found[midnight + 23 * 3600] == {
        "cost": "0.003",
        "requests": "2",
        "errors": "0",
        "prompt_tokens": "20",
        "completion_tokens": "10",
        "latency_p50_ms": "100",
        "latency_p95_ms": "300",
        "first_token_p50_ms": "30",
        "first_token_p95_ms": "30",
    }
    # Without requests there is nothing that was slow or fast.
    nothing = found[midnight + 22 * 3600]
    assert (nothing["requests"], nothing["cost"], nothing["latency_p50_ms"]) == ("0", "0.0", "")
    assert found[midnight + 21 * 3600]["errors"] == "1"
    # Each hour leads to its requests.
    of_hour = re.search(r'data-at="(\d+)">\s*<th scope="row"><a href="([^"]*)"', page.text)
    assert of_hour is not None
    assert int(of_hour[1]) == midnight + 23 * 3600
    listed = await visitor.get(unescape(of_hour[2]))
    assert len(lines(listed)) == 2
    assert "from: 2026-11-20T23:00:00Z" in texts(listed)
    assert "to: 2026-11-21T00:00:00Z" in texts(listed)


async def test_unless_asked_the_last_day_is_shown(visitor: Visitor, gateway: Gateway) -> None:
    await put(gateway, ledger_row(ago(60)), ledger_row(ago(DAY - 600)), ledger_row(ago(DAY + 1)))
    page = await visitor.get("/ui/usage")
    assert "Requests 2 " in texts(page)
    found = points(page)
    # The first of the hours is there in part, as the last one is.
    assert len(found) == 25
    assert min(found) <= time.time() - DAY
    assert max(found) <= time.time()


async def test_longer_spans_are_shown_by_the_day(visitor: Visitor, gateway: Gateway) -> None:
    await put(gateway, ledger_row("2026-11-17T23:59:59"), ledger_row("2026-11-23T00:00:00"))
    page = await visitor.get(f"/ui/usage?{SPAN}")
    found = points(page)
    assert [found[at]["requests"] for at in sorted(found)] == ["1", "0", "0", "0", "0", "0", "1"]
    assert found[min(found)]["latency_p50_ms"] == "100"
    assert "Day (UTC)" in texts(page)
    of_day = re.search(r'href="(/ui/usage/requests[^"]*)">2026-11-17<', page.text)
    assert of_day is not None
    assert len(lines(await visitor.get(unescape(of_day[1])))) == 1
    assert 'value="2026-11-17"' in page.text


async def test_where_requests_are_gone_sums_stay_and_the_page_says_so(
    visitor: Visitor, gateway: Gateway
) -> None:
    await put(
        gateway,
        ledger_row("2026-11-18T00:00:00", latency_ms=9000),
        ledger_row("2026-11-20T12:00:00", latency_ms=9000),
        ledger_row("2026-11-21T12:00:00", latency_ms=20),
    )
    await store_of(gateway).ledger.remove_before(ledger_row("2026-11-20").started_ms, 10)
    page = await visitor.get(f"/ui/usage?{SPAN}")
    assert "Requests 3 " in texts(page)
    assert "kept from 2026-11-21 00:00 UTC on" in texts(page)
    by_day = [each for _, each in sorted(points(page).items())]
    assert [each["requests"] for each in by_day] == ["0", "1", "0", "1", "1", "0", "0"]
    # Half a day is no day: its latencies would be of some of its requests.
    assert [each["latency_p95_ms"] for each in by_day] == ["", "", "", "", "20", "", ""]
    assert "Latency, p50 20 ms" in texts(page)
    by_deployment = await visitor.get(f"/ui/usage?{SPAN}&by=deployment")
    assert "Deployments are known of single requests" in texts(by_deployment)
    listed = await visitor.get(f"/ui/usage/requests?{SPAN}")
    assert "kept from 2026-11-20 12:00 UTC on" in texts(listed)
    assert len(lines(listed)) == 2
    # Hours, and what only single requests tell, cannot be had at all.
    for query in ("start=2026-11-18&end=2026-11-19", f"{SPAN}&status=200"):
        refused = await visitor.get(f"/ui/usage?{query}")
        assert refused.status_code == 422
        assert "ask for a later start" in texts(refused)
        assert "90 days" in texts(refused)


async def test_of_too_many_requests_the_newest_are_ranked(
    visitor: Visitor, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.http.console.usage_figures._MOST_RANKED", 3)
    days = ("18", "19", "19", "21", "21", "21", "21")
    await put(gateway, *(ledger_row(f"2026-11-{day}T12:00:00") for day in days))
    for end, ranked in (("23", ["21"]), ("20", ["18", "19"])):
        page = await visitor.get(f"/ui/usage?start=2026-11-14&end=2026-11-{end}")
        found = points(page)
        shown = [at for at in sorted(found) if found[at]["latency_p50_ms"]]
        assert [timestamp(at)[8:10] for at in shown] == ranked
        assert ("too many requests" in texts(page)) == (end == "23")
        assert "Latency, p50 100 ms" in texts(page)


@pytest.mark.parametrize(
    ("by", "field", "values"),
    [
        ("model", "served_model", ("gpt", "claude / b&c", None)),
        ("provider", "provider", ("openai", "azure", None)),
        ("tag", "tags", (("a, b",), ("c",), ())),
        ("deployment", "deployment_id", ("model_a", "model_b", None)),
        ("team", "team_id", ("team_a", "team_b", None)),
        ("key", "key_id", ("key_a", "key_b", "key c")),
    ],
)
async def test_each_line_of_a_breakdown_leads_to_what_it_is_of(
    visitor: Visitor, gateway: Gateway, by: str, field: str, values: tuple[Any, ...]
) -> None:
    rows = [
        ledger_row(**{field: value}, cost=1000 - number)
        for number, value in enumerate(values)
        for _ in range(number + 1)
    ]
    await put(gateway, *rows, ledger_row("2026-11-20T13:00:00", **{field: values[0]}))
    page = await visitor.get(f"/ui/usage?{SPAN}&by={by}")
    found = lines(page)
    assert sorted(name for name, _ in found) == sorted(
        ", ".join(value) if isinstance(value, tuple) and value else str(value or f"no {by}")
        for value in values
    )
    totals = []
    for _, url in found:
        narrowed = await visitor.get(url)
        assert narrowed.status_code == 200
        assert f"By {by}" in texts(narrowed)
        [only] = lines(narrowed)
        assert url.startswith("/ui/usage?start=2026-11-17&end=2026-11-23")
        requests = re.search(r"Requests (\d+) ", texts(narrowed))
        assert requests is not None
        totals.append(int(requests[1]))
        listed = await visitor.get(linked(narrowed, requests[1]))
        assert len(lines(listed)) == totals[-1], only
        # What is asked for can be taken away again.
        [chosen] = re.findall(r'<ul class="chosen".*?<a href="([^"]*)"', narrowed.text, re.DOTALL)
        assert sorted(lines(await visitor.get(unescape(chosen)))) == sorted(found)
    assert sorted(totals) == [2, 2, 3]


async def test_keys_teams_and_deployments_are_called_by_name(
    visitor: Visitor, gateway: Gateway
) -> None:
    team = (await gateway.manage("POST", "/teams", {"name": "search"})).json()["team_id"]
    key = (await gateway.issue_key(label="ci", team_id=team))["id"]
    model = (await gateway.add_model())["model_id"]
    await put(gateway, ledger_row(key_id=key, team_id=team, deployment_id=model))
    for by, name in (("key", "ci"), ("team", "search"), ("deployment", "gpt")):
        [(shown, url)] = lines(await visitor.get(f"/ui/usage?{SPAN}&by={by}"))
        assert shown == name
        assert f"{by}: {name}" in texts(await visitor.get(url))
    # A key is found by its label too, and where that is no one's there is nothing.
    assert "Requests 1 " in texts(await visitor.get(f"/ui/usage?{SPAN}&key=ci"))
    assert "No requests like that" in texts(await visitor.get(f"/ui/usage?{SPAN}&key=cd"))
    await gateway.issue_key(label="ci")
    several = await visitor.get(f"/ui/usage?{SPAN}&key=ci")
    assert several.status_code == 422
    assert "2 keys are called 'ci'; give the id of one: key_" in texts(several)
    assert key in texts(several)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("start=yesterday", "start takes a day"),
        ("start=2026-11-20&end=2026-11-18", "start is not before end"),
        ("by=colour", "by takes one of model, key"),
        ("status=9", "status takes an HTTP status"),
        ("outcome=fine", "outcome takes one of complete"),
        ("end=1970-01-01", None),
        ("start=1970-01-01", None),
        ("start=2199-01-01&end=2199-01-02", None),
        ("nonsense=1&model=", None),
    ],
)
async def test_what_cannot_be_asked_for_is_told_in_place(
    visitor: Visitor, gateway: Gateway, query: str, message: str | None
) -> None:
    await put(gateway, ledger_row(ago(60)))
    page = await visitor.get(f"/ui/usage?{query}")
    assert "7 days" in texts(page)
    if message is None:
        assert page.status_code == 200
    else:
        assert page.status_code == 422
        assert message in texts(page)


async def test_the_time_that_is_shown_is_marked(visitor: Visitor) -> None:
    def marked(page: httpx.Response) -> list[str]:
        spans = page.text.partition('aria-label="Time"')[2].partition("</ul>")[0]
        return re.findall(r'aria-current="true">([^<]*)<', spans)

    assert marked(await visitor.get("/ui/usage")) == ["24 hours"]
    assert marked(await visitor.get("/ui/usage?start=30d")) == ["30 days"]
    assert marked(await visitor.get(f"/ui/usage?{SPAN}")) == []
    assert marked(await visitor.get("/ui/usage/requests")) == ["All"]


async def test_files_hold_what_the_page_is_asked_for(visitor: Visitor, gateway: Gateway) -> None:
    await put(
        gateway,
        ledger_row(tags=("a",), served_model="=b", latency_ms=70),
        ledger_row(tags=("b",)),
        ledger_row(outcome="cut", tags=("a",), model="x"),
    )
    page = await visitor.get(f"/ui/usage?{SPAN}&tag=a")
    over_time, by_model = map(unescape, re.findall(r'href="(/ui/usage\.csv[^"]*)"', page.text))
    [row] = await cells(visitor, over_time)
    assert (row["day"], row["requests"], row["latency_p95_ms"]) == ("2026-11-20", "2", "100")
    assert {row["model"] for row in await cells(visitor, by_model)} == {"gpt", "'=b"}
    requests = await visitor.get(f"/ui/usage/requests?{SPAN}&tag=a&outcome=errors")
    [found] = await cells(visitor, linked(requests, "As CSV"))
    assert (found["outcome"], found["model"]) == ("cut", "x")


async def cells(visitor: Visitor, url: str) -> list[dict[str, str]]:
    file = await visitor.get(url)
    assert file.headers["content-type"] == "text/csv; charset=utf-8"
    assert file.headers["content-disposition"].startswith("attachment")
    assert file.headers["cache-control"] == "no-store"
    return list(csv.DictReader(io.StringIO(file.text, newline="")))


# --- single requests ---


async def test_requests_are_listed_newest_first_by_pages(
    visitor: Visitor, gateway: Gateway
) -> None:
    rows = [ledger_row(1_795_000_000_000 + number * 1000) for number in range(120)]
    await put(gateway, *rows)
    page = await visitor.get("/ui/usage/requests?model=gpt")
    seen = [url for _, url in lines(page)]
    assert "Newest" not in texts(page)
    while "Older" in texts(page):
        page = await visitor.get(linked(page, "Older"))
        seen += [url for _, url in lines(page)]
    assert seen == [f"/ui/usage/requests/{row.id}" for row in reversed(rows)]
    assert lines(await visitor.get(linked(page, "Newest")))[0][1] == seen[0]


async def test_requests_are_found_by_what_the_form_asks(visitor: Visitor, gateway: Gateway) -> None:
    key = (await gateway.issue_key(label="ci"))["id"]
    wanted = ledger_row(
        key_id=key, status=429, outcome="refused", error="throttling_error", tags=("a",),
        end_user="zoe", request_id="mine", model="alias",
    )  # fmt: skip
    await put(gateway, wanted, ledger_row(), ledger_row(key_id=key, outcome="failed", status=502))
    page = await visitor.get("/ui/usage/requests")
    fields = set(re.findall(r'<(?:input|select) id="(\w+)"', page.text))
    asked = {
        "model": "gpt", "key": "ci", "status": "429", "outcome": "errors", "tag": "a",
        "end_user": "zoe", "request_id": "mine",
    }  # fmt: skip
    assert asked.keys() <= fields
    # All fields of a form come, the empty ones too.
    empty = dict.fromkeys(asked, "")
    for query in (asked, *(empty | {name: asked[name]} for name in ("tag", "end_user", "status"))):
        found = await visitor.http.get("/ui/usage/requests", params=query)
        assert [url for _, url in lines(found)] == [f"/ui/usage/requests/{wanted.id}"]
    assert "alias served by gpt" in texts(found)
    assert "ci for zoe" in texts(found)
    assert "refused 429 throttling_error" in texts(found)
    assert len(lines(await visitor.http.get("/ui/usage/requests", params=empty))) == 3
    errors = await visitor.get("/ui/usage/requests?outcome=errors")
    assert len(lines(errors)) == 2


@pytest.mark.parametrize(
    ("query", "message"),
    [("after=none", "there is no request 'none'"), ("start=x", "start takes a day")],
)
async def test_a_list_that_cannot_be_is_told_in_place(
    visitor: Visitor, query: str, message: str
) -> None:
    page = await visitor.get(f"/ui/usage/requests?{query}")
    assert page.status_code == 422
    assert message in texts(page)
    assert 'name="outcome"' in page.text


async def test_a_request_is_told_with_all_that_is_known(visitor: Visitor, gateway: Gateway) -> None:
    key = (await gateway.issue_key(label="ci"))["id"]
    row = ledger_row(
        "2026-11-20T12:00:00.045", key_id=key, cost=None, tags=("é", "b"), stream=True,
        first_token_ms=20, error="api_error", outcome="cut", model="alias", estimated=True,
        retries=3, fallbacks=2, end_user="zoe", reasoning_tokens=4, cached_tokens=6,
    )  # fmt: skip
    await put(gateway, row)
    page = await visitor.get(f"/ui/usage/requests/{row.id}")
    said = texts(page)
    for part in (
        "2026-11-20T12:00:00.045Z",
        "/chat/completions, streamed",
        "Model alias",
        "Key ci",
        "End user zoe",
        "Tags é, b",
        f"Request id {row.request_id}",
        f"Call id {row.id}",
        "Outcome cut the stream broke off",
        "Status 200",
        "Error api_error",
        "Served by gpt model_gpt, which is gone",
        "Cost not known the model has no known price",
        "Latency 100 ms",
        "First token 20 ms",
        "counted by the gateway since the provider did not say",
        "Cached 6",
        "Reasoning 4",
        "Retries 3",
        "Fallbacks 2",
        "None is kept of this request",
    ):
        assert part in said
    assert f'href="/ui/keys/{key}"' in page.text


@pytest.mark.parametrize(
    "outcome", ["complete", "failed", "refused", "cancelled", "cut", "interrupted"]
)
async def test_each_outcome_is_explained(visitor: Visitor, gateway: Gateway, outcome: str) -> None:
    row = ledger_row(outcome=outcome, served_model=None, deployment_id=None, provider=None)
    await put(gateway, row)
    said = texts(await visitor.get(f"/ui/usage/requests/{row.id}"))
    assert re.search(rf"Outcome {outcome} \w+ ", said)
    assert "it went to no registered model" in said


async def test_a_request_that_is_not_there_is_told(visitor: Visitor) -> None:
    page = await visitor.get("/ui/usage/requests/none")
    assert page.status_code == 404
    assert "No request has the id 'none'" in texts(page)


async def test_reading_a_transcript_takes_a_click_and_is_noted(
    visitor: Visitor, gateway: Gateway
) -> None:
    row = ledger_row()
    kept = Transcript(row.id, row.started_ms, '{"messages":["<b>hi</b>"]}', '{"said":"é"}')
    await store_of(gateway).ledger.write([row], [kept])
    path = f"/ui/usage/requests/{row.id}"
    page = await visitor.get(path)
    assert "Reading it is noted in the audit log" in texts(page)
    assert "&lt;b&gt;" not in page.text
    assert await reads(gateway) == []

    forged = await visitor.post(path, {"csrf": "0" * 64})
    assert forged.status_code == 400
    assert await reads(gateway) == []

    read = await visitor.post(path)
    assert read.status_code == 200
    assert "&lt;b&gt;hi&lt;/b&gt;" in read.text
    assert "&#34;said&#34;: &#34;é&#34;" in read.text
    assert await reads(gateway) == [row.id]
    gone = await visitor.post("/ui/usage/requests/none")
    assert gone.status_code == 404
    assert await reads(gateway) == [row.id]


async def reads(gateway: Gateway) -> list[str]:
    entries = (await gateway.manage("GET", "/audit?action=transcript.read")).json()["data"]
    return [entry["target"]["id"] for entry in entries]
