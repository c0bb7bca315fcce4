"""OpenAI's Responses: the gateway's ids of them, what is kept of them, and what they cost."""

from __future__ import annotations

import json
from typing import Any, get_type_hints

import httpx
import pytest
from openai.types.responses.response_create_params import ResponseCreateParamsBase

from gateway.app import CALL_PREFIXES
from gateway.errors import InvalidRequest
from gateway.http.bodies import validate
from gateway.http.bodies.responses import ResponseBody
from gateway.records import Operation
from tests.responses import OUTPUT, events, frames, numbered, response, text_item, usage
from tests.servers import Gateway, answer
from tests.upstream import strict

Json = dict[str, Any]

PREFIXES = (*CALL_PREFIXES, "/openai/v1")
# https://platform.openai.com/docs/pricing: nano-dollars of gpt-4.1's tokens, and of a search.
FRESH, CACHED, SAID, SEARCH = 2000, 500, 8000, 25_000_000


async def ask(gateway: Gateway, key: str, **params: Any) -> httpx.Response:
    body = {"model": "gpt", "input": "hello", **params}
    return await gateway.request("POST", "/v1/responses", key, body)


def last(got: httpx.Response) -> Json:
    """The last event of a stream."""
    return dict(json.loads(got.text.rstrip().rpartition("data: ")[2]))


async def made(gateway: Gateway, key: str) -> str:
    """The id of a response."""
    gateway.provider.does(answer(response(text_item("Hi"))))
    got = await ask(gateway, key)
    assert got.status_code == 200, got.text
    return str(got.json()["id"])


# --- ids ---


async def test_an_id_is_the_gateways_and_always_the_same(gateway: Gateway, key: str) -> None:
    given = await made(gateway, key)
    assert given.startswith("resp_")
    assert "upstream" not in given
    gateway.provider.streams(frames(events("Hi")), done=False)
    streamed = await ask(gateway, key, stream=True)
    assert streamed.text.count(f'"id":"{given}"') == 3
    assert "resp_upstream" not in streamed.text


async def test_a_conversation_goes_on_where_it_was_begun(gateway: Gateway) -> None:
    """It is the provider that knows what was said, and another deployment's does not."""
    for number in range(3):
        params = {"model": f"gpt-{number}", "weight": 1}
        await gateway.add_model("gpt", litellm_params=params)
    key = (await gateway.issue_key())["key"]
    given = await made(gateway, key)
    [first] = gateway.provider.received
    previous = response(text_item("Hi"), previous_response_id="resp_upstream", id="resp_next")
    for stream in (False, True) * 4:
        gateway.provider.received.clear()
        gateway.provider.does(answer(previous))
        if stream:
            gateway.provider.streams(frames(events("Hi", last=previous)), done=False)
        got = await ask(gateway, key, previous_response_id=given, stream=stream)
        assert got.status_code == 200, got.text
        body = last(got)["response"] if stream else got.json()
        assert body["previous_response_id"] == given
        assert body["id"] != given
        [received] = gateway.provider.received
        assert received.body["model"] == first.body["model"]
        assert received.body["previous_response_id"] == "resp_upstream"


async def test_an_id_is_of_no_use_to_other_keys(gateway: Gateway, key: str) -> None:
    given = await made(gateway, key)
    team = (await gateway.manage("POST", "/teams", {"name": "crew"})).json()["team_id"]
    stranger, mate, other_mate = [
        (await gateway.issue_key(**({"team_id": team} if n else {})))["key"] for n in range(3)
    ]
    gateway.provider.received.clear()
    for unusable in (given, "resp_upstream", "resp_" + "A" * 200, "x" * 1000, given + "A"):
        holder = stranger if unusable == given else key
        got = await ask(gateway, holder, previous_response_id=unusable)
        assert got.status_code == 400
        error = got.json()["error"]
        assert error["message"].startswith("Previous response with id 'resp_") or unusable[0] == "x"
        assert (error["param"], error["code"]) == (
            "previous_response_id",
            "previous_response_not_found",
        )
        for method, path in STORED:
            kept = await gateway.request(method, path.format(unusable), holder)
            assert (kept.status_code, kept.json()["error"]["type"]) == (404, "not_found_error")
    assert gateway.provider.received == []
    # A team's keys share what they have made.
    shared = await made(gateway, mate)
    assert (await ask(gateway, other_mate, previous_response_id=shared)).status_code == 200
    assert (await ask(gateway, stranger, previous_response_id=shared)).status_code == 400


async def test_another_models_conversation(gateway: Gateway, key: str) -> None:
    given = await made(gateway, key)
    await gateway.add_model("other")
    got = await ask(gateway, key, model="other", previous_response_id=given)
    assert got.status_code == 400
    assert got.json()["error"]["param"] == "previous_response_id"
    assert "the model 'gpt'" in got.json()["error"]["message"]
    unknown = await ask(gateway, key, model="nothing", previous_response_id=given)
    assert unknown.json()["error"]["param"] == "model"


# --- what a provider keeps ---

STORED = (
    ("GET", "/v1/responses/{}"),
    ("DELETE", "/v1/responses/{}"),
    ("POST", "/v1/responses/{}/cancel"),
    ("GET", "/v1/responses/{}/input_items"),
)


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_stored_responses(gateway: Gateway, key: str, prefix: str) -> None:
    given = await made(gateway, key)
    where = f"{prefix}/responses/{given}"
    kept = response(*OUTPUT, previous_response_id="resp_before")
    gateway.provider.does(answer(kept))
    for method, path in (("GET", where), ("POST", f"{where}/cancel")):
        body = (await gateway.request(method, path, key)).json()
        before = body["previous_response_id"]
        assert before.startswith("resp_")
        assert body == kept | {"id": given, "model": "gpt", "previous_response_id": before}
        # Which is of use, too.
        assert (await gateway.request("GET", f"{prefix}/responses/{before}", key)).is_success
    items: Json = {
        "object": "list",
        "data": [{"type": "message", "id": "msg_1"}],
        "has_more": False,
    }
    gateway.provider.does(answer(items))
    query = "?limit=2&order=asc&after=msg_0&include[]=message.output_text.logprobs"
    listed = await gateway.request("GET", f"{where}/input_items{query}", key)
    assert listed.json() == items
    gateway.provider.does(answer({"id": "resp_upstream", "object": "response", "deleted": True}))
    deleted = await gateway.request("DELETE", where, key)
    assert deleted.json() == {"id": given, "object": "response", "deleted": True}
    paths = [each.path for each in gateway.provider.received[1:]]
    assert paths == [
        "/v1/responses/resp_upstream",
        "/v1/responses/resp_before",
        "/v1/responses/resp_upstream/cancel",
        "/v1/responses/resp_before",
        "/v1/responses/resp_upstream/input_items",
        "/v1/responses/resp_upstream",
    ]
    headers = [each.headers["authorization"] for each in gateway.provider.received]
    assert set(headers) == {"Bearer sk-upstream-0123456789"}


async def test_to_look_at_a_response_is_no_call(gateway: Gateway) -> None:
    await gateway.add_model()
    issued = await gateway.issue_key(rpm_limit=1)
    given = await made(gateway, issued["key"])
    for _ in range(3):
        got = await gateway.request("GET", f"/v1/responses/{given}", issued["key"])
        assert got.status_code == 200
    assert len(await gateway.rows(issued["id"])) == 1


@pytest.mark.parametrize(("method", "path"), STORED)
async def test_who_may_not_look(gateway: Gateway, method: str, path: str) -> None:
    model = await gateway.add_model()
    issued = await gateway.issue_key()
    where = path.format(await made(gateway, issued["key"]))
    gateway.provider.received.clear()
    assert (await gateway.request(method, where, None)).status_code == 401
    await gateway.manage("PATCH", f"/keys/{issued['id']}", {"models": ["other"]})
    assert (await gateway.request(method, where, issued["key"])).status_code == 403
    await gateway.manage("PATCH", f"/keys/{issued['id']}", {"models": []})
    await gateway.manage("DELETE", f"/models/{model['id']}")
    await gateway.add_model()
    assert (await gateway.request(method, where, issued["key"])).status_code == 404
    assert gateway.provider.received == []


@pytest.mark.parametrize(("method", "path"), STORED)
async def test_a_providers_refusal(gateway: Gateway, key: str, method: str, path: str) -> None:
    where = path.format(await made(gateway, key))
    error = {"message": "sk-upstream-0123456789 has none", "type": "invalid_request_error"}
    gateway.provider.does(answer({"error": error}, 404))
    got = await gateway.request(method, where, key)
    assert got.status_code == 404
    assert got.json()["error"]["message"].endswith("[hidden] has none")


async def test_a_chats_response_is_kept_nowhere(gateway: Gateway, key: str) -> None:
    params = {"model": "gpt-4o", "use_chat_completions_api": True}
    await gateway.add_model("chatty", litellm_params=params)
    gateway.provider.behaviour = None
    given = (await ask(gateway, key, model="chatty")).json()["id"]
    gateway.provider.received.clear()
    for method, path in STORED:
        assert (await gateway.request(method, path.format(given), key)).status_code == 404
    again = await ask(gateway, key, model="chatty", previous_response_id=given)
    assert again.status_code == 400
    assert again.json()["error"]["param"] == "previous_response_id"
    assert gateway.provider.received == []


async def test_wrong_queries(gateway: Gateway, key: str) -> None:
    where = f"/v1/responses/{await made(gateway, key)}"
    gateway.provider.received.clear()
    for query in ("limit=0", "limit=101", "limit=x", "order=up"):
        got = await gateway.request("GET", f"{where}/input_items?{query}", key)
        assert (got.status_code, got.json()["error"]["param"]) == (400, query.partition("=")[0])
    streamed = await gateway.request("GET", f"{where}?stream=true", key)
    assert (streamed.status_code, streamed.json()["error"]["param"]) == (400, "stream")
    assert gateway.provider.received == []


# --- calls ---


@pytest.mark.parametrize(
    ("params", "param", "code"),
    [
        ({"background": True}, "background", "invalid_value"),
        ({"background": 0}, "background", "invalid_type"),
        ({"conversation": "conv_1"}, "conversation", "unknown_parameter"),
        ({"messages": []}, "messages", "unknown_parameter"),
        ({"api_base": "http://elsewhere"}, "api_base", "unknown_parameter"),
        ({"litellm_metadata": {}}, "litellm_metadata", "unknown_parameter"),
        ({"_skip_mcp_handler": False}, "_skip_mcp_handler", "unknown_parameter"),
        ({"input": []}, "input", "invalid_value"),
        ({"input": None}, "input", "missing_required_parameter"),
        ({"input": ["hello"]}, "input[0]", "invalid_type"),
        ({"tools": [{"name": "f"}]}, "tools[0].type", "missing_required_parameter"),
        ({"text": {"format": {}}}, "text.format.type", "missing_required_parameter"),
        ({"stream_options": {}}, "stream_options", "invalid_value"),
        ({"max_output_tokens": 0}, "max_output_tokens", "invalid_value"),
    ],
)
def test_bodies(params: Json, param: str, code: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        validate(Operation.RESPONSES, {"model": "gpt", "input": "hello", **params})
    assert (raised.value.param, raised.value.code) == (param, code)


def test_every_parameter_of_openais_passes() -> None:
    """But conversations, which the gateway has no routes for, and so no owners."""
    known = set(get_type_hints(ResponseCreateParamsBase))
    assert known - set(get_type_hints(ResponseBody)) - {"stream"} == {"conversation"}


async def test_every_prefix(gateway: Gateway, key: str) -> None:
    gateway.provider.does(answer(response(text_item("Hi"))))
    for prefix in PREFIXES:
        body = {"model": "gpt", "input": "hello"}
        got = await gateway.request("POST", f"{prefix}/responses", key, body)
        assert strict.response(got.json()).output_text == "Hi"


async def test_another_deployment_takes_what_fails_before_it_begins(gateway: Gateway) -> None:
    """The caller does not see that a response was begun elsewhere."""
    for order in (1, 2):
        await gateway.add_model("gpt", litellm_params={"model": f"gpt-{order}", "order": order})
    await gateway.manage("PATCH", "/settings", {"num_retries": 1})
    issued = await gateway.issue_key()
    error = {"code": "server_error", "message": "no"}
    fails = {"type": "response.failed", "response": response(status="failed", error=error)}
    begun = frames(numbered(*events("Hi")[:2], fails))
    whole = frames(events("Hi"))

    async def behaviour(request: Any) -> Any:
        sent = await request.json()
        gateway.provider.streams(begun if sent["model"] == "gpt-1" else whole, done=False)
        chosen, gateway.provider.behaviour = gateway.provider.behaviour, behaviour
        assert chosen
        return await chosen(request)

    gateway.provider.behaviour = behaviour
    got = await ask(gateway, issued["key"], stream=True)
    assert [each.body["model"] for each in gateway.provider.received] == ["gpt-1", "gpt-2"]
    assert got.headers["x-litellm-attempted-retries"] == "1"
    assert got.text.count("event: response.created") == 1
    assert last(got)["type"] == "response.completed"
    [row] = await gateway.rows(issued["id"])
    assert (row.outcome, row.retries) == ("complete", 1)


@pytest.mark.parametrize("stream", [False, True])
async def test_costs_are_exact(gateway: Gateway, stream: bool) -> None:
    """With what came from the cache, thoughts, and searches; to open a page costs nothing."""
    await gateway.add_model(litellm_params={"model": "gpt-4.1"})
    issued = await gateway.issue_key()
    counts = usage(1_234_567, 4321, cached=1_000_001, reasoning=3000)
    whole = response(*OUTPUT, usage=counts)
    gateway.provider.does(answer(whole))
    if stream:
        gateway.provider.streams(frames(events("Hi", last=whole)), done=False)
    assert (await ask(gateway, issued["key"], stream=stream)).status_code == 200
    [row] = await gateway.rows(issued["id"])
    assert (row.prompt_tokens, row.cached_tokens) == (1_234_567, 1_000_001)
    assert (row.completion_tokens, row.reasoning_tokens) == (4321, 3000)
    assert not row.estimated
    assert row.cost == 234_566 * FRESH + 1_000_001 * CACHED + 4321 * SAID + SEARCH


async def test_the_tier_that_served(gateway: Gateway) -> None:
    await gateway.add_model(litellm_params={"model": "gpt-5"})
    issued = await gateway.issue_key()
    gateway.provider.does(answer(response(text_item("Hi"), service_tier="flex")))
    assert (await ask(gateway, issued["key"], service_tier="auto")).status_code == 200
    [row] = await gateway.rows(issued["id"])
    # Half of the usual 1.25 and 10 dollars for a million.
    assert row.cost == 11 * 625 + 6 * 5000


@pytest.mark.parametrize("whole", [True, False])
async def test_what_is_stored_of_a_stream(gateway: Gateway, whole: bool) -> None:
    await gateway.manage("PATCH", "/settings", {"store_prompts_in_spend_logs": True})
    await gateway.add_model()
    issued = await gateway.issue_key()
    told = events("Hel", "lo")
    gateway.provider.streams(frames(told if whole else told[:6]), done=False)
    got = await ask(gateway, issued["key"], stream=True)
    [row] = await gateway.rows(issued["id"])
    kept = (await gateway.manage("GET", f"/usage/requests/{row.id}/transcript")).json()
    assert got.headers["x-litellm-call-id"] == row.id
    output = kept["response"]["output"]
    if whole:
        assert output == [text_item("Hello")]
        assert kept["response"]["usage"] == usage()
    else:
        assert output == [{"id": "msg_1", "type": "message", "text": "Hello"}]
        assert kept["response"]["status"] == "in_progress"
