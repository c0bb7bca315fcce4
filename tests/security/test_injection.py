"""Texts that mean something to SQL, to HTTP, to a log or to a terminal mean nothing here."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import Connection, inspect

from gateway.app import API
from tests.security.conftest import ADMIN, GATEWAY, Fortress
from tests.security.fields import AMOUNTS, BODY, NUMBERS, QUERY
from tests.security.raw import bearer, exchange, request
from tests.security.test_access import GUARDED, PARAMETER
from tests.servers import Gateway, answer, chunk

HOSTILE = [
    "x'; DROP TABLE keys; --",
    "' OR '1'='1",
    '" OR ""="',
    "x') UNION SELECT secret_hash FROM keys --",
    "%",
    "_",
    "\\",
    "[x]",
    "`x`",
    "/* x */",
    ":name",
    "?1",
    "%(x)s",
    "{x}",
    "0x27",
    "é'🦊",
]
# All of it at once, for where every field of every route is tried.
ALL = "x'\"; DROP TABLE keys; --%_\\[]:a?1"
# int() refuses so many digits, and SQLite far fewer.
HUGE = "9" * 5000


async def schema(gateway: Gateway) -> list[Any]:
    """The tables with their columns, and that the database is sound."""
    database = gateway.app.state.services.store.database
    assert await database.check_integrity() == []

    def reflected(connection: Connection) -> list[Any]:
        found = inspect(connection).get_multi_columns()
        return sorted((key, [column["name"] for column in has]) for key, has in found.items())

    async with database.read() as connection:
        return list(await connection.run_sync(reflected))


@pytest.mark.parametrize("text", HOSTILE)
async def test_a_keys_texts_come_back_as_they_were(fortress: Fortress, text: str) -> None:
    gateway = fortress.gateway
    before = await schema(gateway)
    fields = {"label": text, "user_id": text, "metadata": {text: [text]}, "tags": [text]}
    issued = await gateway.issue_key(**fields)
    shown = (await gateway.manage("GET", f"/keys/{issued['id']}")).json()
    assert {name: shown[name] for name in fields} == fields
    other = {"label": f"{text}{text}", "aliases": {text: text}}
    patched = await gateway.manage("PATCH", f"/keys/{issued['id']}", other)
    assert patched.status_code == 200, patched.text
    assert {name: patched.json()[name] for name in other} == other
    audit = (await gateway.manage("GET", f"/audit?target={quote(text, safe='')}")).json()["data"]
    assert [entry["action"] for entry in audit] == ["key.add"]
    assert await schema(gateway) == before


@pytest.mark.parametrize("text", [text for text in HOSTILE if "*" not in text])
async def test_a_models_name_comes_back_as_it_was(fortress: Fortress, text: str) -> None:
    gateway = fortress.gateway
    before = await schema(gateway)
    path = f"/models/{quote(text, safe='')}"
    models = len((await gateway.manage("GET", "/models")).json()["data"])
    await gateway.add_model(text)
    assert (await gateway.manage("GET", path)).json()["id"] == text
    patch = {"litellm_params": {"temperature": 0.5}}
    assert (await gateway.manage("PATCH", path, patch)).json()["id"] == text
    # As a caller would use it; its name may stand in headers.
    for stream in (False, True):
        gateway.provider.reset()
        if stream:
            gateway.provider.streams([chunk({"content": "a"}), chunk({}, "stop")])
        called = await gateway.chat(str(fortress.secrets[GATEWAY]), text, stream=stream)
        assert called.status_code == 200, called.text
    assert (await gateway.manage("DELETE", path)).json()["model_name"] == text
    assert len((await gateway.manage("GET", "/models")).json()["data"]) == models
    assert await schema(gateway) == before


@pytest.mark.parametrize("text", HOSTILE)
async def test_a_teams_texts_come_back_as_they_were(fortress: Fortress, text: str) -> None:
    gateway = fortress.gateway
    fields = {"name": text, "metadata": {text: text}}
    added = await gateway.manage("POST", "/teams", fields)
    assert added.status_code == 201, added.text
    team_id = added.json()["team_id"]
    shown = (await gateway.manage("GET", f"/teams/{team_id}")).json()
    assert {name: shown[name] for name in fields} == fields
    assert (await gateway.manage("DELETE", f"/teams/{team_id}")).status_code == 200


@pytest.mark.parametrize(("method", "path"), GUARDED)
async def test_no_field_of_a_route_breaks_it(fortress: Fortress, method: str, path: str) -> None:
    gateway = fortress.gateway
    before = await schema(gateway)
    target = PARAMETER.sub("none", path)
    asked: list[tuple[str, Any]] = []
    if target != path:
        asked += [(PARAMETER.sub(quote(text, safe=""), path), None) for text in (*HOSTILE, HUGE)]
    if method == "GET":
        values = {name: [ALL, HUGE[:25]] for name in QUERY} | {name: [HUGE] for name in NUMBERS}
        asked += [
            (f"{target}?{name}={quote(value)}", None) for name in values for value in values[name]
        ]
    elif method != "HEAD":
        fields = {name: [ALL, {ALL: [ALL]}] for name in BODY} | {name: [1e300] for name in AMOUNTS}
        asked += [(target, {name: value}) for name in fields for value in fields[name]]
    for url, body in asked:
        found = await fortress.ask(method, url, ADMIN, body)
        assert found.status_code < 500, (url[:200], body, found.text)
    assert await schema(gateway) == before
    assert (await fortress.ask("GET", f"{API}/keys", ADMIN)).status_code == 200


@pytest.mark.parametrize(
    "text",
    ["a%0d%0aset-cookie:%20x=1", "a%0aGET%20/fake%20200", "a%1b[2J", "a%E2%80%A8b", "a%9b2J"],
)
async def test_a_path_is_one_line_of_the_log_and_no_header(
    fortress: Fortress, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    caplog.set_level(logging.INFO, "gateway")
    asked = request("GET", f"/v1/models/{text}", bearer(str(fortress.secrets[GATEWAY])))
    answers = await exchange(fortress.gateway.url, asked)
    assert answers.statuses == [404]
    assert "set-cookie" not in answers.text.partition("\r\n\r\n")[0].lower()
    for record in caplog.records:
        assert record.getMessage().isprintable(), record


@pytest.mark.parametrize("stream", [False, True])
async def test_what_a_provider_says_is_one_line_of_the_log(
    fortress: Fortress, caplog: pytest.LogCaptureFixture, stream: bool
) -> None:
    caplog.set_level(logging.INFO, "gateway")
    said = {"error": {"message": "no\n2026-01-01 INFO gateway.access: forged \x1b[2J", "code": "x"}}
    provider = fortress.gateway.provider
    provider.reset()
    if stream:
        provider.streams([chunk({"content": "a"}), chunk({"content": "b"}), said])
    else:
        provider.does(answer(said, 400))
    await fortress.gateway.chat(str(fortress.secrets[GATEWAY]), stream=stream)
    for record in caplog.records:
        assert record.getMessage().isprintable(), record


@pytest.mark.parametrize("text", ["a\r\nb", "a\nb", "a\x00b", "a\x1b[2Jb", "a\x7fb"])
@pytest.mark.parametrize(
    ("path", "field"),
    [("/keys", "label"), ("/keys", "user_id"), ("/teams", "name"), ("/models", "model_name")],
)
async def test_names_hold_no_control_characters(
    fortress: Fortress, path: str, field: str, text: str
) -> None:
    body = {field: text} | ({"provider": "openai"} if path == "/models" else {})
    refused = await fortress.gateway.manage("POST", path, body)
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, field)
