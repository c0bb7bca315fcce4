"""What can be said of a model after a sample of cases: 95 % intervals and p-values.

The unit is the case. Where a case was repeated, its value is the mean over its repeats, so that
answers to one question never count as independent of each other: errors clustered by case, in the
words of Miller 2024, "Adding Error Bars to Evals" (arXiv 2411.00640).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist, fmean, stdev

ROUNDING = 1e-9
"""What a difference must exceed to be one: the mean of 1, 1, 1, 0.2 and 0.2 is less than 0.68 in
floating point, and other orders have other sums."""
_CONFIDENCE = 0.95
_Z = NormalDist().inv_cdf((1 + _CONFIDENCE) / 2)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over cases, and the 95 % interval for what it would be over all such cases."""

    value: float
    low: float
    high: float
    n: int
    """How many cases."""


def pass_rate(shares: Sequence[float]) -> Estimate | None:
    """The mean of each case's share of passes, from 0 to 1, with Wilson's score interval.

    Wilson counts successes, and a case that passed 2 times of 3 is two thirds of one here. That
    errs on the wide side alone: of all values from 0 to 1 with a given mean, those that are 0 or 1,
    which Wilson is for, vary the most. None of no cases.
    """
    n = len(shares)
    if not n:
        return None
    rate = fmean(shares)
    square = _Z**2 / n
    centre = (rate + square / 2) / (1 + square)
    margin = math.sqrt(square * (rate * (1 - rate) + square / 4)) / (1 + square)
    # Rounding must not leave the rate itself outside at 0 and 1, where the bound is the rate.
    low, high = max(0.0, min(rate, centre - margin)), min(1.0, max(rate, centre + margin))
    return Estimate(rate, low, high, n)


def mean_score(scores: Sequence[float]) -> Estimate | None:
    """The mean of each case's score, from 0 to 1, with Student's t interval within these bounds.

    Where scores do not vary, a t interval would claim to know the mean exactly, be it from two
    cases; Wilson's interval stands in, which holds for anything from 0 to 1. None of no cases.
    """
    if not _vary(scores):
        return pass_rate(scores)
    mean, margin = _t_interval(scores)
    return Estimate(mean, max(0.0, mean - margin), min(1.0, mean + margin), len(scores))


def pass_difference(differences: Sequence[float]) -> Estimate | None:
    """The mean change of each case's share of passes, from -1 to 1, with Bonett and Price's
    interval for paired proportions.

    It is Wald's, over the cases and two more that changed by 1 and -1 (Bonett and Price 2012,
    "Adjusted Wald Confidence Interval for a Difference of Binomial Proportions Based on Paired
    Data"). Most cases do not change at all between runs, and with few that do, a t interval is too
    narrow: five cases that all failed anew would be a certainty to it. None of no cases.
    """
    if not differences:
        return None
    n = len(differences)
    shown = [*differences, 1.0, -1.0]
    centre = fmean(shown)
    spread = max(0.0, fmean([each * each for each in shown]) - centre**2)
    margin = _Z * math.sqrt(spread / len(shown))
    return Estimate(fmean(differences), max(-1.0, centre - margin), min(1.0, centre + margin), n)


def score_difference(differences: Sequence[float]) -> Estimate | None:
    """The mean change of each case's score, from -1 to 1, with the paired t interval.

    Where all changed alike, t would claim certainty, and the interval of `pass_difference` stands
    in. None of no cases.
    """
    if not _vary(differences):
        return pass_difference(differences)
    mean, margin = _t_interval(differences)
    return Estimate(mean, max(-1.0, mean - margin), min(1.0, mean + margin), len(differences))


def mcnemar(fixed: int, regressed: int) -> float:
    """The two-sided p-value of McNemar's exact test: how likely so uneven a split is by chance.

    Cases that did not change say nothing of it.

    >>> mcnemar(1, 7)
    0.0703125
    """
    # In whole numbers: 1 << n is beyond a float's range from 1,024 changes on.
    n, ways, total = fixed + regressed, 1, 0
    for k in range(min(fixed, regressed) + 1):
        total += ways
        ways = ways * (n - k) // (k + 1)
    return min(1.0, 2 * total / (1 << n))


def percentile(values: Sequence[int], percent: int) -> int | None:
    """The least of the values that so many of a hundred do not exceed; None of none.

    >>> percentile([30, 10, 20], 50), percentile([30, 10, 20], 95)
    (20, 30)
    """
    if not values:
        return None
    return sorted(values)[max(0, -(-len(values) * percent // 100) - 1)]


def _vary(values: Sequence[float]) -> bool:
    return len(values) > 1 and max(values) - min(values) > ROUNDING


def _t_interval(values: Sequence[float]) -> tuple[float, float]:
    """The mean, and how far the interval reaches to both sides."""
    n = len(values)
    return fmean(values), t_quantile(n - 1) * stdev(values) / math.sqrt(n)


@cache
def t_quantile(degrees: int) -> float:
    """How many standard errors a 95 % interval reaches to each side, by Student's t.

    Newton's method over the exact distribution. It begins left of the result, where the curve bends
    down: so each step comes closer and none goes too far.

    >>> round(t_quantile(10), 3)
    2.228
    """
    log_scale = math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2)
    scale = math.exp(log_scale) / math.sqrt(degrees * math.pi)
    t = _Z
    while True:
        density = scale * math.pow(1 + t * t / degrees, -(degrees + 1) / 2)
        step = (_CONFIDENCE - _within(t, degrees)) / (2 * density)
        t += step
        if step <= 1e-10 * t:
            return t


def _within(t: float, degrees: int) -> float:
    """The probability that |T| is below t: Abramowitz and Stegun 26.7.3 and 26.7.4."""
    angle = math.atan2(t, math.sqrt(degrees))
    square = math.cos(angle) ** 2
    odd = degrees % 2
    term = math.cos(angle) if odd else 1.0
    total = 0.0
    for k in range(2 + odd, degrees + 1, 2):
        total += term
        term *= square * (k - 1) / k
    total *= math.sin(angle)
    return 2 / math.pi * (angle + total) if odd else total
