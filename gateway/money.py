"""Dollars, as JSON has them, and nano-dollars, as the gateway counts them."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

NANO = 10**9
MOST_DOLLARS = 1_000_000_000
"""What a budget can be: nine times as much would not fit into 64 bits of nano-dollars."""


def nano_dollars(dollars: float) -> int:
    """The dollars, by the digits they are written with, to the nearest nano-dollar.

    >>> nano_dollars(0.1), nano_dollars(3)
    (100000000, 3000000000)
    """
    return int((Decimal(str(dollars)) * NANO).to_integral_value(ROUND_HALF_UP))


def dollars(nano: int) -> float:
    """The nearest floating-point number, for JSON.

    >>> dollars(100000000)
    0.1
    """
    return nano / NANO


def in_digits(nano: int) -> str:
    """The dollars in digits alone, for people.

    >>> in_digits(20_000_000_000), in_digits(1500)
    ('20', '0.0000015')
    """
    whole, rest = divmod(abs(nano), NANO)
    digits = f"{whole}.{rest:09d}".rstrip("0").rstrip(".")
    return f"-{digits}" if nano < 0 else digits


def money(nano: int) -> str:
    """Dollars to the cent, or to the second digit that counts where that is further.

    >>> money(12_345_678_900_000), money(12_000), money(0)
    ('$12,345.68', '$0.000012', '$0.00')
    """
    amount = Decimal(nano) / NANO
    places = min(9, max(2, 1 - amount.adjusted())) if nano else 2
    return f"${amount.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP):,f}"
