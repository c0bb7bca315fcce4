"""Where things stand in plots: in percent, and never outside."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.evals.comparison import compare, compare_targets
from gateway.evals.records import RunWithItems
from gateway.evals.reports.plots import (
    Bar,
    Plot,
    Whisker,
    costs,
    differences,
    latencies,
    pass_rates,
    scatter,
)
from gateway.evals.results import results_of
from tests.evals.runs import evaluation, evaluator


def rows(plot: Plot | None) -> list[Whisker]:
    assert plot is not None
    return [row for _, group in plot.groups for row in group]


def with_costs(said: dict[str, list[object]], prices: list[int | None]) -> RunWithItems:
    made = evaluation(said)  # type: ignore[arg-type]
    by_target = dict(zip(said, prices, strict=True))
    items = [replace(item, cost=by_target[item.target], judge_cost=0) for item in made.items]
    return RunWithItems(made.run, items)


def test_pass_rates_are_grouped_by_evaluator_and_measured_by_the_gate() -> None:
    made = evaluation(
        {"gpt": [True] * 3 + [False], "llama": [True] * 4},
        evaluators=[evaluator("a"), evaluator("b")],
    )
    plot = pass_rates(results_of(made), 0.8)
    assert plot is not None
    assert [title for title, _ in plot.groups] == ["a", "b"]
    first, second, *_ = rows(plot)
    assert (first.label, first.at, first.text, first.tone) == ("gpt", 75, "75.0 %", "bad")
    assert (second.label, second.at, second.tone, second.mark) == ("llama", 100, "", 80)
    assert 0 < first.low < first.at < first.high < 100


def test_scores_are_shown_where_there_is_no_pass_rate_and_the_gate_asks_nothing_of_them() -> None:
    [row] = rows(pass_rates(results_of(evaluation({"gpt": [0.25, 0.75]})), 0.8))
    assert (row.is_score, row.text, row.at, row.tone, row.mark) == (True, "0.500", 50, "", None)


def test_differences_are_around_the_middle() -> None:
    base = evaluation({"gpt": [True] * 40, "llama": [False] * 20 + [True] * 20})
    made = evaluation({"gpt": [False] * 20 + [True] * 20, "llama": [True] * 40})
    plot = differences(compare(made, base).pairs)
    worse, better = rows(plot)
    assert (worse.tone, better.tone) == ("bad", "good")
    assert worse.high < 50 < better.low
    assert worse.at == pytest.approx(100 - better.at)
    assert plot is not None
    assert plot.ticks == ("\u221280.0", "\u221240.0", "0", "+40.0", "+80.0")


def test_differences_of_two_models_name_both() -> None:
    made = evaluation({"gpt": [True] * 3, "llama": [True] * 3})
    [row] = rows(differences(compare_targets(made, "gpt", "llama").pairs))
    assert (row.label, row.text) == ("gpt against llama", "0")


def test_latencies_reach_from_the_median_to_what_is_slow() -> None:
    made = evaluation({"gpt": [True] * 3, "llama": [None] * 3})
    times = [400, 500, 1500, 9000, 9000, 9000]
    items = [replace(item, latency_ms=ms) for item, ms in zip(made.items, times, strict=True)]
    plot = latencies(results_of(RunWithItems(made.run, items)))
    [row] = rows(plot)
    assert (row.label, row.at, row.low, row.high) == ("gpt", 25, 25, 75)
    assert row.text == "500 ms · 1.5 s"
    assert plot is not None
    assert plot.ticks == ("0", "500 ms", "1 s", "1.5 s", "2 s")


def test_costs_are_parts_of_the_dearest() -> None:
    made = evaluation({"gpt": [True] * 2, "llama": [True] * 2}, item={"judge_cost": 1_000_000})
    items = [replace(each, cost=each.target == "gpt" and 3_000_000) for each in made.items]
    items[3] = replace(items[3], cost=None)
    assert costs(results_of(RunWithItems(made.run, items))) == (
        Bar("gpt", 75, 25, "$0.0060 + $0.0020"),
        Bar("llama", 0, 25, "unpriced + $0.0020"),
    )


def test_quality_against_cost() -> None:
    made = with_costs(
        {"a": [True, False], "b": [True, True], "c": [True, True]}, [10**6, 4 * 10**6, None]
    )
    found = scatter(results_of(made))
    assert found is not None
    first, second = found.dots
    assert (first.letter, first.label, first.x, first.y) == ("A", "a", 25, 50)
    assert (first.quality, first.cost) == ("50.0 %", "$1.00")
    assert (second.letter, second.x, second.y) == ("B", 100, 0)
    assert found.left_out == ("c",)
    assert found.ticks == ("$0.00", "$1.00", "$2.00", "$3.00", "$4.00")


def test_free_models_stand_at_no_cost() -> None:
    found = scatter(results_of(with_costs({"a": [True], "b": [True]}, [0, 0])))
    assert found is not None
    assert [dot.x for dot in found.dots] == [0, 0]


def test_many_models_have_letters_of_their_own() -> None:
    said: dict[str, list[object]] = {f"m{n}": [True] for n in range(60)}
    found = scatter(results_of(with_costs(said, [1] * 60)))
    assert found is not None
    letters = [dot.letter for dot in found.dots]
    assert (letters[25:28], letters[52]) == (["Z", "AA", "AB"], "BA")
    assert len(set(letters)) == 60


def test_of_nothing_there_is_no_plot() -> None:
    made = evaluation({"gpt": [None]}, item={"cost": None, "latency_ms": None})
    results = results_of(made)
    assert pass_rates(results, None) is None
    assert latencies(results) is None
    assert costs(results) == ()
    assert scatter(results) is None
    assert differences(compare(made, made).pairs) is None
