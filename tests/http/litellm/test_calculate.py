"""LiteLLM's `/spend/calculate`."""

from __future__ import annotations

from typing import Any

import pytest

from tests.servers import Gateway

MESSAGES = [{"role": "user", "content": "x" * 400}]


async def cost(gateway: Gateway, key: str | None = None, **body: Any) -> float:
    answer = await gateway.request("POST", "/spend/calculate", key or gateway.admin_key, body)
    assert answer.status_code == 200, answer.text
    assert answer.json().keys() == {"cost"}
    return float(answer.json()["cost"])


async def test_an_answer_costs_what_its_usage_does_at_the_models_prices(gateway: Gateway) -> None:
    prices = {"input_cost_per_token": 0.001, "output_cost_per_token": 0.01}
    await gateway.add_model("mine", litellm_params={"model": "up", **prices})
    usage = {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21}
    for name in ("mine", "up"):
        answer = {"model": name, "usage": usage}
        assert await cost(gateway, completion_response=answer) == 0.129
    key = str((await gateway.issue_key(models=["mine"]))["key"])
    assert await cost(gateway, key, completion_response={"model": "up", "usage": usage}) == 0.129


async def test_a_model_that_is_not_registered_has_its_list_price(gateway: Gateway) -> None:
    usage = {"prompt_tokens": 1_000_000, "completion_tokens": 0, "total_tokens": 1_000_000}
    for name in ("gpt-4o", "openai/gpt-4o"):
        assert await cost(gateway, completion_response={"model": name, "usage": usage}) == 2.5


async def test_a_model_of_a_pattern_and_of_several_deployments_has_a_price(
    gateway: Gateway,
) -> None:
    usage = {"prompt_tokens": 1_000_000, "completion_tokens": 0, "total_tokens": 1_000_000}
    await gateway.add_model("mine/*", litellm_params={"model": "*"})
    assert await cost(gateway, completion_response={"model": "mine/gpt-4o", "usage": usage}) == 2.5
    await gateway.add_model("two", litellm_params={"model": "house"})
    await gateway.add_model("two", litellm_params={"model": "gpt-4o-mini"})
    assert await cost(gateway, completion_response={"model": "two", "usage": usage}) == 0.15


async def test_a_prompt_costs_what_it_is_likely_to(gateway: Gateway) -> None:
    await gateway.add_model("mine", litellm_params={"input_cost_per_token": 0.001})
    estimate = await cost(gateway, model="mine", messages=MESSAGES)
    # A hundred tokens of text, and some around it.
    assert 0.1 <= estimate <= 0.12


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "Either 'model' or 'completion_response' must be provided"),
        ({"model": "gpt-4o"}, "messages must be provided if 'model' is provided"),
        ({"completion_response": {"model": "gpt-4o"}}, "has no usage"),
        ({"completion_response": {"model": "gpt-4o", "usage": {}}}, "has no usage"),
        ({"model": "none", "messages": MESSAGES}, "No price is known of the model 'none'"),
    ],
)
async def test_what_cannot_be_reckoned_is_400(
    gateway: Gateway, body: dict[str, Any], message: str
) -> None:
    refused = await gateway.request("POST", "/spend/calculate", gateway.admin_key, body)
    assert refused.status_code == 400, refused.text
    assert message in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    "body", [{"model": 1}, {"messages": "hello"}, {"completion_response": [1]}]
)
async def test_a_field_of_another_type_is_422(gateway: Gateway, body: dict[str, Any]) -> None:
    refused = await gateway.request("POST", "/spend/calculate", gateway.admin_key, body)
    assert refused.status_code == 422
    assert refused.json()["detail"][0]["loc"] == ["body", *body]


async def test_it_takes_a_key(gateway: Gateway) -> None:
    refused = await gateway.request("POST", "/spend/calculate", None, {})
    assert refused.status_code == 401
