"""Reading forms, as they come and no further than allowed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message

from gateway.errors import BodyTooLarge, InvalidRequest, TooSlow
from gateway.http.multipart import read_form
from gateway.records import Upload

TYPE = "multipart/form-data; boundary=X"
LIMIT = 10_000


def form(body: bytes, kind: str | None = TYPE, size: int = 65_536, ends: bool = True) -> Request:
    """A request whose body comes in pieces of a size."""
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    messages: list[Message] = [
        {"type": "http.request", "body": part, "more_body": True} for part in parts
    ]

    async def receive() -> Message:
        if messages:
            return messages.pop(0)
        return {"type": "http.request", "body": b"", "more_body": not ends}

    services = SimpleNamespace(settings=SimpleNamespace(max_body_bytes=LIMIT))
    headers = [(b"content-type", kind.encode())] if kind else []
    app = SimpleNamespace(state=SimpleNamespace(services=services))
    return Request({"type": "http", "method": "POST", "headers": headers, "app": app}, receive)


def part(disposition: str, data: bytes = b"x", *headers: str) -> bytes:
    lines = [f"Content-Disposition: {disposition}", *headers]
    return b"--X\r\n" + "\r\n".join(lines).encode() + b"\r\n\r\n" + data + b"\r\n"


END = b"--X--\r\n"


async def read(*parts: bytes) -> dict[str, Any]:
    return await read_form(form(b"".join(parts) + END))


async def test_texts_and_files() -> None:
    found = await read(
        part('form-data; name="prompt"', "Grüße\r\n--Y".encode()),
        part('form-data; name="file"; filename="a b.wav"', b"\0\xff", "Content-Type: audio/wav"),
        part('form-data; name="empty"', b""),
    )
    assert found == {
        "prompt": "Grüße\r\n--Y",
        "file": Upload("a b.wav", b"\0\xff", "audio/wav"),
        "empty": "",
    }


async def test_what_is_there_several_times_is_a_list() -> None:
    found = await read(
        part('form-data; name="a[]"', b"1"),
        part('form-data; name="b"', b"1"),
        part('form-data; name="b"', b"2"),
        part('form-data; name="c"', b"1"),
        part('form-data; name="c[]"', b"2"),
        part('form-data; name="c"', b"3"),
    )
    assert found == {"a": ["1"], "b": ["1", "2"], "c": ["1", "2", "3"]}


@pytest.mark.parametrize(
    ("given_name", "name"),
    [
        ("../../etc/passwd", "passwd"),
        (r"C:\\fakepath\\cat.png", "cat.png"),
        ("", "image"),
        ("..", ".."),
        ("a\tb\x7f.png", "ab.png"),
        ("x" * 300 + ".png", ("x" * 300 + ".png")[-255:]),
        ("Grüße.png", "Grüße.png"),
    ],
)
async def test_a_file_name_is_one_without_a_path(given_name: str, name: str) -> None:
    found = await read(part(f'form-data; name="image"; filename="{given_name}"'))
    assert found["image"].name == name


@pytest.mark.parametrize(
    ("given_type", "media_type"),
    [
        ("audio/wav; rate=8000", "audio/wav"),
        ("image/svg+xml", "image/svg+xml"),
        ("", "application/octet-stream"),
        ("a/b\nx-evil: 1", "application/octet-stream"),
        ('audio/"wav', "application/octet-stream"),
        ("text", "application/octet-stream"),
    ],
)
async def test_a_media_type_is_safe_in_a_header(given_type: str, media_type: str) -> None:
    """It goes on to the provider, in a form of litellm's."""
    header = f"Content-Type: {given_type}"
    found = await read(part('form-data; name="file"; filename="a"', b"", header))
    assert found["file"].media_type == media_type


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "ends before its last boundary"),
        (part('form-data; name="a"'), "ends before its last boundary"),
        (b"hello", "no valid multipart/form-data"),
        (b"--Y\r\n", "no valid multipart/form-data"),
        (part("form-data") + END, "Part 1 of the form has no name"),
        (part('attachment; name="a"') + END, "Part 1 of the form has no name"),
        (b"--X\r\n\r\nx\r\n" + END, "Part 1 of the form has no name"),
        (b"--X\r\nContent-Disposition form-data\r\n\r\nx\r\n" + END, "no valid multipart"),
        (part('form-data; name="a"', b"\xff") + END, "In the form, 'a' is not valid UTF-8"),
        (part('form-data; name="a"', b"x", "X-Long: " + "x" * 9000) + END, "header size"),
        (part('form-data; name="a"', b"x", *["X: y"] * 50) + END, "header count"),
        (part('form-data; name="a"') * 101 + END, "more than 100 parts"),
    ],
)
async def test_what_is_no_form_is_refused(body: bytes, says: str) -> None:
    for size in (65_536, 7):
        with pytest.raises(InvalidRequest) as refused:
            await read_form(form(body, size=size))
        assert says in refused.value.message


@pytest.mark.parametrize(
    "kind",
    [
        None,
        "application/json",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/mixed; boundary=X",
        "application/x-www-form-urlencoded",
        f"multipart/form-data; boundary={'x' * 5000}",
    ],
)
async def test_another_type_is_refused(kind: str | None) -> None:
    with pytest.raises(InvalidRequest, match="multipart/form-data"):
        await read_form(form(b"{}", kind))


async def test_no_more_is_read_than_allowed() -> None:
    request = form(part('form-data; name="a"', b"x" * 3 * LIMIT) + END, size=1000)
    with pytest.raises(BodyTooLarge):
        await read_form(request)
    # What came after is still there.
    assert len((await request.receive())["body"]) == 1000


async def test_a_form_that_does_not_go_on_coming() -> None:
    with pytest.raises(TooSlow):
        await read_form(form(part('form-data; name="a"'), ends=False))


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.text("abcxyzäöü_", min_size=1, max_size=8),
            st.binary(max_size=200) | st.text(max_size=50),
        ),
        min_size=1,
        max_size=8,
        unique_by=lambda item: item[0],
    ),
    st.integers(1, 300),
)
async def test_forms_of_another_library_are_read_as_they_were_made(
    fields: list[tuple[str, bytes | str]], size: int
) -> None:
    texts = {name: value for name, value in fields if isinstance(value, str)}
    files = {name: (f"{name}.bin", value) for name, value in fields if isinstance(value, bytes)}
    # With a file that makes it a form at all.
    made = httpx.Request("POST", "http://x", data=texts, files=files | {"last": ("l", b"")})
    body = made.read()
    found = await read_form(form(body, made.headers["content-type"], size))
    del found["last"]
    assert found == texts | {
        name: Upload(file[0], file[1], "application/octet-stream") for name, file in files.items()
    }
