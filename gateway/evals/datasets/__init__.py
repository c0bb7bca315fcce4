"""Datasets: cases out of files and back, whatever of YAML, CSV and JSONL they are in."""

from gateway.evals.datasets.appending import appended
from gateway.evals.datasets.files import FORMATS, MOST_BYTES, format_of, read_cases, write_cases
from gateway.evals.datasets.rows import (
    MOST_ROWS,
    BadDataset,
    cases_of,
    hash_of,
    row_of,
    version_of,
)

__all__ = [
    "FORMATS",
    "MOST_BYTES",
    "MOST_ROWS",
    "BadDataset",
    "appended",
    "cases_of",
    "format_of",
    "hash_of",
    "read_cases",
    "row_of",
    "version_of",
    "write_cases",
]
