"""Texts of models as reports can hold them."""

from __future__ import annotations

from xml.etree.ElementTree import Element, fromstring, tostring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.evals.records import Case
from gateway.evals.reports.text import as_text, cut, input_text, printable


@given(st.text())
def test_any_text_becomes_one_that_xml_and_utf_8_hold(text: str) -> None:
    element = Element("a")
    element.text = shown = printable(text)
    shown.encode()
    # Reading XML, one line ending is as good as another.
    assert fromstring(tostring(element)).text == (
        shown.replace("\r\n", "\n").replace("\r", "\n") or None
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("añ\t\n🦊\u2028", "añ\t\n🦊\u2028"),
        ("\x00\x1b[31m", "\\x00\\x1b[31m"),
        ("\ud83d \ufffe", "\\ud83d \\ufffe"),
    ],
)
def test_what_cannot_be_held_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_what_is_cut_off_is_counted() -> None:
    assert cut("abc", 3) == "abc"
    assert cut("a" * 2003, 3) == "aaa… (2,000 more characters)"


def test_values_are_json_and_text_is_itself() -> None:
    assert as_text("é") == "é"
    assert as_text(None) == ""
    assert as_text({"é": [1]}) == '{\n  "é": [\n    1\n  ]\n}'


def test_messages_are_told_under_their_roles() -> None:
    messages = ({"role": "system", "content": "Be brief."}, {"role": "user", "content": ["x"]})
    assert input_text(Case("a", messages)) == 'system: Be brief.\n\nuser: [\n  "x"\n]'
    assert input_text(Case("a", "Hello")) == "Hello"
