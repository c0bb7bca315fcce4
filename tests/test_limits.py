"""Requests and tokens a minute. The clock is the test's own, so that no test waits for one."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from gateway import vault
from gateway.errors import RateLimited
from gateway.limits import Limiter
from gateway.records import Key, Model
from gateway.specs import key_record
from tests.store.records import model

NOW = 1_700_000_000.25


@dataclass
class Clock:
    now: float = NOW

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(time, "time", made.time)
    # There alone: the event loop goes by it too.
    monkeypatch.setattr("gateway.windows.time", SimpleNamespace(monotonic=made.time))
    return made


def key(rpm: int | None = None, tpm: int | None = None, secret: str = "sk-a", **fields: Any) -> Key:
    return key_record(vault.hash_key(secret), "sk-…", 1, rpm_limit=rpm, tpm_limit=tpm, **fields)


def headers(unit: str, limit: int, remaining: int) -> dict[str, str]:
    """What LiteLLM sends, in both of its spellings."""
    return {
        f"x-ratelimit-limit-{unit}": str(limit),
        f"x-ratelimit-remaining-{unit}": str(remaining),
        f"x-ratelimit-api_key-limit-{unit}": str(limit),
        f"x-ratelimit-api_key-remaining-{unit}": str(remaining),
    }


async def refused(limiter: Limiter, caller: Key) -> RateLimited:
    with pytest.raises(RateLimited) as error:
        await limiter.admit(caller, "gpt")
    return error.value


async def test_a_key_without_limits_is_let_in_without_headers(clock: Clock) -> None:
    limiter = Limiter()
    for _ in range(100):
        admission = await limiter.admit(key(), "gpt")
        assert admission.headers == {}
        limiter.settle(admission, 10**9)
        clock.now += 0.01


async def test_requests_are_counted_and_refused_past_the_limit(clock: Clock) -> None:
    limiter, caller = Limiter(), key(rpm=3)
    for remaining in (2, 1, 0):
        admission = await limiter.admit(caller, "gpt")
        assert admission.headers == headers("requests", 3, remaining)
        clock.now += 5
    error = await refused(limiter, caller)
    # The window was opened by the first request.
    resets = datetime.fromtimestamp(1_700_000_061, UTC)
    assert error.message == (
        f"Rate limit exceeded for api_key: {caller.secret_hash}. Limit type: requests. "
        f"Current limit: 3, Remaining: 0. Limit resets at: {resets:%Y-%m-%d %H:%M:%S} UTC"
    )
    assert (error.status, error.type, error.param) == (429, "throttling_error", None)
    assert error.headers == headers("requests", 3, 0) | {
        "retry-after": "45",
        "rate_limit_type": "requests",
        "reset_at": "1700000061",
    }


async def test_who_waits_as_long_as_retry_after_says_is_let_in(clock: Clock) -> None:
    limiter, caller = Limiter(), key(rpm=1)
    await limiter.admit(caller, "gpt")
    for _ in range(5):
        clock.now += 11.7
        error = await refused(limiter, caller)
        assert 1 <= int(error.headers["retry-after"]) <= 60
    clock.now += int(error.headers["retry-after"])
    assert (await limiter.admit(caller, "gpt")).headers == headers("requests", 1, 0)
    clock.now += 59.9
    assert (await refused(limiter, caller)).headers["retry-after"] == "1"


async def test_tokens_are_counted_when_a_call_is_settled(clock: Clock) -> None:
    limiter, caller = Limiter(), key(tpm=100)
    first = await limiter.admit(caller, "gpt")
    assert first.headers == headers("tokens", 100, 100)
    limiter.settle(first, 0)
    limiter.settle(first, 99)
    clock.now += 20
    second = await limiter.admit(caller, "gpt")
    assert second.headers == headers("tokens", 100, 1)
    limiter.settle(second, 500)
    error = await refused(limiter, caller)
    assert "Limit type: tokens. Current limit: 100, Remaining: 0." in error.message
    assert error.headers == headers("tokens", 100, 0) | {
        "retry-after": "40",
        "rate_limit_type": "tokens",
        "reset_at": "1700000061",
    }
    clock.now += 40
    assert (await limiter.admit(caller, "gpt")).headers == headers("tokens", 100, 100)


async def test_both_limits_show_and_a_refusal_for_tokens_costs_no_request(clock: Clock) -> None:
    limiter, caller = Limiter(), key(rpm=3, tpm=10)
    admission = await limiter.admit(caller, "gpt")
    assert admission.headers == headers("tokens", 10, 10) | headers("requests", 3, 2)
    clock.now += 1
    limiter.settle(admission, 10)
    for _ in range(10):
        assert (await refused(limiter, caller)).headers["rate_limit_type"] == "tokens"
    raised = replace(caller, tpm_limit=20)
    assert (await limiter.admit(raised, "gpt")).headers == headers("tokens", 20, 10) | headers(
        "requests", 3, 1
    )


async def test_each_key_has_limits_of_its_own(clock: Clock) -> None:
    limiter, first, second = Limiter(), key(rpm=1), key(rpm=1, secret="sk-b")
    await limiter.admit(first, "gpt")
    await refused(limiter, first)
    assert (await limiter.admit(second, "gpt")).headers == headers("requests", 1, 0)
    assert clock.now == NOW


async def test_a_changed_limit_holds_for_what_was_used_already(clock: Clock) -> None:
    limiter, caller = Limiter(), key(rpm=5)
    for _ in range(4):
        await limiter.admit(caller, "gpt")
    error = await refused(limiter, replace(caller, rpm_limit=2))
    assert error.headers["x-ratelimit-limit-requests"] == "2"
    raised = replace(caller, rpm_limit=10)
    assert (await limiter.admit(raised, "gpt")).headers == headers("requests", 10, 5)
    assert (await limiter.admit(replace(caller, rpm_limit=None), "gpt")).headers == {}
    clock.now += 60
    assert (await limiter.admit(replace(caller, rpm_limit=2), "gpt")).headers == headers(
        "requests", 2, 1
    )


@pytest.mark.parametrize("limit", [1, 10])
async def test_of_many_at_once_just_as_many_as_the_limit_are_let_in(limit: int) -> None:
    limiter, caller = Limiter(), key(rpm=limit, tpm=10**6)
    done = await asyncio.gather(
        *(limiter.admit(caller, "gpt") for _ in range(100)), return_exceptions=True
    )
    errors = [result for result in done if isinstance(result, BaseException)]
    assert len(done) - len(errors) == limit
    assert all(isinstance(error, RateLimited) for error in errors)


async def test_tokens_of_many_calls_are_all_counted(clock: Clock) -> None:
    limiter, caller = Limiter(), key(tpm=10_000)
    admissions = [await limiter.admit(caller, "gpt") for _ in range(100)]
    for admission in admissions:
        limiter.settle(admission, 7)
    assert (await limiter.admit(caller, "gpt")).headers == headers("tokens", 10_000, 9_300)
    assert clock.now == NOW


async def test_counts_of_past_windows_are_forgotten_and_no_task_stays(clock: Clock) -> None:
    before = asyncio.all_tasks()
    limiter = Limiter()
    for number in range(300):
        caller = key(rpm=5, tpm=5, secret=f"sk-{number}")
        limiter.settle(await limiter.admit(caller, "gpt"), 3)
    clock.now += 61
    await limiter.admit(key(rpm=5), "gpt")
    assert len(limiter._counts) == 1
    assert asyncio.all_tasks() == before


async def test_requests_at_once_are_counted_until_they_end(clock: Clock) -> None:
    limiter, caller = Limiter(), key(max_parallel_requests=2)
    first, second = [await limiter.admit(caller, "gpt") for _ in range(2)]
    for _ in range(3):
        error = await refused(limiter, caller)
        assert error.headers == {"retry-after": "1", "rate_limit_type": "max_parallel_requests"}
        assert "Limit type: max_parallel_requests. Current limit: 2" in error.message
    # A minute changes nothing.
    clock.now += 61
    await refused(limiter, caller)
    # Nor do others, or a higher limit, which has room for one more.
    assert await limiter.admit(key(secret="sk-b", max_parallel_requests=1), "gpt")
    third = await limiter.admit(replace(caller, max_parallel_requests=3), "gpt")
    for admission in (first, second, third):
        limiter.settle(admission, 0)
    assert caller.id not in limiter._running
    assert await limiter.admit(replace(caller, max_parallel_requests=1), "gpt")


async def test_who_is_refused_for_one_limit_is_counted_in_no_other(clock: Clock) -> None:
    limiter, caller = Limiter(), key(rpm=5, max_parallel_requests=1)
    admission = await limiter.admit(caller, "gpt")
    for _ in range(10):
        await refused(limiter, caller)
    limiter.settle(admission, 0)
    assert (await limiter.admit(caller, "gpt")).headers == headers("requests", 5, 3)
    assert limiter._running == {caller.id: 1}
    full = replace(caller, rpm_limit=2, max_parallel_requests=None)
    for _ in range(10):
        assert (await refused(limiter, full)).headers["rate_limit_type"] == "requests"
    assert limiter._running == {caller.id: 1}
    assert clock.now == NOW


async def test_a_model_has_limits_of_its_own_beside_the_keys(clock: Clock) -> None:
    limiter = Limiter()
    caller = key(rpm=3, model_rpm_limit={"gpt": 1}, model_tpm_limit={"claude": 10})
    admission = await limiter.admit(caller, "gpt")
    assert admission.headers == headers("requests", 3, 2) | {
        "x-ratelimit-model_per_key-limit-requests": "1",
        "x-ratelimit-model_per_key-remaining-requests": "0",
    }
    limiter.settle(admission, 100)
    error = await refused(limiter, caller)
    assert error.message.startswith(
        f"Rate limit exceeded for model_per_key: {caller.secret_hash}. Limit type: requests. "
        "Current limit: 1, Remaining: 0."
    )
    other = await limiter.admit(caller, "claude")
    assert other.headers["x-ratelimit-model_per_key-remaining-tokens"] == "10"
    limiter.settle(other, 10)
    with pytest.raises(RateLimited, match="Limit type: tokens"):
        await limiter.admit(caller, "claude")
    assert (await limiter.admit(caller, "third")).headers == headers("requests", 3, 0)
    clock.now += 60
    assert await limiter.admit(caller, "gpt")
    assert await limiter.admit(caller, "claude")


# --- Limits of deployments ----------------------------------------------------------------------


def deployment(deployment_id: str = "a", **params: int) -> Model:
    made = model("gpt", litellm_params={"model": "gpt-4o", **params})
    return replace(made, id=deployment_id)


async def test_a_deployment_without_limits_takes_all(clock: Clock) -> None:
    limiter, free = Limiter(), deployment()
    for _ in range(1000):
        assert await limiter.enter(free) == 0
        limiter.use(free, 10**6)
    clock.now += 1
    assert await limiter.enter(free) == 0
    assert len(limiter._counts) == 0


async def test_requests_to_a_deployment_are_counted(clock: Clock) -> None:
    limiter, limited = Limiter(), deployment(rpm=2)
    assert [await limiter.enter(limited) for _ in range(2)] == [0, 0]
    clock.now += 45
    for _ in range(5):
        # Who is told to wait is not counted.
        assert await limiter.enter(limited) == pytest.approx(15)
    assert await limiter.enter(deployment("b", rpm=2)) == 0
    clock.now += 14.9
    assert 0 < await limiter.enter(limited) < 0.2
    clock.now += 0.2
    assert await limiter.enter(limited) == 0


async def test_tokens_of_a_deployment_are_counted_once_used(clock: Clock) -> None:
    limiter, limited = Limiter(), deployment(rpm=10, tpm=100)
    assert await limiter.enter(limited) == 0
    limiter.use(limited, 99)
    assert await limiter.enter(limited) == 0
    clock.now += 20
    limiter.use(limited, 1)
    assert await limiter.enter(limited) == pytest.approx(40)
    # Which costs it no request.
    raised = deployment(rpm=3, tpm=101)
    assert await limiter.enter(raised) == 0
    assert await limiter.enter(raised) == pytest.approx(40)
    clock.now += 40
    assert await limiter.enter(limited) == 0


async def test_of_many_at_once_a_deployment_takes_as_many_as_its_limit() -> None:
    limiter, limited = Limiter(), deployment(rpm=7)
    waits = await asyncio.gather(*(limiter.enter(limited) for _ in range(50)))
    assert sum(wait == 0 for wait in waits) == 7
    assert all(0 <= wait <= 60 for wait in waits)


async def test_limits_of_keys_and_deployments_are_apart(clock: Clock) -> None:
    limiter, caller = Limiter(), key(rpm=1, tpm=10)
    same = deployment(caller.id, rpm=1, tpm=10)
    limiter.settle(await limiter.admit(caller, "gpt"), 10)
    clock.now += 1
    assert await limiter.enter(same) == 0
    assert await limiter.enter(same) > 0
