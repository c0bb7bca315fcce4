"""What evaluators are given and what they say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gateway.evals import templates
from gateway.evals.records import Case, Item

LONGEST_COMPARED = 50_000
"""Characters of texts whose likeness is measured: that takes the product of their lengths."""


class Unjudgeable(Exception):
    """Nothing can be said of the answer, for a reason that is not the answer's."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """As `records.Score`, without the evaluator's name."""

    score: float
    passed: bool | None
    reason: str | None = None

    @classmethod
    def of(cls, passed: bool, reason: str | None = None) -> Outcome:
        """Of what passes or fails, and nothing between."""
        return cls(1.0 if passed else 0.0, passed, reason)

    @classmethod
    def scored(cls, score: float, threshold: float | None, reason: str | None = None) -> Outcome:
        """Of what passes from a threshold on; without one, it neither passes nor fails."""
        return cls(score, None if threshold is None else score >= threshold, reason)


@dataclass(frozen=True, slots=True)
class Subject:
    """An answer, and the case that it was given to.

    What a template refers to may be missing: in the case, which is Missing, or in the answer,
    which is NotInAnswer.
    """

    case: Case
    item: Item

    @property
    def output(self) -> str:
        return self.item.output or ""

    def text(self, template: str) -> str:
        return templates.rendered(template, self.case, self.item)

    def value(self, template: str) -> Any:
        return templates.value_of(template, self.case, self.item)

    def filled(self, value: Any) -> Any:
        return templates.filled(value, self.case, self.item)

    def compared(self, *several: str) -> list[str]:
        """Texts to be measured. Raises Unjudgeable for those that are too long."""
        texts = [self.text(template) for template in several]
        if any(len(text) > LONGEST_COMPARED for text in texts):
            raise Unjudgeable(f"Texts of over {LONGEST_COMPARED} characters are not compared")
        return texts


def quoted(text: str, longest: int = 200) -> str:
    """Text within a reason, not too much of it."""
    return repr(text if len(text) <= longest else text[:longest] + "…")
