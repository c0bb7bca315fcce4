"""Answers that were given before, given again: `ResponseCache`.

What makes two requests the same is in `keys`, what is kept of an answer in `entries`, and where in
`memory`, `sqlite` and `redis`. See docs/cache.md.
"""

from gateway.cache.entries import Entry
from gateway.cache.responses import Lookup, ResponseCache

__all__ = ["Entry", "Lookup", "ResponseCache"]
