"""What is said of calls to models, and of the lists of models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway.http import anthropic, openai, responses
from gateway.http.openapi import answers, queries
from gateway.http.openapi import call_answers as made
from gateway.http.openapi.description import Description
from gateway.records import Operation

_MODEL = {openai.MODEL: "The model. Slashes in its name may stand as they are"}
_RESPONSE = {"id": "The response's"}


def _call(
    operation: Operation, operation_id: str, summary: str, answer: Any, **more: Any
) -> Description:
    of_anthropic = operation in (Operation.MESSAGES, Operation.COUNT_TOKENS)
    return Description(
        id=operation_id,
        tag="calls",
        summary=summary,
        answer=answer,
        access="call",
        body=operation,
        path=_MODEL,
        headers=queries.OfMessages if of_anthropic else queries.OfCalls,
        envelope="anthropic" if of_anthropic else "openai",
        upstream=True,
        **more,
    )


def _events(of: str, last: str) -> dict[str, str]:
    return {"text/event-stream": f"With `stream`: events, each a {of} in JSON; {last}"}


_DONE = "the last is `[DONE]`. After a failure, that is missing, and the last is an Error"
_AUDIO = ("aac", "flac", "mpeg", "ogg", "pcm", "wav")

CALLS: Mapping[Operation, Description] = {
    Operation.CHAT: _call(
        Operation.CHAT,
        "chat",
        "Have a chat answered",
        made.ChatCompletion,
        media=_events("ChatCompletionChunk", _DONE),
    ),
    Operation.COMPLETION: _call(
        Operation.COMPLETION,
        "complete",
        "Have a text continued",
        made.TextCompletion,
        media=_events("TextCompletion", _DONE),
    ),
    Operation.EMBEDDING: _call(
        Operation.EMBEDDING, "embed", "Make vectors of texts", made.Embeddings
    ),
    Operation.RESPONSES: _call(
        Operation.RESPONSES,
        "create_response",
        "Have a response made",
        made.ModelResponse,
        media=_events("event of OpenAI's", "the last is response.completed, or an error"),
    ),
    Operation.MESSAGES: _call(
        Operation.MESSAGES,
        "create_message",
        "Have messages answered, in Anthropic's format",
        made.Message,
        media=_events("event of Anthropic's", "the last is message_stop, or an error"),
    ),
    Operation.COUNT_TOKENS: _call(
        Operation.COUNT_TOKENS, "count_tokens", "Count the tokens of messages", made.TokenCount
    ),
    Operation.MODERATION: _call(
        Operation.MODERATION, "moderate", "Find what is objectionable", made.Moderations
    ),
    Operation.IMAGE: _call(Operation.IMAGE, "make_images", "Make pictures", made.Pictures),
    Operation.IMAGE_EDIT: _call(
        Operation.IMAGE_EDIT, "edit_images", "Change pictures", made.Pictures, form=True
    ),
    Operation.SPEECH: _call(
        Operation.SPEECH,
        "speak",
        "Have a text spoken",
        None,
        media={
            **{f"audio/{kind}": "The sound" for kind in _AUDIO},
            "application/octet-stream": "Sound in another format",
        },
    ),
    Operation.TRANSCRIPTION: _call(
        Operation.TRANSCRIPTION,
        "transcribe",
        "Have speech written down",
        made.Transcribed,
        form=True,
        media={"text/plain": "With the `response_format` text, srt or vtt"},
    ),
    Operation.RERANK: _call(
        Operation.RERANK, "rerank", "Have documents ranked by a query", made.Ranking
    ),
}

_STORED: Mapping[str, Any] = {
    "tag": "calls",
    "access": "call",
    "path": _RESPONSE,
    "errors": (400, 404),
    "upstream": True,
}

DESCRIPTIONS: Mapping[Callable[..., Any], Description] = {
    anthropic.answer_probe: Description(
        id="probe", tag="health", summary="Say that it is there", answer=answers.Probe,
        access="public",
    ),
    openai.list_models: Description(
        id="list_models",
        tag="models",
        summary="List the models that the key may call; for an admin key, all and where they are",
        answer=answers.ModelList | answers.AnthropicModelPage,
        access="call",
        query=queries.ListsModels,
        headers=queries.OfLists,
        errors=(400,),
        envelope="either",
    ),
    openai.get_model: Description(
        id="get_model",
        tag="models",
        summary="Get one entry of that list",
        answer=answers.ListedModel | answers.RegisteredModel | answers.AnthropicModel,
        access="call",
        path={"name": "The name to call it by. Slashes in it may stand as they are"},
        headers=queries.OfLists,
        envelope="either",
    ),
    responses.create_response: CALLS[Operation.RESPONSES],
    responses.get_response: Description(
        id="get_response",
        summary="Get a response that its provider stored",
        answer=made.ModelResponse,
        query=queries.GetsResponse,
        **_STORED,
    ),
    responses.delete_response: Description(
        id="delete_response",
        summary="Have a stored response deleted",
        answer=made.DeletedResponse,
        **_STORED,
    ),
    responses.cancel_response: Description(
        id="cancel_response",
        summary="Have a response stopped",
        answer=made.ModelResponse,
        **_STORED,
    ),
    responses.list_input_items: Description(
        id="list_input_items",
        summary="Get what a response was asked for",
        answer=made.InputItems,
        query=queries.ListsInputItems,
        **_STORED,
    ),
}  # fmt: skip

EVENTS = (made.ChatCompletionChunk,)
"""What descriptions name that is in no schema of an answer: a stream is text to OpenAPI."""
