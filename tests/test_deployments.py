"""How deployments are chosen, left alone when they fail, and tried again."""

from __future__ import annotations

import math
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import deployments as module
from gateway.deployments import Attempt, Deployments, retry_after
from gateway.errors import Fault, GatewayError, Misconfigured, UpstreamError
from gateway.pricing import Prices, prices_of
from gateway.records import CallSettings, Model
from tests.store.records import model

COOLDOWN = 5.0
SETTINGS = CallSettings(cooldown_time=COOLDOWN)
OF_THE_REQUEST = (Fault.BAD_REQUEST, Fault.CONTEXT_WINDOW, Fault.CONTENT_POLICY)


def deployment(deployment_id: str, **params: Any) -> Model:
    made = model("gpt", litellm_params={"model": "gpt-4o"})
    return replace(made, id=deployment_id, params=params)


A, B = deployment("a"), deployment("b")


def failure(fault: Fault, after: str | None = None) -> UpstreamError:
    headers = {"retry-after": after} if after else {}
    return UpstreamError("x", status=500, type="t", headers=headers, fault=fault)


@dataclass
class World:
    """Deployments, and a clock that goes on when it is told."""

    now: float = 1000.0
    settings: CallSettings = SETTINGS
    known: Deployments = field(init=False)

    def __post_init__(self) -> None:
        self.known = Deployments(lambda: self.now)

    def begin(self, which: Model = A, streams: bool = False) -> Attempt:
        return self.known.attempt(which, streams, self.settings)

    def fails(
        self, which: Model = A, fault: Fault = Fault.SERVER, after: str | None = None
    ) -> None:
        attempt = self.begin(which)
        attempt.failed(failure(fault, after))
        attempt.close()

    def answers(self, which: Model = A, seconds: float = 0.0, streams: bool = False) -> None:
        attempt = self.begin(which, streams)
        self.now += seconds
        attempt.answered()
        attempt.close()

    def able(self, *which: Model) -> set[str]:
        return {each.id for each in self.known.able(which or (A, B))}

    def choose(self, *among: Model, strategy: Any = "simple-shuffle", streams: bool = False) -> str:
        prices: Callable[[Model], Prices | None] = lambda each: prices_of(each)  # noqa: E731
        return self.known.choose(among, strategy, streams, prices).id


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(autouse=True)
def _seeded() -> None:
    random.seed(20261124)


def shares(world: World, *among: Model, count: int = 4000) -> dict[str, float]:
    chosen = Counter(world.choose(*among) for _ in range(count))
    return {each.id: round(chosen[each.id] / count, 2) for each in among}


# --- Choosing -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ([{}, {}, {}], [1 / 3, 1 / 3, 1 / 3]),
        ([{"weight": 3}, {"weight": 1}, {"weight": 0}], [0.75, 0.25, 0]),
        ([{"weight": 0.5}, {"weight": 1.5}, {}], [0.25, 0.75, 0]),
        ([{"rpm": 60}, {"rpm": 20}, {"rpm": 20}], [0.6, 0.2, 0.2]),
        ([{"tpm": 9000}, {"tpm": 1000}, {}], [0.9, 0.1, 0]),
        # Weights before calls a minute, and those before tokens; LiteLLM's order.
        ([{"weight": 1, "rpm": 90}, {"weight": 1, "rpm": 10}, {"weight": 2}], [0.25, 0.25, 0.5]),
        ([{"rpm": 1, "tpm": 90}, {"rpm": 1, "tpm": 10}, {"rpm": 2}], [0.25, 0.25, 0.5]),
        # Weights of which none is left say nothing.
        ([{"weight": 0, "rpm": 3}, {"weight": 0, "rpm": 1}, {}], [0.75, 0.25, 0]),
        ([{"weight": 0}, {"weight": 0}, {"weight": 0}], [1 / 3, 1 / 3, 1 / 3]),
    ],
)
def test_shares_of_a_weighted_shuffle(
    world: World, params: list[dict[str, float]], expected: list[float]
) -> None:
    among = [deployment(str(i), **each) for i, each in enumerate(params)]
    assert list(shares(world, *among).values()) == pytest.approx(expected, abs=0.04)


def test_the_lowest_order_comes_first(world: World) -> None:
    first, second = deployment("1", order=1, weight=1), deployment("2", order=2, weight=1000)
    unset = deployment("0", weight=1)
    for _ in range(50):
        assert world.choose(first, second) == "1"
        assert world.choose(second) == "2"
    assert shares(world, first, unset, second) == pytest.approx(
        {"1": 0.5, "0": 0.5, "2": 0}, abs=0.04
    )


def test_the_least_busy_has_the_fewest_calls_running(world: World) -> None:
    running = [world.begin(A), world.begin(A), world.begin(B)]
    assert world.choose(A, B, strategy="least-busy") == "b"
    for each in running[:2]:
        each.close()
    assert world.choose(A, B, strategy="least-busy") == "a"
    running[2].close()
    chosen = {world.choose(A, B, strategy="least-busy") for _ in range(50)}
    assert chosen == {"a", "b"}


def test_the_fastest_of_late_is_chosen_and_one_not_measured_is_measured(world: World) -> None:
    fastest = "latency-based-routing"
    world.answers(A, 2.0)
    assert world.choose(A, B, strategy=fastest) == "b"
    world.answers(B, 1.0)
    assert {world.choose(A, B, strategy=fastest) for _ in range(20)} == {"b"}
    # One slow answer weighs less than a half, several more.
    world.answers(B, 3.0)
    assert world.choose(A, B, strategy=fastest) == "b"
    world.answers(B, 3.0)
    world.answers(B, 3.0)
    assert world.choose(A, B, strategy=fastest) == "a"
    # Streams are measured apart, by their first piece.
    world.answers(A, 0.1, streams=True)
    world.answers(B, 0.2, streams=True)
    assert world.choose(A, B, strategy=fastest, streams=True) == "a"
    # What was measured more than a minute ago says nothing.
    world.now += 50
    world.answers(B, 1.0)
    world.now += 15
    assert world.choose(A, B, strategy=fastest) == "a"


def test_only_one_call_at_a_time_measures(world: World) -> None:
    """One that hangs would get them all until it has answered."""
    fastest = "latency-based-routing"
    world.answers(B, 1.0)
    assert world.choose(A, B, strategy=fastest) == "a"
    measuring = world.begin(A)
    assert {world.choose(A, B, strategy=fastest) for _ in range(20)} == {"b"}
    measuring.close()
    assert world.choose(A, B, strategy=fastest) == "a"


def test_the_cheapest_is_chosen_and_one_without_a_price_last(world: World) -> None:
    def priced(deployment_id: str, price: float | None) -> Model:
        cost = {} if price is None else {"input_cost_per_token": price, "output_cost_per_token": 0}
        made = model("gpt", litellm_params={"model": "not-in-any-list", **cost})
        return replace(made, id=deployment_id)

    dear, cheap, unknown = priced("dear", 2e-6), priced("cheap", 1e-6), priced("unknown", None)
    assert world.choose(dear, cheap, unknown, strategy="cost-based-routing") == "cheap"
    assert world.choose(dear, unknown, strategy="cost-based-routing") == "dear"
    assert world.choose(unknown, strategy="cost-based-routing") == "unknown"


# --- Cooling down -------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [Fault.RATE_LIMIT, Fault.AUTHENTICATION, Fault.NOT_FOUND])
def test_what_another_try_would_not_change_cools_at_once(world: World, fault: Fault) -> None:
    world.fails(fault=fault)
    assert world.able() == {"b"}
    assert world.known.seconds_until_able([A]) == COOLDOWN
    world.now += COOLDOWN - 0.01
    assert world.able() == {"b"}
    world.now += 0.01
    assert world.able() == {"a", "b"}


def test_a_set_up_that_does_not_work_cools_at_once(world: World) -> None:
    attempt = world.begin()
    attempt.failed(Misconfigured("no key"))
    attempt.close()
    assert world.able() == {"b"}


@pytest.mark.parametrize("fault", [Fault.SERVER, Fault.TIMEOUT])
@pytest.mark.parametrize(
    ("good", "bad", "cools"),
    [(0, 4, False), (0, 5, True), (3, 3, False), (2, 3, True), (100, 4, False), (100, 5, True)],
)
def test_more_than_half_of_five_calls_must_fail_or_five_in_a_row(
    world: World, fault: Fault, good: int, bad: int, cools: bool
) -> None:
    for _ in range(good):
        world.answers()
    for _ in range(bad):
        world.fails(fault=fault)
    assert ("a" not in world.able()) == cools


def test_failures_of_another_minute_do_not_count(world: World) -> None:
    for _ in range(4):
        world.answers()
        world.fails()
    world.now += 61
    world.fails()
    assert world.able() == {"a", "b"}
    # Of the same minute, they would be more than half.
    again = World()
    for _ in range(4):
        again.answers()
        again.fails()
    again.fails()
    assert again.able() == {"b"}


def test_the_operator_says_how_many_failures_are_allowed(world: World) -> None:
    world.settings = replace(SETTINGS, allowed_fails=2)
    for _ in range(20):
        world.answers()
    for _ in range(2):
        world.fails()
        assert world.able() == {"a", "b"}
    world.fails()
    assert world.able() == {"b"}


@pytest.mark.parametrize("fault", OF_THE_REQUEST)
def test_faulty_requests_cool_nothing(world: World, fault: Fault) -> None:
    for _ in range(20):
        world.fails(fault=fault)
    assert world.able() == {"a", "b"}


@pytest.mark.parametrize(
    ("asked", "cooled"), [("30", 30), ("0.5", 0.5), ("9" * 20, 600), ("601", 600), ("x", COOLDOWN)]
)
def test_it_cools_as_long_as_the_provider_asks_within_bounds(
    world: World, asked: str, cooled: float
) -> None:
    world.fails(fault=Fault.RATE_LIMIT, after=asked)
    assert world.known.seconds_until_able([A]) == cooled


def test_no_later_failure_shortens_a_cooldown(world: World) -> None:
    """A call that had begun before may fail as well, for another reason."""
    running = world.begin()
    world.fails(fault=Fault.RATE_LIMIT, after="60")
    running.failed(failure(Fault.NOT_FOUND))
    running.close()
    assert world.known.seconds_until_able([A]) == 60


def test_one_call_tries_it_again_and_its_answer_brings_the_rest_back(world: World) -> None:
    world.fails(fault=Fault.RATE_LIMIT)
    world.now += COOLDOWN
    assert world.able() == {"a", "b"}
    probe = world.begin()
    assert world.able() == {"b"}
    probe.answered()
    assert world.able() == {"a", "b"}
    probe.close()
    assert world.able() == {"a", "b"}


def test_a_probe_that_fails_cools_again(world: World) -> None:
    world.fails(fault=Fault.RATE_LIMIT)
    world.now += COOLDOWN
    # For any reason: no five calls are needed now.
    world.fails(fault=Fault.SERVER)
    assert world.able() == {"b"}
    assert world.known.seconds_until_able([A]) == COOLDOWN


@pytest.mark.parametrize("fault", OF_THE_REQUEST)
def test_a_probe_with_a_faulty_request_shows_that_it_is_there(world: World, fault: Fault) -> None:
    world.fails(fault=Fault.RATE_LIMIT)
    world.now += COOLDOWN
    world.fails(fault=fault)
    assert world.able() == {"a", "b"}
    first, second = world.begin(), world.begin()
    assert world.able() == {"a", "b"}
    first.close()
    second.close()


def test_a_probe_that_is_cancelled_frees_its_place(world: World) -> None:
    world.fails(fault=Fault.RATE_LIMIT)
    world.now += COOLDOWN
    probe = world.begin()
    assert world.able() == {"b"}
    probe.close()
    assert world.able() == {"a", "b"}
    again = world.begin()
    assert world.able() == {"b"}
    again.close()


def test_a_stream_that_breaks_cools_what_its_first_piece_brought_back(world: World) -> None:
    world.fails(fault=Fault.RATE_LIMIT)
    world.now += COOLDOWN
    probe = world.begin(streams=True)
    probe.answered()
    probe.failed(failure(Fault.SERVER))
    probe.close()
    assert world.able() == {"b"}


def test_calls_for_it_alone_do_not_end_another_probe(world: World) -> None:
    """Such as a health check, which an operator may make at any time."""
    world.fails(fault=Fault.RATE_LIMIT)
    world.now += COOLDOWN
    probe = world.begin()
    check = world.begin()
    check.close()
    assert world.able() == {"b"}
    probe.close()
    assert world.able() == {"a", "b"}


def test_one_alone_is_never_shut_out(world: World) -> None:
    for _ in range(20):
        world.fails(fault=Fault.RATE_LIMIT, after="600")
        assert world.able(A) == {"a"}


def test_a_model_of_a_pattern_says_nothing_of_its_others(world: World) -> None:
    """Or a caller who asks for one that does not exist shuts all out."""
    one, other = replace(A, upstream_model="gpt-none"), replace(A, upstream_model="gpt-4o")
    for _ in range(20):
        world.fails(one, Fault.NOT_FOUND)
    assert world.able(one, B) == {"b"}
    assert world.able(other, B) == {"a", "b"}


def test_what_is_known_of_models_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_CONDITIONS", 10)
    running = [world.begin(replace(A, upstream_model=f"running-{i}")) for i in range(3)]
    for number in range(100):
        world.fails(replace(A, upstream_model=f"m-{number}"), Fault.NOT_FOUND)
    assert len(world.known._conditions) == 10
    for i, attempt in enumerate(running):
        assert world.known.condition(replace(A, upstream_model=f"running-{i}")).running == 1
        attempt.close()
    many = [world.begin(replace(A, upstream_model=f"more-{i}")) for i in range(30)]
    for attempt in many:
        attempt.close()
    assert all(each.running == 0 for each in world.known._conditions.values())


# --- Any course of events -----------------------------------------------------------------------

GROUP = (A, B, deployment("c"))
EVENTS = st.one_of(
    st.tuples(st.just("begin"), st.booleans()),
    st.tuples(st.just("answer"), st.integers(0, 7)),
    st.tuples(st.just("fail"), st.integers(0, 7), st.sampled_from([*Fault, None])),
    st.tuples(st.just("close"), st.integers(0, 7)),
    st.tuples(st.just("wait"), st.sampled_from([0.1, 1.0, COOLDOWN, 61.0])),
)


@dataclass
class Course:
    """What happens to the deployments of a name. Calls are numbered as they run."""

    world: World
    running: list[tuple[Model, Attempt]] = field(default_factory=list)

    def begin(self, streams: bool) -> None:
        for able in self.world.known.able(GROUP)[:1]:
            self.running.append((able, self.world.begin(able, streams)))

    def answer(self, number: int) -> None:
        for _, attempt in self.running[number : number + 1]:
            attempt.answered()

    def fail(self, number: int, fault: Fault | None) -> None:
        error: GatewayError = failure(fault) if fault else Misconfigured("no key")
        for _, attempt in self.running[number : number + 1]:
            attempt.failed(error)
        self.close(number)

    def close(self, number: int) -> None:
        for _, attempt in self.running[number : number + 1]:
            attempt.close()
            attempt.close()
        del self.running[number : number + 1]

    def wait(self, seconds: float) -> None:
        self.world.now += seconds

    def check(self) -> None:
        for each in GROUP:
            condition = self.world.known.condition(each)
            assert condition.running == sum(model is each for model, _ in self.running)
            assert 0 <= condition.probing <= 1
            assert self.world.known.able([each]) == [each]
            wait = self.world.known.seconds_until_able([each])
            assert 0 <= wait <= COOLDOWN
            takes_calls = not wait and not condition.probing
            assert condition.takes_calls(self.world.now) == takes_calls


@settings(max_examples=100)
@given(st.lists(EVENTS, max_size=60), st.sampled_from([None, 0, 3]))
def test_whatever_happens(events: list[tuple[Any, ...]], allowed: int | None) -> None:
    """Calls begin where a deployment can take one, and end in any order."""
    world = World(settings=replace(SETTINGS, allowed_fails=allowed))
    course = Course(world)
    for what, *how in events:
        getattr(course, what)(*how)
        course.check()
    while course.running:
        course.close(0)
    # However it went, after a cooldown each takes a call again, and all once that is answered.
    world.now += COOLDOWN
    assert world.known.able(GROUP) == list(GROUP)
    for each in GROUP:
        world.answers(each)
        condition = world.known.condition(each)
        assert (condition.cools_until, condition.running, condition.probing) == (None, 0, 0)


# --- Retry-After --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_as", "seconds"),
    [
        ("0", 0),
        ("7", 7),
        (" 7 ", 7),
        ("0.25", 0.25),
        ("999999999", 999999999),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 0),
        ("Fri, 31 Dec 1999 23:59:59 -0000", 0),
        *((odd, None) for odd in ("", "-1", "+1", "1e3", "1s", "soon", "٣", "1.")),
        ("9" * 5000, math.inf),
        *((odd, None) for odd in ("nan", "inf", "Fri, 99 Dec 1999 23:59:59 GMT", "1, 2")),
    ],
)
def test_retry_after_as_it_may_be_given(given_as: str, seconds: float | None) -> None:
    assert retry_after(failure(Fault.RATE_LIMIT, given_as)) == seconds


def test_retry_after_as_a_date() -> None:
    at = failure(Fault.RATE_LIMIT, formatdate(time.time() + 90, usegmt=True))
    seconds = retry_after(at)
    assert seconds is not None
    assert 80 < seconds <= 91
    assert retry_after(UpstreamError("x", status=429, type="t")) is None


@settings(max_examples=200)
@given(st.text() | st.dates().map(lambda day: f"Mon, {day:%d %b %Y} 10:00:00 +1400"))
def test_no_retry_after_breaks_anything(given_as: str) -> None:
    seconds = retry_after(failure(Fault.RATE_LIMIT, given_as))
    assert seconds is None or seconds >= 0
