"""What was asked and answered, where the operator wants it kept: redacted, and cut to a size.

A recorder follows one call and does its work when that has ended: about 0.05 ms of processor time
for each kilobyte, of which it looks at no more than `MOST_CHARACTERS` a side.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Mapping
from typing import Any, TypeVar

import orjson

from gateway.records import CallSettings, Content, Upload
from gateway.redaction import Redactor
from gateway.store.ledger import Transcript

MOST_CHARACTERS = 256 * 1024
"""What is kept of a request, and of its answer, as JSON."""

CUT = "[cut here]"
# The end of a text that is cut is dropped, for what is to be redacted may have lost its own end.
_TAIL = 4096
_DEEPEST = 64
# Of base64 and of numbers nobody reads: longer ones are replaced by their size.
_LONG_BASE64 = 512
_LONG_LIST = 64
_DATA_URI = re.compile(
    r"data:([\w.+-]*/[\w.+-]*)(?:;(?!base64,)[\w.=+-]++)*+;base64,([A-Za-z0-9+/=_-]*+)"
)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]*")
# The integers that orjson writes.
_INTEGERS = range(-(2**63), 2**64)
_LONG_NUMBER = 10**12
# Fields of a chunk that are whole where they stand; other text is a piece.
_WHOLE = frozenset({"id", "object", "model", "role", "type", "name", "finish_reason"})
# Fields of Anthropic's deltas, by what they go into.
_INTO = {"partial_json": "input", "citation": "citations"}
# Names of fields and the like, which stand in many places.
_SHORT = 64
# What an item of a list costs besides its text.
_ITEM = 64

Json = Mapping[str, Any]
T = TypeVar("T", bound="_Pieces | _Items | _Fields")

log = logging.getLogger(__name__)


def recorder(settings: CallSettings) -> Recorder | None:
    """A recorder for one call, or None where prompts and answers are not to be stored."""
    if not settings.store_prompts_in_spend_logs:
        return None
    try:
        return Recorder(Redactor(settings.redact_stored_prompts))
    except (KeyError, ValueError) as error:
        # Stored by a newer gateway. What cannot be redacted as asked is not kept.
        log.error("No prompts are stored: this gateway has no such redaction rule: %s", error)
        return None


class Recorder:
    """Takes down one call; never raises, as the call must not fail for it."""

    def __init__(self, redact: Redactor) -> None:
        self._redact = redact
        self._answer: Json | None = None
        self._chunks: Accumulator | None = None

    def chunk(self, body: Json) -> None:
        """Take a chunk of a stream, or an event, in the format of its route."""
        if self._chunks is None:
            self._chunks = Accumulator()
        try:
            self._chunks.add(body)
        except Exception:
            log.exception("A chunk is missing from what is stored of an answer")

    def answer(self, body: Json | Content) -> None:
        """Take a whole answer."""
        self._answer = {"content": body} if isinstance(body, Content) else body

    def result(self, call_id: str, started_ms: int, request: Json) -> Transcript | None:
        """What is to be stored; None where that failed, which is logged."""
        try:
            answer = self._answer
            if answer is None and self._chunks is not None:
                answer = self._chunks.answer()
            return Transcript(
                call_id,
                started_ms,
                shown(request, self._redact),
                None if answer is None else shown(answer, self._redact),
            )
        except Exception:
            log.exception("The prompt and answer of %s could not be stored", call_id)
            return None


def shown(body: Json, redact: Redactor) -> str:
    """A body as JSON text of up to `MOST_CHARACTERS`, redacted; images and the like by their size.

    Names of fields are redacted like values.
    """
    room = MOST_CHARACTERS
    while True:
        text = orjson.dumps(_Shown(redact, room).of(body, 0)).decode()
        # Rare escapes come on top of what was reckoned with.
        if len(text) <= MOST_CHARACTERS:
            return text
        room = room * MOST_CHARACTERS // len(text) * 9 // 10


class _Shown:
    def __init__(self, redact: Redactor, room: int) -> None:
        self._redact = redact
        self._room = room
        self._short: dict[str, str] = {}

    def of(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if value is None or isinstance(value, bool):
            self._room -= 6
            return value
        if isinstance(value, int | float):
            return self._number(value)
        if depth >= _DEEPEST:
            return "[nested deeper than is kept]"
        if isinstance(value, Mapping):
            return self._object(value, depth)
        if isinstance(value, list | tuple):
            return self._list(value, depth)
        if isinstance(value, Upload):
            return self._text(f"[{value.name}, {value.media_type}, {len(value.data)} bytes]")
        if isinstance(value, Content):
            return self._content(value)
        return self._text(str(value))

    def _content(self, value: Content) -> str:
        if value.media_type.startswith("text/"):
            return self._text(value.data.decode(errors="replace"))
        return self._text(f"[{value.media_type}, {len(value.data)} bytes]")

    def _object(self, value: Json, depth: int) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        self._room -= 3
        for position, (name, item) in enumerate(value.items()):
            if self._room <= 0:
                kept[f"[{len(value) - position} more left out]"] = CUT
                break
            said = self._text(str(name))
            # Redacted, two names can be the same.
            free = said if said not in kept else f"{said} ({position})"
            kept[free] = self.of(item, depth + 1)
        return kept

    def _list(self, value: list[Any] | tuple[Any, ...], depth: int) -> list[Any] | str:
        if len(value) >= _LONG_LIST and all(
            isinstance(item, int | float) for item in value[:_LONG_LIST]
        ):
            return f"[{len(value)} numbers]"
        kept: list[Any] = []
        self._room -= 3
        for position, item in enumerate(value):
            if self._room <= 0:
                kept.append(f"[{len(value) - position} more left out]")
                break
            kept.append(self.of(item, depth + 1))
        return kept

    def _number(self, value: int | float) -> Any:
        if isinstance(value, int) and value not in _INTEGERS:
            return self._text("[number]")
        written = str(value)
        self._room -= len(written) + 1
        if isinstance(value, float) or abs(value) < _LONG_NUMBER:
            return value
        redacted = self._redact(written)
        return value if redacted == written else redacted

    def _text(self, text: str) -> str:
        if len(text) > _SHORT or self._room < _SHORT:
            redacted = self._redacted(text)
        elif (known := self._short.get(text)) is not None:
            redacted = known
        else:
            redacted = self._short[text] = self._redacted(text)
        self._room -= _length(redacted) + 3
        return redacted

    def _redacted(self, text: str) -> str:
        if len(text) >= _LONG_BASE64 and _BASE64.fullmatch(text, 0, _LONG_BASE64):
            text = f"[base64, {_bytes(len(text))} bytes]"
        elif ";base64," in text:
            text = _DATA_URI.sub(_size, text)
        room = max(self._room, 0)
        if len(text) > room or _length(text) > room:
            text = text[:room]
            text = text[: len(text) * room // max(1, _length(text))]
            redacted = self._redact(text)[:-_TAIL] + CUT
            self._room = 0
        else:
            redacted = self._redact(text)
        # No UTF-8 has half of a surrogate pair, which a provider's text may hold.
        return redacted if redacted.isascii() else redacted.encode(errors="replace").decode()


def _length(text: str) -> int:
    """How long it is in JSON, but for letters that are seldom in a text."""
    return len(text) + text.count('"') + text.count("\\") + text.count("\n")


def _size(found: re.Match[str]) -> str:
    return f"[{found[1]}, {_bytes(len(found[2]))} bytes]"


def _bytes(base64: int) -> int:
    return base64 * 3 // 4


class Accumulator:
    """Puts the chunks of a stream together, which takes a few microseconds each."""

    def __init__(self) -> None:
        self._fields = _Fields()
        self._response: Json | None = None
        # So much that what is shown of it is cut, too.
        self._room = MOST_CHARACTERS + _TAIL

    def add(self, chunk: Json) -> None:
        if isinstance(response := chunk.get("response"), Mapping):
            # Each is the whole of OpenAI's response as it stands.
            self._response = response
        elif self._room > 0:
            self._merge(self._fields, _part(chunk))

    def answer(self) -> Json:
        """The answer as it would have been without streaming."""
        answer: dict[str, Any] = _whole(self._fields)
        if self._response is not None:
            for item in _objects(answer.get("output")):
                item.pop("index", None)
            # The last has all; one before has nothing of what was said.
            return self._response if self._response.get("output") else {**self._response, **answer}
        kind = answer.get("object")
        if isinstance(kind, str):
            answer["object"] = kind.removesuffix(".chunk")
        for choice in _objects(answer.get("choices")):
            if "delta" in choice:
                choice["message"] = choice.pop("delta")
        for block in _objects(answer.get("content")):
            block.pop("index", None)
            _parse_input(block)
        return answer

    def _merge(self, into: _Fields, part: Json) -> None:
        for name, value in part.items():
            if isinstance(value, str):
                if name in _WHOLE:
                    into.setdefault(name, value)
                elif value:
                    self._room -= len(value)
                    _slot(into, name, _Pieces).append(value)
            elif isinstance(value, list):
                for item in value:
                    self._add_item(_slot(into, name, _Items), item)
            elif isinstance(value, Mapping):
                self._merge(_slot(into, name, _Fields), value)
            elif value is not None:
                into[name] = value

    def _add_item(self, items: _Items, item: Any) -> None:
        index = item.get("index") if isinstance(item, Mapping) else None
        if not isinstance(index, int):
            # Its place is all that tells it from others.
            index = len(items)
        if not isinstance(item, Mapping):
            self._room -= _ITEM
            items[index] = item
            return
        if index not in items:
            self._room -= _ITEM
            items[index] = _Fields()
        if isinstance(into := items[index], _Fields):
            self._merge(into, item)


def _part(chunk: Json) -> Json:
    """What an event adds to the message or response; a chunk of OpenAI's chats is such a part."""
    index, delta = chunk.get("index"), chunk.get("delta")
    match chunk.get("type"):
        case "response.output_item.added":
            item = {name: chunk["item"].get(name) for name in ("id", "type", "name", "call_id")}
            return {"output": [{**item, "index": chunk.get("output_index")}]}
        case str(kind) if kind.startswith("response."):
            text = delta if isinstance(delta, str) and kind.endswith(".delta") else None
            return {"output": [{"text": text, "index": chunk.get("output_index")}]} if text else {}
        case "message_start":
            return {**chunk["message"]}
        case "content_block_start":
            return {"content": [{**chunk["content_block"], "index": index}]}
        case "content_block_delta" if isinstance(delta, Mapping):
            added = {_INTO.get(name, name): value for name, value in delta.items()}
            if "citations" in added:
                added["citations"] = [added["citations"]]
            # That of the delta; the block has its own.
            added.pop("type", None)
            return {"content": [{**added, "index": index}]}
        case "message_delta" if isinstance(delta, Mapping):
            return {**delta, "usage": chunk.get("usage")}
        case "content_block_stop" | "message_stop" | "ping":
            return {}
        case _:
            return chunk


def _objects(value: object) -> list[dict[str, Any]]:
    """Those in a list; what is none is of no format."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _parse_input(block: dict[str, Any]) -> None:
    """The arguments of a tool, where they came in pieces of text and are whole."""
    given = block.get("input")
    if isinstance(given, str):
        with contextlib.suppress(orjson.JSONDecodeError):
            block["input"] = orjson.loads(given)


class _Pieces(list[str]):
    """A text that is not whole yet."""


class _Items(dict[int, Any]):
    """A list whose items come by their number."""


class _Fields(dict[str, Any]):
    """An object whose fields are not whole yet."""


def _slot(fields: _Fields, name: str, kind: type[T]) -> T:
    """The field as this kind; another kind that stood there gives way."""
    found = fields.get(name)
    if not isinstance(found, kind):
        found = fields[name] = kind()
    return found


def _whole(value: Any) -> Any:
    if isinstance(value, _Pieces):
        return "".join(value)
    if isinstance(value, _Items):
        return [_whole(item) for _, item in sorted(value.items())]
    if isinstance(value, _Fields):
        return {name: _whole(item) for name, item in value.items()}
    return value
