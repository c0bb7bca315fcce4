"""YAML as plain JSON values that remember the line each came from."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.composer import ComposerError

Path = tuple[str | int, ...]

MAX_CHARACTERS = 1_000_000
_MAX_DEPTH = 50
# Aliases let a few lines stand for billions of values.
_MAX_VALUES = 100_000

_SURROGATE = re.compile("[\ud800-\udfff]")
_TAG = "tag:yaml.org,2002:"
_TEXT_AFTER_ALL = {_TAG + "timestamp", _TAG + "value"}
_SCALARS = {_TAG + name for name in ("str", "int", "float", "bool", "null")}


class Unreadable(ValueError):
    """The text as a whole is no YAML that can be used."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML document.

    Attributes:
        value: Dicts with text for names, lists, text, numbers, booleans and None.
        lines: Each value's path and line, counted from 1; that of its name for a dict's value.
        faults: Path, line and message of each value that had to be left out.
    """

    value: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    faults: list[tuple[Path, int, str]] = field(default_factory=list)

    def line(self, path: Path) -> int:
        """The line of the value at `path`, or of what it would be in."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read_yaml(text: str) -> Document:
    """Read one document of YAML's safe subset, dates left as text.

    Raises:
        Unreadable: It is not YAML, more than one document, too large or nested too deep.
    """
    if len(text) > MAX_CHARACTERS:
        raise Unreadable(f"The file is longer than {MAX_CHARACTERS} characters", 1)
    document = Document()
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise Unreadable(
            f"This is not valid YAML: {error.problem or error.context}",
            mark.line + 1 if mark else 1,
        ) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise Unreadable(f"The file holds a character that YAML refuses: {error.reason}", line)  # noqa: B904
    if root is None:
        return document
    value = _Converter(document).convert(root, ())
    return Document(value, document.lines, document.faults)


class _Loader(yaml.SafeLoader):
    """Finds scalars' types as LiteLLM does, but for dates: `2024-10-21` is an API version.

    A lone `=` is text as well, where PyYAML would give up.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own attribute
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in _TEXT_AFTER_ALL]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self._depth >= _MAX_DEPTH:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise ComposerError(None, None, f"it is nested deeper than {_MAX_DEPTH} levels", mark)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Left:
    """Stands for a value that has a fault and is left out."""


class _Converter:
    def __init__(self, document: Document) -> None:
        self._document = document
        self._scalars = yaml.constructor.SafeConstructor()
        self._open: set[int] = set()
        self._values = 0

    def convert(self, node: yaml.Node, path: Path) -> Any:
        self._values += 1
        line = _line(node)
        if self._values > _MAX_VALUES:
            raise Unreadable(f"Its aliases stand for more than {_MAX_VALUES} values", line)
        if id(node) in self._open:
            raise Unreadable("An alias is part of what it stands for", line)
        self._document.lines.setdefault(path, line)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
                return self._sequence(node, path)
            return self._fault(path, line, f"the tag {node.tag} is not supported")
        finally:
            self._open.discard(id(node))

    def _sequence(self, node: yaml.SequenceNode, path: Path) -> list[Any]:
        # None, where an item is left out, so that the others keep their numbers.
        items = (self.convert(item, (*path, index)) for index, item in enumerate(node.value))
        return [None if isinstance(item, _Left) else item for item in items]

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        result = {}
        for name, (key, value) in self._pairs(node, path, 0).items():
            self._document.lines.setdefault((*path, name), _line(key))
            item = self.convert(value, (*path, name))
            if not isinstance(item, _Left):
                result[name] = item
        return result

    def _pairs(
        self, node: yaml.MappingNode, path: Path, depth: int
    ) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        """The mapping's nodes by name: its own, then what `<<` brings that is not there yet."""
        pairs: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        sources: list[tuple[yaml.Node, yaml.Node]] = []
        for key, value in node.value:
            if _is_merge(key):
                several = isinstance(value, yaml.SequenceNode)
                sources += [(key, source) for source in (value.value if several else [value])]
            elif not isinstance(key, yaml.ScalarNode) or _SURROGATE.search(key.value):
                self._fault(path, _line(key), "a name has to be text")
            elif key.value in pairs:
                before = _line(pairs[key.value][0])
                message = f"{key.value!r} stands here already, in line {before}"
                self._fault((*path, key.value), _line(key), message)
            else:
                pairs[key.value] = (key, value)
        for key, source in sources:
            self._values += 1
            if depth > _MAX_DEPTH or self._values > _MAX_VALUES:
                raise Unreadable("<< is nested too deep", _line(key))
            if isinstance(source, yaml.MappingNode):
                pairs = self._pairs(source, path, depth + 1) | pairs
            else:
                self._fault((*path, "<<"), _line(key), "<< takes a mapping, or a list of them")
        return pairs

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        line = _line(node)
        if _is_merge(node):
            return node.value
        if node.tag not in _SCALARS:
            return self._fault(path, line, f"the tag {node.tag} is not supported")
        try:
            value = self._scalars.construct_object(node)
        except (ArithmeticError, LookupError, ValueError):
            kind = node.tag.removeprefix(_TAG)
            return self._fault(path, line, f"this is not of the type {kind}")
        if isinstance(value, float) and not math.isfinite(value):
            return self._fault(path, line, "JSON has no such number")
        if isinstance(value, str) and _SURROGATE.search(value):
            return self._fault(path, line, "half of a surrogate pair is not text")
        return value

    def _fault(self, path: Path, line: int, message: str) -> _Left:
        self._document.faults.append((path, line, message))
        return _Left()


def _is_merge(key: yaml.Node) -> bool:
    return key.tag == _TAG + "merge"


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
