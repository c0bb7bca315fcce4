"""JSON of which one part is not what its format says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

ODD: list[Any] = [None, -1, 1.5, "x", [1], {"a": 1}]


def changed(value: Any) -> Iterator[tuple[str, Any]]:
    """What was done to a part of the value, and the value with that."""
    for name, part in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(value, dict):
            yield f"no {name}", {other: value[other] for other in value if other != name}
        inner = changed(part) if isinstance(part, dict | list) else ()
        for told, odd in (*((f"= {odd}", odd) for odd in ODD), *inner):
            copy = value.copy()
            copy[name] = odd
            yield f"{name} {told}", copy
