"""What is said of a route, besides what the route itself tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Access = Literal["public", "call", "admin"]
Tag = Literal["calls", "models", "keys", "teams", "usage", "settings", "evals", "litellm", "health"]
Envelope = Literal["openai", "anthropic", "either", "litellm"]

TAGS: Mapping[Tag, str] = {
    "calls": "Calls to models, in the formats of OpenAI and Anthropic, and those that share them.",
    "models": "Which models there are, and how they are reached.",
    "keys": "Access keys.",
    "teams": "Owners of keys, which share a budget.",
    "usage": "What was asked, by whom, and what it cost; who changed what.",
    "settings": "What holds for all calls.",
    "evals": "Evaluations: what is asked of models, and how the answers are scored.",
    "litellm": "LiteLLM's routes for the same, for what is made for its proxy.",
    "health": "Whether the gateway, and the models behind it, can answer.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """One operation. Types are whatever pydantic can make a JSON Schema of."""

    id: str
    """Its `operationId`, at the first of its paths."""
    tag: Tag
    summary: str
    answer: Any = None
    """The type of the answer in JSON; None where it is in `media` alone."""
    statuses: tuple[int, ...] = (200,)
    """Of that answer."""
    media: Mapping[str, str] = field(default_factory=dict)
    """Answers that are no JSON: what is to be said of them, by media type."""
    access: Access = "admin"
    """Who may: anybody, any live key, or an admin key alone."""
    body: Any = None
    """The type of the request's body."""
    form: bool = False
    """Whether that is a form, and no JSON."""
    body_optional: bool = False
    path: Mapping[str, str] = field(default_factory=dict)
    """What the parameters of the path are, by name."""
    query: Any = None
    """A `TypedDict` of the parameters of the query."""
    query_for_path: Any = None
    """Likewise, of those that stand for the path's parameters, where the path has none."""
    headers: Any = None
    """Likewise, of the headers that the operation reads, besides the key's."""
    errors: tuple[int, ...] = ()
    """Statuses of errors besides those that follow from the rest."""
    envelope: Envelope = "openai"
    """Whose format the errors have; `either`: OpenAI's, but Anthropic's for its clients."""
    upstream: bool = False
    """Whether a provider answers, with statuses of its own."""
