"""Names of requests."""

from __future__ import annotations

import random


def request_id() -> str:
    """32 hexadecimal digits that name one request.

    They are no secret: the operating system's randomness would be a call of the system for each.
    """
    return f"{random.getrandbits(128):032x}"
