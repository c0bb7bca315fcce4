"""The whole store behind one handle."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cached_property
from pathlib import Path

from gateway.settings import Settings
from gateway.store.audit import AuditLog
from gateway.store.database import Database
from gateway.store.evals import Evals
from gateway.store.keys import Keys
from gateway.store.ledger import LedgerStore
from gateway.store.models import Models
from gateway.store.pruning import Pruning
from gateway.store.sessions import EndedSessions
from gateway.store.settings import CallSettingsStore
from gateway.store.teams import Teams
from gateway.store.transcripts import Transcripts
from gateway.store.usage import UsageStore
from gateway.vault import Vault


class Store:
    """Everything in one database.

    Attributes:
        database: The connection under them.
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
        self._secret_key = settings.secret_key
        self.database = Database(settings.database_path)
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
    async def open(cls, settings: Settings) -> AsyncIterator[Store]:
        """A store on a migrated database, closed at the end.

        Raises:
            SettingsError, DatabaseUnusable: See `Settings.database_path`, `Database.migrate`.
        """
        store = cls(settings)
        try:
            await store.database.migrate()
            yield store
        finally:
            await store.database.close()

    @property
    def key_file(self) -> Path:
        """Where the secret key is kept if `GATEWAY_SECRET_KEY` does not give it."""
        return self.database.path.with_suffix(".key")

    @cached_property
    def vault(self) -> Vault:
        """Raises VaultError, see `Vault.open`."""
        return Vault.open(self._secret_key, self.key_file)
