"""Regular expressions and JSON Schemas of operators', checked before they are kept.

Both are given whatever models answer. A pattern may take exponential time, so it is looked for by
the module regex, which can be told when to stop; `re` cannot.
"""

from __future__ import annotations

from typing import Any

LONGEST_PATTERN = 1000


def check_pattern(pattern: str) -> str:
    """The pattern. Raises ValueError where it is none, or too long."""
    import regex

    if len(pattern) > LONGEST_PATTERN:
        raise ValueError(f"is longer than {LONGEST_PATTERN} characters")
    try:
        regex.compile(pattern)
    except (regex.error, OverflowError, RecursionError) as error:
        raise ValueError(f"is not a regular expression: {error}") from None
    return pattern


def check_schema(schema: dict[str, Any] | None) -> dict[str, Any] | None:
    """The schema. Raises ValueError where it is none, or refers to what is outside it."""
    import jsonschema

    if schema is None:
        return None
    validator = jsonschema.validators.validator_for(schema, jsonschema.Draft202012Validator)
    try:
        validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        where = "".join(f"{part}: " for part in error.absolute_path)
        raise ValueError(f"is no JSON Schema: {where}{error.message}") from None
    _check_inside(schema)
    return schema


def _check_inside(value: object) -> None:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in ("$ref", "$dynamicRef") and isinstance(inner, str):
                if not inner.startswith("#"):
                    raise ValueError(f"{name} {inner} is outside the schema; # is in it")
            elif name == "pattern" and isinstance(inner, str):
                check_pattern(inner)
            elif name == "patternProperties" and isinstance(inner, dict):
                for pattern in inner:
                    check_pattern(pattern)
            _check_inside(inner)
    elif isinstance(value, list):
        for inner in value:
            _check_inside(inner)
