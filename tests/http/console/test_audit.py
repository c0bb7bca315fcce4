"""The Audit tab."""

from __future__ import annotations

import re
from html import unescape

import httpx
import pytest

from gateway.http.console.audit import Change, changes
from tests.http.console.conftest import Visitor, texts
from tests.servers import Gateway


def actions(page: httpx.Response) -> list[str]:
    return re.findall(r'data-label="Did what"><span>([\w.]+)<', page.text)


async def test_each_change_tells_who_did_what(visitor: Visitor, gateway: Gateway) -> None:
    key = await gateway.issue_key(label="ci", rpm_limit=5)
    await gateway.manage("PATCH", f"/keys/{key['id']}", {"rpm_limit": 7, "tags": ["a"]})
    await gateway.manage("PATCH", f"/keys/{key['id']}", {"rpm_limit": None})
    page = await visitor.get("/ui/audit")
    assert actions(page)[:3] == ["key.update", "key.update", "key.add"]
    said = texts(page)
    assert "GATEWAY_ADMIN_KEY from 127.0.0.1" in said
    assert "rpm_limit was 5 is now 7" in said
    assert 'tags is now ["a"]' in said
    assert "rpm_limit was 7 taken away" in said
    assert f'href="/ui/keys/{key["id"]}"' in page.text
    # At the first start the gateway itself made a key.
    assert "start at a start key.add" in said


async def test_secrets_are_hidden(visitor: Visitor, gateway: Gateway) -> None:
    model = await gateway.add_model(api_key="sk-upstream-secret")
    await gateway.manage("PATCH", "/models/gpt", {"api_key": "sk-upstream-other"})
    page = await visitor.get("/ui/audit")
    assert "sk-upstream" not in page.text
    assert "api_key was [hidden] is now [changed]" in texts(page)
    assert f"/ui/models/edit?id={model['model_id']}" in page.text
    await gateway.manage("DELETE", "/models/gpt")
    # What is gone cannot be looked at.
    assert "/ui/models/edit" not in (await visitor.get("/ui/audit?target=gpt")).text


async def test_changes_are_found_by_what_the_form_asks(visitor: Visitor, gateway: Gateway) -> None:
    await gateway.add_model()
    await gateway.manage("PATCH", "/settings", {"num_retries": 1})
    empty = dict.fromkeys(("target", "actor", "action", "since", "until"), "")
    for asked, found in (
        ({"target": "gpt"}, ["model.add"]),
        ({"action": "settings"}, ["settings.update"]),
        ({"action": "key.add", "actor": "start"}, ["key.add"]),
        ({"since": "1d", "action": "model"}, ["model.add"]),
        ({"until": "2020-01-01"}, []),
    ):
        page = await visitor.http.get("/ui/audit", params=empty | asked)
        assert actions(page) == found
        assert [name for name in empty if f'id="{name}"' in page.text] == list(empty)
        for value in asked.values():
            assert f'value="{value}"' in page.text
    assert "No changes like that" in texts(page)


async def test_older_changes_are_on_further_pages(visitor: Visitor, gateway: Gateway) -> None:
    for number in range(60):
        await gateway.manage("PATCH", "/settings", {"num_retries": number % 2 + 1})
    page = await visitor.get("/ui/audit?action=settings.update")
    assert len(actions(page)) == 50
    assert "Newest" not in texts(page)
    older = re.search(r'href="([^"]*)">Older', page.text)
    assert older is not None
    second = await visitor.get(unescape(older[1]))
    assert len(actions(second)) == 10
    assert "Older" not in texts(second)
    assert 'href="/ui/audit?action=settings.update">Newest' in second.text


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("since=soon", "since takes a day"),
        ("until=soon", "until takes a day"),
        ("after=x", "after takes the id of a change"),
    ],
)
async def test_what_cannot_be_asked_for_is_told_in_place(
    visitor: Visitor, query: str, message: str
) -> None:
    page = await visitor.get(f"/ui/audit?{query}")
    assert page.status_code == 422
    assert message in texts(page)
    assert 'id="target"' in page.text


def test_a_field_that_holds_nothing_is_no_change() -> None:
    assert changes(None, {"tags": [], "metadata": {}, "label": None, "blocked": False}) == [
        Change("blocked", None, "false")
    ]
    assert changes({"label": "a", "limit": 5}, None) == [
        Change("label", "a", None),
        Change("limit", "5", None),
    ]
    assert changes(None, None) == []
