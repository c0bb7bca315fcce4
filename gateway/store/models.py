"""Registered models, as rows. Secrets are sealed on the way in and opened on the way out."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from gateway.display import model_view
from gateway.errors import Conflict, NotFound
from gateway.records import Actor, Model
from gateway.store.audit import marked, note
from gateway.store.database import Database, uncancelled
from gateway.store.tables import models
from gateway.vault import Vault


class Models:
    """`vault` is a function, so that nothing needs the secret key before a model is touched."""

    def __init__(self, database: Database, vault: Callable[[], Vault]) -> None:
        self._database = database
        self._vault = vault

    async def all(self) -> list[Model]:
        """Every model, by name; those of one name in the order they came.

        Raises:
            VaultError: The secret key is not the one that sealed them.
        """
        async with self._database.read() as connection:
            rows = (
                await connection.execute(
                    select(models).order_by(models.c.name, models.c.created_at, models.c.id)
                )
            ).all()
        return [self._model(row) for row in rows]

    async def get(self, name: str) -> Model:
        """Raises NotFound; VaultError as `all` does."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(models).where(models.c.name == name))).first()
        if row is None:
            raise _unknown(name)
        return self._model(row)

    @uncancelled
    async def add(self, model: Model, by: Actor) -> None:
        """Raises Conflict where the name or id is taken."""
        try:
            async with self._database.write("models") as write:
                await write.connection.execute(insert(models).values(self._row(model)))
                await note(write, by, "model.add", (model.id, model.name), None, model_view(model))
        except IntegrityError as error:
            if "models.id" in str(error.orig):
                raise Conflict(
                    f"Another model has the id {model.id!r}", param="model_info.id"
                ) from None
            raise _taken(model) from None

    async def change(self, name: str, change: Callable[[Model], Model], by: Actor) -> Model:
        """Store what `change` makes of a model, with no other write in between; return it.

        Raises NotFound; Conflict where the new name is taken; VaultError; what `change` raises.
        """
        return await self._change(models.c.name == name, _unknown(name), change, by)

    async def change_by_id(
        self, model_id: str, change: Callable[[Model], Model], by: Actor
    ) -> Model:
        """`change`, for the model with this id."""
        return await self._change(models.c.id == model_id, _unknown_id(model_id), change, by)

    @uncancelled
    async def _change(
        self,
        which: ColumnElement[bool],
        missing: NotFound,
        change: Callable[[Model], Model],
        by: Actor,
    ) -> Model:
        async with self._database.write("models") as write:
            row = (await write.connection.execute(select(models).where(which))).first()
            if row is None:
                raise missing
            old = self._model(row)
            new = change(old)
            try:
                stored = update(models).where(models.c.id == new.id).values(self._row(new))
                await write.connection.execute(stored)
            except IntegrityError:
                raise _taken(new) from None
            await note(write, by, "model.update", (new.id, new.name), *_views(old, new))
        return new

    async def remove(self, name: str, by: Actor) -> str:
        """Delete a model and return its id. Raises NotFound."""
        return await self._remove(models.c.name == name, _unknown(name), by)

    async def remove_by_id(self, model_id: str, by: Actor) -> None:
        """`remove`, for the model with this id."""
        await self._remove(models.c.id == model_id, _unknown_id(model_id), by)

    @uncancelled
    async def _remove(self, which: ColumnElement[bool], missing: NotFound, by: Actor) -> str:
        async with self._database.write("models") as write:
            gone = delete(models).where(which).returning(*models.c)
            row = (await write.connection.execute(gone)).first()
            if row is None:
                raise missing
            # Without what was sealed: to be rid of a model must not need the secret key.
            model = self._model(row, unseal=False)
            await note(write, by, "model.remove", (model.id, model.name), model_view(model), None)
        return model.id

    def _row(self, model: Model) -> dict[str, Any]:
        row = asdict(model)
        secrets = row.pop("secrets")
        row["sealed_secrets"] = self._vault().seal(json.dumps(secrets)) if secrets else None
        return row

    def _model(self, row: Row[Any], unseal: bool = True) -> Model:
        values = dict(row._mapping)
        sealed = values.pop("sealed_secrets")
        secrets = json.loads(self._vault().unseal(sealed)) if sealed and unseal else {}
        values["secrets"] = secrets
        return Model(**values)


def _views(old: Model, new: Model) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both as they may be shown, the new one with a mark for each secret that changed."""
    secrets = dict(old.secrets), dict(new.secrets)
    keys = [given.pop("api_key", None) for given in secrets]
    flat_old, flat_new = (
        {"api_key": key, "litellm_params": rest} for key, rest in zip(keys, secrets, strict=True)
    )
    return model_view(old), marked(model_view(new), flat_old, flat_new)


def _unknown(name: str) -> NotFound:
    return NotFound(f"No model is registered as {name!r}", param="model_name")


def _unknown_id(model_id: str) -> NotFound:
    return NotFound(f"No model has the id {model_id!r}", param="id")


def _taken(model: Model) -> Conflict:
    return Conflict(
        f"A model is registered as {model.name!r} already; change it (PATCH, `gateway models "
        "update`) or delete it first",
        param="model_name",
    )
