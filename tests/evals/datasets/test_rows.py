"""Rows as cases: ids that stay, errors by field, and versions that tell each change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidField
from gateway.evals.datasets import cases_of, row_of, rows, version_of
from gateway.evals.records import Case


def test_rows_without_ids_are_numbered_and_keep_their_numbers() -> None:
    listed: list[Any] = [{"input": "a"}, {"input": "b", "id": "row-1"}, {"input": "c"}]
    assert [case.id for case in cases_of(listed)] == ["row-1-", "row-1", "row-3"]
    assert cases_of([*listed, {"input": "d"}])[:3] == cases_of(listed)


@given(st.lists(st.none() | st.sampled_from(["row-1", "row-2", "row-2-", "row-3"]), max_size=5))
def test_ids_are_unique_whichever_are_given(ids: list[str | None]) -> None:
    if len([given for given in ids if given]) == len({given for given in ids if given}):
        cases = cases_of([{"input": "x", "id": given} for given in ids])
        assert len({case.id for case in cases}) == len(ids)


def test_an_error_names_the_field_as_in_a_body() -> None:
    with pytest.raises(InvalidField) as refused:
        cases_of([{"input": "x"}, {"input": ""}])
    assert (refused.value.param, refused.value.message) == (
        "rows.1.input",
        "rows.1, input: is empty",
    )


def test_a_dataset_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MOST_ROWS", 2)
    assert len(cases_of([{"input": "x"}] * 2)) == 2
    with pytest.raises(InvalidField, match=r"rows.2: a dataset has 2 rows at most"):
        cases_of({"input": "x"} for _ in iter(int, 1))


def test_a_version_tells_every_change_and_no_order_of_names() -> None:
    case = Case("a", "q", {"x": 1, "y": 2}, ("t",), {"f": 1, "g": 2})
    same = Case("a", "q", {"y": 2, "x": 1}, ("t",), {"g": 2, "f": 1})
    changed = [
        replace(case, **change)
        for change in (
            {"id": "b"},
            {"input": "r"},
            {"input": ({"role": "user", "content": "q"},)},
            {"expected": None},
            {"expected": {"x": 1.5, "y": 2}},
            {"tags": ()},
            {"fields": {"f": 1}},
        )
    ]
    assert version_of([case]) == version_of([same])
    versions = {version_of([one]) for one in [case, *changed]}
    assert len(versions) == len(changed) + 1
    assert version_of([case, changed[0]]) != version_of([changed[0], case])


def test_a_row_of_what_a_case_has() -> None:
    assert row_of(Case("a", "q")) == {"id": "a", "input": "q"}
