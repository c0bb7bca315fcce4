"""Names of requests."""

from __future__ import annotations

import random
import time


def request_id() -> str:
    """32 hexadecimal digits that name one request: a UUID of version 7 (RFC 9562, section 5.7).

    As it begins with the time, new rows are near each other in the ledger's index. The rest is no
    secret: the operating system's randomness would be a call of the system for each.
    """
    # 48 bits of time, 4 of version, 12 at random; 2 of variant, 62 at random.
    bits = random.getrandbits(74)
    high = time.time_ns() // 1_000_000 << 16 | 0x7000 | bits >> 62
    return f"{high:016x}{0x8000000000000000 | bits & 0x3FFFFFFFFFFFFFFF:016x}"
