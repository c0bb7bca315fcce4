"""`GET /api/v1/gateway/usage`, and single requests below it."""

from __future__ import annotations

import csv
import io
import time
from typing import Any

import pytest

from gateway.periods import DAY
from gateway.records import LedgerRow
from gateway.store import Store
from gateway.usage import REQUEST_COLUMNS
from tests.ledgers import ledger_row
from tests.servers import Gateway

Json = dict[str, Any]
SPAN = "start=2026-11-17&end=2026-11-23"


def store_of(gateway: Gateway) -> Store:
    store: Store = gateway.app.state.services.store
    return store


async def put(gateway: Gateway, *rows: LedgerRow) -> None:
    await store_of(gateway).ledger.write(rows, [])


async def get(gateway: Gateway, query: str, key: str | None = None) -> Json:
    path = f"/api/v1/gateway/usage{query}"
    response = await gateway.request("GET", path, key or gateway.admin_key)
    assert response.status_code == 200, response.text
    return dict(response.json())


def cells(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


async def test_a_group_has_every_measure_and_names_beside_ids(gateway: Gateway) -> None:
    team = (await gateway.manage("POST", "/teams", {"name": "search"})).json()
    key = await gateway.issue_key(label="ci", team_id=team["team_id"])
    owned = {"key_id": key["id"], "team_id": team["team_id"]}
    await put(
        gateway,
        ledger_row(
            **owned, prompt_tokens=100, completion_tokens=20, cached_tokens=60,
            cache_write_tokens=5, reasoning_tokens=7, cost=12_000, latency_ms=300,
        ),
        ledger_row(**owned, cost=None, estimated=True, cache_hit=True, latency_ms=101),
        ledger_row(**owned, cost=0, outcome="failed", status=502, error="api_error", latency_ms=0),
    )  # fmt: skip
    measures = {
        "requests": 3,
        "errors": 1,
        "error_rate": 1 / 3,
        "prompt_tokens": 120,
        "completion_tokens": 30,
        "cached_tokens": 60,
        "cache_write_tokens": 5,
        "reasoning_tokens": 7,
        "total_tokens": 150,
        "cost": 0.000012,
        "latency_avg_ms": 133.7,
        "estimated": 1,
        "unpriced": 1,
        "cache_hits": 1,
    }
    assert await get(gateway, f"?group_by=day,key,team&{SPAN}") == {
        "object": "list",
        "group_by": ["day", "key", "team"],
        "start": "2026-11-17T00:00:00Z",
        "end": "2026-11-24T00:00:00Z",
        "data": [
            {
                "day": "2026-11-20",
                "key_id": key["id"],
                "key_label": "ci",
                "team_id": team["team_id"],
                "team_name": "search",
                **measures,
            }
        ],
        "total": measures,
        "has_more": False,
    }


async def test_without_groups_there_is_one(gateway: Gateway) -> None:
    empty = await get(gateway, "")
    assert empty["data"] == [empty["total"]]
    assert (empty["total"]["requests"], empty["total"]["cost"]) == (0, 0)
    assert (empty["total"]["error_rate"], empty["total"]["latency_avg_ms"]) == (None, None)


async def test_a_request_counts_under_each_of_its_tags_and_once_in_all(gateway: Gateway) -> None:
    await put(gateway, ledger_row(tags=("a", "b")), ledger_row(tags=("b",)), ledger_row())
    found = await get(gateway, f"?group_by=tag&{SPAN}")
    assert {group["tag"]: group["requests"] for group in found["data"]} == {"a": 1, "b": 2, "": 1}
    assert found["total"]["requests"] == 3


@pytest.mark.parametrize(
    ("query", "requests"),
    [
        ("", 4),
        ("model=gpt", 3),
        ("model=", 1),
        ("provider=azure", 1),
        ("team=team_a", 1),
        ("team=", 3),
        ("tag=a%2Cb", 1),
        ("tag=", 3),
        ("key=key_b", 1),
        ("key=key_none", 0),
        ("status=429", 1),
        ("outcome=refused", 1),
        ("outcome=errors", 1),
        ("deployment=model_gpt", 4),
        ("deployment=", 0),
        ("end_user=u", 1),
        ("request_id=mine", 1),
        ("model=gpt&outcome=complete&tag=", 2),
    ],
)
async def test_filters(gateway: Gateway, query: str, requests: int) -> None:
    await put(
        gateway,
        ledger_row(team_id="team_a", tags=("a,b",), request_id="mine"),
        ledger_row(provider="azure", end_user="u"),
        ledger_row(key_id="key_b"),
        ledger_row(served_model=None, provider=None, status=429, outcome="refused"),
    )
    found = await get(gateway, f"?{SPAN}&{query}")
    assert found["total"]["requests"] == requests
    listed = await get(gateway, f"/requests?{SPAN}&{query}")
    assert len(listed["data"]) == requests


async def test_times_are_days_with_their_end_and_finer(gateway: Gateway) -> None:
    await put(gateway, *(ledger_row(f"2026-11-20T{hour:02}:00:00") for hour in range(24)))

    async def requests(query: str) -> int:
        found: int = (await get(gateway, f"?{query}"))["total"]["requests"]
        return found

    assert await requests("start=2026-11-20&end=2026-11-20") == 24
    assert await requests("start=2026-11-20T06:00:00Z&end=2026-11-20T12:00:00Z") == 6
    assert await requests("start=2026-11-20T06:00:00%2B02:00&end=2026-11-20") == 20
    assert await requests("start=2026-11-21&end=2026-11-21") == 0


async def test_so_many_days_are_whole_and_have_today(gateway: Gateway) -> None:
    today = int(time.time()) // DAY * DAY
    days = [ledger_row((today - back * DAY) * 1000) for back in range(4)]
    await put(gateway, *days)
    found = await get(gateway, "?start=2d&group_by=day")
    assert [group["requests"] for group in found["data"]] == [1, 1]
    assert (await get(gateway, "?start=4d&end=2d"))["total"]["requests"] == 2


async def test_percentiles_come_where_they_are_asked_for(gateway: Gateway) -> None:
    times = [(100, 10), (200, None), (300, 30)]
    await put(gateway, *(ledger_row(latency_ms=a, first_token_ms=b) for a, b in times))
    found = await get(gateway, f"?group_by=model&percentiles=true&{SPAN}")
    for group in (found["total"], *found["data"]):
        assert group["latency_p50_ms"] == 200
        assert group["latency_p95_ms"] == 300
        assert group["first_token_p50_ms"] == 10
        assert group["first_token_p95_ms"] == 30
    plain = await get(gateway, f"?group_by=model&{SPAN}")
    assert "latency_p50_ms" not in plain["total"]


async def test_what_is_not_kept_is_refused(gateway: Gateway) -> None:
    await put(gateway, ledger_row("2026-11-18T00:00:00"), ledger_row("2026-11-20T12:00:00"))
    await store_of(gateway).ledger.remove_before(ledger_row("2026-11-20").started_ms, 10)
    assert (await get(gateway, f"?{SPAN}"))["total"]["requests"] == 2
    for query in (f"?{SPAN}&status=200", f"?{SPAN}&percentiles=1", f"/requests?{SPAN}"):
        refused = await gateway.manage("GET", f"/usage{query}")
        assert refused.status_code == 422
        assert refused.json()["error"]["param"] == "start"
        assert "2026-11-20T12:00:00Z" in refused.json()["error"]["message"]


# --- CSV ---


async def test_csv_has_a_header_and_a_line_for_each_group(gateway: Gateway) -> None:
    await put(gateway, ledger_row(cost=12), ledger_row(served_model="b", provider=None, cost=5))
    path = f"/usage?group_by=model,key&{SPAN}"
    asked = await gateway.manage("GET", f"{path}&format=csv")
    assert asked.headers["content-type"] == "text/csv; charset=utf-8"
    assert asked.headers["content-disposition"] == 'attachment; filename="usage.csv"'
    assert asked.headers["x-has-more"] == "false"
    header, first, second, end = asked.text.split("\r\n")
    assert header.startswith("model,key_id,key_label,requests,errors,error_rate,prompt_tokens")
    assert first.startswith("gpt,key_a,,1,0,0.0,10,5,")
    assert (",0.000000012," in first, second.startswith("b,"), end) == (True, True, "")
    accepting = await gateway.request(
        "GET", f"/api/v1/gateway{path}", gateway.admin_key, headers={"accept": "text/csv"}
    )
    assert accepting.text == asked.text
    cut = await gateway.manage("GET", f"{path}&format=csv&limit=1")
    assert (cut.headers["x-has-more"], len(cells(cut.text))) == ("true", 1)


async def test_json_goes_before_csv_where_both_will_do(gateway: Gateway) -> None:
    path = "/api/v1/gateway/usage"
    for query, accept, expected in (
        ("", "application/json, text/csv;q=0.5", "application/json"),
        ("", "*/*", "application/json"),
        ("?format=json", "text/csv", "application/json"),
    ):
        answer = await gateway.request(
            "GET", path + query, gateway.admin_key, headers={"accept": accept}
        )
        assert answer.headers["content-type"] == expected


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1"])
async def test_no_cell_is_a_formula(gateway: Gateway, text: str) -> None:
    await put(gateway, ledger_row(model=text, served_model=text, end_user=text, tags=(text,)))
    groups = await gateway.manage("GET", f"/usage?group_by=model,tag&format=csv&{SPAN}")
    [group] = cells(groups.text)
    assert (group["model"], group["tag"]) == (f"'{text}", f"'{text}")
    rows = await gateway.manage("GET", "/usage/requests?format=csv")
    [row] = cells(rows.text)
    assert (row["model"], row["end_user"]) == (f"'{text}", f"'{text}")
    assert row["tags"].startswith('["')


async def test_an_empty_csv_has_its_header(gateway: Gateway) -> None:
    empty = await gateway.manage("GET", "/usage/requests?format=csv")
    assert empty.text == ",".join(REQUEST_COLUMNS) + "\r\n"


# --- single requests ---


async def test_a_request_as_json_and_csv(gateway: Gateway) -> None:
    key = await gateway.issue_key(label="ci")
    row = ledger_row(
        "2026-11-20T12:00:00.045", key_id=key["id"], cost=None, tags=("é", "b"), stream=True,
        first_token_ms=20, error="api_error", outcome="cut", model="alias",
    )  # fmt: skip
    await put(gateway, row)
    expected = {
        "id": row.id,
        "object": "usage.request",
        "request_id": row.request_id,
        "started_at": "2026-11-20T12:00:00.045Z",
        "key_id": key["id"],
        "key_label": "ci",
        "team_id": None,
        "team_name": None,
        "operation": "/chat/completions",
        "model": "alias",
        "served_model": "gpt",
        "deployment_id": "model_gpt",
        "provider": "openai",
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "cached_tokens": 0,
        "cache_write_tokens": 0,
        "reasoning_tokens": 0,
        "total_tokens": 15,
        "estimated": False,
        "cost": None,
        "latency_ms": 100,
        "first_token_ms": 20,
        "status": 200,
        "error": "api_error",
        "outcome": "cut",
        "stream": True,
        "cache_hit": False,
        "end_user": None,
        "tags": ["é", "b"],
    }
    assert await get(gateway, f"/requests/{row.id}") == expected
    assert await get(gateway, "/requests") == {
        "object": "list",
        "data": [expected],
        "has_more": False,
    }
    listed = await gateway.manage("GET", "/usage/requests?format=csv")
    [line] = cells(listed.text)
    assert (line["stream"], line["cost"], line["tags"]) == ("true", "", '["é", "b"]')


async def test_pages_of_requests_newest_first(gateway: Gateway) -> None:
    rows = [ledger_row(f"2026-11-20T12:00:{second:02}") for second in (1, 0, 2)]
    await put(gateway, *rows)
    first = await get(gateway, "/requests?limit=2")
    assert [each["id"] for each in first["data"]] == [rows[2].id, rows[0].id]
    assert first["has_more"]
    last = await get(gateway, f"/requests?limit=2&after={rows[0].id}")
    assert ([each["id"] for each in last["data"]], last["has_more"]) == ([rows[1].id], False)


async def test_an_unknown_request_is_404(gateway: Gateway) -> None:
    missing = await gateway.manage("GET", "/usage/requests/none")
    assert (missing.status_code, missing.json()["error"]["param"]) == (404, "id")


async def test_a_call_shows_up(gateway: Gateway, key: str) -> None:
    answered = await gateway.chat(key, user="somebody")
    assert answered.status_code == 200
    call_id = answered.headers["x-litellm-call-id"]
    await gateway.app.state.services.ledger.flush()
    shown = await get(gateway, f"/requests/{call_id}", key)
    assert (shown["model"], shown["end_user"], shown["outcome"]) == ("gpt", "somebody", "complete")
    assert (await get(gateway, "?group_by=model"))["data"][0]["prompt_tokens"] == 11


# --- who may see what ---


async def test_a_gateway_key_sees_its_own_usage_alone(gateway: Gateway, key: str) -> None:
    [own] = [
        each for each in (await gateway.manage("GET", "/keys")).json()["data"]
        if each["kind"] == "gateway"
    ]  # fmt: skip
    mine, foreign = ledger_row(key_id=own["id"]), ledger_row(key_id="key_other")
    await put(gateway, mine, foreign)
    for query in ("", "&group_by=key", f"&key={own['id']}", "&status=200"):
        found = await get(gateway, f"?{SPAN}{query}", key)
        assert found["total"]["requests"] == 1
    assert [each["id"] for each in (await get(gateway, "/requests", key))["data"]] == [mine.id]
    assert (await get(gateway, f"/requests/{mine.id}", key))["id"] == mine.id
    for path, status, param in (
        ("?key=key_other", 422, "key"),
        ("/requests?key=key_other", 422, "key"),
        (f"/requests?after={foreign.id}", 422, "after"),
        (f"/requests/{foreign.id}", 404, "id"),
    ):
        refused = await gateway.request("GET", f"/api/v1/gateway/usage{path}", key)
        assert (refused.status_code, refused.json()["error"]["param"]) == (status, param)


@pytest.mark.parametrize("path", ["", "/requests", "/requests/any"])
async def test_nobody_else_sees_anything(gateway: Gateway, path: str) -> None:
    refused = await gateway.request("GET", f"/api/v1/gateway/usage{path}", None)
    assert refused.status_code == 401


# --- what cannot be ---


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("groupby=day", "groupby"),
        ("group_by=week", "group_by"),
        ("group_by=day,day", "group_by"),
        ("group_by=day&group_by=day", "group_by"),
        ("start=yesterday", "start"),
        ("end=2026-13-01", "end"),
        ("start=0001-01-01", "start"),
        ("end=9999-12-31", "end"),
        ("start=2026-11-02&end=2026-11-01", "end"),
        ("start=", "start"),
        ("limit=0", "limit"),
        ("limit=10001", "limit"),
        ("limit=%C2%B2", "limit"),
        ("limit=" + "9" * 5000, "limit"),
        ("status=42", "status"),
        ("status=429.0", "status"),
        ("outcome=fine", "outcome"),
        ("percentiles=maybe", "percentiles"),
        ("format=xml", "format"),
        ("model=a&model=b", "model"),
        ("after=x", "after"),
    ],
)
async def test_a_wrong_parameter_is_named(gateway: Gateway, query: str, param: str) -> None:
    refused = await gateway.manage("GET", f"/usage?{query}")
    assert refused.status_code == 422, refused.text
    error = refused.json()["error"]
    assert (error["param"], error["type"]) == (param, "invalid_request_error")
    assert param in error["message"]


@pytest.mark.parametrize(
    ("path", "param"),
    [("?group_by=day", "group_by"), ("?after=none", "after"), ("/any?limit=1", "limit")],
)
async def test_a_parameter_of_another_route_is_no_parameter(
    gateway: Gateway, path: str, param: str
) -> None:
    refused = await gateway.manage("GET", f"/usage/requests{path}")
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, param)


async def test_nothing_is_changed_here(gateway: Gateway) -> None:
    for method in ("POST", "DELETE", "PUT"):
        assert (await gateway.manage(method, "/usage")).status_code == 405
