"""Moments as people write them: `2026-11-24`, `2026-11-24T08:00:00+01:00`, or `7d` for that long
ago."""

from __future__ import annotations

from datetime import UTC, datetime

from gateway import periods


def moment(text: str, now: int) -> int:
    """Seconds since the epoch. A time without a zone is UTC, a day begins at midnight.

    Raises:
        ValueError: It is neither; the message follows on from the name of a field.

    >>> moment("1970-01-02", 0)
    86400
    """
    try:
        return now - periods.seconds(text)
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            "takes a day (2026-11-24), an ISO 8601 time (2026-11-24T08:00:00Z), or how long ago "
            "(12h, 7d)"
        ) from None
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())
