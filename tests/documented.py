"""Whether answers are what the gateway's OpenAPI document says."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from functools import cache, cached_property
from typing import Any
from urllib.parse import urlsplit

import httpx
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from tests.servers import Json

_URI = "urn:document"


class Documented:
    """A document that answers are held against.

    Objects of the types in `closed` have what is documented, and nothing else.
    """

    def __init__(self, document: Json, closed: Iterable[str] = ()) -> None:
        self.document = copy.deepcopy(document)
        for name in closed:
            self.document["components"]["schemas"][name]["additionalProperties"] = False
        resource: Resource[Any] = DRAFT202012.create_resource(self.document)
        self._registry: Registry[Any] = Registry().with_resource(_URI, resource)
        self.validator = cache(self._validator)

    @cached_property
    def _paths(self) -> list[tuple[re.Pattern[str], str]]:
        # Those without parameters first, then the longer ones, as a parameter may hold slashes.
        paths = sorted(self.document["paths"], key=lambda path: ("{" in path, -len(path)))
        return [(re.compile(re.sub(r"\\{\w+\\}", "(.+)", re.escape(path))), path) for path in paths]

    def operation(self, method: str, path: str) -> tuple[str, Json]:
        """Where in the document it is, and what is there."""
        for pattern, template in self._paths:
            if pattern.fullmatch(path) and method.lower() in self.document["paths"][template]:
                place = f"/paths/{template.replace('/', '~1')}/{method.lower()}"
                return place, self.document["paths"][template][method.lower()]
        raise AssertionError(f"{method} {path} is not documented")

    def check(self, response: httpx.Response) -> None:
        """Raises AssertionError for what the document does not say."""
        request = response.request
        place, operation = self.operation(request.method, urlsplit(str(request.url)).path)
        status = str(response.status_code)
        known = operation["responses"]
        status = status if status in known else f"{status[0]}XX"
        assert status in known, f"{place}: {response.status_code} {response.text}"
        place = f"{place}/responses/{status}"
        answer = known[status]
        if "$ref" in answer:
            place = answer["$ref"].removeprefix("#")
            answer = self.document["components"]["responses"][place.rpartition("/")[2]]
        for name, header in answer.get("headers", {}).items():
            known = self.document["components"]["headers"][header["$ref"].rpartition("/")[2]]
            assert name in response.headers or not known.get("required"), f"{place}: no {name}"
        if "content" not in answer:
            return
        media = response.headers["content-type"].partition(";")[0]
        assert media in answer["content"], f"{place}: {media}"
        if media == "application/json":
            wrong = self.faults(f"{place}/content/application~1json/schema", response.json())
            assert wrong == [], place

    def faults(self, place: str, value: Any) -> list[str]:
        """What is wrong with a value by the schema at a place of the document."""
        return [
            f"{error.json_path}: {error.message}"
            for error in self.validator(place).iter_errors(value)
        ]

    def _validator(self, place: str) -> Draft202012Validator:
        return Draft202012Validator({"$ref": f"{_URI}#{place}"}, registry=self._registry)
