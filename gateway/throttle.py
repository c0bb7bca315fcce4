"""Wrong keys by client address, so that nobody can try many of them on the admin's side.

Counted in this process. Not with `limits`: its storage in memory grows with every new address, and
without `await` starts a thread for each count.
"""

from __future__ import annotations

import ipaddress
import logging
import math
import time
from collections import OrderedDict
from dataclasses import dataclass

from gateway.errors import RateLimited

WRONG_KEYS = 10
WINDOW_SECONDS = 60
# Far more than real clients have in a minute; whoever has more gains nothing but more windows.
MOST_ADDRESSES = 10_000
MOST_ACCEPTED = 1_000

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Window:
    ends: float
    count: int = 0


class Throttle:
    """Windows of a minute, each opened by an address's first wrong key.

    After `WRONG_KEYS` of them, an address is refused until its window ends. Secrets that an admin
    has used from it before are looked at all the same: whoever shares the address with an attacker
    (a proxy, a NAT) can go on working.
    """

    def __init__(self) -> None:
        # Both in the order in which entries are to go. All windows are equally long, so the one
        # that was opened first ends first.
        self._windows: OrderedDict[str, _Window] = OrderedDict()
        self._accepted: OrderedDict[tuple[str, str], None] = OrderedDict()

    def check(self, address: str | None, secret_hash: str) -> None:
        """Refuse to look at an admin key.

        Raises:
            RateLimited: With `retry-after`; too many wrong keys came from the address.
        """
        source = _source(address)
        window = self._windows.get(source)
        left = window.ends - time.monotonic() if window else 0
        if window is None or window.count < WRONG_KEYS or left <= 0:
            return
        if (source, secret_hash) in self._accepted:
            return
        seconds = max(1, math.ceil(left))
        raise RateLimited(
            f"Too many wrong keys came from {source}: for {seconds} s, no key is looked at that "
            "has not managed the gateway from there before. `gateway` on the host itself works.",
            headers={"retry-after": str(seconds)},
        )

    def failed(self, address: str | None) -> None:
        """Count a wrong key."""
        source = _source(address)
        now = time.monotonic()
        while self._windows and next(iter(self._windows.values())).ends <= now:
            self._windows.popitem(last=False)
        window = self._windows.get(source)
        if window is None:
            if len(self._windows) >= MOST_ADDRESSES:
                self._windows.popitem(last=False)
            window = self._windows[source] = _Window(now + WINDOW_SECONDS)
        window.count += 1
        if window.count == WRONG_KEYS:
            log.warning(
                "%d wrong keys came from %s within a minute; no new admin key is looked at from "
                "there for %.0f s",
                WRONG_KEYS,
                source,
                window.ends - now,
            )

    def accepted(self, address: str | None, secret_hash: str) -> None:
        """Remember a secret that an admin used."""
        known = (_source(address), secret_hash)
        self._accepted[known] = None
        self._accepted.move_to_end(known)
        if len(self._accepted) > MOST_ACCEPTED:
            self._accepted.popitem(last=False)


def _source(address: str | None) -> str:
    """The address, or the network of an IPv6 one: a host has 2^64 of those for itself."""
    if address is None:  # a Unix socket
        return "an unknown address"
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64)))
