"""Rates, changes of rates, p-values and times as people read them."""

from __future__ import annotations


def percent(rate: float) -> str:
    """
    >>> percent(0.925)
    '92.5 %'
    """
    return f"{rate * 100:.1f} %"


def points(difference: float) -> str:
    """Percentage points, with their sign.

    >>> points(0.3), points(-0.0)
    ('+30.0', '0')
    """
    text = f"{difference * 100:+.1f}"
    return "0" if float(text) == 0 else text.replace("-", "−")


def duration(ms: float) -> str:
    """
    >>> duration(912), duration(1937), duration(754_000)
    ('912 ms', '1.94 s', '12 min 34 s')
    """
    if ms < 1000:
        return f"{ms:.0f} ms"
    if ms < 99_950:
        return f"{ms / 1000:.3g} s"
    minutes, seconds = divmod(round(ms / 1000), 60)
    return f"{minutes} min {seconds} s"


def chance(p: float) -> str:
    """A p-value.

    >>> chance(0.0704), chance(2e-9)
    ('0.070', '< 0.001')
    """
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"
