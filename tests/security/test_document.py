"""SECURITY.md names a test for each control; that test is there."""

from __future__ import annotations

import ast
import re

from tests.processes import ROOT

NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def test_every_test_that_the_document_names_exists() -> None:
    named = NAMED.findall((ROOT / "SECURITY.md").read_text("utf-8"))
    assert len(named) > 20
    for path, name in named:
        functions = [
            node.name
            for node in ast.parse((ROOT / path).read_text("utf-8")).body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        assert not name or name in functions, f"{path}::{name}"
