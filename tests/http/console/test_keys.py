"""The Keys tab."""

from __future__ import annotations

import html
import json
import re

import pytest

from gateway.http.console.snippets import curl, python
from tests.http.console.conftest import Visitor, texts
from tests.servers import Gateway, Json

SECRET = re.compile(r"<code>(sk-[\w-]{43})</code>")


async def issued(visitor: Visitor, **form: str | list[str]) -> tuple[str, str]:
    """The secret of a key that the form made, and its id."""
    page = await visitor.post("/ui/keys", form)
    assert page.status_code == 201, texts(page)
    secret = SECRET.search(page.text)
    key_id = re.search(r"/ui/keys/(key_\w+)", page.text)
    assert secret is not None
    assert key_id is not None
    return secret[1], key_id[1]


async def view(gateway: Gateway, key_id: str) -> Json:
    return dict((await gateway.manage("GET", f"/keys/{key_id}")).json())


async def test_a_key_is_shown_once_and_works(visitor: Visitor, gateway: Gateway) -> None:
    await gateway.add_model()
    page = await visitor.post("/ui/keys", {"label": "app"})
    assert page.headers["cache-control"] == "no-store"
    assert "it is shown this once" in texts(page)
    found = SECRET.search(page.text)
    assert found is not None
    secret = found[1]
    assert f"-H 'Authorization: Bearer {secret}'" in html.unescape(page.text)
    assert f'base_url="{gateway.api}"' in html.unescape(page.text)
    assert (await gateway.chat(secret)).status_code == 200
    for path in ("/ui/keys", f"/ui/keys/{re.search('key_[0-9a-f]+', page.text)[0]}"):  # type: ignore[index]
        later = await visitor.get(path)
        assert secret not in later.text
        assert f"sk-…{secret[-4:]}" in later.text


async def test_all_that_the_form_says_holds(visitor: Visitor, gateway: Gateway) -> None:
    await gateway.add_model()
    _, key_id = await issued(
        visitor,
        label="app",
        model=["gpt"],
        patterns="openai/*, claude",
        rpm_limit="1,000",
        tpm_limit="5",
        max_parallel_requests="2",
        max_budget="$12.50",
        soft_budget="10",
        budget_duration="1mo",
        ends="2031-01-31T00:00:00Z",
        user_id="ann",
        tags="blue, green",
        more='{"aliases": {"fast": "gpt"}, "metadata": {"a": 1}}',
    )
    shown = await view(gateway, key_id)
    assert {name: shown[name] for name in ("label", "user_id", "models", "aliases", "tags")} == {
        "label": "app",
        "user_id": "ann",
        "models": ["gpt", "openai/*", "claude"],
        "aliases": {"fast": "gpt"},
        "tags": ["blue", "green"],
    }
    assert (shown["rpm_limit"], shown["tpm_limit"], shown["max_parallel_requests"]) == (1000, 5, 2)
    assert (shown["max_budget"], shown["soft_budget"], shown["budget_duration"]) == (
        12.5,
        10,
        "1mo",
    )
    assert shown["expires_at"] == "2031-01-31T00:00:00Z"
    assert shown["metadata"] == {"a": 1}
    page = texts(await visitor.get(f"/ui/keys/{key_id}"))
    for said in ("gpt, openai/*, claude", "1,000", "$0.00 of $12.50 in 1mo", "fast: gpt"):
        assert said in page


async def test_the_form_of_a_key_sent_back_changes_nothing(
    visitor: Visitor, gateway: Gateway
) -> None:
    await gateway.add_model()
    _, key_id = await issued(
        visitor, label="app", model=["gpt"], rpm_limit="7", max_budget="1.5", ends="30d",
        more='{"aliases": {"fast": "gpt"}}',
    )  # fmt: skip
    before = await view(gateway, key_id)
    page = await visitor.get(f"/ui/keys/{key_id}/edit")
    form: dict[str, str | list[str]] = {
        name: html.unescape(value)
        for name, value in re.findall(
            r'<input id="\w+" name="(\w+)"[^>]*? value="([^"]*)"', page.text
        )
    }
    form["model"] = re.findall(r'name="model" value="(\w+)" checked', page.text)
    area = re.search(r'<textarea id="more"[^>]*>([^<]*)<', page.text)
    assert area is not None
    form["more"] = html.unescape(area[1])
    answer = await visitor.post(f"/ui/keys/{key_id}/edit", form)
    assert answer.status_code == 303, texts(answer)
    assert await view(gateway, key_id) | {"updated_at": 0} == before | {"updated_at": 0}


async def test_a_change_takes_away_what_is_left_out(visitor: Visitor, gateway: Gateway) -> None:
    _, key_id = await issued(
        visitor, label="app", rpm_limit="7", more='{"metadata": {"a": 1, "b": 2}}'
    )
    await visitor.post(
        f"/ui/keys/{key_id}/edit", {"label": "new", "more": '{"metadata": {"b": 3}}'}
    )
    shown = await view(gateway, key_id)
    assert (shown["label"], shown["rpm_limit"], shown["metadata"]) == ("new", None, {"b": 3})


@pytest.mark.parametrize(
    ("form", "field", "told"),
    [
        ({"rpm_limit": "x"}, "rpm_limit", "rpm_limit takes a whole number"),
        ({"rpm_limit": "0"}, "rpm_limit", "greater than 0"),
        ({"tpm_limit": "9" * 30}, "tpm_limit", "tpm_limit takes a whole number"),
        ({"max_budget": "-1"}, "max_budget", "greater than or equal to 0"),
        ({"max_budget": "nan"}, "max_budget", "finite"),
        ({"budget_duration": "often"}, "budget_duration", "budget_duration"),
        ({"ends": "soon"}, "ends", "duration"),
        ({"ends": "2027-99-99"}, "ends", "ISO 8601"),
        ({"tags": ", ".join(map(str, range(30)))}, "tags", "at most 20"),
        ({"more": "{"}, "more", "not valid JSON"),
        ({"more": '{"kind": "admin"}'}, "more", "kind: no such field"),
        ({"more": '{"aliases": 3}'}, "more", "aliases"),
    ],
)
async def test_what_is_wrong_is_told_where_it_is(
    visitor: Visitor, gateway: Gateway, form: dict[str, str], field: str, told: str
) -> None:
    page = await visitor.post("/ui/keys", {"label": "kept"} | form)
    assert page.status_code == 422
    note = page.text.partition(f'id="{field}-problem">')[2].partition("<")[0]
    assert told in html.unescape(note)
    assert 'value="kept"' in page.text
    assert (await gateway.manage("GET", "/keys?label=kept")).json()["data"] == []


async def test_rotation_gives_a_new_secret_and_grace_to_the_old(
    visitor: Visitor, gateway: Gateway
) -> None:
    await gateway.add_model()
    old, key_id = await issued(visitor, label="app")
    page = await visitor.post(f"/ui/keys/{key_id}/rotate", {"grace": "1h"})
    found = SECRET.search(page.text)
    assert found is not None
    assert [(await gateway.chat(each)).status_code for each in (old, found[1])] == [200, 200]
    page = await visitor.post(f"/ui/keys/{key_id}/rotate", {"grace": ""})
    last = SECRET.search(page.text)
    assert last is not None
    assert [(await gateway.chat(each)).status_code for each in (found[1], last[1])] == [401, 200]
    wrong = await visitor.post(f"/ui/keys/{key_id}/rotate", {"grace": "soon"})
    assert wrong.status_code == 422
    assert "grace_period" in texts(wrong)


async def test_blocking_and_revoking_end_its_calls(visitor: Visitor, gateway: Gateway) -> None:
    await gateway.add_model()
    secret, key_id = await issued(visitor, label="app")
    await visitor.post(f"/ui/keys/{key_id}/block", {"blocked": "1"})
    assert (await gateway.chat(secret)).status_code == 401
    await visitor.post(f"/ui/keys/{key_id}/block", {"blocked": "0"})
    assert (await gateway.chat(secret)).status_code == 200
    asked = texts(await visitor.get(f"/ui/keys/{key_id}/revoke"))
    assert "Every call with it is answered with 401 from then on." in asked
    answer = await visitor.post(f"/ui/keys/{key_id}/revoke")
    assert answer.headers["location"] == "/ui/keys?done=revoked&key=app"
    assert (await gateway.chat(secret)).status_code == 401
    assert "“app” is revoked" in texts(await visitor.get("/ui/keys?done=revoked&key=app"))
    actions = [entry["action"] for entry in (await gateway.manage("GET", "/audit")).json()["data"]]
    assert actions[:3] == ["key.revoke", "key.update", "key.update"]


async def test_the_last_admin_key_stays(visitor: Visitor, gateway: Gateway) -> None:
    keys, _ = await gateway.app.state.services.store.keys.page(10, None)
    [admin] = [key for key in keys if key.is_admin]
    page = await visitor.post(f"/ui/keys/{admin.id}/revoke")
    assert page.status_code == 409
    assert "That did not work" in texts(page)
    assert (await visitor.get("/ui/keys")).status_code == 200


async def test_the_list_tells_use_limits_and_budget(visitor: Visitor, gateway: Gateway) -> None:
    await gateway.add_model()
    secret, _ = await issued(visitor, label="used", rpm_limit="60", max_budget="10")
    await issued(visitor, label="idle")
    await gateway.chat(secret)
    await gateway.flush()
    page = await visitor.get("/ui/keys")
    used = page.text.partition(">used</a>")[2].partition("</tr>")[0]
    idle = page.text.partition(">idle</a>")[2].partition("</tr>")[0]
    assert "<time " in used
    assert "60 requests/min" in used
    assert "of $10.00" in used
    assert "<meter" in used
    assert "never" in idle
    assert "no limit" in idle


async def test_search_state_and_pages(visitor: Visitor, gateway: Gateway) -> None:
    for number in range(53):
        await gateway.issue_key(label=f"app {number}")
    _, gone = await issued(visitor, label="gone")
    await visitor.post(f"/ui/keys/{gone}/revoke")
    first = await visitor.get("/ui/keys")
    assert "Page 1 of 2, 54 keys" in texts(first)  # with the admin's
    assert ">gone</a>" not in first.text
    second = await visitor.get("/ui/keys?page=2")
    labels = re.findall(r">(app \d+)</a>", first.text + second.text)
    assert sorted(labels) == sorted(f"app {number}" for number in range(53))
    assert ">gone</a>" in (await visitor.get("/ui/keys?state=revoked")).text
    assert re.findall(r">(app \d+)</a>", (await visitor.get("/ui/keys?q=APP+52")).text) == [
        "app 52"
    ]
    assert "No key is like that" in texts(await visitor.get("/ui/keys?q=nothing"))
    for odd in ("0", "-1", "x", "9" * 30, "٣"):
        assert "Page 1 of 2" in texts(await visitor.get(f"/ui/keys?page={odd}"))


def test_snippets_stand_any_name() -> None:
    name = 'it\'s "a" $(model)\n\\'
    assert "$(model)" in curl("http://gw", "sk-1", name)
    assert "'\"'\"'" in curl("http://gw", "sk-1", name)
    compile(python("http://gw", "sk-1", name), "snippet", "exec")
    assert json.dumps(name) in python("http://gw", "sk-1", name)
