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

_OF_VALUES = ("ExactMatch", "JSONDiff")
_OF_JSON = ("JSONDiff", "ValidJSON")


async def autoevals(params: Autoevals, subject: Subject, caller: Caller | None) -> Outcome:
    import autoevals as library  # type: ignore[import-untyped]

    known = SCORERS[params.scorer]
    given = _given(params, subject)
    output: Any = subject.output
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
    scorer_class = getattr(library, params.scorer)
    if not (known.judge or known.embedding):
        if len(subject.output) > LONGEST_COMPARED:
            raise Unjudgeable(f"Texts of over {LONGEST_COMPARED} characters are not compared")
        scored = scorer_class().eval(output, **given)
    elif caller is None:
        raise Unjudgeable("There is no model to be asked")
    else:
        scored = await _asked(
            scorer_class, params, Asking(caller, params.judge, params.embedding), output, given
        )
    if scored.score is None or not math.isfinite(scored.score):
        raise Unjudgeable(f"{params.scorer} gave no score")
    return Outcome.scored(float(scored.score), params.pass_threshold, _reason(scored.metadata))


async def _asked(
    scorer_class: Any, params: Autoevals, asking: Asking, output: str, given: Mapping[str, Any]
) -> Any:
    # Those for embeddings take that model as theirs; the client chooses it in any case.
    scorer = scorer_class(model=params.judge or params.embedding, client=asking.client())
    try:
        return await scorer.eval_async(output, **given)
    except Exception as error:
        if any(error is raised for raised in asking.raised):
            raise
        # ValueError without a call of its tool, KeyError for a choice that is none, …
        said = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        raise NoVerdict(f"the judge did not answer as {params.scorer} asks: {said}") from error


def _given(params: Autoevals, subject: Subject) -> dict[str, Any]:
    known = SCORERS[params.scorer]
    given: dict[str, Any] = {"input": subject.text("{{item.input}}")}
    if known.expected:
        value = subject.value(params.expected)
        given["expected"] = value if params.scorer in _OF_VALUES else as_text(value)
    for name, template in known.arguments.items():
        given[name] = _lines(subject.value(params.arguments.get(name) or template or ""))
    return given


def _lines(value: Any) -> str:
    """A list of texts, such as passages that were found, as lines."""
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return "\n".join(value)
    return as_text(value)


def _reason(metadata: Mapping[str, Any]) -> str | None:
    choice, rationale = metadata.get("choice"), metadata.get("rationale")
    return ": ".join(str(one) for one in (choice, rationale) if one) or None
