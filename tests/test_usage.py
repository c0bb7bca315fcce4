"""The times that people give, and what a request looks like."""

from __future__ import annotations

import pytest

from gateway.errors import InvalidField
from gateway.periods import DAY
from gateway.usage import REQUEST_COLUMNS, Names, end_time, request_view, start_time
from tests.ledgers import ledger_row, milliseconds

NOW = milliseconds("2026-11-20T15:30:00") // 1000
TODAY = milliseconds("2026-11-20") // 1000


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        # Whole days, of which today is one.
        ("1d", TODAY, TODAY),
        ("7d", TODAY - 6 * DAY, TODAY - 6 * DAY),
        ("1w", TODAY - 6 * DAY, TODAY - 6 * DAY),
        ("1mo", TODAY - 29 * DAY, TODAY - 29 * DAY),
        # A day is part of what it ends.
        ("2026-11-18", TODAY - 2 * DAY, TODAY - DAY),
        ("20261118", TODAY - 2 * DAY, TODAY - DAY),
        (" 2026-11-18 ", TODAY - 2 * DAY, TODAY - DAY),
        # Anything else is a moment.
        ("12h", NOW - 12 * 3600, NOW - 12 * 3600),
        ("90m", NOW - 90 * 60, NOW - 90 * 60),
        ("2026-11-18T00:00", TODAY - 2 * DAY, TODAY - 2 * DAY),
        ("2026-11-18T01:00:00+01:00", TODAY - 2 * DAY, TODAY - 2 * DAY),
        ("2026-11-18T00:00:00Z", TODAY - 2 * DAY, TODAY - 2 * DAY),
    ],
)
def test_times(text: str, start: int, end: int) -> None:
    assert start_time("start", text, NOW) == start
    assert end_time("end", text, NOW) == end


@pytest.mark.parametrize(
    "text", ["", "now", "0d", "-1d", "7", "7 d", "٧d", "2026-11-31", "1969-12-30", "2200-01-02",
             "0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00", "9999999d", "1" * 5000 + "d"],
)  # fmt: skip
def test_what_is_no_time_names_its_field(text: str) -> None:
    for read in (start_time, end_time):
        with pytest.raises(InvalidField) as refused:
            read("--since", text, NOW)
        assert refused.value.param == "--since"
        assert refused.value.message.startswith("--since ")


def test_the_columns_are_those_of_a_request() -> None:
    assert tuple(request_view(ledger_row(), Names())) == REQUEST_COLUMNS
