"""Dollars in floating point, and nano-dollars that add up."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.money import MOST_DOLLARS, NANO, dollars, in_digits, nano_dollars


@pytest.mark.parametrize(
    ("amount", "nano"),
    [
        (0, 0),
        (0.0, 0),
        (1, 10**9),
        (0.1, 10**8),
        (0.3, 3 * 10**8),
        # 0.1 + 0.2 in floating point: what is beyond a nano-dollar is none.
        (0.30000000000000004, 3 * 10**8),
        (1.15, 1_150_000_000),
        (2.675, 2_675_000_000),
        (1e-9, 1),
        (4e-10, 0),
        (5e-10, 1),
        (1.5e-9, 2),
        (3e-07, 300),
        (123456.789012345, 123_456_789_012_345),
        (MOST_DOLLARS, 10**18),
    ],
)
def test_dollars_count_by_the_digits_they_are_written_with(amount: float, nano: int) -> None:
    assert nano_dollars(amount) == nano


@pytest.mark.parametrize(
    ("nano", "amount", "digits"),
    [
        (0, 0.0, "0"),
        (1, 1e-9, "0.000000001"),
        (300, 3e-07, "0.0000003"),
        (10**8, 0.1, "0.1"),
        (3 * 10**8, 0.3, "0.3"),
        (20 * 10**9, 20.0, "20"),
        (10**10, 10.0, "10"),
        (1_150_000_000, 1.15, "1.15"),
        (-1_500_000_000, -1.5, "-1.5"),
        (10**18, 1e9, "1000000000"),
    ],
)
def test_nano_dollars_are_shown_without_artefacts(nano: int, amount: float, digits: str) -> None:
    assert dollars(nano) == amount
    assert in_digits(nano) == digits


def test_the_largest_budget_leaves_room_for_what_is_spent_beyond_it() -> None:
    assert 9 * nano_dollars(MOST_DOLLARS) < 2**63


@given(st.floats(0, MOST_DOLLARS))
@example(8388608.1234567895)
@example(999999999.9999999)
def test_a_budget_that_is_written_down_and_read_again_stays_the_same(amount: float) -> None:
    """Or each time an exported file is applied it would change."""
    nano = nano_dollars(amount)
    assert nano_dollars(dollars(nano)) == nano
    assert abs(Decimal(str(amount)) * NANO - nano) <= Decimal("0.5")


@given(st.integers(-(2**63), 2**63))
def test_digits_say_it_exactly(nano: int) -> None:
    assert Decimal(in_digits(nano)) * NANO == nano
    assert "E" not in in_digits(nano)
