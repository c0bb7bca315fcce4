"""From deployment to deployment, and from model to model, until one answers."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from email.utils import formatdate
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from gateway.litellm_names import RETRY_POLICY
from gateway.windows import Windows
from tests.fleet import Fleet, after, fails, fresh, hangs, running, says, streams
from tests.servers import IN_BOTH_LANES, FakeProvider, Json, chunk, chunks

pytestmark = IN_BOTH_LANES

# Groups with the deployments that they are made of, which are called in this order.
GROUPS = {
    "one": ("a",),
    "two": ("a", "b"),
    "three": ("a", "b", "c"),
    "other": ("x",),
    "last": ("y",),
    "both": ("v", "w"),
}
RETRIES, FALLBACKS = "x-litellm-attempted-retries", "x-litellm-attempted-fallbacks"


@pytest.fixture(scope="module")
async def _fleet(
    tmp_path_factory: pytest.TempPathFactory, _provider: FakeProvider, lane: str
) -> AsyncIterator[Fleet]:
    async with running(tmp_path_factory.mktemp("failover"), _provider, lane) as fleet:
        for group, deployments in GROUPS.items():
            for order, deployment in enumerate(deployments, 1):
                await fleet.register(group, deployment, order=order)
        await fleet.register("full", "f", rpm=1, order=1)
        await fleet.register("full", "g", tpm=10, order=2)
        await fleet.register("half", "h", order=1)
        await fleet.register("half", "i", rpm=1, order=2)
        await fleet.register("dear", "d", input_cost_per_token=1, output_cost_per_token=1)
        await fleet.register("wild/*", "p", model="*", order=1)
        await fleet.register("wild/*", "q", model="*", order=2)
        yield fleet


@pytest.fixture
async def fleet(_fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Fleet]:
    async with fresh(_fleet, monkeypatch) as made:
        yield made


def tries(headers: Any) -> tuple[int, int]:
    return int(headers[RETRIES]), int(headers[FALLBACKS])


# --- Other deployments, and the same one again --------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
async def test_another_deployment_answers_in_its_place(fleet: Fleet, stream: bool) -> None:
    """At once, unseen but for the headers; what is booked is the one that answered's."""
    fleet.does("a", fails(500))
    if stream:
        fleet.does("b", streams(*frames(*chunks("from b"))))
        seen = await fleet.stream("two")
        assert (seen.status, seen.text, seen.done, seen.error) == (200, "from b", True, None)
        headers = seen.headers
    else:
        response = await fleet.chat("two")
        assert response.json()["choices"][0]["message"]["content"] == "from b"
        headers = response.headers
    assert fleet.called == ["a", "b"]
    assert fleet.slept == []
    assert tries(headers) == (1, 0)
    assert fleet.deployment(headers["x-litellm-model-id"]) == "b"
    row = await fleet.row()
    assert (row.outcome, row.status, row.retries, row.fallbacks) == ("complete", 200, 1, 0)
    assert fleet.deployment(row.deployment_id) == "b"
    assert (row.prompt_tokens, row.completion_tokens, row.estimated) == (11, 6, False)


ALONE, ELSEWHERE, NEVER = ["a", "a", "a"], ["a", "b", "a"], ["a"]


@pytest.mark.parametrize(
    ("failure", "alone", "of_two"),
    [
        *((fails(status), ALONE, ELSEWHERE) for status in (500, 502, 503, 529)),
        # Both cool down then, for longer than it would be waited.
        (fails(429), ALONE, ["a", "b"]),
        (fails(408), ALONE, ELSEWHERE),
        # What is wrong with one deployment need not be with another.
        *((fails(status), NEVER, ["a", "b"]) for status in (401, 403, 404)),
        *((fails(status), NEVER, NEVER) for status in (400, 413, 422)),
        (fails(400, "context_length_exceeded"), NEVER, NEVER),
        (fails(400, "content_filter"), NEVER, NEVER),
    ],
    ids=lambda value: value.__name__ if callable(value) else "".join(value),
)
@pytest.mark.parametrize("stream", [False, True])
async def test_what_is_tried_again_by_what_went_wrong(
    fleet: Fleet, failure: Any, alone: list[str], of_two: list[str], stream: bool
) -> None:
    status = failure().status_code
    for group, called in (("one", alone), ("two", of_two)):
        fleet.called.clear()
        fleet.deployments._conditions.clear()
        for deployment in ("a", "b"):
            fleet.does(deployment, failure)
        response = await fleet.chat(group, stream=stream)
        assert (response.status_code, response.json()["error"]["type"]) == (status, "its-type")
        assert fleet.called == called
        assert tries(response.headers) == (len(called) - 1, 0)
    rows = await fleet.gateway.rows(fleet.key_id, 2)
    assert [row.retries for row in rows] == [len(alone) - 1, len(of_two) - 1]
    assert {(row.outcome, row.status, row.cost) for row in rows} == {("failed", status, 0)}


async def test_each_wait_is_longer_and_somewhat_at_random(fleet: Fleet) -> None:
    await fleet.set(num_retries=6)
    fleet.does("a", fails(500))
    assert (await fleet.chat("one")).status_code == 500
    bounds = [0.5, 1, 2, 4, 8, 8]
    assert len(fleet.slept) == 6
    assert all(most / 2 <= slept <= most for slept, most in zip(fleet.slept, bounds, strict=True))
    # Of two, only who has tried both waits.
    fleet.slept.clear()
    fleet.does("b", fails(500))
    fleet.deployments._conditions.clear()
    await fleet.set(num_retries=3)
    await fleet.chat("two")
    assert len(fleet.slept) == 1


async def test_the_operator_says_how_long_to_wait_at_least(fleet: Fleet) -> None:
    await fleet.set(retry_after=3.5, num_retries=1)
    fleet.does("a", fails(500), fails(503, retry_after="2"), says("a"))
    assert (await fleet.chat("one")).status_code == 503
    assert (await fleet.chat("one")).status_code == 200
    assert fleet.slept == [3.5]
    fleet.does("a", fails(503, retry_after="2"), says("a"))
    assert (await fleet.chat("one")).status_code == 200
    assert fleet.slept == [3.5, 3.5]


@pytest.mark.parametrize(
    ("asked", "waits"),
    [
        ("0", (0, 0)),
        ("7", (7, 7)),
        ("0.25", (0.25, 0.25)),
        ("60", (60, 60)),
        ("Mon, 23 Nov 2026 08:00:00 GMT", (0, 0)),
        ("soon", (0.25, 0.5)),
    ],
)
async def test_the_wait_that_the_provider_asks_for(
    fleet: Fleet, asked: str, waits: tuple[float, float]
) -> None:
    fleet.does("a", fails(429, retry_after=asked), says("a"))
    assert (await fleet.chat("one")).status_code == 200
    [slept] = fleet.slept
    assert waits[0] <= slept <= waits[1]
    assert fleet.called == ["a", "a"]


async def test_the_wait_until_the_time_that_the_provider_names(fleet: Fleet) -> None:
    asked = formatdate(time.time() + 30, usegmt=True)
    fleet.does("a", fails(503, retry_after=asked), says("a"))
    assert (await fleet.chat("one")).status_code == 200
    [slept] = fleet.slept
    assert 20 < slept <= 30


@pytest.mark.parametrize("asked", ["61", "9" * 30, "Mon, 23 Nov 2099 08:00:00 GMT"])
async def test_who_would_have_to_wait_too_long_is_told_so(fleet: Fleet, asked: str) -> None:
    """And another deployment is tried all the same."""
    fleet.does("a", fails(429, retry_after=asked))
    response = await fleet.chat("one")
    assert (response.status_code, response.headers["retry-after"]) == (429, asked)
    assert (fleet.called, fleet.slept) == (["a"], [])
    fleet.deployments._conditions.clear()
    assert (await fleet.chat("two")).status_code == 200
    assert fleet.called == ["a", "a", "b"]


@pytest.mark.parametrize("kind", RETRY_POLICY)
async def test_retries_by_what_went_wrong(fleet: Fleet, kind: str) -> None:
    await fleet.set(num_retries=1, retry_policy={kind: 3})
    by_kind = {
        "AuthenticationErrorRetries": 401,
        "InternalServerErrorRetries": 500,
        "NotFoundErrorRetries": 404,
        "RateLimitErrorRetries": 429,
        "TimeoutErrorRetries": 408,
    }
    assert by_kind.keys() == RETRY_POLICY.keys()
    for named, status in by_kind.items():
        fleet.called.clear()
        fleet.deployments._conditions.clear()
        for deployment in "abc":
            fleet.does(deployment, fails(status, retry_after="0"))
        await fleet.set(num_retries=1, retry_policy={kind: 3}, cooldown_time=0.0)
        response = await fleet.chat("three")
        assert response.status_code == status
        allowed = 3 if named == kind else 1
        # Where a key is refused, or the model unknown, nobody is asked twice.
        most = 2 if status in (401, 404) else allowed
        assert tries(response.headers)[0] == min(allowed, most)


async def test_no_retries_mean_none(fleet: Fleet) -> None:
    await fleet.set(num_retries=0)
    fleet.does("a", fails(500))
    response = await fleet.chat("two")
    assert (response.status_code, fleet.called, tries(response.headers)) == (500, ["a"], (0, 0))


async def test_a_deployment_that_cools_down_is_no_place_to_try_again(fleet: Fleet) -> None:
    """Even where it is the only other one."""
    fleet.does("a", fails(429, retry_after="5"))
    assert (await fleet.chat("two")).status_code == 200
    fleet.does("b", fails(500), says("b"))
    assert (await fleet.chat("two")).status_code == 200
    assert fleet.called == ["a", "b", "b", "b"]
    assert len(fleet.slept) == 1


# --- Limits of deployments ----------------------------------------------------------------------


async def test_limits_of_deployments_are_kept_to(fleet: Fleet) -> None:
    """A full one is passed over; where all are, nobody is called."""
    limiter = fleet.gateway.app.state.services.pipeline._failover._limiter
    limiter._counts = Windows()
    first, second, third = [await fleet.chat("full") for _ in range(3)]
    assert (first.status_code, second.status_code) == (200, 200)
    # The first took its one request a minute, the second its ten tokens.
    assert fleet.called == ["f", "g"]
    assert tries(second.headers) == (0, 0)
    error = third.json()["error"]
    assert (third.status_code, error["type"]) == (429, "throttling_error")
    assert error["message"].startswith("No deployments available for selected model, Try again in")
    assert 1 <= int(third.headers["retry-after"]) <= 60
    assert tries(third.headers) == (0, 0)
    rows = await fleet.gateway.rows(fleet.key_id, 3)
    assert [row.outcome for row in rows] == ["complete", "complete", "refused"]
    assert (rows[2].status, rows[2].cost, rows[2].prompt_tokens) == (429, 0, 0)
    # A name whose deployments are all full falls back as one that fails.
    await fleet.set(fallbacks={"full": ["other"]})
    response = await fleet.chat("full")
    assert (response.status_code, tries(response.headers)) == (200, (0, 1))


async def test_where_the_other_one_is_full_the_same_is_tried_again(fleet: Fleet) -> None:
    limiter = fleet.gateway.app.state.services.pipeline._failover._limiter
    limiter._counts = Windows()
    fleet.does("h", fails(500), fails(500), says("h"))
    assert (await fleet.chat("half")).status_code == 200
    assert (fleet.called, fleet.slept) == (["h", "i"], [])
    response = await fleet.chat("half")
    assert response.status_code == 200
    assert (fleet.called, len(fleet.slept)) == (["h", "i", "h", "h"], 1)
    assert tries(response.headers) == (1, 0)


# --- Other models -------------------------------------------------------------------------------

CONTEXT = fails(400, "context_length_exceeded")
CONTENT = fails(400, "content_filter")
TO_OTHER = {"one": ["other"]}


@pytest.mark.parametrize(
    ("settings", "failure", "called"),
    [
        ({"fallbacks": TO_OTHER}, fails(500), ["a", "x"]),
        ({"fallbacks": TO_OTHER}, fails(401), ["a", "x"]),
        ({"fallbacks": TO_OTHER}, fails(429), ["a", "x"]),
        ({"fallbacks": {"*": ["other"]}}, fails(500), ["a", "x"]),
        ({"fallbacks": {"*": ["last"], "one": ["other"]}}, fails(500), ["a", "x"]),
        ({"default_fallbacks": ("other",)}, fails(500), ["a", "x"]),
        ({"default_fallbacks": ("last",), "fallbacks": TO_OTHER}, fails(500), ["a", "x"]),
        # What is wrong with the request is wrong anywhere.
        ({"fallbacks": TO_OTHER, "default_fallbacks": ("last",)}, fails(400), ["a"]),
        ({"context_window_fallbacks": TO_OTHER}, CONTEXT, ["a", "x"]),
        ({"context_window_fallbacks": {"*": ["other"]}}, CONTEXT, ["a", "x"]),
        ({"context_window_fallbacks": TO_OTHER}, fails(500), ["a"]),
        ({"context_window_fallbacks": TO_OTHER}, CONTENT, ["a"]),
        (
            {"context_window_fallbacks": TO_OTHER, "fallbacks": {"one": ["last"]}},
            CONTEXT,
            ["a", "x"],
        ),
        ({"content_policy_fallbacks": TO_OTHER}, CONTENT, ["a", "x"]),
        (
            {"content_policy_fallbacks": TO_OTHER, "default_fallbacks": ["last"]},
            CONTENT,
            ["a", "x"],
        ),
        ({"content_policy_fallbacks": TO_OTHER}, fails(400), ["a"]),
        # Without fallbacks of their own kind, such take the general ones.
        ({"fallbacks": TO_OTHER}, CONTEXT, ["a", "x"]),
        ({"default_fallbacks": ("other",)}, CONTENT, ["a", "x"]),
        ({"fallbacks": {"one": ["not-registered", "other"]}}, fails(500), ["a", "x"]),
        ({"fallbacks": {"one": ["other"]}, "max_fallbacks": 0}, fails(500), ["a"]),
    ],
)
async def test_what_a_model_falls_back_to(
    fleet: Fleet, settings: Json, failure: Any, called: list[str]
) -> None:
    await fleet.set(num_retries=0, **settings)
    fleet.does("a", failure)
    response = await fleet.chat("one")
    assert fleet.called == called
    row = await fleet.row()
    if called == ["a"]:
        assert response.status_code == failure().status_code
        assert (row.outcome, row.fallbacks, row.served_model) == ("failed", 0, "one")
        assert tries(response.headers) == (0, 0)
        return
    assert response.status_code == 200
    assert response.json()["choices"][0]["message"]["content"] == "from x"
    # Who asked for a model is answered under that name.
    assert response.json()["model"] == "one"
    assert response.headers["x-litellm-model-group"] == "other"
    assert tries(response.headers) == (0, 1)
    assert (row.outcome, row.model, row.served_model) == ("complete", "one", "other")
    assert (row.fallbacks, fleet.deployment(row.deployment_id)) == (1, "x")


async def test_fallbacks_have_fallbacks_and_retries_of_their_own(fleet: Fleet) -> None:
    await fleet.set(num_retries=1, fallbacks={"one": ["other"], "other": ["two", "last"]})
    for deployment in ("a", "x", "b"):
        fleet.does(deployment, fails(500))
    response = await fleet.chat("one")
    assert response.status_code == 200
    assert fleet.called == ["a", "a", "x", "x", "a", "b", "y"]
    assert tries(response.headers) == (3, 3)
    row = await fleet.row()
    assert (row.served_model, row.retries, row.fallbacks) == ("last", 3, 3)


@pytest.mark.parametrize(
    ("most", "called"), [(0, "a"), (1, "ax"), (2, "axy"), (3, "axyd"), (100, "axyd")]
)
async def test_how_many_models_a_call_turns_to(fleet: Fleet, most: int, called: str) -> None:
    await fleet.set(
        num_retries=0, max_fallbacks=most, fallbacks={"one": ["other", "last"], "last": ["dear"]}
    )
    for deployment in "axyd":
        fleet.does(deployment, fails(500, message=f"no {deployment}"))
    response = await fleet.chat("one", max_tokens=1)
    assert fleet.called == list(called)
    # What is told is what went wrong with the model that was asked for.
    assert response.json()["error"]["message"].endswith("no a")
    assert tries(response.headers) == (0, len(called) - 1)


@pytest.mark.parametrize(
    "fallbacks",
    [
        {"one": ["one"]},
        {"one": ["other"], "other": ["one"]},
        {"*": ["one", "other"]},
        {"one": ["nick"], "other": ["nick", "one"], "nick": ["one"]},
        {"one": ["other", "other"], "other": ["other"]},
    ],
)
async def test_loops_end(fleet: Fleet, fallbacks: dict[str, list[str]]) -> None:
    await fleet.set(
        num_retries=0, max_fallbacks=100, fallbacks=fallbacks, model_group_alias={"nick": "one"}
    )
    for deployment in "ax":
        fleet.does(deployment, fails(500))
    assert (await fleet.chat("one")).status_code == 500
    assert fleet.called in (["a"], ["a", "x"])


async def test_a_fallback_may_be_an_alias_or_fit_a_pattern(fleet: Fleet) -> None:
    await fleet.set(
        num_retries=0,
        fallbacks={"one": ["nick", "wild/gpt"]},
        model_group_alias={"nick": "other"},
    )
    fleet.does("a", fails(500))
    fleet.does("x", fails(500))
    response = await fleet.chat("one")
    assert (response.status_code, fleet.called) == (200, ["a", "x", "p"])
    assert response.headers["x-litellm-model-group"] == "wild/gpt"


async def test_a_set_up_that_does_not_work_falls_back(fleet: Fleet) -> None:
    await fleet.gateway.add_model("unset", api_key="os.environ/GATEWAY_TEST_IS_NOT_SET")
    await fleet.set(fallbacks={"unset": ["other"]})
    response = await fleet.chat("unset")
    assert (response.status_code, fleet.called, fleet.slept) == (200, ["x"], [])
    await fleet.set()
    refused = await fleet.chat("unset")
    assert (refused.status_code, tries(refused.headers)) == (500, (0, 0))


async def test_a_call_for_one_deployment_takes_no_other(fleet: Fleet) -> None:
    """A health check calls each once."""
    await fleet.set(fallbacks={"two": ["other"]})
    for deployment in "ab":
        fleet.does(deployment, fails(500))
    checked = await fleet.gateway.request("GET", "/health?model=two", fleet.gateway.admin_key)
    assert checked.status_code == 503
    assert sorted(fleet.called) == ["a", "b"]
    assert checked.json()["unhealthy_count"] == 2
    fleet.called.clear()
    fleet.does("a", fails(400))
    fleet.does("b", says("b"))
    checked = await fleet.gateway.request("GET", "/health?model=two", fleet.gateway.admin_key)
    assert (sorted(fleet.called), checked.json()["healthy_count"]) == (["a", "b"], 1)


async def test_a_check_of_a_deployment_that_is_full_is_no_call(fleet: Fleet) -> None:
    limiter = fleet.gateway.app.state.services.pipeline._failover._limiter
    limiter._counts = Windows()
    assert [(await fleet.chat("full")).status_code for _ in range(2)] == [200, 200]
    checked = await fleet.gateway.request("GET", "/health?model=full", fleet.gateway.admin_key)
    assert (checked.status_code, checked.json()["unhealthy_count"]) == (200, 0)
    reasons = {entry["not_tried"] for entry in checked.json()["untried_endpoints"]}
    assert reasons == {"its own rpm or tpm is used up for this minute"}
    assert fleet.called == ["f", "g"]


# --- Money --------------------------------------------------------------------------------------


async def test_a_dearer_model_sets_more_aside_and_gives_it_back(fleet: Fleet) -> None:
    await fleet.set(num_retries=0, fallbacks={"one": ["dear"]})
    fleet.does("a", fails(500))
    aside: list[int] = []
    budgets = fleet.gateway.app.state.services.budgets

    async def looks(_: Request) -> Response:
        aside.append(budgets._accounts[fleet.key_id].reserved)
        return says("d", 2, 3)()

    fleet.behaves("d", looks)
    response = await fleet.chat("one", max_tokens=10)
    assert response.status_code == 200
    # A dollar a token: at least the ten of the answer.
    assert aside[0] >= 10 * 10**9
    await fleet.idle()
    assert budgets._accounts[fleet.key_id].spent == 5 * 10**9
    assert (await fleet.row()).cost == 5 * 10**9


@pytest.mark.parametrize(
    ("chain", "called", "status"), [(["dear"], "ad", 503), (["dear", "other"], "adx", 200)]
)
async def test_who_cannot_pay_the_dearer_model_is_told_the_first_failure(
    fleet: Fleet, chain: list[str], called: str, status: int
) -> None:
    """Or turns to the next one, if that is not dearer."""
    issued = await fleet.gateway.issue_key(max_budget=6)
    fleet.key, fleet.key_id = issued["key"], issued["id"]
    await fleet.set(num_retries=0, fallbacks={"one": chain})
    failing, paying = asyncio.Event(), asyncio.Event()
    fleet.behaves("a", after(failing, fails(503)))
    fleet.behaves("d", after(paying, says("d", 1, 1)))
    first = asyncio.create_task(fleet.chat("one", max_tokens=1))
    await fleet.until_called("a")
    # Meanwhile another call of the key has all the rest of its budget set aside.
    other = asyncio.create_task(fleet.chat("dear", max_tokens=10))
    await fleet.until_called("a", "d")
    failing.set()
    response = await first
    paying.set()
    paid = await other
    assert (response.status_code, paid.status_code) == (status, 200)
    assert fleet.called == list(called)
    assert tries(response.headers) == (0, len(called) - 2)


# --- Cooling down -------------------------------------------------------------------------------


async def test_a_failing_deployment_is_left_alone_tried_once_and_taken_back(fleet: Fleet) -> None:
    await fleet.set(num_retries=0, cooldown_time=5.0)
    fleet.does("a", fails(401))
    assert (await fleet.chat("two")).status_code == 401
    for _ in range(5):
        assert (await fleet.chat("two")).status_code == 200
    assert fleet.called == ["a", *"bbbbb"]
    fleet.now += 5
    answering = asyncio.Event()
    fleet.behaves("a", after(answering, says("a")))
    probe = asyncio.create_task(fleet.chat("two"))
    await fleet.until_called("a", *"bbbbb", "a")
    for _ in range(3):
        assert (await fleet.chat("two")).status_code == 200
    assert fleet.called == ["a", *"bbbbb", "a", *"bbb"]
    answering.set()
    assert (await probe).status_code == 200
    assert (await fleet.chat("two")).status_code == 200
    assert fleet.called[-1] == "a"


async def test_a_probe_that_fails_cools_again_and_the_caller_sees_nothing(fleet: Fleet) -> None:
    fleet.does("a", fails(401))
    assert (await fleet.chat("two")).status_code == 200
    fleet.now += 5
    fleet.does("a", fails(500))
    response = await fleet.chat("two")
    assert (response.status_code, tries(response.headers)) == (200, (1, 0))
    fleet.now += 4
    assert (await fleet.chat("two")).status_code == 200
    assert fleet.called == [*"abab", "b"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_probe_whose_caller_leaves_frees_its_place(fleet: Fleet, stream: bool) -> None:
    fleet.does("a", fails(401))
    assert (await fleet.chat("two")).status_code == 200
    fleet.now += 5
    fleet.behaves("a", hangs)
    probe = asyncio.create_task(fleet.chat("two", stream=stream))
    await fleet.until_called(*"aba")
    probe.cancel()
    await asyncio.gather(probe, return_exceptions=True)
    await fleet.idle()
    fleet.does("a", says("a"))
    assert (await fleet.chat("two")).status_code == 200
    assert fleet.called == [*"abaa"]


async def test_one_alone_is_never_shut_out(fleet: Fleet) -> None:
    await fleet.set(num_retries=0)
    fleet.does("a", fails(429, retry_after="500"))
    for _ in range(10):
        assert (await fleet.chat("one")).status_code == 429
    fleet.does("a", says("a"))
    assert (await fleet.chat("one")).status_code == 200
    assert len(fleet.called) == 11


async def test_where_all_cool_down_the_caller_is_told_how_long(fleet: Fleet) -> None:
    fleet.does("a", fails(429, retry_after="100"))
    fleet.does("b", fails(429, retry_after="30.5"))
    first = await fleet.chat("two")
    # As long as a provider asks for is waited; then it tells so in its own words.
    assert (first.status_code, first.headers["retry-after"]) == (429, "30.5")
    assert first.json()["error"]["type"] == "its-type"
    then = await fleet.chat("two")
    assert (then.status_code, then.headers["retry-after"]) == (429, "31")
    assert then.json()["error"]["type"] == "all_deployments_in_cooldown"
    assert (fleet.called, fleet.slept) == (["a", "b", "b"], [30.5])
    await fleet.set(fallbacks={"two": ["other"]})
    assert (await fleet.chat("two")).status_code == 200


async def test_who_asks_a_pattern_for_what_there_is_not_shuts_nobody_out(fleet: Fleet) -> None:
    async def knows_one(request: Request) -> Response:
        known = json.loads(await request.body())["model"] == "real"
        return (says("p") if known else fails(404))()

    for deployment in "pq":
        fleet.behaves(deployment, knows_one)
    for number in range(5):
        assert (await fleet.chat(f"wild/none-{number}")).status_code == 404
        assert (await fleet.chat("wild/real")).status_code == 200
    assert fleet.called == [*"pqp"] * 5


async def test_who_sends_what_cannot_be_sent_on_shuts_nobody_out(fleet: Fleet) -> None:
    """litellm fails at it, before any provider is asked."""
    for number in (1, 2):
        await fleet.gateway.add_model(
            "claude",
            provider="anthropic",
            base_url=f"{fleet.gateway.provider.url}/c{number}",
            litellm_params={"model": "claude-3-opus", "order": number},
        )
    for _ in range(10):
        refused = await fleet.chat("claude", tools=[{"type": "function"}])
        assert (refused.status_code, tries(refused.headers)) == (400, (0, 0))
    assert fleet.called == []
    assert all(each.cools_until is None for each in fleet.deployments._conditions.values())


# --- Streams ------------------------------------------------------------------------------------

ROLE = chunk({"role": "assistant", "content": ""}) | {"id": "of-a"}
ERROR = b'data: {"error": {"message": "full", "type": "overloaded", "code": 503}}\n\n'


def frames(*pieces: Any) -> list[bytes]:
    return [f"data: {json.dumps(piece)}\n\n".encode() for piece in pieces] + [b"data: [DONE]\n\n"]


@pytest.mark.parametrize(
    "said",
    [
        [],
        [b"data: [DONE]\n\n"],
        [b": waiting\n\n"],
        frames(ROLE)[:1],
        [*frames(ROLE)[:1] * 5, ERROR],
        [ERROR],
        [frames(ROLE)[0], b'data: {"id": nothing\n\n'],
    ],
)
async def test_what_fails_before_it_says_anything_fails_unseen(
    fleet: Fleet, said: list[bytes]
) -> None:
    fleet.does("a", streams(*said))
    fleet.does("b", streams(*frames(*chunks("from b"))))
    seen = await fleet.stream("two", stream_options={"include_usage": True})
    assert (seen.text, seen.done, seen.error) == ("from b", True, None)
    assert {each["id"] for each in seen.chunks} == {"chatcmpl-1"}
    roles = [c["delta"].get("role") for each in seen.chunks for c in each["choices"]]
    assert roles[0] == "assistant"
    assert not any(roles[1:])
    assert fleet.called == ["a", "b"]
    assert tries(seen.headers) == (1, 0)
    row = await fleet.row()
    assert (row.prompt_tokens, row.completion_tokens, row.estimated) == (11, 6, False)
    assert (row.outcome, fleet.deployment(row.deployment_id)) == ("complete", "b")


async def test_what_fails_unseen_may_fall_back_to_another_model(fleet: Fleet) -> None:
    await fleet.set(num_retries=0, fallbacks={"one": ["dear"]})
    fleet.does("a", streams(frames(ROLE)[0], ERROR))
    fleet.does("d", streams(*frames(*chunks("from d"))))
    seen = await fleet.stream("one", max_tokens=20)
    assert (seen.text, seen.done, tries(seen.headers)) == ("from d", True, (0, 1))
    assert {each["model"] for each in seen.chunks} == {"one"}
    row = await fleet.row()
    # A dollar a token: the price of the one that answered.
    assert (row.cost, row.served_model) == (17 * 10**9, "dear")


@pytest.mark.parametrize(
    ("broken", "kind"),
    [
        ([ERROR], "overloaded"),
        ([], "api_error"),
        ([b"data: [DONE]\n\n"], "api_error"),
        ([b'data: {"id": nothing\n\n'], "api_error"),
    ],
)
async def test_what_fails_later_is_told_and_goes_nowhere_else(
    fleet: Fleet, broken: list[bytes], kind: str
) -> None:
    """Nor does it look like an answer that came to its end."""
    await fleet.set(fallbacks={"*": ["other"]})
    said = frames(ROLE, chunk({"content": "one"}), chunk({"content": " two"}))[:-1]
    fleet.does("a", streams(*said, *broken))
    seen = await fleet.stream("two")
    assert (seen.status, seen.text, seen.done, seen.finish_reasons) == (200, "one two", False, [])
    assert seen.error is not None
    assert seen.error["type"] == kind
    assert fleet.called == ["a"]
    row = await fleet.row()
    assert (row.outcome, row.status, row.error, row.retries) == ("cut", 200, kind, 0)
    assert (row.completion_tokens, row.estimated) == (2, True)
    assert row.cost == row.prompt_tokens * 1000 + 2 * 2000


async def test_streams_that_break_make_their_deployment_cool_down(fleet: Fleet) -> None:
    fleet.does("a", streams(*frames(chunk({"content": "one"}))[:1]))
    fleet.does("b", streams(*frames(*chunks("from b"))))
    for _ in range(5):
        assert not (await fleet.stream("two")).done
    assert (await fleet.stream("two")).text == "from b"
    assert fleet.called == [*"aaaaab"]


@pytest.mark.parametrize("stream", [False, True])
async def test_who_leaves_while_a_call_waits_to_be_tried_again(
    fleet: Fleet, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not tried again, and costs what a request costs whose answer nobody waits for."""
    monkeypatch.undo()
    fleet.does("a", fails(503, retry_after="30"))
    calling = asyncio.create_task(fleet.chat("one", stream=stream))
    await fleet.until_called("a")
    await asyncio.sleep(0.05)
    calling.cancel()
    await asyncio.gather(calling, return_exceptions=True)
    row = await fleet.row()
    assert (row.outcome, row.status) == ("cancelled", 499)
    assert fleet.called == ["a"]


# --- Strategies ---------------------------------------------------------------------------------


async def test_the_strategy_is_a_setting(fleet: Fleet) -> None:
    """`deployments` has how each of them chooses."""
    await fleet.gateway.manage("PATCH", "/settings", {"routing_strategy": "least-busy"})
    answering = asyncio.Event()
    await fleet.register("pool", "m", weight=1000)
    await fleet.register("pool", "n", weight=1)
    for name in "mn":
        fleet.behaves(name, after(answering, says(name)))
    first = asyncio.create_task(fleet.chat("pool"))
    while not fleet.called:
        await asyncio.sleep(0.005)
    [busy] = fleet.called
    [idle] = {"m", "n"} - {busy}
    fleet.does(idle, says(idle))
    for _ in range(3):
        assert (await fleet.chat("pool")).status_code == 200
    assert fleet.called == [busy, *[idle] * 3]
    answering.set()
    await first
    changed = await fleet.gateway.manage("PATCH", "/settings", {"routing_strategy": "shuffle"})
    assert (changed.status_code, changed.json()["error"]["param"]) == (422, "routing_strategy")
