"""Runs, and the first page, of the Evaluations tab."""

from __future__ import annotations

import asyncio

from starlette.responses import Response

from tests.http.console.conftest import Visitor, texts
from tests.http.evals.conftest import Evaluating
from tests.servers import Json

HTMX = {"hx-request": "true"}


async def test_nothing_there_teaches_what_to_do(visitor: Visitor) -> None:
    said = texts(await visitor.get("/ui/evals"))
    assert "Nothing is evaluated yet" in said
    assert "gateway evals run ci --config gateway.yaml" in said
    assert "No runs yet" in texts(await visitor.get("/ui/evals/runs"))


async def begun(visitor: Visitor, evals: Evaluating, suite: str = "ci") -> str:
    """The id of a run that was begun with the suite's button."""
    suite_id = (await evals.do("GET", f"/suites/{suite}"))["id"]
    await visitor.get(f"/ui/evals/suites/{suite_id}")
    answer = await visitor.post(f"/ui/evals/suites/{suite_id}/run")
    assert answer.status_code == 303, texts(answer)
    return answer.headers["location"].rpartition("/")[2]


async def test_a_run_begins_with_a_button_and_is_looked_at(
    visitor: Visitor, evals: Evaluating
) -> None:
    await evals.set_up(gate={"pass_rate": 0.9})
    evals.provider.wrong = {"UK"}
    run_id = await begun(visitor, evals)
    await evals.ended(run_id)
    page = await visitor.get(f"/ui/evals/runs/{run_id}")
    said = texts(page)
    assert "ci completed" in said
    assert "3 of 3 calls" in said
    assert "Gate failed" in said
    assert "gpt exact 66.7% 20.8% to 93.9%" in said
    assert "Results rest on as few as 3 cases" in said
    # Failed answers come first, and alone.
    assert "failed uk gpt" in said
    assert "Expected London Answer Atlantis" in said
    assert "passed japan" not in said
    said = texts(await visitor.get(f"/ui/evals/runs/{run_id}?status=all"))
    assert "passed japan gpt" in said
    last = texts(await visitor.get(f"/ui/evals/runs/{run_id}?status=all&after=2"))
    assert "None further on" in last
    said = texts(await visitor.get("/ui/evals"))
    assert "completed failed 66.7% gpt · exact" in said
    assert run_id in (await visitor.get("/ui/evals/runs?suite=ci")).text
    assert run_id not in (await visitor.get("/ui/evals/runs?suite=other")).text


async def test_how_far_it_is_is_asked_until_it_has_ended(
    visitor: Visitor, evals: Evaluating
) -> None:
    await evals.set_up(concurrency=1)
    held = asyncio.Event()

    async def hold(_: Json) -> Response | None:
        await held.wait()
        return None

    evals.provider.before = hold
    run_id = await begun(visitor, evals)
    page = await visitor.get(f"/ui/evals/runs/{run_id}")
    assert "0 of 3 calls" in texts(page)
    assert 'hx-trigger="every' in page.text
    part = await visitor.get(f"/ui/evals/runs/{run_id}/progress", **HTMX)
    assert "<html" not in part.text
    assert "hx-trigger" in part.text
    assert "hx-refresh" not in part.headers
    held.set()
    await evals.ended(run_id)
    part = await visitor.get(f"/ui/evals/runs/{run_id}/progress", **HTMX)
    assert "hx-trigger" not in part.text
    assert part.headers["hx-refresh"] == "true"


async def test_it_is_cancelled_resumed_and_run_again(visitor: Visitor, evals: Evaluating) -> None:
    await evals.set_up(concurrency=1)
    held = asyncio.Event()

    async def hold(_: Json) -> Response | None:
        await held.wait()
        return None

    evals.provider.before = hold
    run_id = await begun(visitor, evals)
    url = f"/ui/evals/runs/{run_id}"
    assert (await visitor.post(f"{url}/cancel")).status_code == 303
    assert "ci cancelled" in texts(await visitor.get(url))
    assert "cancelled no gate –" in texts(await visitor.get("/ui/evals"))
    held.set()
    wrong = await visitor.post(f"{url}/resume", {"max_cost": "much"})
    assert wrong.status_code == 422
    assert "The new cap takes dollars" in texts(wrong)
    assert (await visitor.post(f"{url}/resume", {"max_cost": "5"})).status_code == 303
    assert (await evals.ended(run_id))["max_cost"] == 5
    assert "completed no gate 100% gpt · exact" in texts(await visitor.get("/ui/evals"))
    complete = await visitor.post(f"{url}/resume")
    assert complete.status_code == 409
    assert "is complete" in texts(complete)
    again = await visitor.post(f"{url}/rerun")
    other = again.headers["location"].rpartition("/")[2]
    assert other != run_id
    assert (await evals.ended(other))["status"] == "completed"


async def test_a_run_becomes_the_baseline_and_is_deleted(
    visitor: Visitor, evals: Evaluating
) -> None:
    await evals.set_up(gate={"no_regression_vs": "baseline"})
    run = await evals.run()
    url = f"/ui/evals/runs/{run['id']}"
    await visitor.get(url)
    await visitor.post(f"{url}/baseline")
    assert (await evals.do("GET", "/suites/ci"))["baseline"] == run["id"]
    assert "This is the baseline of ci" in texts(await visitor.get(url))
    assert "It is the baseline of its suite" in texts(await visitor.get(f"{url}/delete"))
    gone = await visitor.post(f"{url}/delete")
    assert "“ci” is deleted" in texts(await visitor.get(gone.headers["location"]))
    assert (await visitor.get(url)).status_code == 404


async def test_what_is_another_by_now_is_told(visitor: Visitor, evals: Evaluating) -> None:
    await evals.set_up()
    run = await evals.run()
    url = f"/ui/evals/runs/{run['id']}"
    assert "Since this run" not in texts(await visitor.get(url))
    await evals.do("PATCH", "/evaluators/exact", {"operation": "like"})
    assert "the evaluator exact was changed" in texts(await visitor.get(url))


async def test_reports_are_to_be_had_with_the_session(visitor: Visitor, evals: Evaluating) -> None:
    await evals.set_up()
    run = await evals.run()
    url = f"/ui/evals/runs/{run['id']}/files"
    page = await visitor.get(f"{url}/report.html")
    assert "sandbox" in page.headers["content-security-policy"]
    assert "style-src 'unsafe-inline'" in page.headers["content-security-policy"]
    for name in ("report.json", "report.csv", "junit.xml"):
        file = await visitor.get(f"{url}/{name}")
        assert file.headers["content-disposition"] == f'attachment; filename="{name}"'
        same = await evals.ask("GET", f"/runs/{run['id']}/{name}")
        assert file.content == same.content
    assert (await visitor.get(f"{url}/none")).status_code == 404


async def test_what_changes_something_needs_the_sessions_token(
    visitor: Visitor, evals: Evaluating
) -> None:
    await evals.set_up()
    run = await evals.run()
    suite = await evals.do("GET", "/suites/ci")
    for path in (
        *(f"runs/{run['id']}/{what}" for what in ("cancel", "resume", "rerun", "baseline")),
        f"runs/{run['id']}/delete",
        *(f"suites/{suite['id']}/{what}" for what in ("run", "edit", "delete")),
        "suites",
    ):
        answer = await visitor.post(f"/ui/evals/{path}", {"csrf": "0" * 64})
        assert answer.status_code == 400, path
