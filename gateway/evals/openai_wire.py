"""OpenAI's API of evaluations, in our own words and back.

What of it there is: data sources in the request itself, the graders string_check, text_similarity,
score_model and label_model, and models that answer by chat completions. What there is not is
refused, never passed over.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.errors import InvalidRequest
from gateway.evals.datasets import cases_of, version_of
from gateway.evals.records import (
    Case,
    Dataset,
    Evaluator,
    Item,
    OpenAIEval,
    Run,
    RunStatus,
    Score,
    Suite,
)
from gateway.evals.specs import evaluator_record, suite_record
from gateway.evals.templates import Missing, rendered_messages
from gateway.specs import new_id

Json = Mapping[str, Any]

STATUSES: Mapping[RunStatus, str] = {
    "pending": "queued",
    "running": "in_progress",
    "completed": "completed",
    "failed": "failed",
    "cancelled": "canceled",
    "interrupted": "failed",
}
ITEM_STATUSES = {"passed": "pass", "failed": "fail", "error": "error"}
# OpenAI's own, for cosine similarity, which its grader does not name.
_EMBEDDING = "text-embedding-3-large"
_SAMPLED = ("temperature", "top_p", "seed", "reasoning_effort", "tools", "response_format")
# Its API spells it in two ways.
_LONGEST = ("max_completion_tokens", "max_completions_tokens")


def evaluators_of(criteria: object, now: int) -> tuple[Evaluator, ...]:
    """The graders of `testing_criteria`. Raises InvalidRequest and InvalidField."""
    if not isinstance(criteria, list) or not criteria:
        raise InvalidRequest("testing_criteria takes graders.", param="testing_criteria")
    made = []
    for index, grader in enumerate(criteria):
        where = f"testing_criteria[{index}]"
        made.append(evaluator_record(_grader(_object(grader, where), where), now))
    twice = [name for name, count in Counter(each.name for each in made).items() if count > 1]
    if twice:
        raise InvalidRequest(
            f"testing_criteria has two graders called {twice[0]!r}; give each a name of its own.",
            param="testing_criteria",
        )
    return tuple(made)


def dataset_of(source: Json, now: int) -> Dataset:
    """The rows of a run's data source. Raises InvalidRequest and InvalidField."""
    where = "data_source.source"
    content = _object(source.get("source"), where)
    if content.get("type") != "file_content":
        raise InvalidRequest(
            f"{where}.type takes file_content: send the rows with the request.",
            param=f"{where}.type",
        )
    entries = content.get("content")
    if not isinstance(entries, list):
        raise InvalidRequest(f"{where}.content takes a list.", param=f"{where}.content")
    input_of = _reference(source)
    rows = [
        _row(_object(entry, f"{where}.content[{index}]"), f"{where}.content[{index}]", input_of)
        for index, entry in enumerate(entries)
    ]
    cases = cases_of(rows, where=f"{where}.content")
    return Dataset(new_id("dataset"), "openai", None, cases, version_of(cases), now, now)


def suite_of(name: str, source: Json, dataset: Dataset, now: int) -> Suite:
    """What a run's data source asks of models. Raises InvalidRequest and InvalidField."""
    kind = source.get("type")
    described: dict[str, Any] = {"name": name, "dataset": dataset.name, "evaluators": ["inline"]}
    if kind == "jsonl":
        has_sample = any("sample" in case.fields for case in dataset.cases)
        # Graders may look at the items alone.
        answer = "{{item.sample.output_text}}" if has_sample else "{{item.input}}"
        described["models"] = [answer]
    elif kind in ("completions", "responses"):
        described["models"] = [source.get("model")]
        described["params"] = _params(source.get("sampling_params"))
        described["messages"] = _template(source)
    else:
        raise InvalidRequest(
            "data_source.type takes jsonl, completions or responses.", param="data_source.type"
        )
    return suite_record(described, now)


def eval_view(made: OpenAIEval) -> dict[str, Any]:
    body = made.body
    return {
        "id": made.id,
        "object": "eval",
        "name": made.name,
        "created_at": made.created_at,
        "data_source_config": body["data_source_config"],
        "testing_criteria": body["testing_criteria"],
        "metadata": body["metadata"],
    }


def run_view(
    eval_id: str, run: Run, items: Sequence[Item], words: Json, report_url: str
) -> dict[str, Any]:
    """A run as OpenAI's API has it; `words` are those that it was asked for in."""
    counts = Counter(item.status for item in items)
    [target] = run.targets
    return {
        "id": run.id,
        "object": "eval.run",
        "eval_id": eval_id,
        "name": run.name,
        "model": words["data_source"].get("model") or "",
        "created_at": run.created_at,
        "status": STATUSES[run.status],
        "data_source": words["data_source"],
        "metadata": words["metadata"],
        "error": None if run.error is None else {"code": run.status, "message": run.error},
        "report_url": report_url,
        "result_counts": {
            "total": len(items),
            "passed": counts["passed"],
            "failed": counts["failed"],
            "errored": counts["error"],
        },
        "per_model_usage": [_usage(target, items)] if run.model_versions.get(target) else [],
        "per_testing_criteria_results": [
            {
                "testing_criteria": evaluator.name,
                "passed": _count(items, evaluator.name, passed=True),
                "failed": _count(items, evaluator.name, passed=False),
            }
            for evaluator in run.evaluators
        ],
    }


def item_view(
    eval_id: str, run: Run, position: int, case: Case, item: Item, words: Json
) -> dict[str, Any]:
    """One answer, with what its graders say."""
    types = {evaluator.name: evaluator.type for evaluator in run.evaluators}
    index = position // len(run.targets) % len(run.dataset.cases)
    total = item.prompt_tokens + item.completion_tokens
    return {
        "id": item_id(run.id, position),
        "object": "eval.run.output_item",
        "eval_id": eval_id,
        "run_id": run.id,
        "created_at": run.created_at,
        "status": ITEM_STATUSES[item.status],
        "datasource_item_id": index,
        "datasource_item": words["data_source"]["source"]["content"][index]["item"],
        "results": [_result(score, types[score.evaluator]) for score in item.scores],
        "sample": {
            "model": words["data_source"].get("model") or "",
            "input": _asked(run, case),
            "output": [{"role": "assistant", "content": item.output}],
            "finish_reason": "tool_calls" if item.tool_calls else "stop",
            "usage": {
                "prompt_tokens": item.prompt_tokens,
                "completion_tokens": item.completion_tokens,
                "total_tokens": total,
                "cached_tokens": 0,
            },
            "error": None if item.error is None else {"code": "error", "message": item.error},
            **{name: run.params.get(name) for name in ("temperature", "top_p", "seed")},
            "max_completion_tokens": run.params.get(_LONGEST[0]),
        },
    }


def item_id(run_id: str, position: int) -> str:
    return f"outputitem_{run_id.removeprefix('run_')}_{position}"


def _grader(grader: Json, where: str) -> dict[str, Any]:
    """A grader as an evaluator is described."""
    given = dict(grader)
    kind = given.get("type")
    if kind == "text_similarity":
        given["metric"] = given.pop("evaluation_metric", None)
        if given["metric"] == "cosine":
            given["embedding"] = _EMBEDDING
    elif kind in ("score_model", "label_model"):
        given["judge"] = given.pop("model", None)
        given["prompt"] = _messages(given.pop("input", None), f"{where}.input")
        if params := _params(given.pop("sampling_params", None)):
            given["params"] = params
    elif kind != "string_check":
        raise InvalidRequest(
            f"{where}.type takes string_check, text_similarity, score_model or label_model.",
            param=f"{where}.type",
        )
    return {name: value for name, value in given.items() if value is not None}


def _row(entry: Json, where: str, input_of: str | None) -> dict[str, Any]:
    row = dict(_object(entry.get("item"), f"{where}.item"))
    if "sample" in entry:
        row["sample"] = entry["sample"]
    if input_of is not None:
        row["input"] = row.get(input_of)
    # Graders and requests refer to what there is by its own names.
    row.setdefault("input", json.dumps(entry["item"], ensure_ascii=False))
    if "id" in row:
        row["id"] = str(row["id"])
    return row


def _reference(source: Json) -> str | None:
    """The column that has the whole request, where there is no template."""
    given = source.get("input_messages") or {}
    if not isinstance(given, Mapping) or given.get("type") != "item_reference":
        return None
    name = str(given.get("item_reference")).removeprefix("item.")
    if not name or "." in name:
        raise InvalidRequest(
            "data_source.input_messages.item_reference takes item.NAME.",
            param="data_source.input_messages.item_reference",
        )
    return name


def _template(source: Json) -> list[dict[str, Any]]:
    where = "data_source.input_messages"
    given = _object(source.get("input_messages"), where)
    if given.get("type") == "item_reference":
        return []
    if given.get("type") != "template":
        raise InvalidRequest(
            f"{where}.type takes template or item_reference.", param=f"{where}.type"
        )
    return _messages(given.get("template"), f"{where}.template")


def _messages(given: object, where: str) -> list[dict[str, Any]]:
    if not isinstance(given, list) or not given:
        raise InvalidRequest(f"{where} takes messages.", param=where)
    made = []
    for index, each in enumerate(given):
        message = _object(each, f"{where}[{index}]")
        content = _text(message.get("content"), f"{where}[{index}].content")
        made.append({"role": message.get("role"), "content": content})
    return made


def _text(content: object, where: str) -> str:
    """Text of a message, which may be in parts."""
    parts = content if isinstance(content, list) else [content]
    texts = [part.get("text") if isinstance(part, Mapping) else part for part in parts]
    if not all(isinstance(text, str) for text in texts):
        raise InvalidRequest(f"{where} takes text; images and sound cannot be sent.", param=where)
    return "".join(map(str, texts))


def _params(given: object) -> dict[str, Any]:
    params = dict(_object(given or {}, "sampling_params"))
    made = {name: params.pop(name) for name in _SAMPLED if params.get(name) is not None}
    for name in _LONGEST:
        if params.get(name) is not None:
            made[_LONGEST[0]] = params.pop(name)
    left = [name for name, value in params.items() if value is not None]
    if left:
        raise InvalidRequest(
            f"sampling_params.{left[0]} is not supported; there are "
            f"{', '.join((*_SAMPLED, _LONGEST[0]))}.",
            param=f"sampling_params.{left[0]}",
        )
    return made


def _object(value: object, where: str) -> Json:
    if not isinstance(value, Mapping):
        raise InvalidRequest(f"{where} takes an object.", param=where)
    return value


def _asked(run: Run, case: Case) -> list[dict[str, Any]]:
    try:
        return rendered_messages(run.messages, case)
    except Missing:
        return []


def _usage(target: str, items: Sequence[Item]) -> dict[str, Any]:
    prompt = sum(item.prompt_tokens for item in items)
    completion = sum(item.completion_tokens for item in items)
    return {
        "model_name": target,
        "invocation_count": len(items),
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "cached_tokens": 0,
    }


def _count(items: Sequence[Item], name: str, *, passed: bool) -> int:
    return sum(
        score.evaluator == name and score.passed is passed
        for item in items
        for score in item.scores
    )


def _result(score: Score, kind: str) -> dict[str, Any]:
    value = score.score if score.score is not None else float(bool(score.passed))
    return {
        "name": score.evaluator,
        "type": kind,
        "passed": bool(score.passed),
        "score": value,
        "reason": score.reason,
        "error": score.error,
    }
