"""How the deployments of this process's models are doing, and which of a name's shall take a call.

A deployment that fails cools down where its name has another: it gets no calls for a while, then a
single one, and all its share only once that one has been answered.
"""

from __future__ import annotations

import math
import random
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime

from gateway.errors import Fault, GatewayError, UpstreamError
from gateway.pricing import Prices
from gateway.records import CallSettings, Model, RoutingStrategy

_WINDOW_SECONDS = 60.0
# Of so many calls in a window, more than half must fail; LiteLLM's numbers
# (router_utils/cooldown_handlers.py). Or so many in a row: what was well for most of a minute would
# otherwise have to be ill for as long.
_FEWEST_CALLS = 5
_SHARE_OF_FAILURES = 0.5
# A latency that is older says nothing; the deployment is tried again.
_MEASURED_SECONDS = 60.0
_WEIGHT_OF_NEWEST = 0.3
_LONGEST_COOLDOWN = 600.0
# These show nothing of the deployment but that it is there.
_OF_THE_REQUEST = (Fault.BAD_REQUEST, Fault.CONTEXT_WINDOW, Fault.CONTENT_POLICY)
_AT_ONCE = (Fault.RATE_LIMIT, Fault.AUTHENTICATION, Fault.NOT_FOUND)
_TYPICAL_TOKENS = 1000
# Callers choose the names that a pattern stands for.
_MOST_CONDITIONS = 10_000
_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?", re.ASCII)


@dataclass(slots=True)
class _Latency:
    seconds: float
    at: float


@dataclass(slots=True)
class Condition:
    """How one deployment is doing.

    Attributes:
        running: Calls that it has taken and not ended.
        cools_until: By the clock, when it is to be tried again; None while it takes its share.
        probing: Calls among them that try it again: one, besides any that it alone can serve.
    """

    running: int = 0
    cools_until: float | None = None
    probing: int = 0
    _latency: dict[bool, _Latency] = field(default_factory=dict)
    _window_began: float = 0.0
    _calls: int = 0
    _failures: int = 0
    _in_a_row: int = 0

    def takes_calls(self, now: float) -> bool:
        return self.cools_until is None or (now >= self.cools_until and not self.probing)

    def latency(self, streams: bool, now: float) -> float | None:
        """Seconds to a whole answer, or to a stream's first piece, of late; None if not known."""
        known = self._latency.get(streams)
        return known.seconds if known and now - known.at < _MEASURED_SECONDS else None

    def measure(self, streams: bool, seconds: float, now: float) -> None:
        before = self.latency(streams, now)
        if before is not None:
            seconds = before + _WEIGHT_OF_NEWEST * (seconds - before)
        self._latency[streams] = _Latency(seconds, now)

    def count(self, now: float, failed: bool) -> None:
        if now - self._window_began >= _WINDOW_SECONDS:
            self._window_began, self._calls, self._failures = now, 0, 0
        self._calls += 1
        self._failures += failed
        self._in_a_row = self._in_a_row + 1 if failed else 0

    def cool(self, until: float) -> None:
        """Leave it alone, as long as any failure asks for."""
        self.cools_until = max(until, self.cools_until or until)

    def recover(self) -> None:
        self.cools_until = None
        self._calls = self._failures = self._in_a_row = 0

    def fails_too_often(self, allowed: int | None) -> bool:
        if allowed is not None:
            return self._failures > allowed
        if self._in_a_row >= _FEWEST_CALLS:
            return True
        share = self._failures / self._calls if self._calls else 0
        return self._calls >= _FEWEST_CALLS and share > _SHARE_OF_FAILURES


class Attempt:
    """One call at one deployment, which must be closed."""

    def __init__(
        self,
        condition: Condition,
        streams: bool,
        settings: CallSettings,
        clock: Callable[[], float],
    ) -> None:
        self._condition = condition
        self._streams = streams
        self._settings = settings
        self._clock = clock
        self._began = clock()
        self._probes = condition.cools_until is not None
        self._alive = False
        self._failed = False
        self._closed = False
        condition.running += 1
        condition.probing += self._probes

    def answered(self) -> None:
        """The whole answer is there, or a stream's first piece."""
        now = self._clock()
        self._condition.measure(self._streams, now - self._began, now)
        self._recovers()

    def failed(self, error: GatewayError) -> None:
        """The deployment did not serve the call, or broke off its answer."""
        fault = error.fault if isinstance(error, UpstreamError) else None
        if fault in _OF_THE_REQUEST:
            self._recovers()
            return
        now = self._clock()
        condition, settings = self._condition, self._settings
        self._failed = True
        condition.count(now, failed=True)
        # What is no provider's fault is one of the operator's set-up.
        at_once = self._probes or fault in _AT_ONCE or fault is None
        if at_once or condition.fails_too_often(settings.allowed_fails):
            pause = retry_after(error)
            pause = settings.cooldown_time if pause is None else min(pause, _LONGEST_COOLDOWN)
            condition.cool(now + pause)

    def close(self) -> None:
        """Safe to call twice."""
        if not self._closed:
            self._closed = True
            self._condition.running -= 1
            self._condition.probing -= self._probes
            if self._alive and not self._failed:
                self._condition.count(self._clock(), failed=False)

    def _recovers(self) -> None:
        self._alive = True
        if self._probes:
            self._condition.recover()


class Deployments:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._conditions: OrderedDict[tuple[str, str], Condition] = OrderedDict()

    def attempt(self, model: Model, streams: bool, settings: CallSettings) -> Attempt:
        return Attempt(self.condition(model), streams, settings, self._clock)

    def condition(self, model: Model) -> Condition:
        # What a pattern stands for is each a model of its own: one that does not exist, which a
        # caller may ask for, says nothing of the others.
        named = model.id, model.upstream_model
        condition = self._conditions.get(named)
        if condition is None:
            condition = self._conditions[named] = Condition()
            if len(self._conditions) > _MOST_CONDITIONS:
                self._forget_one()
        else:
            self._conditions.move_to_end(named)
        return condition

    def _forget_one(self) -> None:
        """Forget what was asked for least recently and has no calls."""
        idle = (named for named, each in self._conditions.items() if not each.running)
        del self._conditions[next(idle)]

    def able(self, deployments: Sequence[Model]) -> list[Model]:
        """Those that can take a call; one alone always can."""
        if len(deployments) == 1:
            return list(deployments)
        now = self._clock()
        return [model for model in deployments if self.condition(model).takes_calls(now)]

    def cooling(self) -> set[str]:
        """The ids of those that are left alone, or tried by single calls."""
        conditions = list(self._conditions.items())
        return {named[0] for named, each in conditions if each.cools_until is not None}

    def seconds_until_able(self, deployments: Sequence[Model]) -> float:
        """Until the first of some that cool down is to be tried again."""
        now = self._clock()
        ends = [self.condition(model).cools_until or now for model in deployments]
        return max(0.0, min(ends) - now)

    def choose(
        self,
        among: Sequence[Model],
        strategy: RoutingStrategy,
        streams: bool,
        prices: Callable[[Model], Prices | None],
    ) -> Model:
        """One of the deployments whose `order` comes first; at random where they are equal."""
        if len(among) == 1:
            return among[0]
        first = min(_number(model, "order", 1) for model in among)
        left = [model for model in among if _number(model, "order", 1) == first]
        match strategy:
            case "least-busy":
                left = _least(left, lambda model: self.condition(model).running)
            case "latency-based-routing":
                left = _least(left, lambda model: self._latency(model, streams))
            case "cost-based-routing":
                left = _least(left, lambda model: _price(prices(model)))
        return random.choices(left, _weights(left))[0]  # noqa: S311 - no secret

    def _latency(self, model: Model, streams: bool) -> float:
        condition = self.condition(model)
        known = condition.latency(streams, self._clock())
        if known is not None:
            return known
        # One that was not measured of late is measured now, by one call: it may have become slow.
        return math.inf if condition.running else 0.0


def retry_after(error: GatewayError) -> float | None:
    """The seconds that the provider asks to wait, if it does."""
    given = error.headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(given):
        return float(given)
    try:
        moment = parsedate_to_datetime(given)
    except (ValueError, TypeError, OverflowError):
        return None
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, zoned.timestamp() - time.time())


def _least(models: Sequence[Model], measure: Callable[[Model], float]) -> list[Model]:
    measured = [measure(model) for model in models]
    least = min(measured)
    return [model for model, value in zip(models, measured, strict=True) if value == least]


def _price(prices: Prices | None) -> float:
    return prices.worst(_TYPICAL_TOKENS, _TYPICAL_TOKENS) if prices else float("inf")


def _weights(models: Sequence[Model]) -> list[float]:
    """Shares by `weight`, else by the calls or tokens a minute they can take; LiteLLM's order."""
    for name in ("weight", "rpm", "tpm"):
        if any(name in model.params for model in models):
            weights = [_number(model, name, 0) for model in models]
            if any(weights):
                return weights
    return [1.0] * len(models)


def _number(model: Model, name: str, default: float) -> float:
    value = model.params.get(name)
    return float(value) if value is not None else default
