"""The whole store behind one handle."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from gateway.settings import Settings, SettingsError
from gateway.store.audit import AuditLog
from gateway.store.database import Database
from gateway.store.evals import Evals
from gateway.store.keys import Keys
from gateway.store.ledger import LedgerStore
from gateway.store.models import Models
from gateway.store.pruning import Pruning
from gateway.store.sessions import EndedSessions
from gateway.store.settings import CallSettingsStore
from gateway.store.sqlite import SQLite
from gateway.store.teams import Teams
from gateway.store.transcripts import Transcripts
from gateway.store.usage import UsageStore
from gateway.vault import Vault


class Store:
    """Everything in one database.

    Attributes:
        database: The connection under them.
        files: What the names of this process's own files begin with; once the store is open.
        models: Registered models.
        keys: Access keys.
        teams: Owners of keys.
        settings: Settings of every call, and of what is kept of it.
        audit: Who changed any of these.
        ended_sessions: Of the console, before their time.
        ledger: What became of each request.
        usage: What requests add up to.
        transcripts: What was asked and answered, where that is kept.
        evals: Datasets, evaluators, suites and runs.
        pruning: What an operator removes by hand.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.database = _database(settings)
        self.files = settings.database_path or settings.data_dir / "gateway"
        self.models = Models(self.database, lambda: self.vault)
        self.keys = Keys(self.database)
        self.teams = Teams(self.database)
        self.settings = CallSettingsStore(self.database)
        self.audit = AuditLog(self.database)
        self.ended_sessions = EndedSessions(self.database)
        self.ledger = LedgerStore(self.database)
        self.usage = UsageStore(self.database)
        self.transcripts = Transcripts(self.database)
        self.evals = Evals(self.database)
        self.pruning = Pruning(self.database)

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings, *, migrate: bool = True) -> AsyncIterator[Store]:
        """A store on a database of this version, closed at the end.

        Raises:
            SettingsError: See `Settings.database_path`; or there is no driver for the database.
            DatabaseUnusable: See `Database.migrate`, or `check_version` where that is not to be
                done; and `Database.identity`.
        """
        store = cls(settings)
        try:
            if migrate:
                await store.database.migrate()
            else:
                await store.database.check_version()
            identity = await store.database.identity()
            if settings.database_path is None:
                # The files of two databases' gateways may be in one folder.
                store.files = settings.data_dir / f"gateway-{identity}"
            yield store
        finally:
            await store.database.close()

    @property
    def key_file(self) -> Path | None:
        """Where the secret key is kept if `GATEWAY_SECRET_KEY` does not give it, as it has to with
        PostgreSQL."""
        path = self._settings.database_path
        return path and path.with_suffix(".key")

    @cached_property
    def vault(self) -> Vault:
        """Raises VaultError, see `Vault.open`."""
        return Vault.open(self._settings.secret_key, self.key_file)


def _database(settings: Settings) -> Database:
    """Raises SettingsError."""
    path = settings.database_path
    if path is not None:
        return SQLite(path)
    if find_spec("asyncpg") is None:
        raise SettingsError(
            "GATEWAY_DATABASE_URL names PostgreSQL, which needs a package: "
            "pip install 'litellm-gateway[postgresql]'"
        )
    from gateway.store.postgresql import PostgreSQL

    try:
        return PostgreSQL(make_url(settings.database_url))
    except (ArgumentError, ValueError):
        # Not the URL itself: it holds a password.
        raise SettingsError(
            "GATEWAY_DATABASE_URL cannot be read; it takes "
            "postgresql://USER:PASSWORD@HOST:PORT/NAME, with what is special in a URL as %XX"
        ) from None
