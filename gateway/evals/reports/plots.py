"""Where things stand in the report's plots, in percent of their width or height.

Percentages let a plot be as wide as the page, on a phone too, with text that stays as large as it
is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.evals.comparison import PairComparison
from gateway.evals.figures import duration, percent, points
from gateway.evals.results import Results, TargetResult
from gateway.evals.statistics import ROUNDING, Estimate
from gateway.money import money


@dataclass(frozen=True, slots=True)
class Whisker:
    """An estimate and its interval, or a median and what is slow."""

    label: str
    at: float
    low: float
    high: float
    text: str
    is_score: bool = False
    """Of scores, where the others are pass rates."""
    tone: str = ""
    """`good`, `bad` or neither."""
    mark: float | None = None
    """Where a line stands that it is measured by."""


@dataclass(frozen=True, slots=True)
class Plot:
    """Whiskers on one axis, in groups."""

    groups: tuple[tuple[str, tuple[Whisker, ...]], ...]
    """Each with its title, which may be empty."""
    ticks: tuple[str, ...]
    """The axis, at equal distances from its beginning to its end."""


@dataclass(frozen=True, slots=True)
class Bar:
    """What one target cost, in two parts that follow each other."""

    label: str
    target: float
    judge: float
    text: str


@dataclass(frozen=True, slots=True)
class Dot:
    """One target in the scatter plot; `y` is from the top."""

    letter: str
    label: str
    x: float
    y: float
    quality: str
    cost: str


@dataclass(frozen=True, slots=True)
class Scatter:
    dots: tuple[Dot, ...]
    ticks: tuple[str, ...]
    """Of the horizontal axis; the vertical one is from 0 to 100 %."""
    left_out: tuple[str, ...]
    """Targets without a known cost, or a result."""


def pass_rates(results: Results, wanted: float | None) -> Plot | None:
    """Pass rates, or scores where there are none, by evaluator; None where there are neither."""
    groups: dict[str, list[Whisker]] = {}
    for each in results.evaluators:
        estimate = each.pass_rate or each.score
        if estimate is not None:
            bar = _rate(each.target, estimate, each.pass_rate is None, wanted)
            groups.setdefault(each.evaluator, []).append(bar)
    if not groups:
        return None
    ticks = ("0 %", "25 %", "50 %", "75 %", "100 %")
    return Plot(tuple((name, tuple(rows)) for name, rows in groups.items()), ticks)


def _rate(target: str, estimate: Estimate, is_score: bool, wanted: float | None) -> Whisker:
    asked = None if is_score else wanted
    return Whisker(
        label=target,
        at=_at(estimate.value, 0, 1),
        low=_at(estimate.low, 0, 1),
        high=_at(estimate.high, 0, 1),
        text=f"{estimate.value:.3f}" if is_score else percent(estimate.value),
        is_score=is_score,
        tone="bad" if asked is not None and estimate.value < asked - ROUNDING else "",
        mark=None if asked is None else _at(asked, 0, 1),
    )


def differences(pairs: Sequence[PairComparison]) -> Plot | None:
    """Changes of pass rates, or of scores, around 0; None where nothing could be compared."""
    shown = [(pair, pair.difference) for pair in pairs if pair.difference is not None]
    if not shown:
        return None
    end = min(1.0, _ceiling(max(max(-each.low, each.high) for _, each in shown)))
    groups: dict[str, list[Whisker]] = {}
    for pair, each in shown:
        at, low, high = (_at(value, -end, end) for value in (each.value, each.low, each.high))
        tone = {"worse": "bad", "better": "good"}.get(pair.verdict, "")
        is_score = pair.pass_difference is None
        row = Whisker(_compared(pair), at, low, high, points(each.value), is_score, tone, 50.0)
        groups.setdefault(pair.evaluator, []).append(row)
    ticks = tuple(points(end * step / 2) for step in (-2, -1, 0, 1, 2))
    return Plot(tuple((name, tuple(rows)) for name, rows in groups.items()), ticks)


def _compared(pair: PairComparison) -> str:
    if pair.target == pair.base_target:
        return pair.target
    return f"{pair.target} against {pair.base_target}"


def latencies(results: Results) -> Plot | None:
    """From the median to the 95th percentile; None where nothing answered."""
    rows = [
        (each.target, each.latency_p50_ms, each.latency_p95_ms)
        for each in results.targets
        if each.latency_p50_ms is not None and each.latency_p95_ms is not None
    ]
    if not rows:
        return None
    end = _ceiling(max(slow for _, _, slow in rows))
    whiskers = tuple(
        Whisker(
            name,
            _at(median, 0, end),
            _at(median, 0, end),
            _at(slow, 0, end),
            f"{duration(median)} · {duration(slow)}",
        )
        for name, median, slow in rows
    )
    return Plot((("", whiskers),), ("0", *(duration(end * step / 4) for step in range(1, 5))))


def costs(results: Results) -> tuple[Bar, ...]:
    """What each target cost, less than the dearest; none where nothing did."""
    most = max((each.cost + each.judge_cost for each in results.targets), default=0)
    if not most:
        return ()
    return tuple(
        Bar(
            each.target,
            _at(each.cost, 0, most),
            _at(each.judge_cost, 0, most),
            f"{_own_cost(each)} + {money(each.judge_cost)}",
        )
        for each in results.targets
    )


def _own_cost(target: TargetResult) -> str:
    if not target.unpriced:
        return money(target.cost)
    return f"{money(target.cost)}, some unpriced," if target.cost else "unpriced"


def scatter(results: Results) -> Scatter | None:
    """Quality against cost, of two targets or more; quality is the mean over evaluators."""
    known, left_out = [], []
    for target in results.targets:
        estimates = [
            each.pass_rate or each.score
            for each in results.evaluators
            if each.target == target.target
        ]
        values = [each.value for each in estimates if each is not None]
        cost = target.cost_per_answer
        if values and cost is not None:
            known.append((target.target, sum(values) / len(values), cost * 1000))
        else:
            left_out.append(target.target)
    if len(known) < 2:
        return None
    end = _ceiling(max(cost for _, _, cost in known)) or 1
    dots = tuple(
        Dot(
            _letter(place),
            name,
            _at(cost, 0, end),
            100 - _at(quality, 0, 1),
            percent(quality),
            money(round(cost)),
        )
        for place, (name, quality, cost) in enumerate(known)
    )
    return Scatter(dots, tuple(money(round(end * step / 4)) for step in range(5)), tuple(left_out))


def _letter(place: int) -> str:
    """A to Z, then AA.

    >>> _letter(0), _letter(27)
    ('A', 'AB')
    """
    return (_letter(place // 26 - 1) if place > 25 else "") + chr(ord("A") + place % 26)


def _at(value: float, low: float, high: float) -> float:
    return round(min(100.0, max(0.0, (value - low) / (high - low) * 100)), 2)


def _ceiling(value: float) -> float:
    """The next of 1, 2, 4, 6, 8, 10, 20, … and their tenths: quarters of these are short to write.

    >>> _ceiling(1700), _ceiling(0.05), _ceiling(0)
    (2000.0, 0.06, 0.0)
    """
    if value <= 0:
        return 0.0
    unit = 10.0 ** math.floor(math.log10(value))
    return next(round(step * unit, 12) for step in (1, 2, 4, 6, 8, 10, 20) if step * unit >= value)
