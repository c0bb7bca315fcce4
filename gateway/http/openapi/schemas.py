"""The schemas of the document, made by pydantic from the types that check, or describe, bodies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode
from pydantic_core import core_schema

from gateway.http.bodies import BODIES, DEFAULT_MODELS, FORMS
from gateway.http.openapi.bodies import (
    CACHE_CONTROL,
    Derived,
    of_call,
    of_spec,
    options_nullable,
)
from gateway.records import Operation
from gateway.specs import KeySpec, ModelSpec, TeamSpec
from gateway.specs.cache import CacheParams

Json = dict[str, Any]

_REF = "#/components/schemas/"
_SPECS = (KeySpec, ModelSpec, TeamSpec)


class _Schema(GenerateJsonSchema):
    def field_title_should_be_set(self, _schema: Any) -> bool:
        # It would repeat the field's name.
        return False

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> Json:
        # Its members overlap: what tells them apart is a function, and not in the schema.
        made = super().tagged_union_schema(schema)
        made["anyOf"] = made.pop("oneOf")
        return made


class Schemas:
    """A schema for each of these types, and what they share."""

    def __init__(self, answers: Iterable[Any], bodies: Iterable[Any]) -> None:
        """`bodies` may hold operations, for what callers send, and `Derived` ones."""
        self._derived = [each for each in (*bodies, CACHE_CONTROL) if isinstance(each, Derived)]
        plain = [each for each in bodies if not isinstance(each, Derived)]
        sent = [*plain, *_SPECS, CacheParams, *(each.base for each in self._derived)]
        modes: dict[JsonSchemaMode, Iterable[Any]] = {"serialization": answers, "validation": sent}
        wanted = {
            (mode, repr(kind)): (kind, mode, _adapter(kind))
            for mode, kinds in modes.items()
            for kind in kinds
        }
        made, shared = TypeAdapter.json_schemas(
            wanted.values(), ref_template=_REF + "{model}", schema_generator=_Schema
        )
        names = _short(shared["$defs"])
        self._refs: dict[tuple[str, str], Json] = {
            key: _renamed(made[(kind, mode)], names) for key, (kind, mode, _) in wanted.items()
        }
        self.all: Json = {
            names[name]: _renamed(each, names) for name, each in shared["$defs"].items()
        }
        self._calls = {each for each in plain if isinstance(each, Operation)}
        # Their bodies as the types have them, by name.
        self._plain: Json = {}
        self._complete()

    def answer(self, kind: Any) -> Json:
        return self._refs["serialization", repr(kind)]

    def body(self, kind: Any) -> Json:
        """Of a type, an operation, or a `Derived` body."""
        if isinstance(kind, Derived):
            return {"$ref": _REF + kind.name}
        return self._refs["validation", repr(kind)]

    def at_path(self, operation: Operation) -> Json:
        """The body of a call whose path names the model."""
        name = self._name(operation)
        made = f"{name}OfPath"
        if made not in self.all:
            self.all[made] = of_call(self._plain[name], model="ignored", form=operation in FORMS)
        return {"$ref": _REF + made}

    def _name(self, kind: Any) -> str:
        return str(self.body(kind)["$ref"]).removeprefix(_REF)

    def _complete(self) -> None:
        """Say what the types do not: how null is read, and what is read before they are asked."""
        for spec in _SPECS:
            name = self._name(spec)
            self.all[name] = of_spec(self.all[name])
        name = self._name(CacheParams)
        self.all[name] = options_nullable(self.all[name])
        for each in self._derived:
            self.all[each.name] = each.change(self.all[self._name(each.base)])
        for operation in self._calls:
            name = self._name(operation)
            self._plain[name] = self.all[name]
            self.all[name] = of_call(
                self.all[name],
                model="optional" if operation in DEFAULT_MODELS else "required",
                form=operation in FORMS,
            )


@cache
def parameters(kind: Any) -> tuple[dict[str, Json], list[str]]:
    """The schemas of a `TypedDict`'s fields by name, and which of them must be given."""
    made = TypeAdapter(kind).json_schema(schema_generator=_Schema)
    return made["properties"], made.get("required", [])


def _adapter(kind: Any) -> TypeAdapter[Any]:
    return BODIES[kind] if isinstance(kind, Operation) else TypeAdapter(kind)


def _short(names: Iterable[str]) -> dict[str, str]:
    """For each name one to read: pydantic takes those of private types, and of several modules."""
    plain = {name for name in names if not name.startswith("_") and "__" not in name}
    found = {}
    for name in names:
        module, several, rest = name.rpartition("__")
        short = name.lstrip("_")
        if several:
            short = f"{module.rpartition('__')[2].strip('_')}.{rest.lstrip('_')}"
        found[name] = name if name not in plain and short in plain else short
    return found


def _renamed(schema: Any, names: Mapping[str, str]) -> Any:
    """The schema with its references by the short names."""
    if isinstance(schema, list):
        return [_renamed(each, names) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: _REF + names[each.removeprefix(_REF)]
        if name == "$ref" and isinstance(each, str)
        else _renamed(each, names)
        for name, each in schema.items()
    }
