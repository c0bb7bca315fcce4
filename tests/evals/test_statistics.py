"""Intervals and p-values against published examples, and what must hold of any sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.evals.statistics import (
    Estimate,
    mcnemar,
    mean_score,
    pass_difference,
    pass_rate,
    percentile,
    score_difference,
    t_quantile,
)

_shares = st.lists(st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1)), min_size=1)
_changes = st.lists(
    st.one_of(st.sampled_from([-1.0, 0.0, 1.0]), st.floats(-1, 1)), min_size=1, max_size=60
)


def bounds(estimate: Estimate | None) -> tuple[float, float]:
    assert estimate is not None
    return estimate.low, estimate.high


@pytest.mark.parametrize(
    ("passed", "n", "low", "high"),
    [
        # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I,
        # method 3, to four places.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_pass_rates_have_wilsons_interval(passed: int, n: int, low: float, high: float) -> None:
    found = pass_rate([1.0] * passed + [0.0] * (n - passed))
    assert bounds(found) == pytest.approx((low, high), abs=5e-5)
    assert found is not None
    assert found.value == pytest.approx(passed / n)
    assert found.n == n


@pytest.mark.parametrize(
    ("degrees", "quantile"),
    [
        # scipy 1.17.1: stats.t.ppf(0.975, degrees).
        (1, 12.706204736174694),
        (2, 4.302652729749462),
        (3, 3.1824463052837078),
        (10, 2.228138851986274),
        (29, 2.045229642132703),
        (100, 1.9839715185235518),
        (999, 1.9623414611334493),
        (5000, 1.9604385517065073),
    ],
)
def test_students_t(degrees: int, quantile: float) -> None:
    assert t_quantile(degrees) == pytest.approx(quantile, rel=1e-10)


def test_mean_scores_have_the_t_interval() -> None:
    # scipy 1.17.1: stats.ttest_1samp(scores, 0).confidence_interval().
    found = mean_score([0.2, 0.5, 0.9, 1, 0.35, 0.6])
    assert bounds(found) == pytest.approx((0.26580605705440913, 0.9175272762789242))


def test_differences_of_scores_have_the_paired_t_interval() -> None:
    # scipy 1.17.1: stats.ttest_rel(now, base).confidence_interval().
    now, base = [0.2, 0.5, 0.9, 1, 0.35, 0.6], [0.3, 0.5, 1, 1, 0.6, 0.7]
    found = score_difference([a - b for a, b in zip(now, base, strict=True)])
    assert bounds(found) == pytest.approx((-0.18794440353189135, 0.004611070198558026))


def test_differences_of_pass_rates_have_bonett_and_prices_interval() -> None:
    # The example of ci.prop.ps(.05, 12, 4, 26, 6) in R's statpsych 1.7, by Bonett.
    found = pass_difference([1.0] * 26 + [-1.0] * 4 + [0.0] * 18)
    assert bounds(found) == pytest.approx((0.2548067, 0.6251933), abs=5e-8)
    assert found is not None
    assert found.value == pytest.approx(22 / 48)
    assert found.n == 48


@pytest.mark.parametrize(
    ("fixed", "regressed", "p"),
    [
        # Fagerland, Lydersen and Laake 2013, "The McNemar test for binary matched-pairs data",
        # table 2: airway hyper-responsiveness.
        (1, 7, 0.0703125),
        # scipy 1.17.1: stats.binomtest(86, 236).pvalue.
        (86, 150, 3.7159361395713866e-05),
        (0, 5, 0.0625),
        (0, 6, 0.03125),
        (3, 3, 1.0),
        (0, 0, 1.0),
        (2000, 2000, 1.0),
    ],
)
def test_mcnemars_exact_test(fixed: int, regressed: int, p: float) -> None:
    assert mcnemar(fixed, regressed) == pytest.approx(p)
    assert mcnemar(regressed, fixed) == mcnemar(fixed, regressed)


@pytest.mark.parametrize("estimate", [pass_rate, mean_score, pass_difference, score_difference])
def test_of_no_cases_nothing_is_said(
    estimate: Callable[[Sequence[float]], Estimate | None],
) -> None:
    assert estimate([]) is None


@pytest.mark.parametrize("estimate", [pass_rate, mean_score])
@given(_shares)
def test_intervals_hold_the_mean_within_0_and_1(
    estimate: Callable[[Sequence[float]], Estimate | None], shares: list[float]
) -> None:
    found = estimate(shares)
    assert found is not None
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.n == len(shares)


@pytest.mark.parametrize("estimate", [pass_difference, score_difference])
@given(_changes)
def test_intervals_of_changes_hold_the_mean_and_mirror(
    estimate: Callable[[Sequence[float]], Estimate | None], changes: list[float]
) -> None:
    found, mirrored = estimate(changes), estimate([-each for each in changes])
    assert found is not None
    assert mirrored is not None
    assert -1 <= found.low <= found.value <= found.high <= 1
    assert (found.low, found.high) == pytest.approx((-mirrored.high, -mirrored.low), abs=1e-9)


def test_a_share_of_repeats_counts_as_that_share_of_a_case() -> None:
    shared = pass_rate([2 / 3] * 30)
    assert bounds(shared) == pytest.approx(bounds(pass_rate([1.0] * 20 + [0.0] * 10)))


def test_what_does_not_vary_is_not_certain() -> None:
    alike = mean_score([1.0] * 5)
    assert alike == pass_rate([1.0] * 5)
    assert bounds(alike)[0] < 0.6
    assert bounds(score_difference([0.0] * 40))[0] < 0 < bounds(score_difference([0.0] * 40))[1]


@pytest.mark.parametrize(("cases", "clear"), [(1, False), (3, False), (6, True)])
def test_a_few_cases_that_all_fail_anew_are_clear_only_from_some_on(
    cases: int, clear: bool
) -> None:
    assert (bounds(pass_difference([-1.0] * cases))[1] < 0) == clear


def test_few_changes_among_many_cases_may_be_chance() -> None:
    five, ten = [-1.0] * 5 + [0.0] * 95, [-1.0] * 10 + [0.0] * 90
    assert bounds(pass_difference(five))[1] > 0
    assert bounds(pass_difference(ten))[1] < 0


@given(st.lists(st.integers(0, 10**6), min_size=1), st.integers(1, 100))
def test_percentiles_are_values_that_so_many_do_not_exceed(values: list[int], percent: int) -> None:
    found = percentile(values, percent)
    assert found in values
    assert found is not None
    assert sum(each <= found for each in values) * 100 >= percent * len(values)
    assert sum(each < found for each in values) * 100 < percent * len(values)


def test_there_is_no_percentile_of_nothing() -> None:
    assert percentile([], 50) is None
