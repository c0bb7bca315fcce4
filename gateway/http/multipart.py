"""Reading forms: `multipart/form-data` (RFC 7578), as it comes and no further than allowed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from gateway.errors import InvalidRequest
from gateway.http.requests import Body
from gateway.records import Upload

_MOST_PARTS = 100
_LONGEST_NAME = 255
_MANY = "[]"
# What goes on to a provider must stand safely in a header of a form of its own.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+", re.ASCII)


async def read_form(request: Request) -> dict[str, Any]:
    """The fields of a request's form: texts, and files as `Upload`s.

    A field that is there several times, or whose name ends in `[]`, is a list of them.

    Raises:
        InvalidRequest: It is something else.
        BodyTooLarge, TooSlow: As `read_object` does.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise InvalidRequest(
            "The body must be a form with a file: send it as multipart/form-data, with its "
            "boundary in the content-type."
        )
    form = _Form()
    try:
        parser = MultipartParser(boundary, form.callbacks())
        body = Body(request)
        while body.more:
            parser.write(await body.piece())
    except FormParserError as error:
        raise InvalidRequest(f"The body is no valid multipart/form-data: {error}.") from None
    if not form.ended:
        raise InvalidRequest(
            "The body is no valid multipart/form-data: it ends before its last boundary."
        )
    return form.fields


@dataclass(slots=True)
class _Part:
    headers: dict[str, str] = field(default_factory=dict)
    name: bytearray = field(default_factory=bytearray)
    """Of the header that is being read."""
    value: bytearray = field(default_factory=bytearray)
    data: bytearray = field(default_factory=bytearray)


class _Form:
    """Takes what the parser finds."""

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}
        self.ended = False
        self._part = _Part()
        self._parts = 0

    def callbacks(self) -> Any:
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._part.name.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._part.value.extend(data[start:end]),
            "on_header_end": self._header,
            "on_part_data": lambda data, start, end: self._part.data.extend(data[start:end]),
            "on_part_end": self._end_part,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise InvalidRequest(f"The form has more than {_MOST_PARTS} parts.")
        self._part = _Part()

    def _header(self) -> None:
        part = self._part
        part.headers[part.name.decode("latin-1").lower()] = part.value.decode("latin-1")
        part.name, part.value = bytearray(), bytearray()

    def _end_part(self) -> None:
        headers, data = self._part.headers, self._part.data
        kind, options = parse_options_header(headers.get("content-disposition"))
        named = _text(options.get(b"name", b""), f"the name of part {self._parts}")
        if kind != b"form-data" or not named:
            raise InvalidRequest(
                f"Part {self._parts} of the form has no name: each needs the header "
                'Content-Disposition: form-data; name="…".'
            )
        name = named.removesuffix(_MANY)
        value: str | Upload
        if b"filename" in options:
            shown = _text(options[b"filename"], f"the file name of '{name}'")
            # Without a path, as no provider has a use for it.
            plain = _UNPRINTABLE.sub("", shown).replace("\\", "/").rpartition("/")[2]
            media_type = headers.get("content-type", "").partition(";")[0].strip()
            if not _MEDIA_TYPE.fullmatch(media_type):
                media_type = "application/octet-stream"
            value = Upload(plain[-_LONGEST_NAME:] or name, bytes(data), media_type)
        else:
            value = _text(bytes(data), f"'{name}'")
        known = self.fields.get(name)
        if isinstance(known, list):
            known.append(value)
        elif known is not None:
            self.fields[name] = [known, value]
        else:
            self.fields[name] = [value] if named.endswith(_MANY) else value

    def _end(self) -> None:
        self.ended = True


def _text(data: bytes, what: str) -> str:
    """Raises InvalidRequest."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise InvalidRequest(f"In the form, {what} is not valid UTF-8.") from None
