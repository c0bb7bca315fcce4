"""A soak's verdict: what grows is told from what only wavers."""

from __future__ import annotations

import math

import pytest

from benchmarks.soak.trend import trend

TIMES = [float(second) for second in range(1200)]


def test_a_straight_line_has_its_slope() -> None:
    found = trend(TIMES, [100 + 36 * second / 3600 for second in TIMES], 60)
    assert found.slope == pytest.approx(36)
    assert found.margin == pytest.approx(0, abs=1e-6)
    assert not found.flat


def test_a_wave_is_flat() -> None:
    found = trend(TIMES, [100 + math.sin(second / 7) for second in TIMES], 60)
    assert found.flat
    assert abs(found.slope) < found.margin


def test_the_interval_is_students() -> None:
    """Of four means, 0, 1, 1 and 2: slope 0.6 a block, residuals 0.2, and t(2) = 4.303."""
    values = [0.0] * 60 + [1.0] * 120 + [2.0] * 60 + [9.0]
    found = trend([float(second) for second in range(241)], values, 60)
    assert found.slope == pytest.approx(0.6 * 60)
    assert found.margin == pytest.approx(4.303 * math.sqrt(0.2 / 2 / 5) * 60, rel=0.04)


def test_too_few_blocks_tell_nothing() -> None:
    with pytest.raises(ValueError, match="too few"):
        trend(TIMES[:100], TIMES[:100], 60)
