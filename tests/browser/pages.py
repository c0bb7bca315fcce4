"""Every page of the console, with something to see on it."""

from __future__ import annotations

from tests.servers import Gateway


async def pages_of(gateway: Gateway, text: str = "app") -> list[str]:
    """Their paths, once there are a model, keys and calls, all of which are named by the text."""
    model = await gateway.add_model(
        text,
        litellm_params={"model": f"openai/{text}", "input_cost_per_token": 0.001},
        model_info={"note": text},
    )
    key = await gateway.issue_key(
        label=text,
        user_id=text,
        models=[text],
        aliases={text: text},
        tags=[text.replace(",", " ")[:64]],
        metadata={text: text},
        rpm_limit=1000,
        max_budget=10,
        soft_budget=5,
        budget_duration="1mo",
    )
    await gateway.issue_key(label=f"{text} 2")
    await gateway.manage("PATCH", "/settings", {"store_prompts_in_spend_logs": True})
    await gateway.manage("PATCH", "/settings", {"model_group_alias": {f"{text} alias": text}})
    await gateway.chat(key["key"], text, user=text)
    await gateway.chat(key["key"], f"{text} none", user=text)
    await gateway.flush()
    model_id = model["model_id"]
    requests = (await gateway.manage("GET", "/usage/requests")).json()["data"]
    return [
        "/ui/models",
        "/ui/models/new",
        f"/ui/models/edit?id={model_id}",
        f"/ui/models/delete?id={model_id}",
        "/ui/keys",
        "/ui/keys/new",
        f"/ui/keys/{key['id']}",
        f"/ui/keys/{key['id']}/edit",
        f"/ui/keys/{key['id']}/rotate",
        f"/ui/keys/{key['id']}/revoke",
        "/ui/playground",
        *(f"/ui/usage?by={by}" for by in ("model", "key", "tag", "deployment")),
        f"/ui/usage?start=30d&key={key['id']}",
        "/ui/usage/requests",
        *(f"/ui/usage/requests/{request['id']}" for request in requests),
        "/ui/audit",
        "/ui/settings",
        "/ui/none",
    ]
