"""Answers that are JSON: whether they are, of what schema, and how near to the right one."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.evals.calls import Caller
from gateway.evals.evaluators.library import compared, right_json
from gateway.evals.evaluators.outcome import LONGEST_COMPARED, Outcome, Subject, Unjudgeable
from gateway.evals.evaluators.patterns import found
from gateway.evals.specs.evaluators import Json, JsonDiff
from gateway.evals.templates import json_of


async def json_check(params: Json, subject: Subject, _: Caller | None) -> Outcome:
    fault = await asyncio.to_thread(_fault, params, subject.output)
    passed = (fault is None) == params.valid
    return Outcome.of(passed, fault if params.valid else None if passed else "it is valid")


async def json_diff(params: JsonDiff, subject: Subject, _: Caller | None) -> Outcome:
    wanted = right_json(subject.value(params.reference))
    if len(subject.output) > LONGEST_COMPARED:
        raise Unjudgeable(f"Texts of over {LONGEST_COMPARED} characters are not compared")
    try:
        given = json_of(subject.output)
    except ValueError as error:
        return Outcome(0.0, passed=False, reason=f"the answer is not JSON: {error}")
    score = compared("JSONDiff", given, {"expected": wanted})
    return Outcome.scored(score, params.pass_threshold)


def _fault(params: Json, output: str) -> str | None:
    """Why the answer is not what is asked for; None if it is."""
    try:
        if not params.allow_fences and output.lstrip().startswith("```"):
            raise ValueError("it stands in a code block")
        value = json_of(output)
    except ValueError as error:
        return f"the answer is not JSON: {error}"
    if params.schema_ is None:
        return None
    validator = _validator(json.dumps(params.schema_))
    try:
        wrong = next(validator.iter_errors(value), None)
    except RecursionError:
        raise Unjudgeable("schema: it refers to itself without end") from None
    except ArithmeticError as error:
        return f"the answer is not of the schema: {error}"
    if wrong is None:
        return None
    where = "".join(f"{part}: " for part in wrong.absolute_path)
    return f"the answer is not of the schema: {where}{wrong.message}"


@functools.lru_cache(maxsize=64)
def _validator(text: str) -> Any:
    """A validator that neither fetches schemas nor takes for ever over a pattern."""
    import jsonschema
    from referencing import Registry

    schema = json.loads(text)
    draft = jsonschema.validators.validator_for(schema, jsonschema.Draft202012Validator)
    bounded = jsonschema.validators.extend(  # type: ignore[no-untyped-call]
        draft,
        {
            "pattern": _pattern,
            "patternProperties": _pattern_properties,
            "additionalProperties": _additional_properties,
        },
    )
    return bounded(schema, registry=Registry())


def _pattern(validator: Any, pattern: str, value: Any, _: Any) -> Iterator[Any]:
    from jsonschema import ValidationError

    if validator.is_type(value, "string") and not found(pattern, value):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


def _pattern_properties(
    validator: Any, patterns: Mapping[str, Any], value: Any, _: Any
) -> Iterator[Any]:
    if not validator.is_type(value, "object"):
        return
    for pattern, schema in patterns.items():
        for name, inner in value.items():
            if found(pattern, name):
                yield from validator.descend(inner, schema, path=name, schema_path=pattern)


def _additional_properties(
    validator: Any, additional: Any, value: Any, schema: Mapping[str, Any]
) -> Iterator[Any]:
    from jsonschema import ValidationError

    if not validator.is_type(value, "object"):
        return
    patterns = schema.get("patternProperties", {})
    for name, inner in value.items():
        if name in schema.get("properties", {}) or any(found(one, name) for one in patterns):
            continue
        if additional is False:
            yield ValidationError(f"{name!r} is not one of its properties")
        elif additional is not True:
            yield from validator.descend(inner, additional, path=name)
