"""LiteLLM's routes for what was spent."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

import pytest
from litellm.proxy._types import LiteLLM_SpendLogs

from gateway.periods import DAY
from gateway.records import LedgerRow
from gateway.store import Store
from gateway.vault import hash_key
from tests.ledgers import ledger_row
from tests.servers import Gateway

Json = dict[str, Any]
MIDNIGHT = int(time.time()) // DAY * DAY
TODAY, YESTERDAY, LONG_AGO = (
    time.strftime("%Y-%m-%d", time.gmtime(MIDNIGHT - back * DAY)) for back in (0, 1, 31)
)
TOMORROW = time.strftime("%Y-%m-%d", time.gmtime(MIDNIGHT + DAY))


@dataclass
class Spender:
    """A gateway key with its team."""

    id: str
    secret: str
    team_id: str | None

    @property
    def token(self) -> str:
        return hash_key(self.secret)

    def row(self, day: str = TODAY, cost: int | None = 1_000_000, **fields: Any) -> LedgerRow:
        at = f"{day}T00:00:01"
        return ledger_row(at, key_id=self.id, team_id=self.team_id, cost=cost, **fields)


@pytest.fixture
async def ci(gateway: Gateway) -> Spender:
    team = (await gateway.manage("POST", "/teams", {"name": "search"})).json()["team_id"]
    key = await gateway.issue_key(label="ci", team_id=team, user_id="ada")
    return Spender(key["id"], key["key"], team)


@pytest.fixture
async def other(gateway: Gateway) -> Spender:
    key = await gateway.issue_key(label="other", user_id="bob")
    return Spender(key["id"], key["key"], None)


async def put(gateway: Gateway, *rows: LedgerRow) -> None:
    store: Store = gateway.app.state.services.store
    await store.ledger.write(rows, [])


async def get(gateway: Gateway, path: str, key: str | None = None) -> Any:
    response = await gateway.request("GET", path, key or gateway.admin_key)
    assert response.status_code == 200, response.text
    return response.json()


# --- /spend/logs ---


async def test_a_log_is_litellms_row(gateway: Gateway, ci: Spender) -> None:
    row = ci.row(
        tags=("prod",), end_user="eve", latency_ms=1500, first_token_ms=250, model="alias",
    )  # fmt: skip
    await put(gateway, row)
    [log] = await get(gateway, "/spend/logs")
    as_json = {name: json.dumps(log[name]) for name in ("metadata", "request_tags")}
    LiteLLM_SpendLogs(**log | as_json)
    assert {name: log[name] for name in (
        "request_id", "call_type", "api_key", "spend", "total_tokens", "prompt_tokens",
        "completion_tokens", "startTime", "endTime", "completionStartTime", "request_duration_ms",
        "model", "model_id", "model_group", "custom_llm_provider", "user", "request_tags",
        "team_id", "end_user", "status",
    )} == {
        "request_id": row.id,
        "call_type": "acompletion",
        "api_key": ci.token,
        "spend": 0.001,
        "total_tokens": 15,
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "startTime": f"{TODAY}T00:00:01.000Z",
        "endTime": f"{TODAY}T00:00:02.500Z",
        "completionStartTime": f"{TODAY}T00:00:01.250Z",
        "request_duration_ms": 1500,
        "model": "gpt",
        "model_id": "model_gpt",
        "model_group": "alias",
        "custom_llm_provider": "openai",
        "user": "ada",
        "request_tags": ["prod"],
        "team_id": ci.team_id,
        "end_user": "eve",
        "status": "success",
    }  # fmt: skip
    assert log["metadata"]["user_api_key_alias"] == "ci"
    assert log["metadata"]["user_api_key_team_alias"] == "search"


async def test_a_failed_request_says_so_and_one_that_was_left_does_not(
    gateway: Gateway, ci: Spender
) -> None:
    await put(
        gateway,
        ci.row(outcome="failed", status=502, error="api_error", cost=None),
        ci.row(outcome="cancelled", status=499),
    )
    left, failed = await get(gateway, "/spend/logs")
    assert (left["status"], left["metadata"]["error_information"]) == ("success", None)
    assert (failed["status"], failed["spend"]) == ("failure", 0.0)
    assert failed["metadata"]["error_information"] == {
        "error_code": "502",
        "error_class": "api_error",
    }


async def test_logs_are_filtered(gateway: Gateway, ci: Spender, other: Spender) -> None:
    rows = [ci.row(YESTERDAY, request_id="mine"), ci.row(), other.row()]
    await put(gateway, *rows)
    first, second, third = (row.id for row in rows)

    async def found(query: str) -> set[str]:
        return {log["request_id"] for log in await get(gateway, f"/spend/logs?{query}")}

    assert await found("") == {first, second, third}
    assert await found(f"api_key={ci.token}") == {first, second}
    assert await found(f"api_key={ci.secret}") == {first, second}
    assert await found("api_key=none") == set()
    assert await found("user_id=bob") == {third}
    assert await found(f"user_id=bob&api_key={ci.token}") == set()
    assert await found("request_id=mine") == {first}
    assert await found(f"request_id={third}") == {third}
    assert await found(f"start_date={TODAY}") == {second, third}
    assert await found(f"end_date={TODAY}") == {first}
    between = f"start_date={YESTERDAY}&end_date={TODAY}&summarize=false"
    assert await found(between) == {first}


async def test_between_two_dates_days_are_summed(
    gateway: Gateway, ci: Spender, other: Spender
) -> None:
    await put(
        gateway, ci.row(YESTERDAY), ci.row(YESTERDAY, served_model="b"), other.row(YESTERDAY),
        other.row(TODAY),
    )  # fmt: skip
    answer = await get(gateway, f"/spend/logs?start_date={LONG_AGO}&end_date={TODAY}")
    # As in LiteLLM, the last day is there and out.
    assert answer == [
        {
            ci.token: 0.002,
            other.token: 0.001,
            "startTime": YESTERDAY,
            "spend": 0.003,
            "users": {"ada": 0.002, "bob": 0.001},
            "models": {"gpt": 0.002, "b": 0.001},
        },
        {"startTime": TODAY, "spend": 0, "users": {}, "models": {}},
    ]
    bobs = await get(gateway, f"/spend/logs?start_date={LONG_AGO}&end_date={TOMORROW}&user_id=bob")
    assert [(day["startTime"], day["spend"]) for day in bobs] == [
        (YESTERDAY, 0.001), (TODAY, 0.001), (TOMORROW, 0),
    ]  # fmt: skip
    assert await get(gateway, f"/spend/logs?start_date={TODAY}&end_date={TODAY}") == []


async def test_what_was_thrown_away_is_refused_and_its_days_are_there(
    gateway: Gateway, ci: Spender
) -> None:
    await put(gateway, ci.row(LONG_AGO), ci.row())
    store: Store = gateway.app.state.services.store
    await store.ledger.remove_before((MIDNIGHT - DAY) * 1000, 10)
    dates = f"start_date={LONG_AGO}&end_date={TOMORROW}"
    assert len(await get(gateway, f"/spend/logs?{dates}")) == 3
    refused = await gateway.request(
        "GET", f"/spend/logs?{dates}&summarize=false", gateway.admin_key
    )
    assert refused.status_code == 422
    assert refused.json()["detail"][0]["loc"] == ["query", "start_date"]


# --- the other routes ---


async def test_keys_are_litellms_rows_that_spent_most_first(
    gateway: Gateway, ci: Spender, other: Spender
) -> None:
    await put(gateway, ci.row(), other.row(cost=5_000_000))
    rows = await get(gateway, "/spend/keys")
    assert [(row["token"], row["key_alias"], row["spend"]) for row in rows] == [
        (other.token, "other", 0.005),
        (ci.token, "ci", 0.001),
    ]


async def test_tags(gateway: Gateway, ci: Spender) -> None:
    await put(
        gateway,
        ci.row(LONG_AGO, tags=("a", "b")), ci.row(tags=("b",), cost=3_000_000), ci.row(),
    )  # fmt: skip
    assert await get(gateway, "/spend/tags") == [
        {"individual_request_tag": "b", "log_count": 2, "total_spend": 0.004},
        {"individual_request_tag": "a", "log_count": 1, "total_spend": 0.001},
    ]
    [only] = await get(gateway, f"/spend/tags?start_date={TODAY}&end_date={TODAY}")
    assert (only["individual_request_tag"], only["log_count"]) == ("b", 1)
    dates = f"start_date={LONG_AGO}&end_date={TODAY}"
    both = [
        {"name": "b", "spend": 0.004, "log_count": 2},
        {"name": "a", "spend": 0.001, "log_count": 1},
    ]
    for query, expected in (("", both), ("&tags=a,none", both[1:]), ("&tags=a,all-tags", both)):
        answer = await get(gateway, f"/global/spend/tags?{dates}{query}")
        assert answer == {"spend_per_tag": expected}


async def test_the_total_is_that_of_thirty_days_and_today(gateway: Gateway, ci: Spender) -> None:
    first = time.strftime("%Y-%m-%d", time.gmtime(MIDNIGHT - 30 * DAY))
    await put(gateway, ci.row(LONG_AGO, cost=10**12), ci.row(first), ci.row())
    assert await get(gateway, "/global/spend") == {"spend": 0.002, "max_budget": 0.0}


async def test_days_in_all_and_of_one_key(gateway: Gateway, ci: Spender, other: Spender) -> None:
    await put(gateway, ci.row(YESTERDAY), ci.row(), other.row(), ci.row(LONG_AGO))
    assert await get(gateway, "/global/spend/logs") == [
        {"date": YESTERDAY, "spend": 0.001},
        {"date": TODAY, "spend": 0.002},
    ]
    for name in (ci.token, ci.secret):
        assert await get(gateway, f"/global/spend/logs?api_key={name}") == [
            {"date": YESTERDAY, "spend": 0.001, "api_key": ci.token},
            {"date": TODAY, "spend": 0.001, "api_key": ci.token},
        ]


async def test_the_keys_and_models_that_spent_most(
    gateway: Gateway, ci: Spender, other: Spender
) -> None:
    await put(
        gateway,
        ci.row(served_model="b"), other.row(cost=9_000_000),
        other.row(served_model=None, cost=10**12, outcome="refused"), ci.row(LONG_AGO, cost=10**12),
    )  # fmt: skip
    keys = [
        {"api_key": spender.token, "key_alias": alias, "key_name": name, "total_spend": spend}
        for spender, alias, name, spend in (
            (other, "other", f"sk-...{other.secret[-4:]}", 1000.009),
            (ci, "ci", f"sk-...{ci.secret[-4:]}", 0.001),
        )
    ]
    assert await get(gateway, "/global/spend/keys") == keys
    assert await get(gateway, "/global/spend/keys?limit=1") == keys[:1]
    models = [{"model": "gpt", "total_spend": 0.009}, {"model": "b", "total_spend": 0.001}]
    assert await get(gateway, "/global/spend/models") == models
    assert await get(gateway, "/spend/models") == models
    assert await get(gateway, "/global/spend/models?limit=1") == models[:1]


async def test_teams_by_day(gateway: Gateway, ci: Spender, other: Spender) -> None:
    await put(gateway, ci.row(YESTERDAY), ci.row(), other.row(cost=7_000_000))
    assert await get(gateway, "/global/spend/teams") == {
        "daily_spend": [
            {"date": YESTERDAY, "search": 0.001},
            {"date": TODAY, "Unassigned": 0.007, "search": 0.001},
        ],
        "teams": ["search", "Unassigned"],
        "total_spend_per_team": [
            {"team_id": "Unassigned", "total_spend": 0.007},
            {"team_id": "search", "total_spend": 0.002},
        ],
    }


async def test_a_report_by_team(gateway: Gateway, ci: Spender, other: Spender) -> None:
    await put(gateway, ci.row(), ci.row(served_model="b", cost=5_000_000), other.row())
    path = f"/global/spend/report?start_date={TODAY}&end_date={TODAY}"
    search = {
        "team_name": "search",
        "total_spend": 0.006,
        "metadata": [
            {"model": "b", "api_key": ci.token, "spend": 0.005, "total_tokens": 15},
            {"model": "gpt", "api_key": ci.token, "spend": 0.001, "total_tokens": 15},
        ],
    }
    nobodys = {
        "team_name": "Unassigned Team",
        "total_spend": 0.001,
        "metadata": [{"model": "gpt", "api_key": other.token, "spend": 0.001, "total_tokens": 15}],
    }
    day = {"group_by_day": f"{TODAY}T00:00:00+00:00"}
    answer = await get(gateway, path)
    assert answer == [{**day, "teams": [search, nobodys]}]
    answer = await get(gateway, f"{path}&team_id={ci.team_id}")
    assert answer == [{**day, "teams": [search]}]


async def test_a_report_by_customer(gateway: Gateway, ci: Spender, other: Spender) -> None:
    await put(gateway, ci.row(end_user="eve"), ci.row(), other.row(end_user="eve"))
    path = f"/global/spend/report?start_date={TODAY}&end_date={TODAY}&group_by=customer"
    [day] = await get(gateway, path)
    assert [(each["customer"], each["total_spend"]) for each in day["customers"]] == [
        ("eve", 0.002),
        ("", 0.001),
    ]
    [both] = await get(gateway, f"{path}&customer_id=eve&team_id={ci.team_id}")
    [eve] = both["teams_customers"]
    assert (eve["team_name"], eve["customer"], eve["total_spend"]) == ("search", "eve", 0.001)


async def test_a_report_by_key(gateway: Gateway, ci: Spender, other: Spender) -> None:
    await put(gateway, ci.row(), ci.row(served_model="b", cost=5_000_000), other.row(cost=None))
    path = f"/global/spend/report?start_date={TODAY}&end_date={TODAY}"
    details = [
        {"model": model, "total_cost": cost, "total_input_tokens": 10, "total_output_tokens": 5}
        for model, cost in (("b", 0.005), ("gpt", 0.001))
    ]
    of_ci = {
        "api_key": ci.token,
        "total_cost": 0.006,
        "total_input_tokens": 20,
        "total_output_tokens": 10,
        "model_details": details,
    }
    rows = await get(gateway, f"{path}&group_by=api_key")
    assert ([row["api_key"] for row in rows], rows[0]) == ([ci.token, other.token], of_ci)
    for query in (f"api_key={ci.token}", "internal_user_id=ada"):
        assert await get(gateway, f"{path}&{query}") == [of_ci]


# --- who may, and what cannot be ---


async def test_a_gateway_key_sees_what_it_spent(
    gateway: Gateway, ci: Spender, other: Spender
) -> None:
    await put(gateway, ci.row(), other.row())
    for query in ("", "?user_id=ada", f"?api_key={ci.token}"):
        [log] = await get(gateway, f"/spend/logs{query}", ci.secret)
        assert log["api_key"] == ci.token
    assert await get(gateway, "/spend/logs?user_id=bob", ci.secret) == []
    [row] = await get(gateway, "/spend/keys", ci.secret)
    assert row["token"] == ci.token
    for name in (other.token, other.secret, "none"):
        refused = await gateway.request("GET", f"/spend/logs?api_key={name}", ci.secret)
        assert refused.status_code == 401


@pytest.mark.parametrize(
    "path",
    ["/spend/models", "/spend/tags", "/global/spend", "/global/spend/logs", "/global/spend/keys",
     "/global/spend/models", "/global/spend/teams", "/global/spend/tags", "/global/spend/report"],
)  # fmt: skip
async def test_what_all_spent_is_the_admins(gateway: Gateway, ci: Spender, path: str) -> None:
    query = "?start_date=2026-11-01&end_date=2026-11-02"
    assert (await gateway.request("GET", path + query, gateway.admin_key)).status_code == 200
    for key in (ci.secret, None, "sk-none"):
        refused = await gateway.request("GET", path + query, key)
        assert refused.status_code == 401
        assert refused.json()["error"]["code"] == "401"


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("/spend/logs?start_date=yesterday", "start_date"),
        ("/spend/logs?end_date=2026-13-01", "end_date"),
        ("/spend/logs?end_date=20261101", "end_date"),
        ("/spend/logs?start_date=2026-11-01&end_date=2026-11-02&summarize=2", "summarize"),
        ("/spend/tags?start_date=2026-11-02&end_date=2026-11-01", "end_date"),
        ("/global/spend/keys?limit=0", "limit"),
        ("/global/spend/models?limit=many", "limit"),
        ("/global/spend/report?start_date=2026-11-01&end_date=2026-11-02&group_by=x", "group_by"),
    ],
)
async def test_a_wrong_parameter_is_422_as_fastapis(
    gateway: Gateway, path: str, param: str
) -> None:
    refused = await gateway.request("GET", path, gateway.admin_key)
    assert refused.status_code == 422, refused.text
    [fault] = refused.json()["detail"]
    assert fault["loc"] == ["query", param]
    assert param in fault["msg"]


@pytest.mark.parametrize("path", ["/global/spend/tags", "/global/spend/report"])
async def test_both_dates_are_needed(gateway: Gateway, path: str) -> None:
    for query, param in (("", "start_date"), ("?start_date=2026-11-01", "end_date")):
        refused = await gateway.request("GET", path + query, gateway.admin_key)
        error = refused.json()["error"]
        assert (refused.status_code, error["param"]) == (400, param)
        assert error["message"] == "Please provide start_date and end_date"
