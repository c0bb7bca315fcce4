"""Regular expressions, with an end to the time they may take."""

from __future__ import annotations

import asyncio

from gateway.evals.calls import Caller
from gateway.evals.evaluators.outcome import Outcome, Subject, Unjudgeable
from gateway.evals.specs.evaluators import Regex

LONGEST_SEARCHED = 1_000_000
_SECONDS = 1.0


async def regex_check(params: Regex, subject: Subject, _: Caller | None) -> Outcome:
    import regex

    flags = 0
    for flag, given in (
        (regex.IGNORECASE, params.ignore_case),
        (regex.MULTILINE, params.multiline),
        (regex.DOTALL, params.dotall),
    ):
        flags |= flag if given else 0
    text = subject.text(params.input)
    # In a thread, and without the interpreter's lock: other calls go on meanwhile.
    matches = await asyncio.to_thread(found, params.pattern, text, flags, whole=params.whole)
    if matches != params.negate:
        return Outcome.of(passed=True)
    return Outcome.of(passed=False, reason=f"{params.pattern} is {'' if matches else 'not '}found")


def found(pattern: str, text: str, flags: int = 0, *, whole: bool = False) -> bool:
    """Whether a pattern is found in a text.

    Raises:
        Unjudgeable: The text is too long, or looking took too much time.
    """
    import regex

    if len(text) > LONGEST_SEARCHED:
        raise Unjudgeable(f"Patterns are not looked for in over {LONGEST_SEARCHED} characters")
    compiled = regex.compile(pattern, flags)
    search = compiled.fullmatch if whole else compiled.search
    try:
        return search(text, timeout=_SECONDS, concurrent=True) is not None
    except TimeoutError:
        raise Unjudgeable(
            f"{pattern} took longer than {_SECONDS:g} s to look for; does it repeat what repeats?"
        ) from None
