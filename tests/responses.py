"""What OpenAI's Responses API answers: whole, and in events."""

from __future__ import annotations

import itertools
import json
from typing import Any

Json = dict[str, Any]


def text_item(text: str, status: str = "completed") -> Json:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    content = [part] if status == "completed" else []
    named = {"id": "msg_1", "type": "message", "role": "assistant"}
    return named | {"status": status, "content": content}


def usage(prompt: int = 11, completion: int = 6, cached: int = 0, reasoning: int = 0) -> Json:
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cache_write_tokens": 0, "cached_tokens": cached},
        "output_tokens": completion,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": prompt + completion,
    }


def response(*output: Json, status: str = "completed", **more: Any) -> Json:
    """A whole response, with the usage of 11 and 6 tokens unless it is not done."""
    return {
        "id": "resp_upstream",
        "object": "response",
        "created_at": 1700000000,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "max_tool_calls": None,
        "metadata": {},
        "model": "upstream-model",
        "output": list(output),
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "safety_identifier": None,
        "service_tier": "default",
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None if status == "in_progress" else usage(),
        "user": None,
    } | more


def events(*texts: str, last: Json | None = None) -> list[Json]:
    """A stream that says these texts one after the other, and ends with the response `last`."""
    at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    begun = response(status="in_progress")
    text = "".join(texts)
    last = last or response(text_item(text))
    told: list[Json] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": text_item("", "in_progress"),
        },
        {"type": "response.content_part.added", **at, "part": part},
        *(
            {"type": "response.output_text.delta", **at, "delta": each, "logprobs": []}
            for each in texts
        ),
        {"type": "response.output_text.done", **at, "text": text, "logprobs": []},
        {"type": "response.content_part.done", **at, "part": part | {"text": text}},
        {"type": "response.output_item.done", "output_index": 0, "item": text_item(text)},
        {"type": f"response.{last['status']}", "response": last},
    ]
    return numbered(*told)


def numbered(*told: Json) -> list[Json]:
    numbers = itertools.count()
    return [{**event, "sequence_number": next(numbers)} for event in told]


def frames(told: list[Json]) -> list[Json | str]:
    return [f"event: {each['type']}\ndata: {json.dumps(each)}\n\n" for each in told]


# One item of each of many types, and one of a type that nobody knows yet.
OUTPUT: list[Json] = [
    {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "hm"}],
        "encrypted_content": "gAAAA",
    },
    {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "phase": "final_answer",
        "content": [
            {
                "type": "output_text",
                "text": "Hello",
                "annotations": [
                    {
                        "type": "url_citation",
                        "start_index": 0,
                        "end_index": 1,
                        "url": "https://example.com",
                        "title": "t",
                    },
                    {
                        "type": "container_file_citation",
                        "container_id": "cntr_1",
                        "file_id": "cfile_1",
                        "filename": "a.png",
                        "start_index": 0,
                        "end_index": 2,
                    },
                ],
                "logprobs": [],
            }
        ],
    },
    {
        "type": "function_call",
        "id": "fc_1",
        "call_id": "call_1",
        "name": "f",
        "arguments": "{}",
        "status": "completed",
    },
    {
        "type": "custom_tool_call",
        "id": "ctc_1",
        "call_id": "call_2",
        "name": "apply_patch",
        "input": "*** Begin",
    },
    {
        "type": "web_search_call",
        "id": "ws_1",
        "status": "completed",
        "action": {"type": "search", "query": "q", "queries": ["q"], "sources": None},
    },
    {
        "type": "web_search_call",
        "id": "ws_2",
        "status": "completed",
        "action": {"type": "open_page", "url": "https://example.com"},
    },
    {
        "type": "local_shell_call",
        "id": "lsh_1",
        "call_id": "call_3",
        "status": "completed",
        "action": {"type": "exec", "command": ["ls"], "env": {}, "working_directory": None},
    },
    {
        "type": "code_interpreter_call",
        "id": "ci_1",
        "status": "completed",
        "code": "1",
        "container_id": "cntr_1",
        "outputs": None,
    },
    {
        "type": "mcp_call",
        "id": "mcp_1",
        "name": "n",
        "server_label": "s",
        "arguments": "{}",
        "output": "o",
        "error": None,
    },
    {"type": "brand_new_call", "id": "bn_1", "status": "completed", "thing": {"a": None}},
]


def wide_events() -> list[Json]:
    """A stream with all of `OUTPUT`, and with events that litellm has no types for."""
    told: list[Json] = [{"type": "response.created", "response": response(status="in_progress")}]
    for index, item in enumerate(OUTPUT):
        at = {"item_id": item["id"], "output_index": index}
        told.append({"type": "response.output_item.added", "output_index": index, "item": item})
        match item["type"]:
            case "reasoning":
                part = {"summary_index": 0, "delta": "hm", "obfuscation": "xy"}
                told.append({"type": "response.reasoning_summary_text.delta", **at, **part})
            case "message":
                annotation = item["content"][0]["annotations"][1]
                where = {"content_index": 0, "annotation_index": 0, "annotation": annotation}
                told.append({"type": "response.output_text.annotation.added", **at, **where})
                done = {"content_index": 0, "part": item["content"][0]}
                told.append({"type": "response.content_part.done", **at, **done})
            case "custom_tool_call":
                delta = {"delta": "***"}
                told.append({"type": "response.custom_tool_call_input.delta", **at, **delta})
            case "brand_new_call":
                told.append({"type": "response.brand_new_call.news", **at, "news": [None, 1]})
        told.append({"type": "response.output_item.done", "output_index": index, "item": item})
    told.append({"type": "response.completed", "response": response(*OUTPUT)})
    return numbered(*told)
