"""The cache of answers: what it does for one call, and where its entries are."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gateway.cache.entries import Entry, EventLog, is_finished, packed, unpacked
from gateway.cache.keys import is_repeatable, request_key
from gateway.cache.memory import MemoryPlace
from gateway.cache.places import Guarded, Place
from gateway.cache.redis import RedisPlace
from gateway.cache.sqlite import SqlitePlace
from gateway.catalogue import Group
from gateway.records import Call, CallSettings, Content, Model
from gateway.specs.cache import CacheParams

Json = dict[str, Any]

log = logging.getLogger(__name__)


class ResponseCache:
    """Nothing here raises: a cache that fails must not fail a call."""

    def __init__(
        self, path: Path, redis_url: str | None, clock: Callable[[], float] = time.time
    ) -> None:
        """`path` is the file of the SQLite kind, which need not exist."""
        self._path = path
        self._redis_url = redis_url
        self.clock = clock
        self._read: tuple[CallSettings, CacheParams | None] | None = None
        self._place: Guarded | None = None
        self._place_of: tuple[str, int] | None = None

    async def look_up(self, call: Call, group: Group, settings: CallSettings) -> Lookup:
        """See whether the call was answered before; `group` is what it would go to."""
        control = call.cache
        params = self._params(settings)
        if params is None or not _is_wanted(call, group, settings, params):
            return Lookup()
        key = request_key(call, group, params)
        if key is None or (control.no_cache and control.no_store):
            return Lookup()
        place = await self._at(params)
        found = None
        if not control.no_cache:
            found = self._entry(await place.get(key), call)
        if found is not None or control.no_store:
            return Lookup(key, found)
        return Lookup(key, None, _Keeping(place, key, call, group, params, self.clock))

    async def aclose(self) -> None:
        if self._place is not None:
            await self._place.aclose()

    def _params(self, settings: CallSettings) -> CacheParams | None:
        """The settings' own, or None where a newer gateway stored what is not known here."""
        if self._read is None or self._read[0] is not settings:
            params = None
            try:
                params = CacheParams.model_validate(settings.cache_params)
            except ValidationError as error:
                log.error("Nothing is cached: this gateway does not know its settings: %s", error)
            self._read = settings, params
        return self._read[1]

    async def _at(self, params: CacheParams) -> Guarded:
        wanted = params.type, params.max_bytes
        if self._place is None or self._place_of != wanted:
            before, self._place = self._place, Guarded(self._open(params), params.type)
            self._place_of = wanted
            if before is not None:
                await before.aclose()
        return self._place

    def _open(self, params: CacheParams) -> Place:
        match params.type:
            case "local":
                return MemoryPlace(params.max_bytes, self._now)
            case "sqlite":
                return SqlitePlace(self._path, params.max_bytes, self._now)
            case "redis":
                return RedisPlace(self._redis_url)

    def _now(self) -> float:
        return self.clock()

    def _entry(self, data: bytes | None, call: Call) -> Entry | None:
        if data is None:
            return None
        try:
            entry = unpacked(data)
        except ValueError as error:
            log.warning("An entry of the response cache cannot be read: %s", error)
            return None
        now, most = self.clock(), call.cache.max_age
        is_fresh = entry.expires_at > now and (most is None or now - entry.stored_at <= most)
        return entry if is_fresh and bool(entry.events) == call.streams else None


class Lookup:
    """What the cache does for one call. The empty one does nothing.

    Attributes:
        found: What was answered before, if it was.
    """

    def __init__(
        self, key: str | None = None, found: Entry | None = None, keeping: _Keeping | None = None
    ) -> None:
        self.found = found
        self._key = key
        self._keeping = keeping

    @property
    def headers(self) -> dict[str, str]:
        """LiteLLM's header, which it sends with hits only; and one of our own that tells them."""
        if self._key is None:
            return {}
        return {
            "x-litellm-cache-key": self._key,
            "x-litellm-cache-hit": str(self.found is not None),
        }

    def event(self, event: Mapping[str, Any]) -> None:
        """Take note of an event of a stream that the provider sends."""
        if self._keeping is not None:
            self._keeping.events.add(event)

    async def keep(self, model: Model, answer: Json | Content | None = None) -> None:
        """Store what the model answered: this, or the events that were noted."""
        if self._keeping is not None:
            await self._keeping.keep(model, answer)


class _Keeping:
    """Stores the answer of one call, if it is one to be given again."""

    def __init__(
        self,
        place: Guarded,
        key: str,
        call: Call,
        group: Group,
        params: CacheParams,
        clock: Callable[[], float],
    ) -> None:
        self.events = EventLog(call.operation, params.max_entry_bytes)
        self._place = place
        self._key = key
        self._call = call
        self._group = group
        self._params = params
        self._clock = clock

    async def keep(self, model: Model, answer: Json | Content | None) -> None:
        # A fallback answers in the place of a model that may be back the next time.
        if all(model.id != own.id for own in self._group.deployments):
            return
        if answer is not None and not is_finished(self._call.operation, answer):
            return
        body = self.events.packed() if answer is None else answer
        if body is None:
            return
        now = self._clock()
        ttl = self._call.cache.ttl or self._params.ttl
        try:
            data = packed(body, model.id, now, now + ttl)
        except TypeError:
            # Half of a surrogate pair, of which a provider's text may be.
            return
        if len(data) <= self._params.max_entry_bytes:
            await self._place.put(self._key, data, ttl)


def _is_wanted(call: Call, group: Group, settings: CallSettings, params: CacheParams) -> bool:
    """Whether the cache has a part in the call, by its model, itself and the settings."""
    of_model = _of_model(group)
    if of_model is False or call.cache.use is False:
        return False
    for_all = settings.cache and params.mode == "default_on"
    return bool(
        (of_model or call.cache.use or for_all)
        and call.operation in params.operations
        and is_repeatable(call)
    )


def _of_model(group: Group) -> bool | None:
    """What the model's deployments say: one that does not want the cache rules it out."""
    said = [model.params.get("caching") for model in group.deployments]
    if False in said:
        return False
    return True if True in said else None
