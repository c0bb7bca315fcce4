"""What a caller files a request under in the usage, as LiteLLM's clients say it: the header
`x-litellm-tags`, or `tags` in the body or in its metadata.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.errors import InvalidRequest

HEADER = "x-litellm-tags"
_MOST = 20
_LONGEST = 64


def take_tags(headers: Mapping[str, str], body: dict[str, Any]) -> tuple[str, ...]:
    """The tags of a request; they are removed from its body, as no provider knows them.

    Raises:
        InvalidRequest: They are no list of short texts.
    """
    found = [tag.strip() for tag in headers.get(HEADER, "").split(",") if tag.strip()]
    found += _list("tags", body.pop("tags", None))
    metadata = body.get("metadata")
    # OpenAI's own metadata holds texts alone.
    if isinstance(metadata, dict) and isinstance(metadata.get("tags"), list):
        found += _list("metadata.tags", metadata["tags"])
        rest = {name: value for name, value in metadata.items() if name != "tags"}
        body["metadata"] = rest or None
    if len(found) > _MOST or any(len(tag) > _LONGEST for tag in found):
        raise InvalidRequest(
            f"A request takes up to {_MOST} tags of up to {_LONGEST} characters.", param="tags"
        )
    return tuple(dict.fromkeys(found))


def _list(name: str, value: object) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(tag, str) and tag for tag in value):
        raise InvalidRequest(
            f"Invalid type for '{name}': expected an array of strings.",
            param=name,
            code="invalid_type",
        )
    return [tag.strip() for tag in value]
