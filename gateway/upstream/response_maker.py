"""Making a response of OpenAI's, and the events of its stream, of a chat.

https://platform.openai.com/docs/api-reference/responses-streaming has the events and their order.
"""

from __future__ import annotations

import itertools
import json
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.records import Call

Json = dict[str, Any]

_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
# Anthropic's ids of the calls of tools that it runs itself.
_SERVERS_OWN = "srvtoolu_"


@dataclass(frozen=True, slots=True)
class ToolNames:
    """What of the caller's tools a chat does not tell."""

    custom: frozenset[str] = frozenset()
    """Tools that take any text; in a chat they are functions with the text as `content`."""
    namespaced: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Namespaces and names, by their names in the chat."""


@dataclass(slots=True)
class _Item:
    """An item of the output that is not whole yet."""

    index: int
    item: Json
    part: Json | None = None
    """The open part of its content, or of its summary."""
    call_id: str = ""
    arguments: str = ""


class ResponseMaker:
    """Follows one chat, whose chunks or whole answer it is given."""

    def __init__(self, call: Call, chat: Mapping[str, Any], tools: ToolNames) -> None:
        self._call = call
        self._tools = tools
        self._id = f"resp_{uuid.uuid4().hex}"
        self._created_at = int(chat.get("created") or time.time())
        self._numbers = itertools.count()
        self._events: list[Json] = []
        self._output: list[Json] = []
        self._message: _Item | None = None
        self._thoughts: _Item | None = None
        self._blocks: list[Json] = []
        self._calls: dict[int, _Item] = {}
        self._open_calls: list[_Item] = []
        self._reason: str | None = None
        self._tier: object = None

    def begin(self) -> list[Json]:
        """The events before any output."""
        for kind in ("created", "in_progress"):
            self._emit(f"response.{kind}", response=self._response("in_progress"))
        return self._emitted()

    def take(self, chat: Mapping[str, Any]) -> list[Json]:
        """The events that a chunk makes, or a whole answer."""
        self._tier = chat.get("service_tier") or self._tier
        for choice in chat.get("choices", ())[:1]:
            said = choice.get("delta") or choice.get("message") or {}
            self._think(said)
            self._say(said)
            for position, tool_call in enumerate(said.get("tool_calls") or ()):
                self._use_tool(tool_call, position)
            for image in said.get("images") or ():
                self._show(image)
            self._reason = choice.get("finish_reason") or self._reason
        return self._emitted()

    def end(self, usage: Mapping[str, Any] | None) -> list[Json]:
        """The last events, of which the very last has the response with a chat's `usage`."""
        if not self._output:
            self._open_message("output_text")
        self._close()
        for tool_call in self._open_calls:
            self._close_call(tool_call)
        cut = _INCOMPLETE.get(self._reason or "")
        status = "incomplete" if cut else "completed"
        response = self._response(status)
        response["incomplete_details"] = {"reason": cut} if cut else None
        response["usage"] = _usage(usage) if usage else None
        self._emit(f"response.{status}", response=response)
        return self._emitted()

    # --- thoughts ---

    def _think(self, said: Mapping[str, Any]) -> None:
        text = said.get("reasoning_content")
        blocks = said.get("thinking_blocks") or ()
        # A provider's signature, without which it does not take its thoughts back.
        signed = any(block.get("signature") or block.get("data") for block in blocks)
        if not text and not signed:
            return
        if self._thoughts is None:
            self._close()
            # An id by which litellm knows them for none of OpenAI's.
            self._thoughts = self._open({"id": _reasoning_id(), "type": "reasoning", "summary": []})
        self._keep(blocks)
        if not text:
            return
        thoughts = self._thoughts
        where = {"item_id": thoughts.item["id"], "output_index": thoughts.index, "summary_index": 0}
        if thoughts.part is None:
            thoughts.part = {"type": "summary_text", "text": ""}
            thoughts.item["summary"].append(thoughts.part)
            self._emit("response.reasoning_summary_part.added", **where, part=thoughts.part)
        thoughts.part["text"] += text
        self._emit("response.reasoning_summary_text.delta", **where, delta=text)

    def _keep(self, blocks: Iterable[Mapping[str, Any]]) -> None:
        for block in blocks:
            if block.get("type") != "thinking":
                self._blocks.append(dict(block))
                continue
            # A thought comes in pieces, the signature with the last.
            if not self._blocks or self._blocks[-1].get("signature") != "":
                self._blocks.append({"type": "thinking", "thinking": "", "signature": ""})
            self._blocks[-1]["thinking"] += block.get("thinking") or ""
            self._blocks[-1]["signature"] = block.get("signature") or ""

    def _close_thoughts(self, thoughts: _Item) -> None:
        where = {"item_id": thoughts.item["id"], "output_index": thoughts.index, "summary_index": 0}
        if thoughts.part is not None:
            text = thoughts.part["text"]
            self._emit("response.reasoning_summary_text.done", **where, text=text)
            self._emit("response.reasoning_summary_part.done", **where, part=thoughts.part)
        if sealed := _encoded(self._blocks):
            thoughts.item["encrypted_content"] = sealed
        self._blocks = []
        self._done(thoughts)

    # --- what is said ---

    def _say(self, said: Mapping[str, Any]) -> None:
        for kind, name in (("output_text", "content"), ("refusal", "refusal")):
            text = said.get(name)
            if isinstance(text, str) and text:
                self._add_text(kind, text)
        message = self._message
        if message is None or message.part is None or message.part["type"] != "output_text":
            return
        for given in said.get("annotations") or ():
            annotation = {"type": given.get("type"), **(given.get("url_citation") or {})}
            self._emit(
                "response.output_text.annotation.added",
                **self._where(message),
                annotation_index=len(message.part["annotations"]),
                annotation=annotation,
            )
            message.part["annotations"].append(annotation)

    def _add_text(self, kind: str, text: str) -> None:
        message = self._open_message(kind)
        assert message.part is not None  # noqa: S101 - it was opened just now
        if kind == "refusal":
            message.part["refusal"] += text
            self._emit("response.refusal.delta", **self._where(message), delta=text)
        else:
            message.part["text"] += text
            where = self._where(message)
            self._emit("response.output_text.delta", **where, delta=text, logprobs=[])

    def _open_message(self, kind: str) -> _Item:
        """The message with a part of this kind to add to."""
        message = self._message
        if message is None:
            self._close()
            item = {"type": "message", "role": "assistant", "status": "in_progress", "content": []}
            message = self._message = self._open({"id": f"msg_{uuid.uuid4().hex}", **item})
        if message.part is not None and message.part["type"] != kind:
            self._close_part(message)
        if message.part is None:
            message.part = {"type": kind, "refusal": ""}
            if kind == "output_text":
                message.part = {"type": kind, "text": "", "annotations": [], "logprobs": []}
            message.item["content"].append(message.part)
            self._emit("response.content_part.added", **self._where(message), part=message.part)
        return message

    def _where(self, message: _Item) -> Json:
        at = {"item_id": message.item["id"], "output_index": message.index}
        return at | {"content_index": len(message.item["content"]) - 1}

    def _close_part(self, message: _Item) -> None:
        part, where = message.part, self._where(message)
        assert part is not None  # noqa: S101 - a message has one from the start
        if part["type"] == "refusal":
            self._emit("response.refusal.done", **where, refusal=part["refusal"])
        else:
            self._emit("response.output_text.done", **where, text=part["text"], logprobs=[])
        self._emit("response.content_part.done", **where, part=part)
        message.part = None

    def _close_message(self, message: _Item) -> None:
        self._close_part(message)
        cut = (self._reason or "") in _INCOMPLETE
        message.item["status"] = "incomplete" if cut else "completed"
        self._done(message)

    # --- tools ---

    def _use_tool(self, given: Mapping[str, Any], position: int) -> None:
        function = given.get("function") or {}
        index = given.get("index")
        index = index if isinstance(index, int) else position
        call_id = given.get("id")
        tool_call = self._calls.get(index)
        # Some providers number all calls alike.
        if tool_call is None or (call_id and call_id != tool_call.call_id):
            self._close()
            call_id = call_id or f"call_{uuid.uuid4().hex}"
            tool_call = self._calls[index] = self._open_call(call_id, function)
            tool_call.call_id = call_id
        arguments = function.get("arguments")
        if not isinstance(arguments, str) or not arguments:
            return
        tool_call.arguments += arguments
        if tool_call.item["type"] == "function_call":
            self._emit("response.function_call_arguments.delta", **_at(tool_call), delta=arguments)

    def _open_call(self, call_id: str, function: Mapping[str, Any]) -> _Item:
        name = function.get("name") or ""
        item: Json = {"call_id": call_id, "name": name}
        if call_id.startswith(_SERVERS_OWN):
            kind, prefix = "web_search_call", "ws"
            item = {"status": "in_progress", "action": {"type": "search", "query": ""}}
        elif name in self._tools.custom:
            kind, prefix = "custom_tool_call", "ctc"
            item["input"] = ""
        else:
            kind, prefix = "function_call", "fc"
            item |= {"arguments": "", "status": "in_progress"}
            if name in self._tools.namespaced:
                item["namespace"], item["name"] = self._tools.namespaced[name]
        item = {"id": f"{prefix}_{uuid.uuid4().hex}", "type": kind, **item}
        if kind == "web_search_call" and name != "web_search":
            # Nothing that OpenAI's format knows of.
            return _Item(-1, item)
        opened = self._open(item)
        self._open_calls.append(opened)
        return opened

    def _close_call(self, tool_call: _Item) -> None:
        item, at = tool_call.item, _at(tool_call)
        if "status" in item:
            item["status"] = "completed"
        match item["type"]:
            case "function_call":
                item["arguments"] = tool_call.arguments
                done = {"name": item["name"], "arguments": tool_call.arguments}
                self._emit("response.function_call_arguments.done", **at, **done)
            case "custom_tool_call":
                item["input"] = _content(tool_call.arguments)
                self._emit("response.custom_tool_call_input.delta", **at, delta=item["input"])
                self._emit("response.custom_tool_call_input.done", **at, input=item["input"])
            case _:
                item["action"]["query"] = _field(tool_call.arguments, "query") or ""
                self._emit("response.web_search_call.completed", **at)
        self._done(tool_call)

    def _show(self, image: Mapping[str, Any]) -> None:
        url = (image.get("image_url") or {}).get("url") or ""
        data = url.partition(";base64,")[2]
        if not data:
            return
        self._close()
        item = {"type": "image_generation_call", "status": "in_progress", "result": None}
        shown = self._open({"id": f"ig_{uuid.uuid4().hex}", **item})
        shown.item |= {"status": "completed", "result": data}
        self._emit("response.image_generation_call.completed", **_at(shown))
        self._done(shown)

    # --- items and events ---

    def _open(self, item: Json) -> _Item:
        opened = _Item(len(self._output), item)
        self._output.append(item)
        self._emit("response.output_item.added", output_index=opened.index, item=item)
        return opened

    def _close(self) -> None:
        """End what is being said or thought; calls of tools go on beside each other."""
        message, self._message = self._message, None
        thoughts, self._thoughts = self._thoughts, None
        if message is not None:
            self._close_message(message)
        if thoughts is not None:
            self._close_thoughts(thoughts)

    def _done(self, done: _Item) -> None:
        self._emit("response.output_item.done", output_index=done.index, item=done.item)

    def _emit(self, kind: str, **fields: Any) -> None:
        # A copy: what is in it may go on.
        event = json.loads(json.dumps(fields))
        self._events.append({"type": kind, "sequence_number": next(self._numbers), **event})

    def _emitted(self) -> list[Json]:
        events, self._events = self._events, []
        return events

    def _response(self, status: str) -> Json:
        body = self._call.body
        text = body.get("text") or {}
        reasoning = body.get("reasoning") or {}
        return {
            "id": self._id,
            "object": "response",
            "created_at": self._created_at,
            "status": status,
            "background": False,
            "error": None,
            "incomplete_details": None,
            "instructions": body.get("instructions"),
            "max_output_tokens": body.get("max_output_tokens"),
            "metadata": body.get("metadata", {}),
            "model": self._call.model_name,
            "output": self._output,
            "parallel_tool_calls": body.get("parallel_tool_calls", True),
            "previous_response_id": None,
            "reasoning": {"effort": reasoning.get("effort"), "summary": reasoning.get("summary")},
            "service_tier": self._tier,
            "temperature": body.get("temperature"),
            "text": {"format": {"type": "text"}, **text},
            "tool_choice": body.get("tool_choice", "auto"),
            "tools": body.get("tools", []),
            "top_p": body.get("top_p"),
            "truncation": "disabled",
            "usage": None,
            "user": body.get("user"),
        }


def _at(tool_call: _Item) -> Json:
    return {"item_id": tool_call.item["id"], "output_index": tool_call.index}


def _content(arguments: str) -> str:
    """The text that a custom tool is called with; all there is, where the model made no JSON."""
    content = _field(arguments, "content")
    return arguments if content is None else content


def _field(text: str, name: str) -> str | None:
    try:
        value = json.loads(text)[name]
    except (ValueError, LookupError, TypeError):
        return None
    return value if isinstance(value, str) else None


def _reasoning_id() -> str:
    from litellm.responses.litellm_completion_transformation.reasoning_items import (
        mint_reasoning_item_id,
    )

    return mint_reasoning_item_id()


def _encoded(blocks: list[Json]) -> str | None:
    """A provider's signed thoughts, as litellm reads them where they are sent back."""
    from litellm.responses.litellm_completion_transformation.reasoning_items import (
        encode_thinking_blocks,
    )

    return encode_thinking_blocks(blocks)


def _usage(chat: Mapping[str, Any]) -> Json:
    of_prompt = chat.get("prompt_tokens_details") or {}
    of_completion = chat.get("completion_tokens_details") or {}
    written = of_prompt.get("cache_write_tokens") or chat.get("cache_creation_input_tokens") or 0
    return {
        "input_tokens": chat["prompt_tokens"],
        "input_tokens_details": {
            "cache_write_tokens": written,
            "cached_tokens": of_prompt.get("cached_tokens") or 0,
        },
        "output_tokens": chat["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": of_completion.get("reasoning_tokens") or 0},
        "total_tokens": chat["total_tokens"],
    }
