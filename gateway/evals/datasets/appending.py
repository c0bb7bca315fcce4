"""Cases of a file after those that a dataset has."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.evals.datasets.rows import MADE_UP, cases_of, row_of
from gateway.evals.records import Case


def appended(cases: Sequence[Case], more: Sequence[Case]) -> tuple[Case, ...]:
    """All of them. An id that a row of `more` got because it had none becomes another where it is
    taken.

    Raises:
        BadDataset: Another id is taken.
    """
    taken = {case.id for case in cases}
    rows = [row_of(case) for case in (*cases, *more)]
    for case, row in zip(more, rows[len(cases) :], strict=True):
        if case.id in taken and case.id.startswith(MADE_UP):
            del row["id"]
    return cases_of(rows)
