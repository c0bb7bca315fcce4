"""What an operator may say of an evaluator."""

from __future__ import annotations

from typing import Any, get_args

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidField
from gateway.evals.records import Evaluator
from gateway.evals.specs import (
    TYPES,
    described_evaluator,
    evaluator_description,
    evaluator_record,
    models_of,
)
from gateway.evals.specs.evaluators import EvaluatorType
from tests.specs.values import DEEP, nested, objects

Json = dict[str, Any]

NOW = 1_764_000_000
JUDGE = {"judge": "j", "prompt": "Is {{sample.output_text}} right?"}
MESSAGES = [{"role": "user", "content": [{"type": "text", "text": "{{item.input}}"}]}]

FULL: dict[str, Json] = {
    "string_check": {"operation": "ilike", "input": "{{item.id}}", "reference": "x"},
    "text": {"operation": "starts_with", "value": ["a", "{{item.b}}"], "ignore_case": True},
    "exact": {
        "reference": "x",
        "ignore_case": True,
        "ignore_whitespace": True,
        "ignore_punctuation": True,
    },
    "regex": {
        "pattern": "^a+$",
        "input": "{{sample.output_json.a}}",
        "ignore_case": True,
        "multiline": True,
        "dotall": True,
        "whole": True,
        "negate": True,
    },
    "numeric": {
        "measure": "output_number",
        "op": "==",
        "value": 1.5,
        "tolerance": 0.25,
        "input": "{{sample.output_json.a}}",
    },
    "json": {"valid": False, "schema": {"type": "object"}, "allow_fences": True},
    "json_diff": {"reference": "{{item.a}}", "pass_threshold": 0.5},
    "text_similarity": {
        "metric": "cosine",
        "embedding": "e",
        "input": "{{item.a}}",
        "reference": "x",
        "ignore_case": True,
        "pass_threshold": 0.5,
    },
    "tool_use": {
        "expected": ["f", {"name": "g", "arguments": {"a": 1}}],
        "match": "exact",
        "ordered": True,
        "score": "recall",
        "pass_threshold": 0.5,
    },
    "autoevals": {
        "scorer": "ClosedQA",
        "judge": "j",
        "arguments": {"criteria": "{{item.a}}"},
        "pass_threshold": 0.5,
    },
    "score_model": JUDGE | {"params": {"temperature": 0}, "range": [1.0, 10.0],
                            "pass_threshold": 7.0},
    "label_model": {"judge": "j", "prompt": MESSAGES, "labels": ["a", "b"],
                    "passing_labels": ["a"]},
    "python": {"function": "m:f", "arguments": {"a": [1]}, "pass_threshold": 0.5},
}  # fmt: skip


def made(kind: str, **params: Any) -> Evaluator:
    return evaluator_record({"name": "it", "type": kind, **(params or FULL[kind])}, NOW)


def test_every_type_is_tried_here() -> None:
    assert set(FULL) == set(TYPES) == set(get_args(EvaluatorType))


@pytest.mark.parametrize("kind", FULL)
def test_a_description_comes_back_from_its_record(kind: str) -> None:
    evaluator = made(kind)
    assert evaluator.id.startswith("evaluator_")
    assert (evaluator.name, evaluator.type, evaluator.created_at) == ("it", kind, NOW)
    assert evaluator_description(evaluator) == {"name": "it", "type": kind, **FULL[kind]}
    again = described_evaluator(evaluator, evaluator_description(evaluator), NOW + 1)
    assert (again.id, again.created_at, again.updated_at) == (evaluator.id, NOW, NOW + 1)
    assert (again.params, again.version) == (evaluator.params, evaluator.version)


def test_a_version_tells_each_change_of_meaning_and_no_other() -> None:
    evaluator = made("json", valid=True)
    assert evaluator.params == {}
    same = [
        made("json", allow_fences=False),
        evaluator_record({"name": "other", "type": "json"}, NOW + 1),
    ]
    assert {one.version for one in [evaluator, *same]} == {evaluator.version}
    others = [made("json", valid=False), made("json", schema={"a": 1}), made("exact")]
    assert len({one.version for one in [evaluator, *others]}) == 4
    whole = made("score_model", **JUDGE, range=[1, 10])
    assert whole.version == made("score_model", **JUDGE, range=[1.0, 10]).version


def test_the_models_an_evaluator_asks() -> None:
    assert models_of(made("exact")) == ()
    assert models_of(made("text_similarity")) == ("e",)
    correct = made("autoevals", scorer="AnswerCorrectness", judge="j", embedding="e")
    assert models_of(correct) == ("j", "e")


@pytest.mark.parametrize(
    ("description", "param", "message"),
    [
        (None, None, "by a JSON object"),
        ([], None, "by a JSON object"),
        ({}, "name", "field required"),
        ({"name": "a"}, "type", "field required"),
        ({"name": "", "type": "exact"}, "name", "at least 1"),
        ({"type": "string_chek"}, "type", "did you mean string_check?"),
        ({"type": "llm"}, "type", "'llm' is none; there are string_check, text, exact"),
        ({"type": "string_check", "operation": "Iliek"}, "operation", "did you mean ilike?"),
        ({"type": "string_check", "operation": 5}, "operation", "5 is none; there are eq, ne"),
        ({"type": "string_check"}, "operation", "field required"),
        ({"type": "exact", "referense": "x"}, "referense", "did you mean reference?"),
        ({"type": "exact", "x": 1}, "x", "no such field; there are reference, ignore_case"),
        ({"type": "exact", "reference": "{{x}}"}, "reference", "{{x}} refers to nothing"),
        ({"type": "exact", "ignore_case": "yes"}, "ignore_case", "boolean"),
        ({"type": "text", "operation": "contains_any"}, "value", "field required"),
        ({"type": "text", "operation": "contains_any", "value": []}, "value", "at least 1"),
        ({"type": "text", "operation": "contains_any", "value": 5}, "value", "valid string"),
        ({"type": "text", "operation": "contains_any", "value": ["a", "{{x}}"]}, "value.1",
         "refers to nothing"),
        ({"type": "text", "operation": "contains_any", "value": ["a", 1]}, "value.1", "string"),
        ({"type": "regex", "pattern": "("}, "pattern", "is not a regular expression: missing )"),
        ({"type": "regex", "pattern": "a" * 1001}, "pattern", "longer than 1000"),
        ({"type": "numeric", "measure": "latency", "op": "<", "value": 1}, "measure",
         "did you mean latency_ms?"),
        ({"type": "numeric", "measure": "latency_ms", "op": "=<", "value": 1}, "op", "<="),
        ({"type": "numeric", "measure": "latency_ms", "op": "<"}, "value", "what latency_ms is"),
        ({"type": "numeric", "measure": "latency_ms", "op": "<", "value": None}, "value", "number"),
        ({"type": "numeric", "measure": "latency_ms", "op": "<", "value": 1, "tolerance": 1},
         "tolerance", "is for == and !="),
        ({"type": "numeric", "measure": "latency_ms", "op": "<", "value": 1, "input": "x"},
         "input", "is for the measure output_number"),
        ({"type": "json", "schema": {"type": "objekt"}}, "schema", "type: 'objekt' is not valid"),
        ({"type": "json", "schema": {"items": {"$ref": "http://a/b"}}}, "schema", "is outside"),
        ({"type": "json", "schema": {"items": [{"$ref": "file:///etc/passwd"}]}}, "schema", ""),
        ({"type": "json", "schema": {"properties": {"a": {"pattern": "("}}}}, "schema", ""),
        ({"type": "json", "schema": {"patternProperties": {"a" * 1001: True}}}, "schema", "longer"),
        ({"type": "json", "schema_": {}}, "schema_", "did you mean schema?"),
        ({"type": "json_diff", "pass_threshold": 1.5}, "pass_threshold", "less than or equal"),
        ({"type": "text_similarity", "metric": "blue", "pass_threshold": 1}, "metric", "fuzzy_mat"),
        ({"type": "text_similarity", "metric": "cosine", "pass_threshold": 1}, "embedding",
         "takes the name of a model"),
        ({"type": "text_similarity", "metric": "rouge_l", "pass_threshold": 1, "embedding": "e"},
         "embedding", "asks no model"),
        ({"type": "text_similarity", "metric": "rouge_l"}, "pass_threshold", "field required"),
        ({"type": "tool_use", "expected": 5}, "expected", "valid string"),
        ({"type": "autoevals", "scorer": "factuality", "judge": "j"}, "scorer",
         "did you mean Factuality?"),
        ({"type": "autoevals", "scorer": "Niceness", "judge": "j"}, "scorer", "there are Battle"),
        ({"type": "autoevals", "scorer": "Factuality"}, "judge", "name of a model, which Factual"),
        ({"type": "autoevals", "scorer": "EmbeddingSimilarity"}, "embedding", "name of a model"),
        ({"type": "autoevals", "scorer": "ExactMatch", "judge": "j"}, "judge", "asks no model"),
        ({"type": "autoevals", "scorer": "ClosedQA", "judge": "j"}, "arguments.criteria", "needs"),
        ({"type": "autoevals", "scorer": "Sql", "judge": "j", "arguments": {"x": "y"}},
         "arguments.x", "Sql takes none"),
        ({"type": "score_model", "prompt": "x"}, "judge", "field required"),
        ({"type": "score_model", "judge": " ", "prompt": "x"}, "judge", "at least 1"),
        ({"type": "score_model", "judge": "j", "prompt": " "}, "prompt", "is empty"),
        ({"type": "score_model", "judge": "j", "prompt": []}, "prompt", "at least 1"),
        ({"type": "score_model", "judge": "j", "prompt": [{"role": "user"}]}, "prompt.0",
         "takes a content"),
        ({"type": "score_model", "judge": "j", "prompt": [{"content": "x"}]}, "prompt.0",
         "takes a role"),
        ({"type": "score_model", "judge": "j", "prompt": [{"role": "user", "content": ["{{x}}"]}]},
         "prompt.0", "refers to nothing"),
        ({"type": "score_model", **JUDGE, "range": [10, 1]}, "range", "and a higher one"),
        ({"type": "score_model", **JUDGE, "range": [1]}, "range.1", "field required"),
        ({"type": "score_model", **JUDGE, "pass_threshold": 7}, "pass_threshold", "from 0 to 1"),
        ({"type": "score_model", **JUDGE, "params": {"n": 2}}, "params.n", "by itself"),
        ({"type": "label_model", **JUDGE, "labels": ["a"], "passing_labels": ["a"]}, "labels",
         "two labels or more"),
        ({"type": "label_model", **JUDGE, "labels": ["a", "a"], "passing_labels": ["a"]}, "labels",
         "each once"),
        ({"type": "label_model", **JUDGE, "labels": ["a", "b"], "passing_labels": ["c"]},
         "passing_labels", "'c' is none"),
        ({"type": "python", "function": "os.system('x')"}, "function", "module:function"),
        *[({"type": "tool_use", "expected": [nested(depth)]}, "expected.0", "too deeply")
          for depth in DEEP[:2]],
    ],
)  # fmt: skip
def test_a_bad_evaluator_is_refused_by_the_name_of_its_field(
    description: Any, param: str | None, message: str
) -> None:
    if isinstance(description, dict) and "type" in description:
        description = {"name": "it"} | description
    with pytest.raises(InvalidField) as refused:
        evaluator_record(description, NOW)
    assert refused.value.param == param
    assert message in refused.value.message
    assert param is None or param in refused.value.message


@given(st.sampled_from(list(FULL)).flatmap(
    lambda kind: objects({"name": "it", "type": kind, **FULL[kind]})))  # fmt: skip
def test_any_description_is_one_or_is_refused(description: Any) -> None:
    try:
        evaluator = evaluator_record(description, NOW)
    except InvalidField:
        return
    orjson.dumps(evaluator_description(evaluator))
    again = evaluator_record(evaluator_description(evaluator), NOW)
    assert again.version == evaluator.version
