"""A document on its way to a ConfigFile: what is found wrong, and the variables it names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from gateway import vault
from gateway.config.values import Finding, Level, Reference
from gateway.litellm_names import WAYS_OUT, nearest
from gateway.yaml_lines import Document, Path

_PLAIN_NAME = re.compile(r"[\w-]+")

# Where the file has what an error about a model calls by the gateway's own name.
_PLACES = {
    "api_key": ("api_key", "litellm_params.api_key"),
    "api_version": ("api_version", "litellm_params.api_version"),
    "base_url": ("base_url", "litellm_params.api_base", "litellm_params.base_url"),
    "provider": (
        "provider",
        "litellm_params.custom_llm_provider",
        "litellm_params.model",
        "model_name",
    ),
}


class Reading:
    """Attributes:
    findings: What the operator should know, in the order it was found.
    references: The places that name an environment variable.
    """

    def __init__(self, document: Document) -> None:
        self._document = document
        self.findings: list[Finding] = []
        self.references: list[Reference] = []
        for path, line, message in document.faults:
            self.findings.append(Finding(line, show(path), "error", message))

    def line(self, path: Path) -> int:
        return self._document.line(path)

    def add(self, path: Path, level: Level, message: str) -> None:
        self.findings.append(Finding(self.line(path), show(path), level, message))

    def unknown(
        self, path: Path, value: Any, of_litellm: Iterable[str], supported: Iterable[str]
    ) -> None:
        """Report a name that has no meaning here: LiteLLM's, or nobody's."""
        name = str(path[-1])
        if name in of_litellm:
            self.unsupported(path, value, show(path))
            return
        if name in supported:
            return
        meant = nearest(name, [*supported, *of_litellm])
        if path[0] == "litellm_settings" and meant is None:
            self.unsupported(path, value, show(path))
            return
        self.add(path, "error", f"no such name{f'; did you mean {meant}?' if meant else ''}")

    def unsupported(self, path: Path, value: Any, what: str) -> None:
        # A name with nothing in it asks for nothing.
        if value in (None, [], {}):
            return
        way_out = WAYS_OUT.get(what)
        message = f"is not supported; {way_out}" if way_out else "is not supported yet"
        self.add(path, "unsupported", message)

    def mapping(self, value: Any, path: Path) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        if value is not None:
            self.add(path, "error", "takes names with values")
        return {}

    def entries(self, value: Any, path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
        """The items of a list, each with its path."""
        if value is not None and not isinstance(value, list):
            self.add(path, "error", "takes a list")
            return
        for index, entry in enumerate(value or []):
            inner = (*path, index)
            if isinstance(entry, dict):
                yield inner, entry
            else:
                self.add(inner, "error", "takes names with values")

    def refer(self, value: Any, path: Path) -> None:
        """Note the references to variables in a value."""
        if isinstance(value, dict):
            for name, item in value.items():
                self.refer(item, (*path, name))
        elif isinstance(value, list):
            for index, item in enumerate(value):
                self.refer(item, (*path, index))
        elif vault.is_reference(value):
            name = value.removeprefix(vault.REFERENCE_PREFIX)
            self.references.append(Reference(self.line(path), show(path), name))

    def place(self, path: Path, param: str | None) -> Path:
        """Where the entry at `path` has the field an error is about."""
        places = [
            (*path, *map(_step, place.split(".")))
            for place in _PLACES.get(param or "", (param or "",))
        ]
        for place in places:
            if place in self._document.lines:
                return place
        # Deep inside a field: the field, or what it is in.
        inner = places[-1]
        while inner not in self._document.lines:
            inner = inner[:-1]
        return inner


def show(path: Path) -> str:
    """`model_list[0].litellm_params.rpm`; a name of other characters in quotes."""
    parts = ""
    for part in path:
        if isinstance(part, int):
            parts += f"[{part}]"
        elif _PLAIN_NAME.fullmatch(part):
            parts += f".{part}"
        else:
            parts += f"[{json.dumps(part)}]"
    return parts.removeprefix(".")


def _step(name: str) -> str | int:
    """A position in a list is a number in paths, and text in the names of fields."""
    return int(name) if name.isdecimal() and name.isascii() and len(name) < 9 else name
