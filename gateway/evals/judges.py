"""Judges: models that are asked about other models' answers.

autoevals asks by an OpenAI client. Left alone it makes one for a service on the internet, tries
again a hundred times where it is told of too many calls, and chooses the route by the model's name.
`asking` makes one that calls registered models, once, and raises what the call raises.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.evals.calls import Caller
from gateway.evals.records import Message
from gateway.evals.templates import json_of

_MOST_TRIES = 20


class NoVerdict(Exception):
    """A judge's answer is not one to what it was asked."""


@dataclass(slots=True)
class Asking:
    """A judge and a model for embeddings, to be asked by a scorer of autoevals.

    Attributes:
        raised: What calls raised: not the scorer's to explain.
    """

    caller: Caller
    judge: str | None
    embedding: str | None
    raised: list[BaseException] = field(default_factory=list)

    async def complete(self, **body: Any) -> dict[str, Any]:
        return await self._call(self.caller.chat, self.judge, body)

    async def embed(self, **body: Any) -> dict[str, Any]:
        return await self._call(self.caller.embeddings, self.embedding, body)

    async def _call(self, call: Any, model: str | None, body: dict[str, Any]) -> dict[str, Any]:
        # Which model is asked is what the evaluator says, not what the scorer was made with.
        for name in ("model", "use_responses_api"):
            body.pop(name, None)
        try:
            answer: dict[str, Any] = await call(model, body)
        except BaseException as error:
            self.raised.append(error)
            raise
        return answer

    def client(self) -> Any:
        """A client as autoevals takes it."""
        return _client_class()(
            openai=None, complete=self.complete, embed=self.embed, RateLimitError=_Never
        )


class _Never(Exception):
    """What autoevals waits and tries again for: nothing."""


@functools.cache
def _client_class() -> Any:
    from autoevals.oai import LLMClient  # type: ignore[import-untyped]
    from autoevals.string import EmbeddingSimilarity  # type: ignore[import-untyped]

    class Client(LLMClient):  # type: ignore[misc]
        def __post_init__(self) -> None:
            """Nothing of what would be set up for OpenAI's own clients."""

    # It is kept for ever, for all evaluations, and does not tell one model from another here.
    EmbeddingSimilarity._CACHE = _Forgetful()
    return Client


class _Forgetful(dict[Any, Any]):
    def __setitem__(self, key: Any, value: Any) -> None:
        """Keeps nothing."""


async def ask(
    caller: Caller,
    judge: str,
    messages: Sequence[Message],
    params: Mapping[str, Any],
    schema: Mapping[str, Any],
    wish: str,
) -> Mapping[str, Any]:
    """A judge's answer as the JSON that it was asked for.

    Args:
        caller: Calls the judge.
        judge: The model's name.
        messages: The question.
        params: Parameters of the call.
        schema: A JSON Schema of an object, all of whose properties are required.
        wish: The same in words, for models that do not keep to schemas.

    Raises:
        NoVerdict: The judge answered otherwise.
        CallFailed: There is no answer.
    """
    body = {
        **params,
        "messages": _wishing(messages, wish),
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "verdict", "strict": True, "schema": dict(schema)},
        },
    }
    said = _said(await caller.chat(judge, body))
    for value in _objects(said):
        if all(name in value for name in schema["required"]):
            return value
    shown = said if len(said) <= 200 else said[:200] + "…"
    raise NoVerdict(f"the judge did not answer with the JSON it was asked for: {shown!r}")


def _wishing(messages: Sequence[Message], wish: str) -> list[dict[str, Any]]:
    """The messages with the wish at the end of the last one."""
    made = [dict(message) for message in messages]
    last = made[-1]
    if last.get("role") == "user" and isinstance(last.get("content"), str):
        last["content"] = f"{last['content']}\n\n{wish}"
        return made
    return [*made, {"role": "user", "content": wish}]


def _said(answer: Mapping[str, Any]) -> str:
    try:
        choice = answer["choices"][0]
        message = choice["message"]
        content, refusal = message.get("content"), message.get("refusal")
    except (KeyError, IndexError, TypeError, AttributeError):
        raise NoVerdict("the judge's answer is no chat completion") from None
    if refusal:
        raise NoVerdict(f"the judge refused: {refusal}")
    if choice.get("finish_reason") == "length":
        raise NoVerdict("the judge's answer was cut off at its most tokens")
    if not isinstance(content, str) or not content.strip():
        raise NoVerdict("the judge's answer is empty")
    return content


def _objects(text: str) -> list[Mapping[str, Any]]:
    """The JSON objects that a text is, or holds: some models say something before."""
    try:
        whole = json_of(text)
    except ValueError:
        pass
    else:
        return [whole] if isinstance(whole, Mapping) else []
    found: list[Mapping[str, Any]] = []
    decoder, at = json.JSONDecoder(), -1
    for _ in range(_MOST_TRIES):
        at = text.find("{", at + 1)
        if at < 0:
            break
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            continue
        found.append(value)
    # The last is what it came to.
    return found[::-1]
