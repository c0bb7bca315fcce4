"""How many tokens a request may come to, told without a tokenizer.

Tokenizers differ by model and cost milliseconds; a budget needs a bound, and a call that ended
without a report needs an estimate.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.records import Call

# What goes to the model, of the parameters of all routes.
_READ = ("messages", "prompt", "input", "tools", "functions", "response_format", "suffix")
_BYTES_A_TOKEN = 4
# Roles, separators and what a provider wraps a tool's description in.
_FRAME = 16
# A picture, a recording or a file: its tokens do not follow from its bytes.
_ATTACHMENT = 4000
_ATTACHMENTS = ("image_url", "input_audio", "file", "video_url", "image", "document", "source")
# Where neither the caller, the model nor the price table has a limit.
_LONGEST_ANSWER = 16_384


def most_prompt_tokens(call: Call) -> int:
    """A bound: no tokenizer makes more than a token of a byte."""
    text, frames, attachments, numbers = _sizes(call.body)
    return text + _FRAME * frames + _ATTACHMENT * attachments + numbers


def likely_prompt_tokens(call: Call) -> int:
    """An estimate."""
    text, frames, attachments, numbers = _sizes(call.body)
    return -(-text // _BYTES_A_TOKEN) + 4 * frames + _ATTACHMENT // 4 * attachments + numbers


def most_completion_tokens(call: Call, defaults: Mapping[str, Any], model_limit: int | None) -> int:
    """A bound; `defaults` are the model's own parameters, `model_limit` what it can write."""
    params = {**defaults, **call.body}
    limits = (params.get("max_completion_tokens"), params.get("max_tokens"), model_limit)
    known = [limit for limit in limits if isinstance(limit, int) and limit > 0]
    answers = max(_count(params.get("n")), _count(params.get("best_of")))
    return (min(known) if known else _LONGEST_ANSWER) * answers


def likely_tokens(text: str) -> int:
    """An estimate for a piece of an answer."""
    return -(-len(text.encode(errors="replace")) // _BYTES_A_TOKEN)


def _count(value: object) -> int:
    return value if isinstance(value, int) else 1


def _sizes(body: Mapping[str, Any]) -> tuple[int, int, int, int]:
    """Bytes of text, objects, attachments and token numbers in what the model reads."""
    text = frames = attachments = numbers = 0
    pending = [body[name] for name in _READ if name in body]
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            text += len(value) if value.isascii() else len(value.encode(errors="replace"))
        elif isinstance(value, list):
            # A prompt may be given as its tokens.
            numbers += sum(isinstance(item, int) for item in value)
            pending += [item for item in value if not isinstance(item, int)]
        elif isinstance(value, Mapping):
            frames += 1
            for name, item in value.items():
                if name in _ATTACHMENTS:
                    attachments += 1
                else:
                    text += len(name)
                    pending.append(item)
    return text, frames, attachments, numbers
