"""Running evaluations over HTTP, against a provider that answers."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from starlette.responses import Response

from gateway.display import timestamp
from gateway.evals import model_calls, runner, service
from gateway.store.evals import Runs
from tests.http.evals.conftest import CAPITALS, ROWS, SUITE, Evaluating
from tests.odd import changed
from tests.servers import TESTER, Json, answer, completion

# gpt-4o's, for 11 and 6 tokens, in dollars.
CALL = (11 * 2500 + 6 * 10_000) / 10**9


def evaluator(run: Json, name: str = "exact", model: str = "gpt") -> Json:
    [found] = [
        each
        for each in run["results"]["evaluators"]
        if (each["model"], each["evaluator"]) == (model, name)
    ]
    return dict(found)


async def test_a_run_of_a_suite(evals: Evaluating) -> None:
    await evals.set_up(models=["gpt", "judge"], evaluators=["exact", "tone"], repeat=2)
    evals.provider.wrong = {"Japan"}
    begun = await evals.do("POST", "/runs", {"suite": "ci", "name": "Nightly"}, 202)
    assert begun["status"] == "running"
    assert (begun["name"], begun["suite"], begun["progress"]["planned"]) == ("Nightly", "ci", 12)
    run = await evals.ended(begun["id"])
    assert run["status"] == "completed"
    assert run["progress"] == {
        "planned": 12,
        "done": 12,
        "failed": 4,
        "errors": 0,
        # A call to a model and one to the judge each.
        "cost": pytest.approx(24 * CALL),
        "expected_at": None,
    }
    assert (run["dataset"]["name"], run["dataset"]["cases"]) == ("faq", 3)
    exact = evaluator(run)
    assert exact["pass_rate"]["value"] == pytest.approx(2 / 3)
    assert exact["pass_rate"]["n"] == 3
    assert evaluator(run, "tone", "judge")["score"]["value"] == 1
    [of_gpt, _] = run["results"]["models"]
    assert of_gpt["cost"] == of_gpt["judge_cost"] == pytest.approx(6 * CALL)
    every = (await evals.do("GET", f"/runs/{run['id']}/items"))["data"]
    assert [each["model"] for each in every] == ["gpt", "judge"] * 6, "they take turns"
    page = await evals.do("GET", f"/runs/{run['id']}/items?status=failed&limit=3")
    assert page["has_more"]
    assert {(each["case_id"], each["status"]) for each in page["data"]} == {("japan", "failed")}
    rest = await evals.do(
        "GET", f"/runs/{run['id']}/items?status=failed&after={page['data'][-1]['position']}"
    )
    assert len(rest["data"]) == 1
    [item] = rest["data"]
    assert (item["output"], item["latency_ms"] > 0, item["repetition"]) == ("Atlantis", True, 1)
    assert [(score["evaluator"], score["passed"]) for score in item["scores"]] == [
        ("exact", False),
        ("tone", True),
    ]


async def test_its_calls_are_in_the_ledger_under_tags(evals: Evaluating) -> None:
    await evals.set_up(evaluators=["tone"])
    key = await evals.gateway.issue_key(tags=["of-the-key"])
    run = await evals.run(key_id=key["id"])
    rows = await evals.gateway.rows(key["id"], 6)
    tags = [row.tags for row in rows]
    of_run = f"eval_run:{run['id']}"
    for role in ("target", "judge"):
        assert tags.count(("of-the-key", of_run, f"eval_role:{role}")) == 3
    report = await evals.gateway.manage("GET", f"/usage?tag={of_run}")
    assert report.json()["total"]["requests"] == 6
    assert run["progress"]["cost"] == pytest.approx(report.json()["total"]["cost"])
    assert run["key_id"] == key["id"]


async def test_a_run_in_full_with_a_request_of_its_own(evals: Evaluating) -> None:
    await evals.set_up()
    messages = [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "Say: {{item.input}}"},
    ]
    body = {**SUITE, "name": "once", "messages": messages, "params": {"temperature": 0.5}}
    begun = await evals.do("POST", "/runs", body, 202)
    run = await evals.ended(begun["id"])
    assert (run["suite"], run["name"], run["progress"]["done"]) == (None, "once", 3)
    assert all(call["temperature"] == 0.5 for call in evals.provider.calls)
    asked = {call["messages"][1]["content"] for call in evals.provider.calls}
    assert asked == {f"Say: Capital of {country}?" for country in CAPITALS}


async def test_what_a_run_says_is_merged_into_its_suite(evals: Evaluating) -> None:
    gate = {"pass_rate": 0.5, "max_error_rate": 0.1}
    await evals.set_up(params={"temperature": 0, "seed": 1}, gate=gate)
    asked = {
        "suite": "ci",
        "params": {"seed": None, "max_tokens": 5},
        "gate": {"pass_rate": 0.25},
    }
    begun = await evals.do("POST", "/runs", asked, 202)
    assert begun["params"] == {"temperature": 0, "max_tokens": 5}
    run = await evals.ended(begun["id"])
    wanted = {check["name"]: check["wanted"] for check in run["gate"]["checks"]}
    assert (wanted["pass_rate"], wanted["max_error_rate"]) == (0.25, 0.1)


async def test_answers_that_the_dataset_has_are_scored_without_a_call(evals: Evaluating) -> None:
    await evals.set_up()
    rows = [row | {"output": "London"} for row in ROWS]
    await evals.do("POST", "/datasets", {"name": "answered", "rows": rows}, 201)
    run = await evals.run(dataset="answered", models=["{{item.output}}"])
    assert evals.provider.calls == []
    assert evaluator(run, model="{{item.output}}")["pass_rate"]["value"] == pytest.approx(1 / 3)
    assert (run["model_versions"], run["progress"]["cost"]) == ({}, 0)
    missing = await evals.ask("POST", "/runs", {"suite": "ci", "models": ["{{item.output}}"]})
    assert missing.status_code == 422


async def test_no_more_calls_at_once_than_wanted(evals: Evaluating) -> None:
    await evals.set_up(repeat=10, concurrency=3)
    await evals.run()
    assert evals.provider.busiest == 3
    assert len(evals.provider.calls) == 30


async def test_a_call_that_fails_is_an_error_and_no_wrong_answer(evals: Evaluating) -> None:
    await evals.set_up()

    async def failing(body: Json) -> Response | None:
        if "Japan" in body["messages"][-1]["content"]:
            return answer({"error": {"message": "full", "type": "server_error"}}, 500)
        return None

    evals.provider.before = failing
    run = await evals.run()
    assert run["status"] == "completed"
    assert (run["progress"]["done"], run["progress"]["errors"]) == (3, 1)
    assert evaluator(run)["pass_rate"]["value"] == 1
    [item] = (await evals.do("GET", f"/runs/{run['id']}/items?status=error"))["data"]
    assert "500" in item["error"]
    assert (item["output"], item["scores"]) == (None, [])


async def test_what_is_no_text_is_stored_all_the_same(evals: Evaluating) -> None:
    await evals.set_up(evaluators=["tone"])
    half = "\ud83d"

    async def odd(body: Json) -> Response:
        said = f'{{"reason": "{half}", "score": 9}}' if "response_format" in body else half
        called = {"name": half, "arguments": half}
        call = {"id": "call_1", "type": "function", "function": called}
        calls = {} if "response_format" in body else {"tool_calls": [call]}
        # As JSON may have it, in an escape.
        return Response(json.dumps(completion(said, **calls)), media_type="application/json")

    evals.provider.before = odd
    run = await evals.run()
    assert (run["status"], run["progress"]["done"]) == ("completed", 3)
    [item, *_] = (await evals.do("GET", f"/runs/{run['id']}/items"))["data"]
    assert (item["output"], item["scores"][0]["reason"]) == ("?", "9 of 1 to 10: ?")
    assert item["tool_calls"][0]["function"]["name"] == "?"


async def test_a_cost_cap_ends_a_run_which_a_higher_one_takes_up(evals: Evaluating) -> None:
    await evals.set_up(evaluators=["exact", "tone"], concurrency=1, max_cost=3.5 * CALL)
    run = await evals.run()
    # Of the calls to the judge too, and of none after the cap.
    assert len(evals.provider.calls) == 4
    assert run["status"] == "failed"
    assert "max_cost is $" in run["error"]
    assert run["progress"]["done"] == 2
    again = await evals.do("POST", f"/runs/{run['id']}/resume", status=202)
    assert (await evals.ended(again["id"]))["status"] == "failed"
    assert len(evals.provider.calls) == 4
    await evals.do("POST", f"/runs/{run['id']}/resume", {"max_cost": 1}, 202)
    run = await evals.ended(run["id"])
    assert (run["status"], run["error"], run["progress"]["done"]) == ("completed", None, 3)
    assert len(evals.provider.calls) == 6
    assert run["progress"]["cost"] == pytest.approx(6 * CALL)


async def test_a_run_is_cancelled_and_taken_up(evals: Evaluating) -> None:
    await evals.set_up(concurrency=1)
    reached, go = asyncio.Event(), asyncio.Event()

    async def slow(body: Json) -> None:
        if "France" in body["messages"][-1]["content"]:
            reached.set()
            await go.wait()

    evals.provider.before = slow
    begun = await evals.do("POST", "/runs", {"suite": "ci"}, 202)
    await reached.wait()
    conflict = await evals.ask("POST", f"/runs/{begun['id']}/resume")
    assert conflict.status_code == 409
    assert (await evals.ask("DELETE", f"/runs/{begun['id']}")).status_code == 409
    cancelled = await evals.do("POST", f"/runs/{begun['id']}/cancel")
    assert (cancelled["status"], cancelled["progress"]["done"]) == ("cancelled", 1)
    assert (await evals.do("POST", f"/runs/{begun['id']}/cancel"))["status"] == "cancelled"
    go.set()
    await evals.do("POST", f"/runs/{begun['id']}/resume", status=202)
    run = await evals.ended(begun["id"])
    assert (run["status"], run["progress"]["done"]) == ("completed", 3)
    # One that was cancelled amid its call is asked once more, the one before it is not.
    asked = [call["messages"][-1]["content"] for call in evals.provider.calls]
    assert [asked.count(row["input"]) for row in ROWS] == [1, 2, 1]
    assert (await evals.ask("POST", f"/runs/{begun['id']}/resume")).status_code == 409
    await evals.do("DELETE", f"/runs/{begun['id']}")
    assert (await evals.ask("GET", f"/runs/{begun['id']}")).status_code == 404


async def test_a_run_that_is_cancelled_elsewhere_ends_here(
    evals: Evaluating, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "BEAT_SECONDS", 0.02)
    await evals.set_up(concurrency=1)
    evals.gateway.provider.hangs()
    begun = await evals.do("POST", "/runs", {"suite": "ci"}, 202)
    while not evals.gateway.provider.received:
        await asyncio.sleep(0.01)
    # As another process does.
    runs = evals.gateway.app.state.services.store.evals.runs
    assert await runs.cancel(begun["id"], begun_at := int(time.time()), TESTER)
    await evals.gateway.provider.left.wait()
    run = await evals.ended(begun["id"])
    assert (run["status"], run["progress"]["done"]) == ("cancelled", 0)
    assert run["ended_at"] == timestamp(begun_at)


async def test_a_gateway_that_stops_leaves_its_runs_to_be_taken_up(evals: Evaluating) -> None:
    await evals.set_up(concurrency=1)
    reached, go = asyncio.Event(), asyncio.Event()

    async def slow(body: Json) -> None:
        if "France" in body["messages"][-1]["content"]:
            reached.set()
            await go.wait()

    evals.provider.before = slow
    begun = await evals.do("POST", "/runs", {"suite": "ci"}, 202)
    await reached.wait()
    await evals.gateway.app.state.services.runs.aclose()
    run = await evals.ended(begun["id"])
    assert (run["status"], run["progress"]["done"]) == ("interrupted", 1)
    assert "stopped" in run["error"]
    go.set()
    await evals.do("POST", f"/runs/{begun['id']}/resume", status=202)
    assert (await evals.ended(begun["id"]))["progress"]["done"] == 3


async def test_a_run_that_ends_while_items_are_being_stored(
    evals: Evaluating, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Runs.store

    async def slow(*arguments: Any) -> bool:
        stored = await store(*arguments)
        # All answers are there by then, and what waits for more of them is cancelled.
        await asyncio.sleep(0.05)
        return stored

    monkeypatch.setattr(Runs, "store", slow)
    monkeypatch.setattr(runner, "_GATHER_SECONDS", 0)
    await evals.set_up()
    run = await evals.run(models=["{{item.expected}}"])
    assert (run["status"], run["progress"]["done"]) == ("completed", 3)
    assert len((await evals.do("GET", f"/runs/{run['id']}/items"))["data"]) == 3


async def test_a_provider_that_is_busy_is_waited_for(evals: Evaluating) -> None:
    await evals.set_up()
    refused = 0

    async def busy(_: Json) -> Response | None:
        nonlocal refused
        if refused:
            return None
        refused += 1
        error = {"error": {"message": "slow down", "type": "rate_limit_error"}}
        return answer(error, 429, {"retry-after": "1"})

    evals.provider.before = busy
    run = await evals.run()
    assert (run["status"], run["progress"]["errors"], refused) == ("completed", 0, 1)


async def test_what_an_evaluator_gets_wrong_is_its_score_s_error(
    evals: Evaluating, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(service, "scorer_of", lambda *_, **__: broken)
    await evals.set_up()
    run = await evals.run()
    assert (run["status"], run["progress"]["errors"]) == ("completed", 3)
    [item, *_] = (await evals.do("GET", f"/runs/{run['id']}/items"))["data"]
    assert item["scores"][0]["error"] == "The evaluator failed: ZeroDivisionError"


async def test_limits_of_the_key_are_waited_for(evals: Evaluating) -> None:
    await evals.set_up(concurrency=2)
    key = await evals.gateway.issue_key(max_parallel_requests=1)
    run = await evals.run(key_id=key["id"])
    assert (run["status"], run["progress"]["errors"]) == ("completed", 0)
    assert evals.provider.busiest == 1


async def test_limits_are_not_waited_for_without_end(
    evals: Evaluating, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_calls, "LONGEST_WAIT", 0.5)
    await evals.set_up()
    key = await evals.gateway.issue_key(rpm_limit=1)
    run = await evals.run(key_id=key["id"])
    assert (run["status"], run["progress"]["errors"]) == ("completed", 2)
    [item, *_] = (await evals.do("GET", f"/runs/{run['id']}/items?status=error"))["data"]
    assert item["error"].startswith("No room within limits")


async def test_a_spent_budget_ends_a_run(evals: Evaluating) -> None:
    await evals.set_up(concurrency=1)
    key = await evals.gateway.issue_key(max_budget=1.5 * CALL)
    run = await evals.run(key_id=key["id"])
    assert (run["status"], run["progress"]["done"]) == ("failed", 2)
    assert "budget" in run["error"].lower()


async def test_a_key_that_is_revoked_ends_a_run(evals: Evaluating) -> None:
    await evals.set_up(concurrency=1)
    key = await evals.gateway.issue_key()

    async def revoke(_: Json) -> None:
        await evals.gateway.manage("DELETE", f"/keys/{key['id']}")

    evals.provider.before = revoke
    run = await evals.run(key_id=key["id"])
    assert (run["status"], run["progress"]["done"]) == ("failed", 1)
    assert "revoked" in run["error"]
    refused = await evals.ask("POST", "/runs", {"suite": "ci", "key_id": key["id"]})
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, "key_id")


async def test_what_was_answered_before_is_asked_again_unless_wanted_otherwise(
    evals: Evaluating,
) -> None:
    await evals.set_up(repeat=2, concurrency=1)
    await evals.gateway.manage("PATCH", "/settings", {"cache": True})
    await evals.run()
    assert len(evals.provider.calls) == 6
    run = await evals.run(params={"cache": {"use-cache": True}})
    assert len(evals.provider.calls) == 9
    assert run["progress"]["done"] == 6
    assert "cache" not in evals.provider.calls[-1]


async def test_a_gate_and_a_baseline(evals: Evaluating) -> None:
    gate = {"pass_rate": 0.9, "no_regression_vs": "baseline"}
    await evals.set_up(gate=gate)
    first = await evals.run()
    assert first["gate"]["passed"] is True
    await evals.do("PATCH", "/suites/ci", {"baseline": first["id"]})
    evals.provider.wrong = {"UK", "France"}
    second = await evals.run()
    checks = {check["name"]: check["passed"] for check in second["gate"]["checks"]}
    assert second["gate"]["passed"] is checks["pass_rate"] is False
    assert "no_regression_vs" in checks
    [pair] = second["comparison"]["evaluators"]
    assert {change["case_id"] for change in pair["regressed"]} == {"uk", "france"}
    compared = await evals.do("GET", f"/runs/{second['id']}/compare/{first['id']}")
    assert compared == second["comparison"]
    other = {**SUITE, "models": ["judge"]}
    other_run = await evals.ended((await evals.do("POST", "/runs", other, 202))["id"])
    nothing = await evals.ask("GET", f"/runs/{second['id']}/compare/{other_run['id']}")
    assert nothing.status_code == 409
    missing = await evals.ask("GET", f"/runs/{second['id']}/compare/none")
    assert missing.status_code == 404


async def test_a_base_that_is_not_there_is_no_pass(evals: Evaluating) -> None:
    await evals.set_up(gate={"no_regression_vs": "run_gone"})
    run = await evals.run()
    [check] = [each for each in run["gate"]["checks"] if each["name"] == "no_regression_vs"]
    assert (run["gate"]["passed"], check["passed"]) == (False, False)
    assert "'run_gone' is gone" in check["reason"]
    # A suite alone has a baseline.
    body = {**SUITE, "gate": {"no_regression_vs": "baseline"}}
    run = await evals.ended((await evals.do("POST", "/runs", body, 202))["id"])
    assert run["gate"]["passed"] is False
    await evals.do("PATCH", "/suites/ci", {"gate": {"no_regression_vs": "baseline"}})
    run = await evals.run()
    assert run["gate"]["passed"] is True, "there is none yet"
    await evals.do("DELETE", "/suites/ci")
    assert (await evals.do("GET", f"/runs/{run['id']}"))["gate"]["passed"] is False


async def test_two_models_of_one_run_are_compared(evals: Evaluating) -> None:
    await evals.set_up(models=["gpt", "judge"])
    run = await evals.run()
    path = f"/runs/{run['id']}/compare/{run['id']}"
    compared = await evals.do("GET", f"{path}?model=gpt&base_model=judge")
    [pair] = compared["evaluators"]
    assert (pair["model"], pair["base_model"], pair["unchanged"]) == ("gpt", "judge", 3)
    assert (await evals.ask("GET", f"{path}?model=gpt")).status_code == 422


async def test_what_has_changed_since_a_run_is_told_and_used_by_the_next(
    evals: Evaluating,
) -> None:
    await evals.set_up(evaluators=["exact", "tone"])
    run = await evals.run()
    path = f"/runs/{run['id']}/outdated"
    assert await evals.do("GET", path) == {
        "object": "evals.outdated",
        "outdated": False,
        "changes": [],
    }
    await evals.do("PATCH", "/datasets/faq", {"description": "Questions"})
    await evals.gateway.manage("PATCH", "/models/gpt", {"api_key": "sk-another-0123456789"})
    assert (await evals.do("GET", path))["changes"] == []
    await evals.do("PATCH", "/datasets/faq/rows/uk", {"expected": "Cardiff"})
    await evals.do("PATCH", "/evaluators/tone", {"pass_threshold": 8})
    await evals.gateway.manage("PATCH", "/models/gpt", {"litellm_params": {"seed": 1}})
    await evals.gateway.manage("DELETE", "/models/judge")
    changes = (await evals.do("GET", path))["changes"]
    assert [(each["kind"], each["name"], each["state"]) for each in changes] == [
        ("dataset", "faq", "changed"),
        ("evaluator", "tone", "changed"),
        ("model", "gpt", "changed"),
        ("model", "judge", "removed"),
    ]
    refused = await evals.ask("POST", f"/runs/{run['id']}/rerun")
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, "evaluators")
    await evals.gateway.add_model("judge", litellm_params={"model": "gpt-4o"})
    await evals.do("PATCH", "/datasets/faq", {"name": "renamed"}, 409)
    begun = await evals.do("POST", f"/runs/{run['id']}/rerun", {"name": "Again"}, 202)
    again = await evals.ended(begun["id"])
    assert (again["name"], again["suite"]) == ("Again", "ci")
    assert again["dataset"]["version"] != run["dataset"]["version"]
    assert evaluator(again)["pass_rate"]["value"] == pytest.approx(2 / 3)
    # The run is as it was.
    assert evaluator(await evals.do("GET", f"/runs/{run['id']}"))["pass_rate"]["value"] == 1


async def test_runs_are_listed_newest_first(evals: Evaluating) -> None:
    await evals.set_up()
    ids = [(await evals.run())["id"] for _ in range(3)]
    page = await evals.do("GET", "/runs?limit=2&suite=ci")
    assert ([run["id"] for run in page["data"]], page["has_more"]) == (ids[:0:-1], True)
    assert page["data"][0]["dataset"]["cases"] == 3
    page = await evals.do("GET", f"/runs?after={ids[1]}")
    assert ([run["id"] for run in page["data"]], page["has_more"]) == (ids[:1], False)
    assert (await evals.do("GET", "/runs?suite=none"))["data"] == []


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"suite": "none"}, 404, "suite"),
        ({"suite": 5}, 422, "suite"),
        ({"suite": "ci", "models": ["none"]}, 422, "models"),
        ({"suite": "ci", "dataset": "none"}, 404, "dataset"),
        ({"suite": "ci", "dataset": "empty"}, 422, "dataset"),
        ({"suite": "ci", "evaluators": ["none"]}, 404, "evaluator"),
        ({"suite": "ci", "repeat": 0}, 422, "repeat"),
        ({"suite": "ci", "repeat": "2"}, 422, "repeat"),
        ({"suite": "ci", "params": {"temperature": "hot"}}, 422, "params"),
        ({"suite": "ci", "params": {"api_base": "http://127.0.0.1"}}, 422, "params"),
        ({"suite": "ci", "messages": [{"role": "user", "content": "{{item.none}}"}]}, 422, None),
        ({"suite": "ci", "key_id": "none"}, 422, "key_id"),
        ({"suite": "ci", "key_id": 5}, 422, "key_id"),
        ({"suite": "ci", "unknown": 1}, 422, "unknown"),
        ({"models": ["gpt"]}, 422, "dataset"),
        ({}, 422, "dataset"),
    ],
)
async def test_what_cannot_be_run_is_refused(
    evals: Evaluating, body: dict[str, Any], status: int, param: str | None
) -> None:
    await evals.set_up()
    await evals.do("POST", "/datasets", {"name": "empty"}, 201)
    refused = await evals.ask("POST", "/runs", body)
    assert refused.status_code == status, refused.text
    assert param is None or refused.json()["error"]["param"] == param
    assert (await evals.do("GET", "/runs"))["data"] == []


async def test_a_key_that_may_not_call_the_model(evals: Evaluating) -> None:
    await evals.set_up()
    key = await evals.gateway.issue_key(models=["judge"])
    refused = await evals.ask("POST", "/runs", {"suite": "ci", "key_id": key["id"]})
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, "models")


async def test_code_is_never_run_over_http(evals: Evaluating) -> None:
    await evals.set_up()
    code = {"name": "code", "type": "python", "function": "os:getcwd"}
    await evals.do("POST", "/evaluators", code, 201)
    for path, body in (
        ("/runs", {"suite": "ci", "evaluators": ["code"]}),
        ("/evaluators/code/test", {"row": {"input": "x"}, "output": "y"}),
    ):
        refused = await evals.ask("POST", path, body)
        assert (refused.status_code, refused.json()["error"]["param"]) == (422, "evaluators")
        assert "command line" in refused.json()["error"]["message"]


@pytest.mark.parametrize("lane", ["direct"], indirect=True, scope="session")
@pytest.mark.parametrize("role", ["target", "judge"])
async def test_no_answer_is_the_end_of_a_run(
    evals: Evaluating, caplog: pytest.LogCaptureFixture, role: str
) -> None:
    """Each is one of which a part is odd, as models tell them who are called without litellm."""
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    said = completion(evals.provider.judgement, tool_calls=[call])
    huge = {"usage": {"prompt_tokens": 2**70, "completion_tokens": 2**70, "total_tokens": 2**70}}
    answers = [body for _, body in changed(said)] + [said | huge]
    await evals.set_up(evaluators=["exact", "tone"])
    rows = [{"id": f"n{n}", "input": f"Number {n}?", "expected": "x"} for n in range(len(answers))]
    await evals.do("POST", "/datasets", {"name": "odd", "rows": rows}, 201)
    told = iter(answers)

    async def before(body: Json) -> Response | None:
        judges = "How kind" in str(body["messages"][-1]["content"])
        if judges != (role == "judge"):
            return None
        return Response(json.dumps(next(told)), media_type="application/json")

    evals.provider.before = before
    suite = SUITE | {"name": "odd", "dataset": "odd", "evaluators": ["exact", "tone"]}
    await evals.do("POST", "/suites", suite, 201)
    run = await evals.run(suite="odd")
    assert (run["status"], run["error"]) == ("completed", None)
    faults = [each.getMessage() for each in caplog.records if each.levelname == "ERROR"]
    assert faults == []
    assert next(told, None) is None


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"total_tokens": 11}, 11),
        ({"total_tokens": 11.0}, 11),
        ({"total_tokens": -1}, 0),
        ({"total_tokens": "x"}, 0),
        ({"total_tokens": 2**70}, 2**53),
        ([], 0),
        (None, 0),
    ],
)
def test_tokens_of_an_answer(usage: object, tokens: int) -> None:
    assert model_calls.Answered({"usage": usage}, 1, None).tokens("total_tokens") == tokens
