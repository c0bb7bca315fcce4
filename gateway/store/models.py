"""Registered models, as rows. Secrets are sealed on the way in and opened on the way out."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import Row, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.display import model_view
from gateway.errors import Conflict, NotFound
from gateway.records import Actor, Model
from gateway.store.audit import marked, note
from gateway.store.database import Database, Write, uncancelled
from gateway.store.tables import models
from gateway.vault import Vault, VaultError

_ORDER = (models.c.name, models.c.created_at, models.c.id)

_Find = Callable[[AsyncConnection, str], Awaitable[Row[Any]]]


class Models:
    """`named` is the name of a model that has one deployment, or the id of a deployment.

    `vault` is a function, so that nothing needs the secret key before a model is touched.
    """

    def __init__(self, database: Database, vault: Callable[[], Vault]) -> None:
        self._database = database
        self._vault = vault
        # To open 10,000 again takes a quarter of a second, whenever one of the models changes.
        self._opened: Mapping[str, Mapping[str, Any]] = {}

    async def all(self) -> list[Model]:
        """Every model, by name; those of one name in the order they came.

        Raises:
            VaultError: The secret key is not the one that sealed them.
        """
        async with self._database.read() as connection:
            rows = (await connection.execute(select(models).order_by(*_ORDER))).all()
        # Sealed once more, the same secrets are another text: what is the same text is the same.
        sealed = {row.sealed_secrets for row in rows if row.sealed_secrets}
        self._opened = {each: self._open(each) for each in sealed}
        return [self._model(row) for row in rows]

    async def get(self, named: str) -> Model:
        """Raises NotFound; Conflict where several have the name; VaultError as `all` does."""
        async with self._database.read() as connection:
            row = await _named(connection, named)
        return self._model(row)

    @uncancelled
    async def add(self, model: Model, by: Actor, *, distinct: bool = True) -> int:
        """Add a model, or one more deployment of one; return how many its name has now.

        Raises:
            Conflict: The id is taken; or, if it is to be `distinct`, this very deployment is
                there already.
        """
        async with self._database.write("models") as write:
            others = await _of_name(write.connection, model.name)
            if distinct:
                self._refuse_twin(model, others)
            try:
                await write.connection.execute(insert(models).values(self._row(model)))
            except IntegrityError:
                raise Conflict(
                    f"Another model has the id {model.id!r}", param="model_info.id"
                ) from None
            await note(
                write.connection, by, "model.add", (model.id, model.name), None, model_view(model)
            )
        return len(others) + 1

    async def change(self, named: str, change: Callable[[Model], Model], by: Actor) -> Model:
        """Store what `change` makes of a model, with no other write in between; return it.

        Raises what `get` raises; Conflict where that deployment is there already; what `change`
        raises.
        """
        return await self._change(_named, named, change, by, distinct=True)

    async def change_by_id(
        self, model_id: str, change: Callable[[Model], Model], by: Actor, *, distinct: bool = True
    ) -> Model:
        """`change`, for the model with this id; `distinct` as in `add`."""
        return await self._change(_by_id, model_id, change, by, distinct=distinct)

    @uncancelled
    async def _change(
        self,
        find: _Find,
        which: str,
        change: Callable[[Model], Model],
        by: Actor,
        *,
        distinct: bool,
    ) -> Model:
        async with self._database.write("models") as write:
            old = self._model(await find(write.connection, which))
            new = change(old)
            if distinct:
                self._refuse_twin(new, await _of_name(write.connection, new.name))
            stored = update(models).where(models.c.id == new.id).values(self._row(new))
            await write.connection.execute(stored)
            await note(write.connection, by, "model.update", (new.id, new.name), *_views(old, new))
        return new

    @uncancelled
    async def remove(self, named: str, by: Actor) -> Model:
        """Delete a model and return it, without its secrets. Raises NotFound; Conflict as `get`."""
        async with self._database.write("models") as write:
            return await self._remove(write, await _named(write.connection, named), by)

    @uncancelled
    async def remove_by_id(self, model_id: str, by: Actor) -> Model:
        """`remove`, for the model with this id."""
        async with self._database.write("models") as write:
            return await self._remove(write, await _by_id(write.connection, model_id), by)

    @uncancelled
    async def remove_all(self, name: str, by: Actor) -> list[Model]:
        """Delete every deployment of a name; see `remove`."""
        async with self._database.write("models") as write:
            rows = await _of_name(write.connection, name)
            if not rows:
                raise _unknown(name)
            return [await self._remove(write, row, by) for row in rows]

    async def _remove(self, write: Write, row: Row[Any], by: Actor) -> Model:
        # Without what was sealed: to be rid of a model must not need the secret key.
        model = self._model(row, unseal=False)
        await write.connection.execute(delete(models).where(models.c.id == model.id))
        await note(
            write.connection, by, "model.remove", (model.id, model.name), model_view(model), None
        )
        return model

    def _refuse_twin(self, model: Model, rows: Sequence[Row[Any]]) -> None:
        """Raises Conflict where one of the rows is the same deployment under another id."""
        # It takes pydantic, a tenth of a second, and commands that only list things do without.
        from gateway.specs import deployment_of

        bare = deployment_of(replace(model, secrets={}))
        for row in rows:
            if row.id == model.id or deployment_of(self._model(row, unseal=False)) != bare:
                continue
            try:
                same = deployment_of(self._model(row)) == deployment_of(model)
            except VaultError:
                # What was sealed with a lost key is to be replaced.
                continue
            if same:
                raise Conflict(
                    f"This deployment is registered as {row.name!r} already, with the id "
                    f"{row.id!r}; change that one (PATCH, `gateway models update`) or delete it "
                    "first",
                    param="model_name",
                )

    def _row(self, model: Model) -> dict[str, Any]:
        row = asdict(model)
        secrets = row.pop("secrets")
        row["sealed_secrets"] = self._vault().seal(json.dumps(secrets)) if secrets else None
        return row

    def _model(self, row: Row[Any], unseal: bool = True) -> Model:
        values = dict(row._mapping)
        sealed = values.pop("sealed_secrets")
        values["secrets"] = self._open(sealed) if sealed and unseal else {}
        return Model(**values)

    def _open(self, sealed: str) -> Mapping[str, Any]:
        opened = self._opened.get(sealed)
        if opened is None:
            opened = json.loads(self._vault().unseal(sealed))
        return opened


async def _named(connection: AsyncConnection, named: str) -> Row[Any]:
    """Raises NotFound, Conflict."""
    either = or_(models.c.name == named, models.c.id == named)
    found = (await connection.execute(select(models).where(either).order_by(*_ORDER))).all()
    # A name goes before an id, unless several have it.
    of_name = [row for row in found if row.name == named]
    if len(of_name) > 1:
        of_name = [row for row in of_name if row.id == named] or of_name
    if len(of_name) > 1:
        ids = ", ".join(row.id for row in of_name)
        raise Conflict(
            f"{named!r} is the name of {len(of_name)} deployments; give the id of one instead: "
            f"{ids}",
            param="model_name",
        )
    if not found:
        raise _unknown(named)
    return (of_name or found)[0]


async def _by_id(connection: AsyncConnection, model_id: str) -> Row[Any]:
    """Raises NotFound."""
    row = (await connection.execute(select(models).where(models.c.id == model_id))).first()
    if row is None:
        raise NotFound(f"No model has the id {model_id!r}", param="id")
    return row


async def _of_name(connection: AsyncConnection, name: str) -> Sequence[Row[Any]]:
    rows = select(models).where(models.c.name == name).order_by(*_ORDER)
    return (await connection.execute(rows)).all()


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
