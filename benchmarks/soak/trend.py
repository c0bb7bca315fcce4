"""Whether a series of readings grows: the slope of a straight line through it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Trend:
    """A slope an hour, and the half width of its 95 % interval."""

    slope: float
    margin: float

    @property
    def flat(self) -> bool:
        """Whether the interval holds zero, or the series falls."""
        return self.slope - self.margin <= 0


def trend(times: Sequence[float], values: Sequence[float], block: float) -> Trend:
    """Fit a line through the means of blocks of so many seconds.

    Readings next to each other are alike, which would make the interval too narrow.

    Raises:
        ValueError: There are less than four blocks.
    """
    start = times[0]
    blocks: dict[int, list[float]] = {}
    for moment, value in zip(times, values, strict=True):
        blocks.setdefault(int((moment - start) // block), []).append(value)
    # The last is seldom whole.
    numbers = sorted(blocks)[:-1]
    if len(numbers) < 4:
        raise ValueError(f"{len(numbers)} blocks of {block:.0f} s are too few for a slope")
    hours = [number * block / 3600 for number in numbers]
    means = [statistics.fmean(blocks[number]) for number in numbers]
    slope, intercept = statistics.linear_regression(hours, means)
    free = len(hours) - 2
    rest = sum((y - intercept - slope * x) ** 2 for x, y in zip(hours, means, strict=True))
    centre = statistics.fmean(hours)
    spread = sum((x - centre) ** 2 for x in hours)
    return Trend(slope, _quantile(free) * math.sqrt(rest / free / spread))


def _quantile(free: int) -> float:
    """Student's t, 97.5 %: the first terms of its expansion, within 1 % from 3
    degrees of freedom on, 3 % at 2."""
    return 1.960 + 2.372 / free + 2.822 / free**2 + 2.556 / free**3
