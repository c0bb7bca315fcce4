"""Reports on runs as files."""

from __future__ import annotations

import csv
import io
from xml.etree import ElementTree

from tests.http.evals.conftest import ROWS, Evaluating

ATTACK = "<script>alert(1)</script><img src=x onerror=alert(2)>"


async def test_a_page_in_which_nothing_runs(evals: Evaluating) -> None:
    hostile = {"id": f"x{ATTACK}", "input": ATTACK, "expected": ATTACK, "tags": [ATTACK]}
    await evals.set_up(evaluators=["exact", "tone"])
    await evals.do("POST", "/datasets/faq/rows", {"rows": [hostile]})
    evals.provider.wrong = {"UK"}
    evals.provider.judgement = f'{{"reason": "{ATTACK}", "score": 1}}'
    run = await evals.run(name=f"Nightly {ATTACK}")
    page = await evals.ask("GET", f"/runs/{run['id']}/report.html")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "sandbox" in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "<script" not in page.text
    assert "<img" not in page.text
    assert "&lt;script&gt;" in page.text


async def test_all_of_it_for_programs(evals: Evaluating) -> None:
    await evals.set_up()
    run = await evals.run()
    report = (await evals.ask("GET", f"/runs/{run['id']}/report.json")).json()
    assert report["results"] == run["results"]
    assert [item["case_id"] for item in report["items"]] == [row["id"] for row in ROWS]


async def test_scores_for_spreadsheets(evals: Evaluating) -> None:
    await evals.set_up(models=["gpt", "judge"])
    run = await evals.run()
    response = await evals.ask("GET", f"/runs/{run['id']}/report.csv")
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert len(list(csv.DictReader(io.StringIO(response.text)))) == 6


async def test_tests_for_ci_servers(evals: Evaluating) -> None:
    await evals.set_up(gate={"pass_rate": 1})
    evals.provider.wrong = {"UK"}
    run = await evals.run()
    response = await evals.ask("GET", f"/runs/{run['id']}/junit.xml")
    assert response.headers["content-type"] == "application/xml"
    root = ElementTree.fromstring(response.content)
    assert int(root.attrib["failures"]) == 2, "the answer, and the gate"


async def test_there_is_none_of_a_run_that_is_not_there(evals: Evaluating) -> None:
    for name in ("report.html", "report.json", "report.csv", "junit.xml"):
        assert (await evals.ask("GET", f"/runs/none/{name}")).status_code == 404
        assert (await evals.ask("GET", f"/runs/none/{name}?x=1")).status_code == 422
