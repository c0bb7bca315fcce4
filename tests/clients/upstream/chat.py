"""OpenAI's chat completions, and its text completions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from starlette.responses import Response

from tests.clients.upstream.model import Prompt, Said, Tool, count, say
from tests.clients.upstream.wire import Json, event_stream, json_response, text_of

_HEAD = {"id": "chatcmpl-1", "created": 1700000000}


def answer(body: Json) -> Response:
    said = say(_prompt(body))
    if body.get("stream"):
        return event_stream(_events(body, said))
    message: Json = {"role": "assistant", "content": said.text or None, "refusal": None}
    if said.calls:
        message["tool_calls"] = [
            _call(call.id, call.name, call.arguments_text) for call in said.calls
        ]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(said)}
    head = {**_HEAD, "object": "chat.completion", "model": body["model"]}
    return json_response(head | {"choices": [choice], "usage": _usage(said)})


def complete(body: Json) -> Response:
    """A text completion."""
    said = say(Prompt(text_of(body["prompt"]), count(text_of(body["prompt"]))))
    head = {**_HEAD, "object": "text_completion", "model": body["model"]}

    def choice(text: str, finish: str | None) -> list[Json]:
        return [{"index": 0, "text": text, "logprobs": None, "finish_reason": finish}]

    if not body.get("stream"):
        return json_response(head | {"choices": choice(said.text, "stop"), "usage": _usage(said)})
    events: list[Json | str] = [head | {"choices": choice(piece, None)} for piece in said.pieces]
    events.append(head | {"choices": choice("", "stop")})
    events.append(head | {"choices": [], "usage": _usage(said)})
    return event_stream([*events, "[DONE]"])


def _prompt(body: Json) -> Prompt:
    messages = body["messages"]
    last = max(i for i, message in enumerate(messages) if message["role"] in ("user", "system"))
    since = messages[last + 1 :]
    calls = [call for message in since for call in message.get("tool_calls") or ()]
    choice = body.get("tool_choice", "auto")
    wanted = body.get("response_format") or {}
    return Prompt(
        text=text_of(messages[last]["content"]),
        tokens=sum(count(text_of(message.get("content"))) for message in messages),
        tools=[
            Tool(tool["function"]["name"], tool["function"].get("parameters", {}))
            for tool in body.get("tools", ())
        ],
        choice=choice if isinstance(choice, str) else choice["function"]["name"],
        results=[text_of(message["content"]) for message in since if message["role"] == "tool"],
        called=frozenset(call["function"]["name"] for call in calls),
        schema=_schema(wanted),
    )


def _schema(wanted: Json) -> Json | None:
    if wanted.get("type") == "json_schema":
        schema: Json = wanted["json_schema"]["schema"]
        return schema
    return {} if wanted.get("type") == "json_object" else None


def _events(body: Json, said: Said) -> Iterator[Json | str]:
    head = {**_HEAD, "object": "chat.completion.chunk", "model": body["model"]}

    def chunk(delta: Json, finish: str | None = None) -> Json:
        return head | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    yield chunk({"role": "assistant", "content": "" if not said.calls else None})
    for piece in said.pieces:
        yield chunk({"content": piece})
    for index, call in enumerate(said.calls):
        text = call.arguments_text
        yield chunk({"tool_calls": [{"index": index, **_call(call.id, call.name, "")}]})
        for part in (text[:5], text[5:]):
            yield chunk({"tool_calls": [{"index": index, "function": {"arguments": part}}]})
    yield chunk({}, _finish(said))
    if (body.get("stream_options") or {}).get("include_usage"):
        yield head | {"choices": [], "usage": _usage(said)}
    yield "[DONE]"


def _call(id_: str, name: str, arguments: str) -> Json:
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


def _finish(said: Said) -> str:
    return "tool_calls" if said.calls else "stop"


def _usage(said: Said) -> dict[str, Any]:
    return {
        "prompt_tokens": said.prompt_tokens,
        "completion_tokens": said.tokens,
        "total_tokens": said.prompt_tokens + said.tokens,
    }
