"""Moments as people write them."""

from __future__ import annotations

import pytest

from gateway.moments import moment

NOW = 1_700_000_000


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7d", NOW - 7 * 86400),
        ("90s", NOW - 90),
        ("1970-01-02", 86400),
        ("1970-01-01T01:00:00", 3600),
        ("1970-01-01T01:00:00Z", 3600),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01T00:00:01.9Z", 1),
        ("0001-01-01T00:00:00+14:00", -62135647200),
        ("9999-12-31T23:59:59-14:00", 253402351199),
    ],
)
def test_moments(text: str, seconds: int) -> None:
    assert moment(text, NOW) == seconds


@pytest.mark.parametrize("text", ["", " ", "yesterday", "7", "-7d", "2026-02-30", "7d ago", "\x00"])
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(ValueError, match=r"^takes a day \(2026-11-24\)"):
        moment(text, NOW)
