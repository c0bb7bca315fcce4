"""How evaluators call models: judges and embeddings are registered models like any other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


class CallFailed(Exception):
    """A call that has no answer, in words that may be shown and stored."""


@dataclass(slots=True)
class Spent:
    """What calls took, added up.

    Attributes:
        tokens: Of prompts and answers.
        cost: In nano-dollars, of the calls whose price is known.
        unpriced: How many calls have no known price.
    """

    tokens: int = 0
    cost: int = 0
    unpriced: int = 0


class Caller(Protocol):
    """Calls registered models, by name, for one evaluation.

    Bodies and answers are OpenAI's, without `stream`; `model` takes the place of what a body says.
    Each method raises CallFailed where there is no answer: that makes an evaluator's error. What
    else it raises is not an evaluator's to judge, and passes through: the run is to end.

    Attributes:
        spent: Of all calls made through it, those that failed included.
    """

    spent: Spent

    async def chat(self, model: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """A chat completion."""
        ...

    async def embeddings(self, model: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Embeddings, as lists of numbers."""
        ...
