"""What commands print."""

from __future__ import annotations

import pytest

from gateway.commands.output import print_fields, print_table

# Clears the screen, in the two spellings of its first character; then writes right to left.
HOSTILE = "a\x1b[2J\x9b2J\u202eb"
SHOWN = "a\\x1b[2J\\x9b2J\\u202eb"


def test_a_terminal_acts_on_nothing_in_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("NAME",), [[HOSTILE], ["two\nlines"], ["[red]é🦊[/red]"]], "")
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert [line for line in lines if line][2:] == [SHOWN, "two", "lines", "[red]é🦊[/red]"]


def test_a_terminal_acts_on_nothing_in_a_list_of_fields(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_fields([("label", f"{HOSTILE}\nstate  active"), ("metadata", {"é": HOSTILE})])
    assert capsys.readouterr().out.splitlines() == [
        f"label     {SHOWN}\\nstate  active",
        'metadata  {"é": "a\\u001b[2J\\x9b2J\\u202eb"}',
    ]
