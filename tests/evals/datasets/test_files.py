"""Files of cases: every dataset comes back as it was, and what is none is told by its line."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.display import HIDDEN
from gateway.evals.datasets import (
    FORMATS,
    MOST_BYTES,
    BadDataset,
    format_of,
    read_cases,
    row_of,
    version_of,
    write_cases,
)
from gateway.evals.datasets.rows import COLUMNS
from gateway.evals.records import Case

_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12).filter(
    lambda text: text != HIDDEN
) | st.sampled_from(["=1+1", "'=x", "''@", "-5", "true", "~", "2024-10-21", "a,b", "\r\n", "<<"])
_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=5,
)
_messages = st.lists(
    st.fixed_dictionaries({"role": _texts, "content": _json}), min_size=1, max_size=2
).map(tuple)
_ids = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
_names = _texts.filter(lambda name: name not in COLUMNS)
_cases = st.builds(
    Case,
    id=_ids,
    input=_texts.filter(str.strip) | _messages,
    expected=_json,
    tags=st.lists(_texts, max_size=3, unique=True).map(tuple),
    fields=st.dictionaries(_names, _json, max_size=3),
)
_datasets = st.lists(_cases, max_size=4, unique_by=lambda case: case.id).map(tuple)


def read(text: str, kind: Any = "csv", columns: Any = None) -> tuple[Case, ...]:
    return read_cases(text.encode(), kind, columns, name="faq")


@pytest.mark.parametrize("kind", FORMATS)
@settings(max_examples=60)
@given(cases=_datasets)
def test_a_dataset_comes_back_as_it_was(kind: Any, cases: tuple[Case, ...]) -> None:
    again = read(write_cases(cases, kind), kind)
    assert again == cases
    assert version_of(again) == version_of(cases)


@settings(max_examples=60)
@given(cases=_datasets)
def test_no_cell_of_an_export_is_a_formula(cases: tuple[Case, ...]) -> None:
    for row in csv.reader(io.StringIO(write_cases(cases, "csv"), newline="")):
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) for cell in row)


def test_each_format_of_the_same_dataset() -> None:
    cases = (
        Case("uk", "Capital of UK?", "London", ("geo", "easy"), {"level": "=1"}),
        Case("sum", ({"role": "user", "content": "1+1"},), {"sum": 2}),
    )
    assert write_cases(cases, "csv") == (
        "id,input:json,expected:json,tags,level\r\n"
        'uk,"""Capital of UK?""","""London""","geo, easy",\'=1\r\n'
        'sum,"[{""role"": ""user"", ""content"": ""1+1""}]","{""sum"": 2}",,\r\n'
    )
    assert [json.loads(line) for line in write_cases(cases, "jsonl").splitlines()] == [
        {"id": "uk", "input": "Capital of UK?", "expected": "London", "tags": ["geo", "easy"],
         "level": "=1"},
        {"id": "sum", "input": [{"role": "user", "content": "1+1"}], "expected": {"sum": 2}},
    ]  # fmt: skip
    assert write_cases(cases[:1], "yaml") == (
        "rows:\n- id: uk\n  input: Capital of UK?\n  expected: London\n  tags:\n  - geo\n"
        "  - easy\n  level: =1\n"
    )


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("input,expected\r\nq,a\r\n", {"input": "q", "expected": "a"}),
        # Flowise's
        ("input,output\nq,a", {"input": "q", "expected": "a"}),
        # Forjinn's
        ("Input,Expected Output,Topic\nq,a,t", {"input": "q", "expected": "a", "Topic": "t"}),
        # of a run, to be scored
        ("input,expected,output\nq,a,o", {"input": "q", "expected": "a", "output": "o"}),
        ("\ufeffid;input;tags\n7;q,r;a, b\n", {"id": "7", "input": "q,r", "tags": ["a", "b"]}),
        ("input\tx\n=q\t'=y\n", {"input": "=q", "x": "=y"}),
        ("input,x\nq\n,\n\n", {"input": "q"}),
        ('input,x:json\nq,"{""a"": [1]}"', {"input": "q", "x": {"a": [1]}}),
    ],
)
def test_csv_as_others_write_it(text: str, row: dict[str, Any]) -> None:
    [case] = read(text)
    assert row_of(case) == {"id": "row-1"} | row


@pytest.mark.parametrize(
    ("line", "row"),
    [
        ('{"item": {"input": "q", "expected": "a"}}', {"input": "q", "expected": "a"}),
        ('{"item": {"input": "q"}, "sample": {"output_text": "o"}}', {"input": "q", "output": "o"}),
        ('{"item": {"a": 1}, "input": "q"}', {"input": "q", "item": {"a": 1}}),
        ('{"input": 5, "output": "o", "x": null}', {"input": "5", "output": "o", "x": None}),
    ],
)
def test_jsonl_as_others_write_it(line: str, row: dict[str, Any]) -> None:
    [case] = read(f"\n{line}\n", "jsonl")
    assert row_of(case) == {"id": "row-1"} | row


@pytest.mark.parametrize("text", ["- {input: q, id: 5}", "rows: [{input: q, id: 5}]"])
def test_yaml_is_a_list_of_rows(text: str) -> None:
    assert read(text, "yaml") == (Case("5", "q"),)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("csv", "input,question,answer,output\ng,q,a,o"),
        ("jsonl", '{"input": "g", "question": "q", "answer": "a", "output": "o"}'),
    ],
)
def test_columns_under_names_of_ones_own(kind: Any, text: str) -> None:
    with pytest.raises(BadDataset, match="input"):
        read(text, kind, {"input": "question", "expected": "answer"})
    columns = {"input": "question", "expected": "answer"}
    assert read(text.replace("input", "given"), kind, columns) == (
        Case("row-1", "q", "a", fields={"given": "g", "output": "o"}),
    )


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("csv", "", "faq line 1: takes a header"),
        ("csv", "question,answer\nq,a", "faq line 2, input: there is no input among question"),
        ("csv", "input,a\nq,1\n\n ,2", "faq line 4, input: is empty"),
        ("csv", 'input,a\n"q\nr",1\nq,2,3', "faq line 4: has 3 cells, and the header 2"),
        ("csv", 'input\nq\n"q" r', "faq line 3: is not CSV"),
        ("csv", "input,a,a\nq,1,2", "faq line 1: there are two columns 'a'"),
        ("csv", "input,a:json\nq,x", "faq line 2, a:json: is not JSON"),
        ("csv", "id,input\n1,q\n2,q\n1,q", "faq line 4, id: '1' is the id of faq line 2 too"),
        ("csv", "input," + "a" * 300 + "," + ",".join(map(str, range(1000))) + "\nq", "1000 col"),
        ("jsonl", '{"input": "q"}\n\n{"input"', "faq line 3: is not JSON"),
        ("jsonl", "[1]", "faq line 1: takes a JSON object"),
        ("jsonl", '{"input": NaN}', "faq line 1: is not JSON: JSON has no NaN"),
        ("jsonl", '{"input": "\\ud800"}', "faq line 1, input: holds half of a surrogate"),
        ("jsonl", '{"input": ' + "[" * 90 + "]" * 90 + "}", "faq line 1, input.0: is nested too"),
        ("jsonl", "[" * 100_000, "faq line 1: is not JSON"),
        ("jsonl", '{"input": []}', "faq line 1, input: takes text, or a list of messages"),
        ("jsonl", '{"input": [{"content": "x"}]}', "faq line 1, input.0: takes a message"),
        ("jsonl", '{"input": true}', "faq line 1, input: takes text"),
        ("jsonl", '{"input": "q", "tags": [1]}', "faq line 1, tags: takes a list of texts"),
        ("jsonl", '{"input": "q", "id": 1.5}', "faq line 1, id: takes text"),
        ("jsonl", '{"input": "q", "id": "a\\nb"}', "faq line 1, id: takes text"),
        ("yaml", "rows:\n- input: q\n- inputs: q", "faq line 3, input: there is no input"),
        ("yaml", "a: [", "faq line 1: This is not valid YAML"),
        ("yaml", "a: 1", "faq line 1: takes a list of rows"),
        ("yaml", "- input: !x q", "faq line 1, input: the tag !x is not supported"),
        ("yaml", "#" * 1_000_001, "faq line 1: The file is longer than 1000000 characters; as CSV"),
    ],
)
def test_what_is_no_dataset_is_told_by_line_and_column(kind: Any, text: str, message: str) -> None:
    with pytest.raises(BadDataset) as refused:
        read(text, kind)
    assert message in refused.value.message


def test_what_is_not_utf_8_or_too_large() -> None:
    with pytest.raises(BadDataset, match="faq line 2: is not UTF-8"):
        read_cases(b"input\n\xff", "csv", name="faq")
    with pytest.raises(BadDataset, match=f"larger than {MOST_BYTES} bytes"):
        read_cases(bytes(MOST_BYTES + 1), "csv")
    with pytest.raises(BadDataset, match="take jsonl or csv"):
        write_cases((Case("a", "x" * 1_000_001),), "yaml")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"output": "x"}, "columns.output: there are id, input, expected, tags"),
        ({"input": "x"}, "columns.input: there is no column 'x'; there are question"),
    ],
)
@pytest.mark.parametrize(("kind", "text"), [("csv", "question\nq"), ("jsonl", '{"question": "q"}')])
def test_columns_that_are_not_there(kind: Any, text: str, columns: Any, message: str) -> None:
    with pytest.raises(BadDataset) as refused:
        read(text, kind, columns)
    assert message in refused.value.message
    assert refused.value.param == f"columns.{next(iter(columns))}"


def test_the_format_is_told_by_the_name() -> None:
    assert [format_of(name) for name in ("a.YAML", "b.yml", "c.csv", "d.jsonl")] == [
        "yaml",
        "yaml",
        "csv",
        "jsonl",
    ]
    with pytest.raises(BadDataset, match="ends in"):
        format_of("faq.xlsx")
