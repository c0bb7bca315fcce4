"""How the openai package makes objects of what a provider sent, with less asking.

For every field of every object it looks into what the field's type consists of. Here that is done
once for each class, and left out for types of which all values, or those of one class, stay what
they are. All others are the package's matter as before.

The names are those of openai 2.54; tests/upstream/test_openai_models.py compares the objects.
"""

from __future__ import annotations

from functools import cache, wraps
from typing import Any, NamedTuple, get_args, get_origin

_WHATEVER = object()
_PLAIN = (str, int, bool, float)


class _Field(NamedTuple):
    name: str
    key: str
    """Its name in JSON."""
    info: Any
    """The package's own account of it."""
    stays: object
    """The class of values that stay as they are; `_WHATEVER` if all do, None if none."""
    default: object
    makes: bool
    """Whether the default is to be made anew each time."""


def install() -> None:
    """Have all classes of the package make their objects so."""
    from openai import _models

    models: Any = _models
    construct = models.BaseModel.__dict__["construct"].__func__
    plan = cache(_plan)
    make_default, make = models.field_get_default, models.construct_type
    put = object.__setattr__

    @wraps(construct)
    def planned(cls: Any, /, _fields_set: set[str] | None = None, **values: Any) -> Any:
        fields = plan(cls)
        if fields is None:
            return construct(cls, _fields_set, **values)
        given = set() if _fields_set is None else _fields_set
        made: dict[str, Any] = {}
        for name, key, info, stays, default, makes in fields.values():
            value = values.get(key)
            if value is None:
                made[name] = make_default(info) if makes else default
            elif stays is _WHATEVER or type(value) is stays:
                made[name] = value
            else:
                made[name] = make(value=value, type_=info.annotation, metadata=info.metadata)
            if key in values:
                given.add(name)
        new = cls.__new__(cls)
        put(new, "__dict__", made)
        put(new, "__pydantic_private__", None)
        extra = {key: value for key, value in values.items() if key not in fields}
        put(new, "__pydantic_extra__", extra)
        put(new, "__pydantic_fields_set__", given)
        return new

    models.BaseModel.construct = models.BaseModel.model_construct = classmethod(planned)


def _plan(cls: Any) -> dict[str, _Field] | None:
    """A class's fields by their names; None where the package is to do all of it."""
    from openai import _models

    models: Any = _models
    by_name = models.get_model_config(cls).get("populate_by_name")
    if by_name or not cls.__pydantic_fields_complete__ or models._get_extra_fields_type(cls):
        return None
    fields: dict[str, _Field] = {}
    for name, info in models.get_model_fields(cls).items():
        default = models.field_get_default(info)
        makes = info.default_factory is not None or type(default) not in (*_PLAIN, type(None))
        stays = None if info.metadata else _stays(info.annotation)
        key = info.alias or name
        fields[name] = _Field(name, key, info, stays, None if makes else default, makes)
    return fields


def _stays(annotation: Any) -> object:
    """See `_Field.stays`."""
    from openai._utils import is_literal_type, is_union

    if annotation is float:
        return float
    if annotation in (*_PLAIN, object, Any) or is_literal_type(annotation):
        return _WHATEVER
    parts = [part for part in get_args(annotation) if part is not type(None)]
    origin: Any = get_origin(annotation)
    if is_union(origin) and len(parts) == 1:
        [part] = parts
        if part in _PLAIN:
            return part
        if is_literal_type(part):
            return str
    return None
