"""Conditions on one of many values."""

from __future__ import annotations

import json
from collections.abc import Iterable

from sqlalchemy import ColumnElement, String, TableValuedAlias, bindparam, column, select

from gateway.store.dialects import JsonTexts, storable


def among(column_of: ColumnElement[str], wanted: Iterable[str]) -> ColumnElement[bool]:
    """Whether the column holds one of these, of which there may be any number."""
    return column_of.in_(select(values_of(wanted).c.value))


def values_of(wanted: Iterable[str]) -> TableValuedAlias:
    """These as rows of a table with the column `value`.

    They are one parameter. With one each, every number of them would make a statement of its own,
    and each connection keeps its last 128, some of 80 kB.
    """
    given = bindparam(None, json.dumps([*map(storable, wanted)]), String)
    return JsonTexts(given).table_valued(column("value", String))
