"""Medians, spreads and ratios of what several rounds measured."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread | None:
    """None of no values."""
    if not values:
        return None
    return Spread(statistics.median(values), min(values), max(values))


def ratios(of: Mapping[int, float], to: Mapping[int, float]) -> Spread | None:
    """Of two measurements by round, each round's to its own: what slows a machine down for a while
    slows both. None if they have no round in common.
    """
    return spread([of[number] / to[number] for number in of if to.get(number)])


def differences(of: Mapping[int, float], to: Mapping[int, float]) -> Spread | None:
    """As `ratios`, but what is added."""
    return spread([of[number] - to[number] for number in of if number in to])


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of the values that this share of them, from 0 to 1, does not exceed.

    Raises:
        ValueError: There are none.
    """
    if not values:
        raise ValueError("there is no percentile of no values")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def shown(number: float) -> str:
    """With three digits that count, and at most three decimals."""
    if abs(number) >= 99.95:
        return f"{number:,.0f}"
    before = math.floor(math.log10(abs(number))) if number else 0
    return f"{number:.{min(3, 2 - before)}f}"
