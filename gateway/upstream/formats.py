"""How each operation is asked of litellm, and what becomes of its answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.records import Call, Content, Operation, Usage
from gateway.upstream import (
    audio,
    completions,
    embeddings,
    images,
    message_tokens,
    messages,
    moderations,
    rerank,
    responses,
)
from gateway.upstream.reports import Witness

Json = dict[str, Any]
Arguments = dict[str, Any]
_Answer = tuple[Json | Content, Usage | None]
_Event = tuple[Json, Usage | None]


@dataclass(frozen=True, slots=True)
class Format:
    """One operation's way through litellm.

    A usage is what the provider reported, or None where it did not: litellm's own counts are none.
    """

    function: str | Callable[..., Awaitable[Any]]
    """litellm's asynchronous function, by name; or one of ours, which is given litellm as well.
    """
    whole: Callable[[Any, Call, Witness], _Answer]
    """Makes the answer, as the caller gets it, of what the function returned."""
    stream: Callable[[Any, Call, Witness], AsyncGenerator[list[_Event]]] | None = None
    """Makes the events of a stream, as the caller gets them, of what the function returned; those
    that come together, together.

    It closes that when it is closed. Usage comes beside the last event.
    """
    arguments: Callable[[Arguments, Call], Arguments] = lambda made, _call: made
    """Puts what is particular to the operation into the arguments of the function."""
    tells: Callable[[Json], bool] = lambda _event: True
    """Whether an event of a stream says anything: until one does, the call may go elsewhere."""


FORMATS: Mapping[Operation, Format] = {
    Operation.CHAT: Format(
        "acompletion",
        completions.chat,
        completions.stream,
        completions.arguments,
        completions.tells,
    ),
    Operation.COMPLETION: Format(
        "atext_completion",
        completions.text,
        completions.stream,
        completions.arguments,
        completions.tells,
    ),
    Operation.EMBEDDING: Format("aembedding", embeddings.whole),
    Operation.RESPONSES: Format(
        responses.send, responses.whole, responses.stream, responses.arguments, responses.tells
    ),
    Operation.MESSAGES: Format(
        messages.send, messages.whole, messages.stream, tells=messages.tells
    ),
    Operation.COUNT_TOKENS: Format(message_tokens.count, message_tokens.counted),
    Operation.MODERATION: Format("amoderation", moderations.whole, arguments=moderations.arguments),
    Operation.IMAGE: Format("aimage_generation", images.whole, arguments=images.arguments),
    Operation.IMAGE_EDIT: Format("aimage_edit", images.whole, arguments=images.edit_arguments),
    Operation.SPEECH: Format(audio.speak, audio.speech),
    Operation.TRANSCRIPTION: Format(
        "atranscription", audio.transcription, arguments=audio.transcription_arguments
    ),
    Operation.RERANK: Format("arerank", rerank.whole),
}
