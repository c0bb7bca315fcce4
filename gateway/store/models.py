"""Registered models, as rows. Secrets are sealed on the way in and opened on the way out."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from gateway.errors import Conflict, NotFound
from gateway.records import Model
from gateway.store.database import Database, uncancelled
from gateway.store.tables import models
from gateway.vault import Vault


class Models:
    """`vault` is a function, so that nothing needs the secret key before a model is touched."""

    def __init__(self, database: Database, vault: Callable[[], Vault]) -> None:
        self._database = database
        self._vault = vault

    async def all(self) -> list[Model]:
        """Every model, by name.

        Raises:
            VaultError: The secret key is not the one that sealed them.
        """
        async with self._database.read() as connection:
            rows = (await connection.execute(select(models).order_by(models.c.name))).all()
        return [self._model(row) for row in rows]

    async def get(self, name: str) -> Model:
        """Raises NotFound; VaultError as `all` does."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(models).where(models.c.name == name))).first()
        if row is None:
            raise _unknown(name)
        return self._model(row)

    @uncancelled
    async def add(self, model: Model) -> None:
        """Raises Conflict where the name or id is taken."""
        try:
            async with self._database.write("models") as write:
                await write.connection.execute(insert(models).values(self._row(model)))
        except IntegrityError as error:
            if "models.id" in str(error.orig):
                raise Conflict(
                    f"Another model has the id {model.id!r}", param="model_info.id"
                ) from None
            raise _taken(model) from None

    @uncancelled
    async def replace(self, model: Model) -> None:
        """Store the model under its id. Raises NotFound; Conflict where the name is taken."""
        try:
            async with self._database.write("models") as write:
                changed = update(models).where(models.c.id == model.id).values(self._row(model))
                if not (await write.connection.execute(changed)).rowcount:
                    raise _unknown(model.name)
        except IntegrityError:
            raise _taken(model) from None

    @uncancelled
    async def change(self, name: str, change: Callable[[Model], Model]) -> Model:
        """Store what `change` makes of a model, with no other write in between; return it.

        Raises NotFound; Conflict where the new name is taken; VaultError; what `change` raises.
        """
        async with self._database.write("models") as write:
            found = select(models).where(models.c.name == name)
            row = (await write.connection.execute(found)).first()
            if row is None:
                raise _unknown(name)
            new = change(self._model(row))
            try:
                stored = update(models).where(models.c.id == new.id).values(self._row(new))
                await write.connection.execute(stored)
            except IntegrityError:
                raise _taken(new) from None
        return new

    @uncancelled
    async def remove(self, name: str) -> str:
        """Delete a model and return its id. Raises NotFound."""
        async with self._database.write("models") as write:
            gone = delete(models).where(models.c.name == name).returning(models.c.id)
            found: str | None = await write.connection.scalar(gone)
            if found is None:
                raise _unknown(name)
        return found

    def _row(self, model: Model) -> dict[str, Any]:
        row = asdict(model)
        secrets = row.pop("secrets")
        row["sealed_secrets"] = self._vault().seal(json.dumps(secrets)) if secrets else None
        return row

    def _model(self, row: Row[Any]) -> Model:
        values = dict(row._mapping)
        sealed = values.pop("sealed_secrets")
        values["secrets"] = json.loads(self._vault().unseal(sealed)) if sealed else {}
        return Model(**values)


def _unknown(name: str) -> NotFound:
    return NotFound(f"No model is registered as {name!r}", param="model_name")


def _taken(model: Model) -> Conflict:
    return Conflict(
        f"A model is registered as {model.name!r} already; change it (PATCH, `gateway models "
        "update`) or delete it first",
        param="model_name",
    )
