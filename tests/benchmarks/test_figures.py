"""Medians, spreads, ratios and percentiles of what several rounds measured."""

from __future__ import annotations

import pytest

from benchmarks.peers.figures import Spread, differences, percentile, ratios, shown, spread


def test_a_spread_is_the_median_and_both_ends() -> None:
    assert spread([5, 1, 9, 2]) == Spread(3.5, 1, 9)
    assert spread([]) is None


def test_ratios_are_taken_within_a_round() -> None:
    """A slow second round slows both, and the ratio stays."""
    assert ratios({0: 200, 1: 20, 2: 60}, {0: 100, 1: 10}) == Spread(2, 2, 2)


def test_ratios_to_nothing_are_none() -> None:
    assert ratios({0: 200}, {1: 100}) is None
    assert ratios({0: 200}, {0: 0}) is None


def test_differences_are_taken_within_a_round() -> None:
    assert differences({0: 12, 1: 25}, {0: 10, 1: 20}) == Spread(3.5, 2, 5)
    assert differences({0: 12}, {0: 0}) == Spread(12, 12, 12)


def test_a_percentile_is_one_of_the_values() -> None:
    values = list(range(100, 0, -1))
    assert percentile(values, 0.5) == 50
    assert percentile(values, 0.99) == 99
    assert percentile(values, 1) == 100
    assert percentile([7], 0.01) == 7
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0.00"),
        (0.00123, "0.001"),
        (0.123, "0.123"),
        (1.234, "1.23"),
        (99.94, "99.9"),
        (99.96, "100"),
        (12345.6, "12,346"),
        (-4.321, "-4.32"),
    ],
)
def test_figures_have_three_digits(number: float, text: str) -> None:
    assert shown(number) == text
