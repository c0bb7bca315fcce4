"""Models, keys, teams and call settings in memory, kept true to the database.

Nothing on a call's way reads the database: it reads this. A change that this process commits is
here before the request that made it is answered; another process's within `POLL_SECONDS`, and
sooner where the database tells of it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from contextlib import aclosing
from dataclasses import replace

from gateway.catalogue import Catalogue
from gateway.errors import NotReady
from gateway.pricing import Prices, prices_of
from gateway.records import CallSettings, Key, Model, Team
from gateway.settings import DEFAULT_MAX_STALE_SECONDS
from gateway.store import Store
from gateway.store.database import ANSWER_SECONDS

POLL_SECONDS = 0.5
# Whoever sends wrong keys has the database read no more often.
_SOONEST_SECONDS = 0.02
_MOST_MADE = 1000
# Whoever uses one that was revoked before these is told that it is unknown. Each takes 400 bytes:
# with many more of them the process would grow for hours.
_MOST_REVOKED = 1000

log = logging.getLogger(__name__)


class Registry:
    """Attributes:
    catalogue: The models, by the names callers use.
    teams: By their ids.
    settings: What holds for every call.
    readable: Whether the database could be read when it was asked last.
    """

    def __init__(self, store: Store, max_stale_seconds: float = DEFAULT_MAX_STALE_SECONDS) -> None:
        """`max_stale_seconds` is for how long what is known holds."""
        self._store = store
        self._max_stale_seconds = max_stale_seconds
        self._stamps: Mapping[str, int] = {}
        self._keys: dict[str, Key] = {}
        self._by_id: dict[str, Key] = {}
        # Of keys that come and go, most are gone: of the last, their hashes are kept, in order.
        self._revoked: OrderedDict[str, None] = OrderedDict()
        self._refreshing = asyncio.Lock()
        # When the last refresh began that has all but models, by `time.monotonic`.
        self._as_of = 0.0
        self._looking: asyncio.Task[None] | None = None
        self._failing = False
        self.readable = True
        # Of the models that were asked for, and of those that patterns stand for.
        self._prices: OrderedDict[tuple[str, str], Prices | None] = OrderedDict()
        self.catalogue = Catalogue((), {})
        self.teams: Mapping[str, Team] = {}
        self.settings = CallSettings()
        store.database.subscribe(self.refresh)

    @property
    def age(self) -> float:
        """For how many seconds nothing has been heard of the database."""
        return time.monotonic() - self._as_of

    @property
    def stale(self) -> bool:
        """Whether what is known is too old to go by."""
        return self.age > self._max_stale_seconds

    def check_age(self) -> None:
        """Raises NotReady where what is known is stale."""
        if self.stale:
            raise NotReady(
                f"The gateway has not been able to read its database for {self.age:.0f} seconds; "
                f"what it knew of keys and models held for {self._max_stale_seconds:g}. Try again "
                "later"
            )

    def key(self, secret_hash: str) -> Key | None:
        """The key with this hash, or with this one before its last rotation; live or not.

        Of one that was revoked nothing is told but that; nothing, if many were since.
        """
        key = self._keys.get(secret_hash)
        if key is None and secret_hash in self._revoked:
            return _revoked(secret_hash)
        return key

    def key_by_id(self, key_id: str) -> Key | None:
        """The key with this id, live or not, unless it is revoked."""
        return self._by_id.get(key_id)

    @property
    def key_count(self) -> int:
        """How many keys there are that are not revoked."""
        return len(self._by_id)

    def knows(self, owner_id: str) -> bool:
        """Whether there is a key, not revoked, or a team with this id."""
        return owner_id in self._by_id or owner_id in self.teams

    def model_name(self, deployment_id: str) -> str | None:
        """The name that a deployment is registered under, a pattern perhaps; None if it is not."""
        model = self.catalogue.deployments.get(deployment_id)
        return model.name if model else None

    def prices(self, model: Model) -> Prices | None:
        """What the model, or one that a pattern stands for, costs; None where that is not known."""
        registered = self.catalogue.deployments.get(model.id)
        if registered is None:
            # It was deleted while it was called.
            return prices_of(model)
        named = model.id, model.upstream_model
        if named not in self._prices:
            # What is kept is of the model as it is now, whoever still calls it as it was.
            priced = replace(registered, upstream_model=model.upstream_model)
            self._prices[named] = prices_of(priced)
            if len(self._prices) > _MOST_MADE + len(self.catalogue.deployments):
                self._prices.popitem(last=False)
        return self._prices[named]

    async def refresh(self) -> None:
        """Load what has changed since the last time.

        Raises:
            VaultError: A model was sealed with another secret key.
            TimeoutError: The database does not answer.
        """
        async with self._refreshing, asyncio.timeout(ANSWER_SECONDS) as limit:
            await self._refresh(limit)

    async def refresh_since(self, moment: float) -> None:
        """Have all keys that were stored before a moment, by `time.monotonic`.

        Raises:
            NotReady: The database cannot be read. Where that is known already, nobody waits, and
                it is not asked: `watch` does that.
        """
        limit = time.monotonic() + ANSWER_SECONDS
        while self._as_of < moment:
            left = limit - time.monotonic()
            if left > 0 and self.readable:
                await asyncio.wait({self._look()}, timeout=left)
            else:
                raise NotReady(
                    "The gateway cannot look for this key in its database just now; try again later"
                )

    async def _refresh(self, limit: asyncio.Timeout) -> None:
        as_of = time.monotonic()
        # Read first: a change that lands while rows load raises a stamp once more.
        stamps = await self._store.database.stamps()
        if stamps["keys"] != self._stamps.get("keys"):
            await self._load_keys(limit)
        if stamps["teams"] != self._stamps.get("teams"):
            self.teams = {team.id: team for team in await self._store.teams.all()}
        if stamps["settings"] != self._stamps.get("settings"):
            self.settings = await self._store.settings.get()
            self.catalogue = Catalogue(
                self.catalogue.deployments.values(), self.settings.model_group_alias
            )
        # A model that cannot be opened is no reason to know no keys.
        self._as_of = as_of
        if stamps["models"] != self._stamps.get("models"):
            await self._load_models()
        self._stamps = stamps

    async def _load_models(self) -> None:
        before, models = self.catalogue.deployments, await self._store.models.all()
        self.catalogue = Catalogue(models, self.settings.model_group_alias)
        now = self.catalogue.deployments
        for named in [each for each in self._prices if before.get(each[0]) != now.get(each[0])]:
            del self._prices[named]

    async def _load_keys(self, limit: asyncio.Timeout) -> None:
        pages = self._store.keys.changed_since(self._stamps.get("keys", -1))
        async with aclosing(pages):
            async for page in pages:
                # Of a million keys, each page has its own time.
                limit.reschedule(asyncio.get_running_loop().time() + ANSWER_SECONDS)
                for key in page:
                    self._take(key)

    def _take(self, key: Key) -> None:
        # A key that got a new secret must not be found by one before the last.
        before = self._by_id.pop(key.id, None)
        for known in _hashes(before) if before else ():
            self._keys.pop(known, None)
        if key.revoked_at is not None:
            self._note_revoked(_hashes(key))
            return
        self._by_id[key.id] = key
        for known in _hashes(key):
            self._keys[known] = key

    def _note_revoked(self, hashes: Iterable[str]) -> None:
        for known in hashes:
            self._revoked[known] = None
            if len(self._revoked) > _MOST_REVOKED:
                self._revoked.popitem(last=False)

    async def watch(self) -> None:
        """Refresh until cancelled. What is known stays in use while the database fails, until it
        is too old."""
        try:
            while True:
                await self._store.database.changed(POLL_SECONDS)
                await asyncio.wait({self._look()})
        finally:
            if self._looking is not None:
                self._looking.cancel()
                await asyncio.gather(self._looking, return_exceptions=True)

    def _look(self) -> asyncio.Task[None]:
        """A refresh, for all who want one at the same time; it does not fail."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._refresh_or_tell())
        return self._looking

    async def _refresh_or_tell(self) -> None:
        await asyncio.sleep(self._as_of + _SOONEST_SECONDS - time.monotonic())
        began = time.monotonic()
        try:
            await self.refresh()
        except Exception:
            if not self._failing:
                log.exception("Cannot read the database; going on with what is known")
            self._failing = True
        else:
            if self._failing:
                log.warning("The database can be read again")
            self._failing = False
        self.readable = self._as_of >= began


def _hashes(key: Key) -> list[str]:
    """Of its secrets."""
    return [known for known in (key.secret_hash, key.retiring_hash) if known]


def _revoked(secret_hash: str) -> Key:
    return Key(
        id="",
        kind="gateway",
        secret_hash=secret_hash,
        hint="",
        created_at=0,
        updated_at=0,
        revoked_at=0,
    )
