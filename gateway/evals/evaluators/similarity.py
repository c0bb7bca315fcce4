"""How near texts are: by their letters, by their words, by what they mean."""

from __future__ import annotations

import math
import operator
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from gateway.evals.calls import Caller
from gateway.evals.evaluators.outcome import Outcome, Subject, Unjudgeable
from gateway.evals.specs.evaluators import TextSimilarity

_WORD = re.compile(r"\w+")


async def text_similarity(
    params: TextSimilarity, subject: Subject, caller: Caller | None
) -> Outcome:
    text, reference = subject.compared(params.input, params.reference)
    if params.ignore_case:
        text, reference = text.casefold(), reference.casefold()
    if params.metric == "cosine":
        score = await _cosine(text, reference, params.embedding or "", caller)
    elif params.metric.startswith("rouge"):
        score = rouge(text, reference, params.metric.removeprefix("rouge_"))
    else:
        score = _by_letters(text, reference, params.metric)
    return Outcome.scored(score, params.pass_threshold, f"{params.metric} {score:.3f}")


def rouge(text: str, reference: str, kind: str) -> float:
    """ROUGE's F1: of n words in a row, or for `l` of the longest common subsequence of words.

    Words are runs of letters and digits in lower case, as in Google's rouge_score, though of any
    script. (Lin 2004, ROUGE: A Package for Automatic Evaluation of Summaries.)
    """
    from rapidfuzz.distance import LCSseq

    ours, theirs = (_WORD.findall(one.lower()) for one in (text, reference))
    if kind == "l":
        return _f1(LCSseq.similarity(ours, theirs), len(ours), len(theirs))
    counts = [Counter(_runs(words, int(kind))) for words in (ours, theirs)]
    return _f1((counts[0] & counts[1]).total(), counts[0].total(), counts[1].total())


def _runs(words: Sequence[str], length: int) -> list[tuple[str, ...]]:
    return [tuple(words[at : at + length]) for at in range(len(words) - length + 1)]


def _f1(common: int, ours: int, theirs: int) -> float:
    return 2 * common / (ours + theirs) if ours + theirs else 0.0


def _by_letters(text: str, reference: str, metric: str) -> float:
    from rapidfuzz import fuzz
    from rapidfuzz.distance import JaroWinkler, Levenshtein

    if metric == "fuzzy_match":
        return fuzz.ratio(text, reference) / 100
    measure = JaroWinkler if metric == "jaro_winkler" else Levenshtein
    return float(measure.normalized_similarity(text, reference))


async def _cosine(text: str, reference: str, model: str, caller: Caller | None) -> float:
    if caller is None:
        raise Unjudgeable("There is nobody to ask for embeddings")
    answer = await caller.embeddings(model, {"input": [text, reference]})
    return max(0.0, min(1.0, cosine(*_vectors(answer, model))))


def _vectors(answer: dict[str, Any], model: str) -> tuple[Sequence[float], Sequence[float]]:
    try:
        ordered = sorted(answer["data"], key=lambda one: one["index"])
        first, second = ([float(number) for number in one["embedding"]] for one in ordered)
    except (KeyError, TypeError, ValueError):
        raise Unjudgeable(f"{model} did not answer with two embeddings") from None
    if len(first) != len(second) or not any(first) or not any(second):
        raise Unjudgeable(f"{model} answered with embeddings that cannot be compared")
    return first, second


def cosine(first: Sequence[float], second: Sequence[float]) -> float:
    """The cosine of the angle between two vectors, neither of them zero."""
    product = math.fsum(map(operator.mul, first, second))
    return product / (math.hypot(*first) * math.hypot(*second))
