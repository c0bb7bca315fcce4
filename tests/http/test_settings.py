"""The settings that all processes share, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from tests.servers import Gateway, Json

DEFAULTS: Json = {
    "object": "settings",
    "drop_params": False,
    "request_timeout": 600.0,
    "stream_timeout": None,
    "first_token_timeout": None,
    "routing_strategy": "simple-shuffle",
    # The fixture's.
    "num_retries": 0,
    "retry_policy": {},
    "retry_after": 0.0,
    "allowed_fails": None,
    "cooldown_time": 5.0,
    "fallbacks": {},
    "context_window_fallbacks": {},
    "content_policy_fallbacks": {},
    "default_fallbacks": [],
    "max_fallbacks": 5,
    "model_group_alias": {},
    "cache": False,
    "cache_params": {},
    "maximum_spend_logs_retention_period": "90d",
    "store_prompts_in_spend_logs": False,
    "redact_stored_prompts": ["keys", "emails", "card_numbers"],
}


async def test_settings_are_read_and_changed_one_by_one(gateway: Gateway) -> None:
    assert (await gateway.manage("GET", "/settings")).json() == DEFAULTS
    rules = ["emails", {"pattern": r"EMP-\d+", "replacement": "[employee]"}]
    patch = {"drop_params": True, "redact_stored_prompts": rules}
    changed = await gateway.manage("PATCH", "/settings", patch)
    assert (changed.status_code, changed.json()) == (200, DEFAULTS | patch)
    assert (await gateway.manage("GET", "/settings")).json() == DEFAULTS | patch
    back = await gateway.manage("PATCH", "/settings", {"redact_stored_prompts": None})
    assert back.json() == DEFAULTS | {"drop_params": True}


async def test_routing_is_set_in_litellms_shapes(gateway: Gateway) -> None:
    changed = await gateway.manage(
        "PATCH",
        "/settings",
        {
            "routing_strategy": "latency-based-routing",
            "fallbacks": [{"gpt": ["claude"]}, {"*": "spare"}],
            "model_group_alias": {"fast": {"model": "gpt", "hidden": False}},
            "retry_policy": {"TimeoutErrorRetries": 1, "BadRequestErrorRetries": 0},
        },
    )
    expected = {
        "routing_strategy": "latency-based-routing",
        "fallbacks": {"gpt": ["claude"], "*": ["spare"]},
        "model_group_alias": {"fast": "gpt"},
        "retry_policy": {"TimeoutErrorRetries": 1},
    }
    assert (changed.status_code, changed.json()) == (200, DEFAULTS | expected)
    [entry, *_] = (await gateway.manage("GET", "/audit?limit=1")).json()["data"]
    assert entry["after"] == expected
    back = await gateway.manage("PATCH", "/settings", dict.fromkeys(expected))
    assert back.json() == DEFAULTS


async def test_a_change_is_in_use_at_once(gateway: Gateway) -> None:
    patch = {"store_prompts_in_spend_logs": True, "maximum_spend_logs_retention_period": 30}
    await gateway.manage("PATCH", "/settings", patch)
    known = gateway.app.state.services.registry.settings
    assert known.store_prompts_in_spend_logs is True
    assert known.maximum_spend_logs_retention_period == "30d"


async def test_a_change_is_in_the_audit_log_and_reading_is_not(gateway: Gateway) -> None:
    await gateway.manage("PATCH", "/settings", {"request_timeout": 30})
    await gateway.manage("GET", "/settings")
    [entry, *_] = (await gateway.manage("GET", "/audit?limit=1")).json()["data"]
    assert entry["action"] == "settings.update"
    assert entry["actor"]["address"] == "127.0.0.1"
    assert (entry["before"], entry["after"]) == (
        {"request_timeout": 600.0},
        {"request_timeout": 30.0},
    )


RULES = "redact_stored_prompts"
RETENTION = "maximum_spend_logs_retention_period"


@pytest.mark.parametrize(
    ("patch", "param", "message"),
    [
        ({"drop_params": 1}, "drop_params", "takes true or false"),
        ({"request_timeout": 0}, "request_timeout", "seconds above 0"),
        ({"drop_param": True}, "drop_param", "did you mean drop_params?"),
        ({"x": 1}, "x", "there are drop_params, request_timeout"),
        ({"num_retries": 11}, "num_retries", "takes a whole number from 0 to 10"),
        ({"fallbacks": [{"a": [{"model": "b"}]}]}, "fallbacks.0.a.0", "without parameters"),
        ({"model_group_alias": {"a": 1}}, "model_group_alias.a", "takes the name of a model"),
        ({RETENTION: "1d"}, RETENTION, "takes 2d or more"),
        ({RETENTION: 0}, RETENTION, "or forever"),
        ({RETENTION: "never"}, RETENTION, "or forever"),
        ({RETENTION: True}, RETENTION, "or forever"),
        ({RETENTION: "101y"}, RETENTION, "or forever"),
        ({RULES: 5}, RULES, "takes a list of up to 50 rules: keys, emails"),
        ({RULES: ["keys"] * 51}, RULES, "takes a list of up to 50 rules"),
        ({RULES: ["keys", "emials"]}, f"{RULES}.1", "did you mean emails?"),
        ({RULES: ["keys", 5]}, f"{RULES}.1", "takes the name of a rule, or a pattern"),
        ({RULES: [{"replacement": "x"}]}, f"{RULES}.0", "or a pattern"),
        ({RULES: [{"pattern": "("}]}, f"{RULES}.0.pattern", "is not a regular expression"),
        ({RULES: [{"pattern": "a?"}]}, f"{RULES}.0.pattern", "matches an empty text"),
        ({RULES: [{"pattern": 5}]}, f"{RULES}.0.pattern", "takes text"),
        ({RULES: [{"pattern": "a", "with": "b"}]}, f"{RULES}.0.with", "no such field"),
        ({RULES: [{"pattern": "a", "replacement": None}]}, f"{RULES}.0.replacement", "takes text"),
    ],
)
async def test_what_cannot_be_is_refused_by_field_and_nothing_changes(
    gateway: Gateway, patch: Json, param: str, message: str
) -> None:
    refused = await gateway.manage("PATCH", "/settings", {"stream_timeout": 5} | patch)
    error = refused.json()["error"]
    assert (refused.status_code, error["param"]) == (422, param)
    assert error["message"].startswith(param)
    assert message in error["message"]
    assert (await gateway.manage("GET", "/settings")).json() == DEFAULTS


@pytest.mark.parametrize("body", [b"[]", b"5", b"{", b""])
async def test_the_body_is_an_object(gateway: Gateway, body: bytes) -> None:
    assert (await gateway.manage("PATCH", "/settings", body)).status_code == 400


@pytest.mark.parametrize("method", ["GET", "PATCH"])
async def test_a_gateway_key_may_do_neither(gateway: Gateway, key: str, method: str) -> None:
    body: Any = {"store_prompts_in_spend_logs": True}
    for given, status in ((key, 401), (None, 401)):
        refused = await gateway.request(method, "/api/v1/gateway/settings", given, body)
        assert refused.status_code == status
    assert (await gateway.manage("GET", "/settings")).json() == DEFAULTS
