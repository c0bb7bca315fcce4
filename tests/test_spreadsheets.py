"""CSV: any text comes back, and none is a formula."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.spreadsheets import csv_text

_texts = st.text(st.characters(exclude_categories=["Cs"]))


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


@given(_texts)
def test_text_comes_back_and_is_no_formula(text: str) -> None:
    [row] = read(csv_text(["a", "b"], [{"a": text, "b": "x"}]))
    assert row["a"] in (text, f"'{text}")
    assert not row["a"].startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert (row["a"] == text) == (text[:1] not in "=+-@\t\r\n＝＋－＠" or not text)


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""),
        (True, "true"),
        (-5, "-5"),
        (0.0, "0.0"),
        (1e-09, "0.000000001"),
        (1234567.000000001, "1234567.000000001"),
        (["a,b", "é"], '["a,b", "é"]'),
    ],
)
def test_other_values(value: Any, cell: str) -> None:
    assert read(csv_text(["a", "b"], [{"a": value, "b": "x"}])) == [{"a": cell, "b": "x"}]


def test_columns_are_in_their_order_and_lines_end_as_rfc_4180_says() -> None:
    rows = [{"b": 1, "a": 2, "c": 3}]
    assert csv_text(["a", "b"], rows) == "a,b\r\n2,1\r\n"
