"""Scorers of autoevals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from gateway.evals.calls import Caller
from gateway.evals.evaluators.numbers import number_in
from gateway.evals.evaluators.outcome import LONGEST_COMPARED, Outcome, Subject, Unjudgeable
from gateway.evals.judges import Asking, NoVerdict
from gateway.evals.specs.evaluators import Autoevals
from gateway.evals.specs.scorers import SCORERS
from gateway.evals.templates import as_text, json_of

_OF_JSON = ("JSONDiff", "ValidJSON")


async def autoevals(params: Autoevals, subject: Subject, caller: Caller | None) -> Outcome:
    known = SCORERS[params.scorer]
    given = _given(params, subject)
    if not (known.judge or known.embedding):
        return _by_rule(params, subject, given)
    if caller is None:
        raise Unjudgeable("There is no model to be asked")
    asking = Asking(caller, params.judge, params.embedding)
    scored = await _asked(params, asking, subject.output, given)
    score = _finite(scored.score, params.scorer)
    return Outcome.scored(score, params.pass_threshold, _reason(scored.metadata))


def compared(scorer: str, output: Any, given: Mapping[str, Any]) -> float:
    """The score of a scorer that asks nobody. Raises Unjudgeable where it has none."""
    import autoevals as library  # type: ignore[import-untyped]

    # Text within JSON is text, also where it looks like more JSON.
    options = {"preserve_strings": True} if scorer == "JSONDiff" else {}
    try:
        scored = getattr(library, scorer)(**options).eval(output, **given)
    except Exception as error:
        raise Unjudgeable(f"{scorer} cannot compare these: {error}") from error
    return _finite(scored.score, scorer)


def _by_rule(params: Autoevals, subject: Subject, given: dict[str, Any]) -> Outcome:
    output: Any = subject.output
    if len(output) > LONGEST_COMPARED:
        raise Unjudgeable(f"Texts of over {LONGEST_COMPARED} characters are not compared")
    if params.scorer == "NumericDiff":
        output, given["expected"] = number_in(output), number_in(given["expected"])
        if given["expected"] is None:
            raise Unjudgeable("expected: there is no number to compare with")
        if output is None:
            return Outcome.scored(0.0, params.pass_threshold, "the answer has no number")
    elif params.scorer in _OF_JSON:
        try:
            output = json_of(output)
        except ValueError as error:
            reason = f"the answer is not JSON: {error}"
            return Outcome.scored(0.0, params.pass_threshold, reason)
    return Outcome.scored(compared(params.scorer, output, given), params.pass_threshold)


async def _asked(params: Autoevals, asking: Asking, output: str, given: Mapping[str, Any]) -> Any:
    import autoevals as library

    # Those for embeddings take that model as theirs; the client chooses it in any case.
    scorer = getattr(library, params.scorer)(
        model=params.judge or params.embedding, client=asking.client()
    )
    try:
        return await scorer.eval_async(output, **given)
    except Exception as error:
        if any(error is raised for raised in asking.raised):
            raise
        # ValueError without a call of its tool, KeyError for a choice that is none, …
        said = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        raise NoVerdict(f"the judge did not answer as {params.scorer} asks: {said}") from error


def _finite(score: Any, scorer: str) -> float:
    if score is None or not math.isfinite(score):
        raise Unjudgeable(f"{scorer} gave no score")
    return float(score)


def _given(params: Autoevals, subject: Subject) -> dict[str, Any]:
    known = SCORERS[params.scorer]
    given: dict[str, Any] = {"input": subject.text("{{item.input}}")}
    if known.expected:
        value = subject.value(params.expected)
        given["expected"] = value if params.scorer == "ExactMatch" else as_text(value)
        if params.scorer == "JSONDiff":
            given["expected"] = right_json(value)
    for name, template in known.arguments.items():
        given[name] = _lines(subject.value(params.arguments.get(name) or template or ""))
    return given


def right_json(value: Any) -> Any:
    """The right answer as JSON, which text is perhaps. Raises Unjudgeable where it is none."""
    if not isinstance(value, str):
        return value
    try:
        return json_of(value)
    except ValueError:
        raise Unjudgeable("The right answer is not JSON") from None


def _lines(value: Any) -> str:
    """A list of texts, such as passages that were found, as lines."""
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return "\n".join(value)
    return as_text(value)


def _reason(metadata: Mapping[str, Any]) -> str | None:
    choice, rationale = metadata.get("choice"), metadata.get("rationale")
    return ": ".join(str(one) for one in (choice, rationale) if one) or None
