"""Every page of the console, with something to see on it."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from tests.servers import Gateway, Json


async def pages_of(gateway: Gateway, text: str = "app") -> list[str]:
    """Their paths, once there are a model, keys and calls, all of which are named by the text."""
    model = await gateway.add_model(
        text,
        litellm_params={"model": f"openai/{text}", "input_cost_per_token": 0.001},
        model_info={"note": text},
    )
    elsewhere = await gateway.add_model(
        f"{text} elsewhere",
        # What a URL cannot hold is no address.
        base_url="http://127.0.0.1:1/" + re.sub(r"[\s#]", "_", text),
        api_version=text,
        litellm_params={"model": f"openai/{text}"},
        model_info={"id": f"{text} id", text: text},
    )
    team = (await gateway.manage("POST", "/teams", {"name": text})).json()
    key = await gateway.issue_key(
        label=text,
        team_id=team["team_id"],
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
    model_id, other_id = model["model_id"], quote(elsewhere["model_id"], safe="")
    requests = (await gateway.manage("GET", "/usage/requests")).json()["data"]
    return [
        "/ui/models",
        "/ui/models/new",
        f"/ui/models/edit?id={model_id}",
        f"/ui/models/edit?id={other_id}",
        f"/ui/models/delete?id={model_id}",
        "/ui/keys",
        "/ui/keys/new",
        f"/ui/keys/{key['id']}",
        f"/ui/keys/{key['id']}/edit",
        f"/ui/keys/{key['id']}/rotate",
        f"/ui/keys/{key['id']}/revoke",
        "/ui/playground",
        *(f"/ui/usage?by={by}" for by in ("model", "key", "team", "tag", "deployment")),
        f"/ui/usage?start=30d&key={key['id']}",
        "/ui/usage/requests",
        *(f"/ui/usage/requests/{request['id']}" for request in requests),
        *await _of_evaluations(gateway, text),
        "/ui/audit",
        "/ui/settings",
        "/ui/none",
    ]


async def _of_evaluations(gateway: Gateway, text: str) -> list[str]:
    """Those of evaluations, once the model has been run twice on a dataset of two cases."""
    rows = [
        {
            "id": f"{text} {number}",
            "input": text,
            "expected": text,
            "tags": [text[:64]],
            "note": text,
        }
        for number in range(2)
    ]
    dataset = await _made(gateway, "datasets", {"name": text, "description": text, "rows": rows})
    evaluator = await _made(
        gateway, "evaluators", {"name": text, "type": "string_check", "operation": "ne"}
    )
    suite = await _made(
        gateway,
        "suites",
        {
            "name": text,
            "dataset": text,
            "models": [text, "{{item.note}}"],
            "evaluators": [text],
            "gate": {"pass_rate": 0.9},
        },
    )
    runs = [await _run(gateway, text) for _ in range(2)]
    things = {
        "datasets": dataset["id"],
        "evaluators": evaluator["id"],
        "suites": suite["id"],
        "runs": runs[0],
    }
    return [
        "/ui/evals",
        *(f"/ui/evals/{kind}" for kind in things),
        *(f"/ui/evals/{kind}/{one}" for kind, one in things.items()),
        *(f"/ui/evals/{kind}/{one}/edit" for kind, one in things.items() if kind != "runs"),
        *(f"/ui/evals/{kind}/{one}/delete" for kind, one in things.items()),
        f"/ui/evals/runs/{runs[1]}/compare?base={runs[0]}",
    ]


async def _made(gateway: Gateway, kind: str, body: Any) -> Json:
    response = await gateway.manage("POST", f"/evals/{kind}", body)
    assert response.status_code in (201, 202), response.text
    return dict(response.json())


async def _run(gateway: Gateway, suite: str) -> str:
    """The id of a run that has ended."""
    run = await _made(gateway, "runs", {"suite": suite})
    await gateway.app.state.services.runs.wait(run["id"])
    return str(run["id"])
