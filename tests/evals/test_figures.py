"""Rates, p-values and times as people read them."""

from __future__ import annotations

import pytest

from gateway.evals.figures import chance, duration, percent, points


@pytest.mark.parametrize(
    ("rate", "text"), [(0, "0.0 %"), (0.925, "92.5 %"), (1, "100.0 %"), (0.00049, "0.0 %")]
)
def test_percent(rate: float, text: str) -> None:
    assert percent(rate) == text


@pytest.mark.parametrize(
    ("difference", "text"),
    [(0.3, "+30.0"), (-0.317, "\u221231.7"), (0.0, "0"), (-0.0, "0"), (-0.0004, "0")],
)
def test_points_have_a_sign_unless_they_are_none(difference: float, text: str) -> None:
    assert points(difference) == text


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (1000, "1 s"),
        (1937, "1.94 s"),
        (99_900, "99.9 s"),
        (119_999, "2 min 0 s"),
        (754_000, "12 min 34 s"),
    ],
)
def test_durations(ms: float, text: str) -> None:
    assert duration(ms) == text


@pytest.mark.parametrize(
    ("p", "text"), [(1, "1.000"), (0.0704, "0.070"), (0.001, "0.001"), (0.00099, "< 0.001")]
)
def test_p_values(p: float, text: str) -> None:
    assert chance(p) == text
