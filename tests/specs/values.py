"""Values that a description may hold, good and bad."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

DEEP = [65, 500, 100_000]
"""Depths that are too much."""


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


def objects(fields: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Anything, most often an object with some of these fields: as they are here, or not at all."""
    texts = st.text(max_size=8) | st.text(st.characters(), max_size=3)  # lone surrogates, too
    scalars = (
        st.none()
        | st.booleans()
        | st.integers()
        | st.just(10**400)
        | st.floats()
        | texts
        | st.binary(max_size=3)
        | st.sampled_from(["1d", "30d", "2027-01-31", "9999-12-31T23:59:59-10:00", "*", "a,b"])
    )
    names = st.sampled_from([*fields, "id", "key", "spend"]) | texts | st.integers()
    anything = st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
        max_leaves=12,
    )
    right = st.fixed_dictionaries({}, optional={name: st.just(v) for name, v in fields.items()})
    wrong = st.dictionaries(names, anything, max_size=2)
    return st.builds(lambda some, others: some | others, right, wrong) | anything
