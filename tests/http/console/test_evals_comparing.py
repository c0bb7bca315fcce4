"""Comparisons in the Evaluations tab, and a suite's history."""

from __future__ import annotations

from tests.http.console.conftest import Visitor, texts
from tests.http.evals.conftest import Evaluating


async def test_a_run_is_compared_with_an_earlier_one(visitor: Visitor, evals: Evaluating) -> None:
    await evals.set_up()
    evals.provider.wrong = {"Japan"}
    base = await evals.run()
    evals.provider.wrong = {"UK"}
    run = await evals.run()
    url = f"/ui/evals/runs/{run['id']}/compare"
    page = await visitor.get(url)
    assert f'value="{base["id"]}"' in page.text
    assert "Changes" not in texts(page)
    said = texts(await visitor.get(f"{url}?base={base['id']}"))
    assert "gpt exact no clear difference 0" in said
    assert "regressed uk Input Capital of UK? Expected London Before London Now Atlantis" in said
    assert "fixed japan Input Capital of Japan? Expected Tokyo Before Atlantis Now Tokyo" in said
    missing = await visitor.get(f"{url}?base=run_none")
    assert missing.status_code == 404
    assert "No run has the id 'run_none'" in texts(missing)


async def test_two_models_of_a_run_are_compared(visitor: Visitor, evals: Evaluating) -> None:
    await evals.set_up(models=["gpt", "judge"])
    run = await evals.run()
    url = f"/ui/evals/runs/{run['id']}/compare"
    said = texts(await visitor.get(f"{url}?model=judge&base_model=gpt"))
    assert "judge against gpt exact no clear difference" in said
    wrong = await visitor.get(f"{url}?model=judge&base_model=none")
    assert wrong.status_code == 422
    assert "takes one of the run's models" in texts(wrong)
    both = await visitor.get(f"{url}?base={run['id']}&model=gpt")
    assert "Compare either with another run" in texts(both)


async def test_one_alone_has_nothing_to_compare_with(visitor: Visitor, evals: Evaluating) -> None:
    await evals.set_up()
    run = await evals.run()
    page = await visitor.get(f"/ui/evals/runs/{run['id']}/compare")
    assert "Nothing to compare with yet" in texts(page)


async def test_the_history_of_a_suite_is_drawn(visitor: Visitor, evals: Evaluating) -> None:
    await evals.set_up(gate={"pass_rate": 0.5})
    suite = await evals.do("GET", "/suites/ci")
    url = f"/ui/evals/suites/{suite['id']}"
    assert "gateway evals run ci --junit junit.xml" in texts(await visitor.get(url))
    await evals.run()
    assert "<svg" not in (await visitor.get(url)).text, "one run is no history"
    evals.provider.wrong = {"UK", "Japan"}
    await evals.run()
    page = await visitor.get(url)
    # All are right at first, a third of them later.
    assert '<line x1="3.0%" y1="5.0%" x2="97.0%" y2="65.0%"/>' in page.text
    assert '<line class="mark" x1="0%" x2="100%" y1="50.0%" y2="50.0%"/>' in page.text
    said = texts(page)
    assert "ci completed passed 100% gpt · exact" in said
    assert "ci completed failed 33.3% gpt · exact" in said
