"""Pictures by way of litellm: made from a text, or from pictures and a text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.errors import Fault, UpstreamError
from gateway.records import Call, Upload, Usage
from gateway.upstream.reports import Witness
from gateway.upstream.usage import read_image_usage

Json = dict[str, Any]
_Arguments = dict[str, Any]

# openai/types/image.py and images_response.py
_IMAGE = ("b64_json", "revised_prompt", "url")
_MADE = ("background", "output_format", "quality", "size")
_COUNTS = ("input_tokens", "output_tokens", "total_tokens")
_DETAILS = ("input_tokens_details", "output_tokens_details")
_OF_DETAILS = ("image_tokens", "text_tokens")
# OpenAI's own, whose parameters litellm knows; other models may be behind its wire format too.
_OPENAI = ("openai/chatgpt-image", "openai/dall-e", "openai/gpt-image")
# What litellm lets no other model have.
_OF_DALL_E = ("response_format", "style")


def arguments(made: _Arguments, _call: Call) -> _Arguments:
    """Have litellm pass on what a server of one's own may know."""
    model = made["model"]
    if not model.startswith("openai/") or model.startswith(_OPENAI):
        return made
    raw = {name: made.pop(name) for name in _OF_DALL_E if name in made}
    return made | {"extra_body": {**made.get("extra_body", {}), **raw}} if raw else made


def edit_arguments(made: _Arguments, _call: Call) -> _Arguments:
    """Give litellm the files' bytes; it tells their types from these."""
    # It would send this on, as a field of the provider's.
    made.pop("drop_params")
    made["image"] = [file.data for file in made["image"]]
    mask = made.get("mask")
    if isinstance(mask, Upload):
        made["mask"] = mask.data
    return made


def whole(answer: Any, _call: Call, witness: Witness) -> tuple[Json, Usage | None]:
    """OpenAI's `ImagesResponse`. Raises UpstreamError where there is no picture."""
    raw = answer.model_dump(exclude_none=True, warnings=False)
    pictures = [_present(item, _IMAGE) for item in raw.get("data") or ()]
    if not any("url" in picture or "b64_json" in picture for picture in pictures):
        # litellm says so of providers that it cannot ask for pictures, too.
        raise UpstreamError(
            "No picture came back: the provider made none, or has no such calls",
            status=400,
            type="invalid_request_error",
            fault=Fault.BAD_REQUEST,
        )
    body = {"created": raw["created"], "data": pictures}
    counts = raw.get("usage") or {}
    usage = read_image_usage(counts) if witness.believes else None
    if usage is not None:
        # DALL·E says none of this; litellm puts there what was asked for.
        body |= _present(raw, _MADE)
        body["usage"] = _present(counts, _COUNTS) | {
            name: _present(counts[name], _OF_DETAILS) for name in _DETAILS if counts.get(name)
        }
    return body, usage


def _present(values: Mapping[str, Any], names: Iterable[str]) -> Json:
    return {name: values[name] for name in names if values.get(name) is not None}
