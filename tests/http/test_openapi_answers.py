"""What a running gateway answers is what its OpenAPI document says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from gateway.app import create_app
from gateway.http.openapi import answers
from gateway.http.openapi.document import document
from gateway.http.openapi.examples import EXAMPLES
from gateway.records import Operation
from gateway.settings import Settings
from tests import calls, media
from tests.documented import Documented
from tests.servers import Gateway, Json, answer

# The gateway's own answers have nothing that is not documented. Others have what providers and
# LiteLLM have besides.
CLOSED = [
    name
    for name, kind in vars(answers).items()
    if getattr(kind, "__module__", "") == answers.__name__ and not name.startswith("_")
]
CALLED = [each for each in Operation if each not in media.REQUESTS]
STORED = {"object": "list", "data": []}


@dataclass
class Checked:
    """A gateway whose answers are held against its document."""

    gateway: Gateway
    documented: Documented

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        status: int = 200,
        key: str | None = "admin",
        **headers: str,
    ) -> httpx.Response:
        secret = self.gateway.admin_key if key == "admin" else key
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        response = await self.gateway.request(method, path, secret, body, given)
        assert response.status_code == status, response.text
        self.documented.check(response)
        return response

    async def own(self, method: str, path: str, body: Any = None, status: int = 200) -> Json:
        return dict((await self.ask(method, f"/api/v1/gateway{path}", body, status)).json())


@pytest.fixture(scope="module")
def documented() -> Documented:
    return Documented(document(create_app(Settings()).routes), CLOSED)


@pytest.fixture
def checked(gateway: Gateway, documented: Documented) -> Checked:
    return Checked(gateway, documented)


async def test_own_management(checked: Checked) -> None:
    own = checked.own
    await own("POST", "/models", EXAMPLES["add_model"], 201)
    await own("PATCH", "/models/gpt-4o", EXAMPLES["change_model"])
    await own("PATCH", "/models?name=gpt-4o", EXAMPLES["change_model"])
    await own("GET", "/models")
    await own("GET", "/models/gpt-4o")
    team = (await own("POST", "/teams", EXAMPLES["add_team"], 201))["team_id"]
    await own("PATCH", f"/teams/{team}", EXAMPLES["change_team"])
    for path in ("/block", "/unblock"):
        await own("POST", f"/teams/{team}{path}")
    await own("GET", f"/teams/{team}")
    await own("GET", "/teams")
    issued = await own("POST", "/keys", EXAMPLES["issue_key"] | {"team_id": team}, 201)
    key = f"/keys/{issued['id']}"
    await own("PATCH", key, EXAMPLES["change_key"])
    await own("POST", f"{key}/rotate", EXAMPLES["rotate_key"])
    for path in ("/block", "/unblock"):
        await own("POST", f"{key}{path}")
    await own("GET", key)
    await own("GET", "/keys?limit=1&state=active")
    await own("DELETE", f"/teams/{team}", status=409)
    await own("DELETE", key)
    await own("PATCH", key, {}, 409)
    await own("DELETE", f"/teams/{team}")
    await own("DELETE", "/models/gpt-4o")
    await own("PATCH", "/settings", EXAMPLES["change_settings"])
    await own("GET", "/settings")
    await own("GET", "/audit?limit=50")


async def test_litellms_management(checked: Checked) -> None:
    ask, body = checked.ask, EXAMPLES
    await ask("POST", "/model/new", body["litellm_add_model"])
    await ask("POST", "/model/update", body["litellm_change_model"])
    await ask("PATCH", "/model/gpt-4o-1/update", body["litellm_patch_model"])
    for path in ("/model/info", "/v1/model/info", "/v2/model/info", "/model_group/info"):
        await ask("GET", path)
    await ask("POST", "/model/delete", body["litellm_delete_model"])
    await ask("POST", "/team/new", body["litellm_add_team"])
    await ask("POST", "/team/update", body["litellm_change_team"])
    new = body["litellm_generate_key"] | {"key": body["litellm_change_key"]["key"]}
    await ask("POST", "/key/generate", new | {"team_id": "research", "guardrails": []})
    await ask("POST", "/key/update", body["litellm_change_key"])
    await ask("POST", "/key/block", body["litellm_block_key"])
    await ask("POST", "/key/unblock", body["litellm_unblock_key"])
    await ask("GET", f"/key/info?key={new['key']}")
    for path in ("/key/list", "/key/list?return_full_object=true", "/key/aliases"):
        await ask("GET", path)
    for path in ("/team/info?team_id=research", "/team/list", "/v2/team/list", "/team/available"):
        await ask("GET", path)
    await ask("POST", "/key/regenerate", body["litellm_rotate_key"])
    await ask("POST", "/key/delete", body["litellm_delete_keys"])
    for path in ("/team/block", "/team/unblock"):
        await ask("POST", path, body["litellm_block_team"])
    await ask("POST", "/team/delete", body["litellm_delete_teams"])
    await ask("POST", "/spend/calculate", body["litellm_calculate_spend"])


async def test_errors(checked: Checked) -> None:
    ask, api = checked.ask, "/api/v1/gateway"
    for path in ("/v1/chat/completions", "/v1/messages", "/key/generate", f"{api}/keys"):
        await ask("POST", path, {}, 401, key=None)
        await ask("POST", path, b"{", 422 if path.startswith("/key") else 400)
    await ask("GET", "/key/list", status=401, key=(await checked.gateway.issue_key())["key"])
    for path in ("/v1/models/none", f"{api}/keys/none", f"{api}/usage/requests/none"):
        await ask("GET", path, status=404)
    await ask("GET", "/v1/models/none", status=404, anthropic_version="2023-06-01")
    await ask("GET", f"{api}/audit?limit=0", status=422)
    await ask("GET", "/key/list?page=0", status=422)
    await ask("GET", "/v1/responses/resp_none", status=404)
    await ask("POST", "/v1/chat/completions", EXAMPLES["chat"], 400)
    await ask("POST", "/v1/messages", EXAMPLES["create_message"], 400)


async def test_calls_and_their_usage(checked: Checked) -> None:
    gateway = checked.gateway

    async def behaviour(request: Request) -> Response:
        path, raw = request.url.path, await request.body()
        if f"{Operation.RESPONSES}/" in path:
            stored = calls.whole(Operation.RESPONSES, deleted=True)
            return answer(STORED if path.endswith("/input_items") else stored)
        [operation] = [each for each in CALLED if path == f"/v1{each}"]
        if b'"stream":true' in raw:
            frames = [calls.frame(piece) for piece in calls.streamed(operation)]
            done = (
                b""
                if operation in (Operation.RESPONSES, Operation.MESSAGES)
                else b"data: [DONE]\n\n"
            )
            return Response(b"".join([*frames, done]), media_type="text/event-stream")
        return answer(calls.whole(operation))

    gateway.provider.behaviour = behaviour
    await gateway.add_model()
    await gateway.manage("PATCH", "/settings", {"store_prompts_in_spend_logs": True})
    for operation in CALLED:
        body = calls.REQUESTS[operation] | {"model": "gpt"}
        called = await checked.ask("POST", f"/v1{operation}", body)
        if operation in calls.STREAMED:
            await checked.ask("POST", operation, body | {"stream": True})
        if operation is Operation.RESPONSES:
            one = f"/v1/responses/{called.json()['id']}"
            for method, path in (("GET", ""), ("GET", "/input_items"), ("POST", "/cancel")):
                await checked.ask(method, one + path)
            await checked.ask("DELETE", one)
    await checked.ask("GET", "/v1/models")
    await checked.ask("GET", "/v1/models", anthropic_version="2023-06-01")
    await gateway.flush()
    requests = (await checked.own("GET", "/usage/requests?limit=2"))["data"]
    one = f"/usage/requests/{requests[0]['id']}"
    for path in (one, f"{one}/transcript", "/usage?group_by=day,key,team,tag&percentiles=true"):
        await checked.own("GET", path)
    await checked.ask("GET", "/api/v1/gateway/usage?format=csv")
    dates = "start_date=2020-01-01&end_date=2030-01-01"
    for path in (
        "/spend/logs",
        f"/spend/logs?{dates}",
        "/spend/keys",
        "/spend/tags",
        "/global/spend",
        "/global/spend/logs",
        "/global/spend/keys",
        "/global/spend/models",
        "/global/spend/teams",
        f"/global/spend/tags?{dates}",
        f"/global/spend/report?{dates}",
        f"/global/spend/report?{dates}&group_by=api_key",
        "/health?model=gpt",
        "/health/liveliness",
        "/health/readiness",
        "/health/readiness/details",
        "/",
    ):
        await checked.ask("GET", path)
    await checked.ask("OPTIONS", "/health/readiness")


@pytest.mark.parametrize("operation", media.REQUESTS)
async def test_calls_of_media(checked: Checked, operation: Operation) -> None:
    gateway = checked.gateway
    gateway.provider.does(lambda: media.whole(operation))
    await gateway.add_model("media", **media.at(operation, gateway.provider.url))
    response = await media.send(gateway, operation, gateway.admin_key)
    assert response.status_code == 200, response.text
    checked.documented.check(response)
