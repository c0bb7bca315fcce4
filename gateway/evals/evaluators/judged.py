"""Judges that give a score or choose a label."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gateway.evals.calls import Caller
from gateway.evals.evaluators.outcome import Outcome, Subject, Unjudgeable
from gateway.evals.judges import NoVerdict, ask
from gateway.evals.records import Message
from gateway.evals.specs.evaluators import Judged, LabelModel, ScoreModel

_REASON = {"type": "string", "description": "The reasoning that leads to the verdict, in brief"}


async def score_model(params: ScoreModel, subject: Subject, caller: Caller | None) -> Outcome:
    worst, best = params.range
    between = f"a number from {worst:g} (worst) to {best:g} (best)"
    # The reason first: what is said after the score does not go into it.
    schema = _schema("score", {"type": "number", "description": between})
    wish = f'Answer with a JSON object: "reason", your reasoning in brief, then "score", {between}.'
    verdict = await _verdict(params, subject, caller, schema, wish)
    score = _number(verdict["score"])
    if score is None or not worst <= score <= best:
        raise NoVerdict(f"the judge's score {verdict['score']!r} is not {worst:g} to {best:g}")
    passed = None if params.pass_threshold is None else score >= params.pass_threshold
    reason = f"{score:g} of {worst:g} to {best:g}: {verdict['reason']}"
    return Outcome((score - worst) / (best - worst), passed, reason)


async def label_model(params: LabelModel, subject: Subject, caller: Caller | None) -> Outcome:
    listed = ", ".join(params.labels)
    schema = _schema("label", {"type": "string", "enum": list(params.labels)})
    wish = (
        'Answer with a JSON object: "reason", your reasoning in brief, then "label", one of: '
        f"{listed}."
    )
    verdict = await _verdict(params, subject, caller, schema, wish)
    label = _label(verdict["label"], params.labels)
    if label is None:
        raise NoVerdict(f"the judge's label {verdict['label']!r} is none of: {listed}")
    return Outcome.of(label in params.passing_labels, f"{label}: {verdict['reason']}")


async def _verdict(
    params: Judged, subject: Subject, caller: Caller | None, schema: dict[str, Any], wish: str
) -> Any:
    if caller is None:
        raise Unjudgeable("There is no judge to be asked")
    messages = _messages(params.prompt, subject)
    return await ask(caller, params.judge, messages, params.params, schema, wish)


def _messages(prompt: str | Sequence[Message], subject: Subject) -> list[dict[str, Any]]:
    if isinstance(prompt, str):
        return [{"role": "user", "content": subject.text(prompt)}]
    return [subject.filled(message) for message in prompt]


def _schema(name: str, value: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"reason": _REASON, name: value},
        "required": ["reason", name],
        "additionalProperties": False,
    }


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _label(value: Any, labels: Sequence[str]) -> str | None:
    folded = str(value).strip().casefold()
    if value in labels:
        return str(value)
    return next((label for label in labels if label.casefold() == folded), None)
