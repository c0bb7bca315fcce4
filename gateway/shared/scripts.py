"""The scripts that Redis runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha1
from pathlib import Path

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Script:
    """Attributes:
    digest: What Redis calls it.
    """

    name: str
    text: str = field(repr=False)
    digest: str


def _script(name: str) -> Script:
    text = "\n".join((_HERE / f"{part}.lua").read_text() for part in ("prelude", name))
    return Script(name, text, sha1(text.encode(), usedforsecurity=False).hexdigest())


ADMIT = _script("admit")
BEAT = _script("beat")
JOIN = _script("join")
LEAVE = _script("leave")
OPEN = _script("open")
RESERVE = _script("reserve")
SETTLE = _script("settle")
STORE = _script("store")
ALL = (ADMIT, BEAT, JOIN, LEAVE, OPEN, RESERVE, SETTLE, STORE)
