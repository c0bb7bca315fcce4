"""What models and datasets say, as text that a report can hold."""

from __future__ import annotations

import json
import re
from typing import Any

from gateway.evals.records import Case

# What XML 1.0 has no place for, escaped or not, and HTML and UTF-8 no use.
_UNPRINTABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def printable(text: str) -> str:
    r"""The text with control characters and halves of surrogate pairs as escapes.

    >>> printable("a\x00b")
    'a\\x00b'
    """
    return _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], text)


def cut(text: str, most: int) -> str:
    """At most so many characters, and how many there are besides.

    >>> cut("abcdef", 4)
    'abcd… (2 more characters)'
    """
    more = len(text) - most
    return f"{text[:most]}… ({more:,} more characters)" if more > 0 else text


def as_text(value: Any) -> str:
    """Text as it is, and any other value as JSON; nothing as an empty text."""
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False, indent=2, default=dict)


def input_text(case: Case) -> str:
    """The input as it would be told: messages under their roles."""
    if isinstance(case.input, str):
        return case.input
    return "\n\n".join(
        f"{each.get('role', '?')}: {as_text(each.get('content'))}" for each in case.input
    )
