"""The Settings tab."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from typing import Any

import httpx
import pytest

from gateway.http.console.setting_texts import SECTIONS
from gateway.settings import Settings, Start
from gateway.specs.settings import SETTINGS
from tests.http.console.conftest import Visitor, texts
from tests.servers import Gateway

RULED = "request_timeout"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Of a gateway that was started with a file, which sets `RULED`."""
    start = Start("my-gateway.yaml", (RULED,), workers=3)
    return replace(settings, start=start, metrics_key="sk-metrics-0123456789abcdef", traces=False)


async def stored(gateway: Gateway) -> dict[str, Any]:
    return dict((await gateway.manage("GET", "/settings")).json())


def part(page: httpx.Response, name: str) -> str:
    """What the page says of a setting."""
    html = page.text.partition(f'<div class="setting" id="{name}">')[2]
    html = re.split(r'<div class="setting" id=|<section aria-labelledby="process"', html)[0]
    return texts(httpx.Response(200, text=html))


def test_each_setting_has_its_place() -> None:
    named = [name for section in SECTIONS.values() for name in section]
    assert sorted(named) == sorted(SETTINGS)


async def test_values_are_shown_with_defaults_that_differ(
    visitor: Visitor, gateway: Gateway
) -> None:
    await gateway.manage("PATCH", "/settings", {"cache": True, "default_fallbacks": ["a", "b"]})
    page = await visitor.get("/ui/settings")
    assert "num_retries How often" in part(page, "num_retries")
    assert " 0 default: 2 " in part(page, "num_retries")
    assert " true default: false " in part(page, "cache")
    assert '["a","b"] default: none' in part(page, "default_fallbacks")
    assert 'value="a, b"' in page.text
    assert " not set Change" in part(page, "stream_timeout")
    assert " 5 s Change" in part(page, "cooldown_time")
    assert "default" not in part(page, "cooldown_time")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("num_retries", "4", 4),
        ("cooldown_time", "2.5", 2.5),
        ("allowed_fails", "3", 3),
        ("allowed_fails", "", None),
        ("cache", "true", True),
        ("routing_strategy", "least-busy", "least-busy"),
        ("maximum_spend_logs_retention_period", "30d", "30d"),
        ("default_fallbacks", "a, b", ["a", "b"]),
        ("default_fallbacks", "", []),
        ("fallbacks", '{"a": ["b"]}', {"a": ["b"]}),
        ("fallbacks", "", {}),
        ("cache_params", '{"ttl": 60}', {"ttl": 60}),
        ("redact_stored_prompts", "[]", []),
        ("redact_stored_prompts", '["keys"]', ["keys"]),
    ],
)
async def test_a_setting_is_changed_by_its_form(
    visitor: Visitor, gateway: Gateway, name: str, text: str, value: object
) -> None:
    given = {"allowed_fails": 9, "default_fallbacks": ["z"], "fallbacks": {"z": ["y"]}}
    await gateway.manage("PATCH", "/settings", given)
    before = await stored(gateway)
    answer = await visitor.post("/ui/settings", {"name": name, "value": text})
    assert answer.status_code == 303, texts(answer)
    assert answer.headers["location"] == f"/ui/settings?changed={name}#{name}"
    assert await stored(gateway) == before | {name: value}
    page = await visitor.get(answer.headers["location"])
    assert f"{name} is changed" in part(page, name)
    assert page.text.count('role="status"') == 1


async def test_what_is_shown_in_a_form_can_be_sent_as_it_is(
    visitor: Visitor, gateway: Gateway
) -> None:
    rules = ["emails", {"pattern": "EMP-\\d+", "replacement": "<employee>"}]
    await gateway.manage(
        "PATCH", "/settings", {"redact_stored_prompts": rules, "fallbacks": {"a&b": ['"c"']}}
    )
    before = await stored(gateway)
    page = await visitor.get("/ui/settings")
    forms = re.findall(
        r'name="name" value="(\w+)">.*?(?:<textarea[^>]*>(.*?)</textarea>|<input id="[^"]*" '
        r'name="value" value="([^"]*)"|<option selected>([^<]*)<)',
        page.text,
        re.DOTALL,
    )
    assert {name for name, *_ in forms} == set(SETTINGS) - {RULED}
    for name, *written in forms:
        text = unescape("".join(written))
        answer = await visitor.post("/ui/settings", {"name": name, "value": text})
        assert answer.status_code == 303, (name, texts(answer))
    assert await stored(gateway) == before


async def test_a_setting_goes_back_to_its_default(visitor: Visitor, gateway: Gateway) -> None:
    form = {"name": "num_retries", "value": "7", "default": "1"}
    assert (await visitor.post("/ui/settings", form)).status_code == 303
    assert (await stored(gateway))["num_retries"] == 2
    assert "Back to the default" not in part(await visitor.get("/ui/settings"), "num_retries")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("num_retries", "many", "num_retries takes a whole number from 0 to 10"),
        ("num_retries", "", "num_retries takes a whole number from 0 to 10"),
        ("cooldown_time", "0", "cooldown_time takes a number of seconds above 0"),
        ("fallbacks", '{"a": 5', "fallbacks is not valid JSON: unexpected end of data at line 1"),
        ("fallbacks", '{"a": 5}', "fallbacks.a takes a list"),
        ("redact_stored_prompts", "", "redact_stored_prompts is not valid JSON"),
        ("cache_params", "[]", "cache_params takes an object"),
        ("maximum_spend_logs_retention_period", "1d", "takes 2d or more"),
    ],
)
async def test_what_cannot_be_is_told_at_its_field(
    visitor: Visitor, gateway: Gateway, name: str, text: str, message: str
) -> None:
    before = await stored(gateway)
    page = await visitor.post("/ui/settings", {"name": name, "value": text})
    assert page.status_code == 422
    assert message in part(page, name)
    assert page.text.count('class="problem"') == 1
    assert page.text.count('<details class="bare" open>') == 1
    assert f'aria-describedby="problem-{name}"' in page.text
    assert await stored(gateway) == before


async def test_what_the_file_sets_is_shown_and_not_changed(
    visitor: Visitor, gateway: Gateway
) -> None:
    page = await visitor.get("/ui/settings")
    assert "started with my-gateway.yaml" in texts(page)
    assert "600 s Set by my-gateway.yaml" in part(page, RULED)
    assert f'id="value-{RULED}"' not in page.text
    refused = await visitor.post("/ui/settings", {"name": RULED, "value": "5"})
    assert refused.status_code == 409
    assert "my-gateway.yaml sets it at each start; change it there" in part(refused, RULED)
    assert (await stored(gateway))[RULED] == 600


async def test_names_that_are_no_models_are_told(visitor: Visitor, gateway: Gateway) -> None:
    await gateway.manage("PATCH", "/settings", {"default_fallbacks": ["nothing"]})
    page = await visitor.get("/ui/settings")
    assert "the fallback 'nothing' is no model here" in part(page, "default_fallbacks")
    assert "no model here" not in part(page, "fallbacks")


async def test_forms_of_nobody_change_nothing(visitor: Visitor, gateway: Gateway) -> None:
    before = await stored(gateway)
    form = {"name": "num_retries", "value": "5"}
    assert (await visitor.post("/ui/settings", form | {"csrf": "0" * 64})).status_code == 400
    missing = await visitor.post("/ui/settings", {"name": "num_retry", "value": "5"})
    assert missing.status_code == 404
    assert await stored(gateway) == before


async def test_a_change_is_noted_with_who_made_it(visitor: Visitor, gateway: Gateway) -> None:
    await visitor.post("/ui/settings", {"name": "num_retries", "value": "5"})
    [noted] = (await gateway.manage("GET", "/audit?limit=1")).json()["data"]
    assert (noted["action"], noted["after"]) == ("settings.update", {"num_retries": 5})
    assert noted["actor"]["label"] == "GATEWAY_ADMIN_KEY"


async def test_of_the_process_no_secret_is_shown(
    visitor: Visitor, gateway: Gateway, settings: Settings
) -> None:
    page = await visitor.get("/ui/settings")
    said = texts(page).partition("This process")[2]
    assert f"Database {settings.database_path or 'migrated at 127.0.0.1'}" in said
    assert "Workers 3" in said
    assert "Configuration file my-gateway.yaml" in said
    assert "Redis off" in said
    assert "Key for /metrics alone on" in said
    assert "Admin key from a variable on" in said
    assert gateway.admin_key not in page.text
    assert "sk-metrics" not in page.text
