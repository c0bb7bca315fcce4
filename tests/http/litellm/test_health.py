"""Probes, and trials of every model."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import httpx
import pytest
from litellm.proxy.client import Client
from litellm.proxy.client.health import HealthManagementClient
from starlette.requests import Request
from starlette.responses import Response

from gateway.app import create_app
from gateway.http.litellm import health
from gateway.money import NANO
from gateway.records import Key
from gateway.settings import Settings
from gateway.specs import team_spec
from tests.conftest import execute
from tests.servers import TESTER, Gateway, answer, completion, serving, usage

PROBES = ["/health/liveliness", "/health/liveness", "/health/readiness"]
SECRET = "sk-upstream-0123456789"


async def test_liveness_needs_no_key(gateway: Gateway) -> None:
    for path in ("/health/liveliness", "/health/liveness"):
        alive = await gateway.http.get(gateway.url + path)
        assert (alive.status_code, alive.json()) == (200, "I'm alive!")


@pytest.mark.parametrize("path", PROBES)
async def test_a_probe_may_be_a_head_or_options_request(gateway: Gateway, path: str) -> None:
    await gateway.app.state.services.lane.wait()
    head = await gateway.http.head(gateway.url + path)
    assert (head.status_code, head.content) == (200, b"")
    options = await gateway.http.options(gateway.url + path)
    assert (options.status_code, options.headers["allow"]) == (200, "GET, HEAD, OPTIONS")
    refused = await gateway.http.post(gateway.url + path)
    assert refused.status_code == 405
    assert set(refused.headers["allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


async def test_readiness_follows_litellms_import(settings: Settings) -> None:
    app = create_app(settings)
    async with serving(app) as url, httpx.AsyncClient() as http:
        await app.state.services.lane.wait()
        ready = await http.get(f"{url}/health/readiness")
        assert (ready.status_code, ready.json()) == (200, {"status": "healthy", "db": "connected"})


async def test_not_ready_while_litellm_is_imported(gateway: Gateway) -> None:
    lane = gateway.app.state.services.lane
    await lane.wait()
    loaded, lane._loading = lane._loading, asyncio.get_running_loop().create_future()
    starting = await gateway.http.get(f"{gateway.url}/health/readiness")
    lane._loading = loaded
    assert (starting.status_code, starting.json()["status"]) == (503, "starting")


async def test_without_the_database_ready_until_what_is_known_is_too_old(gateway: Gateway) -> None:
    registry = gateway.app.state.services.registry
    settings = gateway.app.state.services.settings

    async def probed(code: int, **told: str) -> None:
        async with asyncio.timeout(20):
            while True:
                for details, key in (("", None), ("/details", gateway.admin_key)):
                    got = await gateway.request("GET", f"/health/readiness{details}", key)
                    if got.status_code != code or not told.items() <= got.json().items():
                        break
                else:
                    return
                await asyncio.sleep(0.02)

    await gateway.app.state.services.lane.wait()
    # In a thread: the gateway may be writing, in this one.
    await asyncio.to_thread(execute, settings, "ALTER TABLE stamps RENAME TO away")
    await probed(200, status="healthy", db="Not connected")
    registry._max_stale_seconds = 0
    await probed(503, status="unhealthy", db="Not connected")
    assert (await gateway.http.get(f"{gateway.url}/health/liveness")).status_code == 200
    registry._max_stale_seconds = 300
    await asyncio.to_thread(execute, settings, "ALTER TABLE away RENAME TO stamps")
    await probed(200, status="healthy", db="connected")


async def test_litellms_client_reads_readiness(gateway: Gateway) -> None:
    await gateway.app.state.services.lane.wait()
    client = HealthManagementClient(gateway.url)
    assert await asyncio.to_thread(client.get_readiness) == {"status": "healthy", "db": "connected"}


async def test_pictures_are_not_made_to_try(gateway: Gateway) -> None:
    await gateway.add_model("dear", litellm_params={"model": "gpt-image-1"})
    await gateway.add_model("cheap")
    found = (await gateway.request("GET", "/health", gateway.admin_key)).json()
    assert (found["healthy_count"], found["unhealthy_count"]) == (1, 0)
    [entry] = found["untried_endpoints"]
    assert (entry["model_name"], entry["mode"]) == ("dear", "image_generation")
    assert "costs money" in entry["not_tried"]
    named = await gateway.request("GET", "/health?model=dear", gateway.admin_key)
    assert (named.status_code, named.json()["healthy_count"]) == (200, 0)
    assert len(gateway.provider.received) == 1


async def test_details_are_for_an_admin(gateway: Gateway, key: str) -> None:
    await gateway.app.state.services.lane.wait()
    details = await gateway.request("GET", "/health/readiness/details", gateway.admin_key)
    assert details.json() == {
        "status": "healthy",
        "db": "connected",
        "cache": None,
        "success_callbacks": [],
        "litellm_version": "1.106.2",
        "gateway_version": "0.1.0",
        "log_level": "WARNING",
        "is_detailed_debug": False,
    }
    assert (await gateway.request("GET", "/health/readiness/details", key)).status_code == 401


@pytest.mark.parametrize("path", ["/health/services", "/health/history", "/health/latest"])
async def test_what_is_not_there_is_not_found(gateway: Gateway, path: str) -> None:
    missing = await gateway.request("GET", path, gateway.admin_key)
    assert (missing.status_code, missing.json()["error"]["type"]) == (404, "not_found_error")


async def test_every_model_is_called_once(gateway: Gateway) -> None:
    vectors = [{"object": "embedding", "index": 0, "embedding": [0.5]}]
    embedding = {"object": "list", "data": vectors, "model": "e", "usage": usage(3, 0)}

    async def by_path(request: Request) -> Response:
        path = "/" + request.path_params["path"]
        if "bad" in path:
            said = {"message": f"{SECRET} is wrong", "type": "t"}
            return answer({"error": said}, 401)
        return answer(embedding if path.endswith("/embeddings") else completion("Hello."))

    gateway.provider.behaviour = by_path
    chat = await gateway.add_model("chat", litellm_params={"model": "gpt-4o"})
    vector = await gateway.add_model("vector", litellm_params={"model": "text-embedding-3-small"})
    bad = await gateway.add_model("bad", base_url=f"{gateway.provider.url}/bad/v1")
    client = Client(gateway.url, gateway.admin_key)
    report = await asyncio.to_thread(client.http.request, "GET", "/health")
    assert (report["healthy_count"], report["unhealthy_count"]) == (2, 1)
    by_name = {entry["model_name"]: entry for entry in report["healthy_endpoints"]}
    assert by_name["chat"].pop("response_time_ms") >= 0
    assert by_name["vector"].pop("response_time_ms") >= 0
    shared = {"custom_llm_provider": "openai", "api_base": f"{gateway.provider.url}/v1"}
    assert by_name == {
        "chat": shared
        | {
            "model": "openai/gpt-4o",
            "model_name": "chat",
            "model_id": chat["model_id"],
            "mode": "chat",
        },
        "vector": shared
        | {
            "model": "openai/text-embedding-3-small",
            "model_name": "vector",
            "model_id": vector["model_id"],
            "mode": "embedding",
        },
    }
    (unhealthy,) = report["unhealthy_endpoints"]
    assert (unhealthy["model_id"], unhealthy["exception_status"]) == (bad["model_id"], 401)
    assert "is wrong" in unhealthy["error"]
    assert SECRET not in unhealthy["error"]
    assert "gateway models update bad --api-key-stdin" in unhealthy["remedy"]
    assert sorted(received.path for received in gateway.provider.received) == [
        "/bad/v1/chat/completions", "/v1/chat/completions", "/v1/embeddings",
    ]  # fmt: skip


@pytest.mark.parametrize("way", ["model=one", "model=openai/gpt-4o", "model_id=ID"])
async def test_one_model_is_tried_alone(gateway: Gateway, way: str) -> None:
    await gateway.add_model("two")
    await gateway.add_model("one", litellm_params={"model": "gpt-4o"}, model_info={"id": "ID"})
    path = f"/health?{way}"
    healthy = await gateway.request("GET", path, gateway.admin_key)
    assert (healthy.status_code, healthy.json()["healthy_count"]) == (200, 1)
    assert [received.body["model"] for received in gateway.provider.received] == ["gpt-4o"]
    gateway.provider.does(answer({"error": {"message": "no", "type": "t"}}, 500))
    unhealthy = await gateway.request("GET", path, gateway.admin_key)
    assert (unhealthy.status_code, unhealthy.json()["unhealthy_count"]) == (503, 1)
    everything = await gateway.request("GET", "/health", gateway.admin_key)
    assert (everything.status_code, everything.json()["unhealthy_count"]) == (200, 2)


async def test_every_deployment_is_tried_and_the_one_that_fails_named_by_its_id(
    gateway: Gateway,
) -> None:
    good = await gateway.add_model("m")
    bad = await gateway.add_model("m", base_url="http://127.0.0.1:9/v1")
    report = (await gateway.request("GET", "/health?model=m", gateway.admin_key)).json()
    assert [entry["model_id"] for entry in report["healthy_endpoints"]] == [good["model_id"]]
    (unhealthy,) = report["unhealthy_endpoints"]
    assert unhealthy["model_id"] == bad["model_id"]
    assert f"gateway models update {bad['model_id']} --base-url" in unhealthy["remedy"]


async def test_a_pattern_is_tried_with_the_model_that_stands_in_for_it(gateway: Gateway) -> None:
    silent = {"model_info": {"id": "silent"}, "litellm_params": {"model": "*"}}
    await gateway.add_model("silent/*", **silent)
    told = {"id": "told", "health_check_model": "openai/gpt-4o"}
    await gateway.add_model("told/*", litellm_params={"model": "*"}, model_info=told)
    # Where one model serves all names, any will do.
    await gateway.add_model("one-*", litellm_params={"model": "o3"}, model_info={"id": "one"})
    report = (await gateway.request("GET", "/health", gateway.admin_key)).json()
    healthy = {entry["model_id"]: entry["model_name"] for entry in report["healthy_endpoints"]}
    assert healthy == {"told": "told/*", "one": "one-*"}
    assert {received.body["model"] for received in gateway.provider.received} == {"gpt-4o", "o3"}
    (untried,) = report["untried_endpoints"]
    assert untried["model_id"] == "silent"
    assert untried["not_tried"] == (
        "it is a pattern: say with which model, as model_info.health_check_model"
    )
    # Who asks for that name gets another model.
    await gateway.add_model("told/gpt-4o", litellm_params={"model": "other"})
    taken = (await gateway.request("GET", "/health?model_id=told", gateway.admin_key)).json()
    assert "registered as 'told/gpt-4o'" in taken["untried_endpoints"][0]["not_tried"]


async def test_without_models_nothing_is_unhealthy(gateway: Gateway) -> None:
    report = await gateway.request("GET", "/health", gateway.admin_key)
    assert report.json() == {
        "healthy_endpoints": [],
        "unhealthy_endpoints": [],
        "healthy_count": 0,
        "unhealthy_count": 0,
    }


async def test_a_variable_that_is_not_set_is_named(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    await gateway.add_model("m", api_key="os.environ/NO_SUCH_KEY")
    report = (await gateway.request("GET", "/health", gateway.admin_key)).json()
    (unhealthy,) = report["unhealthy_endpoints"]
    assert unhealthy["error"] == "The environment variable NO_SUCH_KEY is not set"


async def test_a_model_that_hangs_is_given_up(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "_SECONDS_EACH", 0.2)
    await gateway.add_model("m")
    gateway.provider.hangs()
    report = (await gateway.request("GET", "/health", gateway.admin_key)).json()
    (unhealthy,) = report["unhealthy_endpoints"]
    assert unhealthy["error"] == "No answer in time: a check has 0.2 s a model, 120 s in all"
    assert unhealthy["exception_status"] == 408
    assert unhealthy["remedy"] == "try it alone: gateway models test m"
    await asyncio.wait_for(gateway.provider.left.wait(), 5)


async def test_few_are_called_at_a_time_and_all_in_bounded_time(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "_AT_ONCE", 2)
    monkeypatch.setattr(health, "_SECONDS_IN_ALL", 0.5)
    for number in range(3):
        await gateway.add_model(f"m{number}")
    gateway.provider.hangs()
    report = (await gateway.request("GET", "/health", gateway.admin_key)).json()
    errors = sorted(entry["error"] for entry in report["unhealthy_endpoints"])
    assert [error.partition(":")[0] for error in errors] == [
        "No answer in time",
        "No answer in time",
        "Not tried",
    ]
    assert len(gateway.provider.received) == 2


async def test_a_client_that_leaves_ends_the_trials(gateway: Gateway) -> None:
    await gateway.add_model("m")
    gateway.provider.hangs()
    asking = asyncio.create_task(gateway.request("GET", "/health", gateway.admin_key))
    async with asyncio.timeout(5):
        while not gateway.provider.received:
            await asyncio.sleep(0.01)
        asking.cancel()
        await gateway.provider.left.wait()


async def test_a_trial_is_in_the_ledger_but_bound_by_no_limit_of_the_key(gateway: Gateway) -> None:
    model = await gateway.add_model("m", litellm_params={"input_cost_per_token": 1})
    store = gateway.app.state.services.store
    (admin,) = await store.keys.all()

    def limited(key: Key) -> Key:
        limits: dict[str, Any] = {"max_parallel_requests": 1, "max_budget": 1}
        for name in ("rpm_limit", "tpm_limit"):
            limits |= {name: 1, f"model_{name}": {"m": 1}}
        return dataclasses.replace(key, aliases={"m": "other"}, **limits)

    await store.keys.change(admin.id, limited, TESTER)
    for _ in range(2):
        report = await gateway.request("GET", "/health", gateway.admin_key)
        assert report.json()["healthy_count"] == 1, report.text
    async with asyncio.timeout(5):
        while len(rows := await store.ledger.after(0, 10)) < 2:
            await asyncio.sleep(0.01)
    for _, row in rows:
        assert (row.key_id, row.deployment_id) == (admin.id, model["model_id"])
        assert (row.outcome, row.prompt_tokens, row.cost) == ("complete", 11, 11 * NANO)
    # The key's own calls are bound, and by what the trials spent too.
    assert (await gateway.chat(gateway.admin_key, "m")).status_code == 400
    budget: dict[str, Any] = {
        "aliases": {},
        "rpm_limit": None,
        "model_rpm_limit": {},
        "max_budget": 22 * NANO,
    }
    await store.keys.change(admin.id, lambda key: dataclasses.replace(key, **budget), TESTER)
    refused = await gateway.chat(gateway.admin_key, "m")
    assert (refused.status_code, refused.json()["error"]["type"]) == (422, "budget_exceeded")


async def test_where_the_gateway_is_at_fault_no_model_is_blamed(gateway: Gateway) -> None:
    await gateway.add_model("one")
    await gateway.add_model("two")
    store = gateway.app.state.services.store
    team = team_spec({"team_id": "t", "name": "T", "max_budget": 0.0}).record(1)
    await store.teams.add(team, TESTER)
    (admin,) = await store.keys.all()
    await store.keys.change(admin.id, lambda key: dataclasses.replace(key, team_id="t"), TESTER)
    refused = await gateway.request("GET", "/health", gateway.admin_key)
    assert (refused.status_code, refused.json()["error"]["type"]) == (422, "budget_exceeded")
    assert gateway.provider.received == []
