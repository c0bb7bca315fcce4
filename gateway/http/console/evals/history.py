"""Where pass rates stand in the chart of a suite's history, in percent of its width and height.

Percentages let it be as wide as the page is, as those of reports are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from gateway.evals.figures import percent
from gateway.evals.records import RunHead
from gateway.http.console.evals.outcomes import Outcome

_MOST_SERIES = 6
# So that points at the ends are whole.
_MARGIN = 3.0


@dataclass(frozen=True, slots=True)
class Dot:
    """One run's rate; `y` is from the top."""

    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Series:
    """One model by one evaluator, over time."""

    label: str
    dots: tuple[Dot, ...]

    @property
    def steps(self) -> tuple[tuple[Dot, Dot], ...]:
        return tuple(pairwise(self.dots))


@dataclass(frozen=True, slots=True)
class History:
    """Attributes:
    series: Up to six; the table beside it has all.
    left_out: How many series there are besides.
    wanted: Where the rate stands that the gate wants.
    """

    series: tuple[Series, ...]
    left_out: int
    wanted: float | None


def history_of(
    lines: Sequence[tuple[RunHead, Outcome | None]], wanted: float | None
) -> History | None:
    """The chart of runs, which are given newest first; None of fewer than two that have ended."""
    ended = [(head.run, outcome) for head, outcome in reversed(lines) if outcome is not None]
    if len(ended) < 2:
        return None
    dots: dict[tuple[str, str], list[Dot]] = {}
    for place, (run, outcome) in enumerate(ended):
        x = _MARGIN + place / (len(ended) - 1) * (100 - 2 * _MARGIN)
        for rate in outcome.rates:
            value = rate.estimate.value
            text = f"{run.name}, {rate.model} by {rate.evaluator}: {percent(value)}"
            dot = Dot(round(x, 2), _height(value), text)
            dots.setdefault((rate.model, rate.evaluator), []).append(dot)
    series = tuple(
        Series(f"{model} · {evaluator}", tuple(found))
        for (model, evaluator), found in list(dots.items())[:_MOST_SERIES]
    )
    if not series:
        return None
    asked = None if wanted is None else _height(wanted)
    return History(series, max(0, len(dots) - _MOST_SERIES), asked)


def _height(rate: float) -> float:
    """Of a rate from 0 to 1, from the top.

    >>> _height(1.0), _height(0.5)
    (5.0, 50.0)
    """
    return round(95 - rate * 90, 2)
