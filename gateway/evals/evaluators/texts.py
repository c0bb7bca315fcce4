"""Comparisons of text."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping

from gateway.evals.calls import Caller
from gateway.evals.evaluators.outcome import Outcome, Subject, Unjudgeable, quoted
from gateway.evals.specs.evaluators import Exact, StringCheck, TextCheck
from gateway.evals.templates import as_text, json_of

_STRINGS: Mapping[str, Callable[[str, str], bool]] = {
    "eq": lambda text, reference: text == reference,
    "ne": lambda text, reference: text != reference,
    "like": lambda text, reference: reference in text,
    "ilike": lambda text, reference: reference.casefold() in text.casefold(),
}
_WORDS: Mapping[str, Callable[[str, list[str]], bool]] = {
    "contains_any": lambda text, words: any(word in text for word in words),
    "contains_all": lambda text, words: all(word in text for word in words),
    "not_contains_any": lambda text, words: not any(word in text for word in words),
    "not_contains_all": lambda text, words: not all(word in text for word in words),
    "starts_with": lambda text, words: text.startswith(tuple(words)),
    "not_starts_with": lambda text, words: not text.startswith(tuple(words)),
}


async def string_check(params: StringCheck, subject: Subject, _: Caller | None) -> Outcome:
    text, reference = subject.text(params.input), subject.text(params.reference)
    if _STRINGS[params.operation](text, reference):
        return Outcome.of(passed=True)
    return Outcome.of(
        passed=False, reason=f"{quoted(text)} is not {params.operation} {quoted(reference)}"
    )


async def text_check(params: TextCheck, subject: Subject, _: Caller | None) -> Outcome:
    given = (
        subject.text(params.value).split(",")
        if isinstance(params.value, str)
        else map(subject.text, params.value)
    )
    words = [word.strip() for word in given if word.strip()]
    if not words:
        raise Unjudgeable("value: there is nothing to look for")
    text = subject.output
    if params.ignore_case:
        text, words = text.casefold(), [word.casefold() for word in words]
    if _WORDS[params.operation](text, words):
        return Outcome.of(passed=True)
    found = ", ".join(quoted(word) for word in words if word in text) or "nothing"
    listed = ", ".join(map(quoted, words))
    return Outcome.of(passed=False, reason=f"{params.operation} {listed}: it has {found}")


async def exact(params: Exact, subject: Subject, _: Caller | None) -> Outcome:
    reference = subject.value(params.reference)
    if isinstance(reference, dict | list):
        return _same_json(subject.output, reference)
    wanted, text = (_folded(one, params) for one in (as_text(reference), subject.output))
    reason = None if text == wanted else f"{quoted(text)} is not {quoted(wanted)}"
    return Outcome.of(text == wanted, reason)


def _same_json(output: str, reference: object) -> Outcome:
    try:
        same = json_of(output) == reference
    except ValueError:
        return Outcome.of(passed=False, reason="the answer is not JSON, as the right one is")
    return Outcome.of(same, None if same else f"it is not {quoted(as_text(reference))}")


def _folded(text: str, params: Exact) -> str:
    if params.ignore_whitespace:
        text = " ".join(text.split())
    if params.ignore_punctuation:
        end = len(text)
        while end and unicodedata.category(text[end - 1]).startswith("P"):
            end -= 1
        text = text[:end]
    return text.casefold() if params.ignore_case else text
