"""Taking a call from deployment to deployment until one answers.

Within a name: another try, at another deployment where there is one, as often as the settings
allow for what went wrong. Then the models that the operator named as its fallbacks, each with the
same number of tries. All of it happens before the caller has been sent anything.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from math import ceil
from typing import TypeVar

from gateway.bill import Bill, Served
from gateway.catalogue import Group
from gateway.deployments import Attempt, Deployments, retry_after
from gateway.errors import Fault, GatewayError, Misconfigured, NoDeployment, UpstreamError
from gateway.limits import LimitKeeper
from gateway.litellm_names import RETRY_POLICY
from gateway.records import CallSettings, Model
from gateway.registry import Registry

T = TypeVar("T")

# A provider that asks to wait longer gets no other try at this call.
LONGEST_PAUSE = 60.0
_FIRST_PAUSE = 0.5
_LONGEST_BACKOFF = 8.0
_NEVER = (Fault.BAD_REQUEST, Fault.CONTEXT_WINDOW, Fault.CONTENT_POLICY)
# What is wrong with one deployment need not be with another.
_ELSEWHERE = (Fault.AUTHENTICATION, Fault.NOT_FOUND)

Send = Callable[[Served], Awaitable[T]]


class Failover:
    def __init__(self, registry: Registry, deployments: Deployments, limiter: LimitKeeper) -> None:
        self._registry = registry
        self._deployments = deployments
        self._limiter = limiter

    async def run(self, bill: Bill, group: Group, send: Send[T]) -> tuple[T, Attempt]:
        """What `send` returns for the first deployment that serves the call, and that attempt,
        which is to be closed.

        Raises:
            UpstreamError, Misconfigured, NoDeployment: As the first model failed, where none of
                its fallbacks served.
        """
        settings = self._registry.settings
        try:
            return await self._try_group(bill, group, send, settings)
        except (UpstreamError, Misconfigured, NoDeployment) as error:
            first = failure = error
        pending: deque[str] = deque()
        known = {group.name}
        failing = group
        while not bill.call.alone:
            fresh = dict.fromkeys(_fallbacks(failing.name, failure, settings))
            pending += [name for name in fresh if name not in known]
            known.update(fresh)
            found = await self._next_group(bill, pending, known, settings)
            if found is None:
                break
            failing = found
            try:
                return await self._try_group(bill, failing, send, settings)
            except (UpstreamError, Misconfigured, NoDeployment) as error:
                failure = error
        raise first

    async def _next_group(
        self, bill: Bill, pending: deque[str], known: set[str], settings: CallSettings
    ) -> Group | None:
        """The first of the pending models that the call can turn to; the bill knows then."""
        while pending and bill.fallbacks < settings.max_fallbacks:
            name = pending.popleft()
            found = self._registry.catalogue.find(name)
            # An alias may be another name of a model that has failed.
            if found is None or (found.name != name and found.name in known):
                continue
            known.add(found.name)
            try:
                await bill.fall_back([self._served(model) for model in found.deployments])
            except GatewayError:
                # Its limits, or its budget, leave no room for this dearer model.
                continue
            return found
        return None

    async def _try_group(
        self, bill: Bill, group: Group, send: Send[T], settings: CallSettings
    ) -> tuple[T, Attempt]:
        tried: set[str] = set()
        retries = 0
        model = await self._choose(bill, group, settings)
        while True:
            tried.add(model.id)
            served = self._served(model)
            bill.serve(served)
            attempt = self._deployments.attempt(model, bill.call.streams, settings)
            try:
                result = await send(served)
                attempt.answered()
            except (UpstreamError, Misconfigured) as error:
                attempt.failed(error)
                attempt.close()
                failure = error
            except BaseException:
                attempt.close()
                raise
            else:
                return result, attempt
            if bill.call.once or not _may_retry(failure, retries, settings):
                raise failure
            able = self._deployments.able(group.deployments)
            others = [each for each in able if each.id not in tried]
            other = await self._first_free(bill, others, settings)
            if isinstance(other, float):
                other = await self._after_a_pause(bill, group, failure, retries, settings)
                tried.clear()
            model = other
            retries += 1
            bill.retries += 1

    async def _after_a_pause(
        self, bill: Bill, group: Group, failure: GatewayError, retries: int, settings: CallSettings
    ) -> Model:
        """A deployment that was tried before. Raises the failure where that is of no use."""
        pause = _pause(failure, retries, settings)
        cooling = not self._deployments.able(group.deployments)
        # In vain, where all are left alone for longer.
        if pause is None or (
            cooling and self._deployments.seconds_until_able(group.deployments) > pause
        ):
            raise failure
        await asyncio.sleep(pause)
        try:
            return await self._choose(bill, group, settings)
        except NoDeployment:
            raise failure from None

    async def _choose(self, bill: Bill, group: Group, settings: CallSettings) -> Model:
        """A deployment that can take the call. Raises NoDeployment."""
        able = self._deployments.able(group.deployments)
        if not able:
            seconds = self._deployments.seconds_until_able(group.deployments)
            raise NoDeployment(group.name, max(1, ceil(seconds)), cooling=True)
        chosen = await self._first_free(bill, able, settings)
        if isinstance(chosen, float):
            raise NoDeployment(group.name, max(1, ceil(chosen)), cooling=False)
        return chosen

    async def _first_free(
        self, bill: Bill, among: Sequence[Model], settings: CallSettings
    ) -> Model | float:
        """One of these whose own limits leave room, which is counted; or the seconds until one
        has."""
        left = list(among)
        soonest = 0.0
        while left:
            model = self._deployments.choose(
                left, settings.routing_strategy, bill.call.streams, self._registry.prices
            )
            wait = await self._limiter.enter(model)
            if not wait:
                return model
            soonest = min(soonest or wait, wait)
            left.remove(model)
        return soonest

    def _served(self, model: Model) -> Served:
        return Served(model, self._registry.prices(model))


def _may_retry(error: GatewayError, retries: int, settings: CallSettings) -> bool:
    fault = error.fault if isinstance(error, UpstreamError) else None
    return fault not in _NEVER and retries < _allowed(fault, settings)


def _pause(error: GatewayError, retries: int, settings: CallSettings) -> float | None:
    """Seconds to wait before a deployment is tried again, or None where it is not to be."""
    fault = error.fault if isinstance(error, UpstreamError) else None
    # A set-up that does not work would not the next time either.
    if fault is None or fault in _ELSEWHERE:
        return None
    asked = retry_after(error)
    if asked is not None:
        return max(asked, settings.retry_after) if asked <= LONGEST_PAUSE else None
    backoff: float = min(_FIRST_PAUSE * 2**retries, _LONGEST_BACKOFF)
    # Spread, so that callers who failed together do not come back together.
    spread = random.uniform(0.5, 1.0)  # noqa: S311 - no secret
    return max(backoff * spread, settings.retry_after)


def _allowed(fault: Fault | None, settings: CallSettings) -> int:
    named = next((name for name, of in RETRY_POLICY.items() if of is fault), "")
    return settings.retry_policy.get(named, settings.num_retries)


def _fallbacks(name: str, error: GatewayError, settings: CallSettings) -> Sequence[str]:
    """The models to turn to, by what went wrong."""
    fault = error.fault if isinstance(error, UpstreamError) else None
    general = settings.fallbacks.get(name) or settings.fallbacks.get("*")
    if fault is Fault.CONTEXT_WINDOW:
        chain = settings.context_window_fallbacks
    elif fault is Fault.CONTENT_POLICY:
        chain = settings.content_policy_fallbacks
    elif fault is Fault.BAD_REQUEST:
        return ()
    else:
        chain = {}
    return chain.get(name) or chain.get("*") or general or settings.default_fallbacks
