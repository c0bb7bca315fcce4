"""Wrong keys by client address, so that nobody can try many of them on the admin's side.

Counted in this process.
"""

from __future__ import annotations

import ipaddress
import logging
import math
from collections import OrderedDict

from gateway.errors import RateLimited
from gateway.windows import Windows

WRONG_KEYS = 10
# Far more than real clients have in a minute; whoever has more gains nothing but more windows.
MOST_ADDRESSES = 10_000
MOST_ACCEPTED = 1_000

log = logging.getLogger(__name__)


class Throttle:
    """Windows of a minute, each opened by an address's first wrong key.

    After `WRONG_KEYS` of them, an address is refused until its window ends. Secrets that an admin
    has used from it before are looked at all the same: whoever shares the address with an attacker
    (a proxy, a NAT) can go on working.
    """

    def __init__(self) -> None:
        self._windows = Windows(MOST_ADDRESSES)
        # In the order in which they are to go.
        self._accepted: OrderedDict[tuple[str, str], None] = OrderedDict()

    def check(self, address: str | None, secret_hash: str) -> None:
        """Refuse to look at an admin key.

        Raises:
            RateLimited: With `retry-after`; too many wrong keys came from the address.
        """
        source = _source(address)
        if self._windows.get(source) < WRONG_KEYS or (source, secret_hash) in self._accepted:
            return
        seconds = max(1, math.ceil(self._windows.seconds_left(source)))
        raise RateLimited(
            f"Too many wrong keys came from {source}: for {seconds} s, no key is looked at that "
            "has not managed the gateway from there before. `gateway` on the host itself works.",
            headers={"retry-after": str(seconds)},
        )

    def failed(self, address: str | None) -> None:
        """Count a wrong key."""
        source = _source(address)
        if self._windows.add(source) == WRONG_KEYS:
            log.warning(
                "%d wrong keys came from %s within a minute; no new admin key is looked at from "
                "there for %.0f s",
                WRONG_KEYS,
                source,
                self._windows.seconds_left(source),
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
