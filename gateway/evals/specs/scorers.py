"""The scorers of autoevals that are offered: what each needs, and what it is given.

Those that need scipy besides, and Moderation, which passes or fails as its provider likes, are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Scorer:
    """Attributes:
    judge: Whether it asks a model.
    embedding: Whether it asks a model for embeddings.
    expected: Whether it compares with the right answer.
    arguments: What else it takes, by name, each with the template it has unless another is given;
        None where one has to be.
    """

    judge: bool = False
    embedding: bool = False
    expected: bool = False
    arguments: Mapping[str, str | None] = field(default_factory=dict)


_CONTEXT = {"context": "{{item.context}}"}

SCORERS: Mapping[str, Scorer] = {
    "Battle": Scorer(judge=True, expected=True, arguments={"instructions": "{{item.input}}"}),
    "ClosedQA": Scorer(judge=True, arguments={"criteria": None}),
    "Factuality": Scorer(judge=True, expected=True),
    "Humor": Scorer(judge=True),
    "Possible": Scorer(judge=True),
    "Security": Scorer(judge=True),
    "Sql": Scorer(judge=True, expected=True),
    "Summary": Scorer(judge=True, expected=True),
    "Translation": Scorer(judge=True, expected=True, arguments={"language": None}),
    "AnswerCorrectness": Scorer(judge=True, embedding=True, expected=True),
    "AnswerRelevancy": Scorer(judge=True, embedding=True, arguments=_CONTEXT),
    "AnswerSimilarity": Scorer(embedding=True, expected=True),
    "ContextPrecision": Scorer(judge=True, expected=True, arguments=_CONTEXT),
    "ContextRecall": Scorer(judge=True, expected=True, arguments=_CONTEXT),
    "ContextRelevancy": Scorer(judge=True, arguments=_CONTEXT),
    "Faithfulness": Scorer(judge=True, arguments=_CONTEXT),
    "EmbeddingSimilarity": Scorer(embedding=True, expected=True),
    "ExactMatch": Scorer(expected=True),
    "JSONDiff": Scorer(expected=True),
    "Levenshtein": Scorer(expected=True),
    "NumericDiff": Scorer(expected=True),
    "ValidJSON": Scorer(),
}
"""By their names there."""
