"""Lengths of time, and the budget periods that follow from them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from gateway.periods import DAY, check_period, period_end, period_start, seconds


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def shown(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat().removesuffix("+00:00")


# --- lengths ---


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        ("1s", 1),
        ("30s", 30),
        ("5m", 300),
        ("12h", 43_200),
        ("1d", 86_400),
        ("7d", 604_800),
        ("2w", 1_209_600),
        ("1mo", 2_592_000),
        ("12mo", 31_104_000),
        ("9999999s", 9_999_999),
        ("36500d", 3_153_600_000),
    ],
)
def test_lengths_of_time(duration: str, expected: int) -> None:
    assert seconds(duration) == expected


@pytest.mark.parametrize(
    "duration",
    ["", "d", "1", "0d", "00d", "01d", "-1d", "+1d", "1.5h", "1 d", " 1d", "1d ", "1d\n", "1D",
     "1M", "1y", "1h30m", "٣d", "1e3s", "10000000s", "daily", "1mo1d"],
)  # fmt: skip
def test_what_is_no_length_of_time(duration: str) -> None:
    for refusing in (seconds, check_period):
        with pytest.raises(ValueError, match="such as 30s, 5m, 12h, 7d, 1w or 1mo"):
            refusing(duration)


@pytest.mark.parametrize("duration", ["36501d", "9999999h", "1217mo", "5215w"])
def test_nothing_lasts_longer_than_a_hundred_years(duration: str) -> None:
    with pytest.raises(ValueError, match="longer than a hundred years"):
        seconds(duration)


@pytest.mark.parametrize("duration", ["1s", "7m", "5h", "24h", "48h", "2880m", "86400s", "100d"])
def test_lengths_that_a_budget_period_can_have(duration: str) -> None:
    check_period(duration)


@pytest.mark.parametrize("duration", ["25h", "36h", "1441m", "86401s", "9999999s"])
def test_longer_than_a_day_a_period_has_whole_days(duration: str) -> None:
    """What was spent in it is summed by the day, without the requests themselves."""
    with pytest.raises(ValueError, match="whole days"):
        check_period(duration)


# --- periods ---

MADE = "2026-11-20T15:30:00"

# 24 November 2026 is a Tuesday.
PERIODS = [
    ("1d", "2026-11-24T00:00:00", "2026-11-24T00:00:00", "2026-11-25T00:00:00"),
    ("1d", "2026-11-24T23:59:59", "2026-11-24T00:00:00", "2026-11-25T00:00:00"),
    ("24h", "2026-11-24T13:45:10", "2026-11-24T00:00:00", "2026-11-25T00:00:00"),
    ("1d", "2028-02-29T12:00:00", "2028-02-29T00:00:00", "2028-03-01T00:00:00"),
    ("7d", "2026-11-24T13:45:10", "2026-11-23T00:00:00", "2026-11-30T00:00:00"),
    ("7d", "2026-11-29T23:59:59", "2026-11-23T00:00:00", "2026-11-30T00:00:00"),
    ("7d", "2026-11-30T00:00:00", "2026-11-30T00:00:00", "2026-12-07T00:00:00"),
    ("1w", "2027-01-01T00:00:00", "2026-12-28T00:00:00", "2027-01-04T00:00:00"),
    # Counted from the first Monday of 1970; 2966 weeks later is 2026-11-09.
    ("2w", "2026-11-22T23:59:59", "2026-11-09T00:00:00", "2026-11-23T00:00:00"),
    ("2w", "2026-11-23T00:00:00", "2026-11-23T00:00:00", "2026-12-07T00:00:00"),
    ("1mo", "2026-11-24T13:45:10", "2026-11-01T00:00:00", "2026-12-01T00:00:00"),
    ("30d", "2026-11-24T13:45:10", "2026-11-01T00:00:00", "2026-12-01T00:00:00"),
    ("1mo", "2026-12-31T23:59:59", "2026-12-01T00:00:00", "2027-01-01T00:00:00"),
    ("1mo", "2027-01-31T12:00:00", "2027-01-01T00:00:00", "2027-02-01T00:00:00"),
    ("1mo", "2027-02-28T23:59:59", "2027-02-01T00:00:00", "2027-03-01T00:00:00"),
    ("1mo", "2028-02-29T23:59:59", "2028-02-01T00:00:00", "2028-03-01T00:00:00"),
    ("1mo", "2100-02-28T23:59:59", "2100-02-01T00:00:00", "2100-03-01T00:00:00"),
    ("2mo", "2026-12-24T00:00:00", "2026-11-01T00:00:00", "2027-01-01T00:00:00"),
    ("3mo", "2026-11-24T00:00:00", "2026-10-01T00:00:00", "2027-01-01T00:00:00"),
    ("12mo", "2026-11-24T00:00:00", "2026-01-01T00:00:00", "2027-01-01T00:00:00"),
    # 97 times seven months after January 1970.
    ("7mo", "2026-11-24T00:00:00", "2026-08-01T00:00:00", "2027-03-01T00:00:00"),
    # From the day on which the owner was made, the 20th.
    ("3d", "2026-11-20T15:30:00", "2026-11-20T00:00:00", "2026-11-23T00:00:00"),
    ("3d", "2026-11-22T23:59:59", "2026-11-20T00:00:00", "2026-11-23T00:00:00"),
    ("3d", "2026-11-23T00:00:00", "2026-11-23T00:00:00", "2026-11-26T00:00:00"),
    ("10d", "2028-02-29T00:00:00", "2028-02-23T00:00:00", "2028-03-04T00:00:00"),
    ("12h", "2026-11-24T11:59:59", "2026-11-24T00:00:00", "2026-11-24T12:00:00"),
    ("12h", "2026-11-24T12:00:00", "2026-11-24T12:00:00", "2026-11-25T00:00:00"),
    ("1h", "2026-11-24T13:45:10", "2026-11-24T13:00:00", "2026-11-24T14:00:00"),
    ("48h", "2026-11-24T13:45:10", "2026-11-23T00:00:00", "2026-11-25T00:00:00"),
    ("5m", "2026-11-24T13:44:59", "2026-11-24T13:40:00", "2026-11-24T13:45:00"),
    ("30s", "2026-11-24T13:45:59", "2026-11-24T13:45:30", "2026-11-24T13:46:00"),
]


@pytest.mark.parametrize(("duration", "now", "start", "end"), PERIODS)
def test_periods_are_fixed_in_utc(duration: str, now: str, start: str, end: str) -> None:
    assert shown(period_start(duration, at(MADE), at(now))) == start
    assert shown(period_end(duration, at(MADE), at(now))) == end


@pytest.mark.parametrize("duration", ["1h", "1d", "3d", "7d", "2w", "1mo", "5mo"])
def test_a_gateway_that_was_down_for_many_periods_finds_the_one_it_is_in(duration: str) -> None:
    """The one that going from each to the next leads to."""
    made, now = at(MADE), at("2029-03-10T04:05:06")
    start = period_start(duration, made, made)
    while (end := period_end(duration, made, start)) <= now:
        start = end
    assert period_start(duration, made, now) == start
    assert now - start < seconds(duration) + 5 * 2 * DAY


MOMENTS = st.integers(0, at("2200-01-01"))
DURATIONS = st.builds(
    lambda number, unit: f"{number}{unit}",
    st.integers(1, 40) | st.integers(1, 9_999_999),
    st.sampled_from(["s", "m", "h", "d", "w", "mo"]),
)


@given(duration=DURATIONS, made=MOMENTS, later=st.integers(0, 200 * 365 * DAY))
@example(duration="1mo", made=0, later=0)
@example(duration="36500d", made=0, later=0)
def test_periods_follow_on_each_other(duration: str, made: int, later: int) -> None:
    try:
        check_period(duration)
    except ValueError:
        assume(False)
    now = made + later
    start, end = period_start(duration, made, now), period_end(duration, made, now)
    assert start <= now < end
    assert period_start(duration, made, start) == start
    assert period_start(duration, made, end - 1) == start
    assert period_start(duration, made, end) == end, "the end is where the next one begins"
    # What is longer than a day can be summed by the day.
    assert seconds(duration) < DAY or (start % DAY, end % DAY) == (0, 0)
    shortest = timedelta(days=28) if duration.endswith("mo") else timedelta(seconds=1)
    assert end - start >= shortest.total_seconds()
