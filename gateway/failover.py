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

from gateway.accounting import Bill, Served
from gateway.catalogue import Group
from gateway.deployments import Attempt, Deployments, retry_after
from gateway.errors import Fault, GatewayError, Misconfigured, NoDeployment, UpstreamError
from gateway.limits import Limiter
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
# LiteLLM's names (types/router.py, RetryPolicy); it would retry a bad request too.
RETRY_POLICY = {
    "AuthenticationErrorRetries": Fault.AUTHENTICATION,
    "InternalServerErrorRetries": Fault.SERVER,
    "RateLimitErrorRetries": Fault.RATE_LIMIT,
    "TimeoutErrorRetries": Fault.TIMEOUT,
}

Send = Callable[[Served], Awaitable[T]]


class Failover:
    def __init__(self, registry: Registry, deployments: Deployments, limiter: Limiter) -> None:
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
        while bill.fallbacks < settings.max_fallbacks and not bill.call.alone:
            fresh = list(_fallbacks(failing.name, failure, settings))
            pending += [name for name in fresh if name not in known]
            known.update(fresh)
            if not pending:
                break
            found = self._registry.catalogue.find(pending.popleft())
            if found is None:
                continue
            failing = found
            try:
                bill.fall_back([self._served(model) for model in failing.deployments])
                return await self._try_group(bill, failing, send, settings)
            except (UpstreamError, Misconfigured, NoDeployment) as error:
                failure = error
            except GatewayError:
                # Its limits, or its budget, leave no room for the dearer model.
                break
        raise first

    async def _try_group(
        self, bill: Bill, group: Group, send: Send[T], settings: CallSettings
    ) -> tuple[T, Attempt]:
        tried: set[str] = set()
        retries = 0
        failure: GatewayError | None = None
        while True:
            try:
                model = await self._choose(bill, group, tried, settings)
            except NoDeployment:
                if failure:
                    raise failure from None
                raise
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
            others = [each for each in group.deployments if each.id not in tried]
            elsewhere = bool(self._deployments.able(others)) if others else False
            pause = _pause(failure, retries, settings, elsewhere)
            if bill.call.once or pause is None:
                raise failure
            retries += 1
            bill.retries += 1
            if not elsewhere:
                tried.clear()
                await asyncio.sleep(pause)

    async def _choose(
        self, bill: Bill, group: Group, tried: set[str], settings: CallSettings
    ) -> Model:
        """The deployment for the next try. Raises NoDeployment."""
        able = self._deployments.able(group.deployments)
        if not able:
            seconds = self._deployments.seconds_until_able(group.deployments)
            raise NoDeployment(group.name, max(1, ceil(seconds)), cooling=True)
        left = [model for model in able if model.id not in tried] or able
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
        raise NoDeployment(group.name, max(1, ceil(soonest)), cooling=False)

    def _served(self, model: Model) -> Served:
        return Served(model, self._registry.prices(model))


def _pause(
    error: GatewayError, retries: int, settings: CallSettings, elsewhere: bool
) -> float | None:
    """Seconds to wait before the next try, or None where there is to be none."""
    fault = error.fault if isinstance(error, UpstreamError) else None
    if fault in _NEVER or retries >= _allowed(fault, settings):
        return None
    if elsewhere:
        return 0.0
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
