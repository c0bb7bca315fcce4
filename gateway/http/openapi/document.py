"""The document: every route of the app, with what is said of it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.routing import BaseRoute, Route

from gateway import __version__
from gateway.auth import HEADERS as KEY_HEADERS
from gateway.http import metrics, openai
from gateway.http.openapi import calls, evals, litellm, management, openai_evals
from gateway.http.openapi.description import TAGS, Access, Description
from gateway.http.openapi.examples import EXAMPLES
from gateway.http.openapi.responses import ENVELOPES, HEADERS, errors, responses
from gateway.http.openapi.schemas import Schemas, parameters
from gateway.http.openapi.serve import Document
from gateway.records import Operation

Json = dict[str, Any]

_VERSION = "3.1.1"
_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")
_ACCESS: Mapping[Access, str] = {
    "public": "Takes no key.",
    "call": "Takes a gateway key or an admin key.",
    "admin": "Takes an admin key.",
}
_SECURITY: Json = {
    "bearer": {"type": "http", "scheme": "bearer"},
    **{
        name: {"type": "apiKey", "in": "header", "name": name}
        for name in KEY_HEADERS
        if name != "authorization"
    },
}
_OPTIONS: Json = {
    "tags": ["health"],
    "summary": "Ask for the methods",
    "security": [],
    "responses": {
        "200": {"description": "OK", "headers": {"allow": {"$ref": "#/components/headers/Allow"}}}
    },
}

DESCRIPTIONS: Mapping[Callable[..., Any], Description] = {
    Document.answer: Description(
        id="get_document", tag="health", summary="Get this document", answer=Json, access="public"
    ),
    metrics.show: Description(
        id="get_metrics",
        tag="health",
        summary="Get what Prometheus collects; an admin key or GATEWAY_METRICS_KEY may",
        media={
            "text/plain": "In Prometheus' text format",
            "application/openmetrics-text": "For whoever accepts that",
        },
    ),
    **calls.DESCRIPTIONS,
    **management.DESCRIPTIONS,
    **evals.DESCRIPTIONS,
    **openai_evals.DESCRIPTIONS,
    **litellm.DESCRIPTIONS,
}


def document(routes: Sequence[BaseRoute]) -> Json:
    """OpenAPI 3.1. Raises KeyError for a route that nothing is said of."""
    said = _said(routes)
    every = [each for item in said.values() for each in item.values()]
    schemas = Schemas(
        answers=[
            *ENVELOPES.values(),
            *calls.EVENTS,
            *(each.answer for each in every if each.answer is not None),
        ],
        bodies=[each.body for each in every if each.body is not None],
    )
    return {
        "openapi": _VERSION,
        "info": {
            "title": "LLM gateway",
            "version": __version__,
            "description": "Calls to the models of all providers, and the management of models, "
            "keys and teams. An operation marked by `x-alias` is the same as one at another path, "
            "whose operationId its own begins with.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "tags": [{"name": name, "description": what} for name, what in TAGS.items()],
        "security": [{name: []} for name in _SECURITY],
        "paths": _paths(said, schemas),
        "components": {
            "securitySchemes": _SECURITY,
            "headers": HEADERS,
            "responses": errors(every, schemas),
            "schemas": dict(sorted(schemas.all.items())),
        },
    }


def described(route: Route) -> Description:
    """What is said of a route. Raises KeyError."""
    if route.name in list(Operation):
        return calls.CALLS[Operation(route.name)]
    endpoint = route.endpoint
    # Of a method, and of a function with something around it.
    plain = getattr(endpoint, "__func__", getattr(endpoint, "__wrapped__", endpoint))
    return DESCRIPTIONS[plain]


def methods(route: Route) -> list[str]:
    """Without HEAD, which goes with GET (RFC 9110, section 9.3.2)."""
    return sorted((route.methods or set()) - {"HEAD"})


def _said(routes: Sequence[BaseRoute]) -> dict[str, dict[str, Description]]:
    """What is said of each path's methods; pages are left out."""
    said: dict[str, dict[str, Description]] = defaultdict(dict)
    for route in routes:
        if not isinstance(route, Route):
            raise KeyError(route)
        if not route.include_in_schema:
            continue
        for method in methods(route):
            said[_PARAMETER.sub(r"{\1}", route.path)][method.lower()] = described(route)
    return said


def _paths(said: Mapping[str, Mapping[str, Description]], schemas: Schemas) -> Json:
    """The paths' operations. One at a path that says nothing new is marked by `x-alias`."""
    usual: dict[str, str] = {}
    seen: dict[tuple[str, ...], str] = {}
    # Where an operation is under /v1, its other paths are aliases.
    for path in sorted(said, key=lambda path: not path.startswith("/v1/")):
        for method, each in said[path].items():
            usual.setdefault(each.id, path)
            seen.setdefault((method, each.id, *_PARAMETER.findall(path)), path)
    made: Json = {}
    for path, item in said.items():
        made[path] = {}
        for method, each in item.items():
            name = _longer(each.id, path, usual[each.id])
            same = seen[(method, each.id, *_PARAMETER.findall(path))]
            alias = {} if same == path else {"x-alias": True}
            if method == "options":
                one: Json = {"operationId": f"{name}_options", **alias, **_OPTIONS}
            else:
                one = {"operationId": name, **alias, **_operation(path, each, schemas)}
            made[path][method] = one
    return made


def _longer(name: str, path: str, usual: str) -> str:
    """An operation's id at a path: with what the path has that its usual one has not.

    >>> [_longer("list", path, "/v1/x") for path in ("/v1/x", "/x", "/a/b/x", "/v1/x/{name}")]
    ['list', 'list_bare', 'list_a_b', 'list_name']
    """
    if path == usual:
        return name
    parts, others = path.split("/")[1:], usual.split("/")[1:]
    if path.startswith(f"{usual}/"):
        parts = parts[len(others) :]
    else:
        while parts and others and parts[-1] == others[-1]:
            parts.pop()
            others.pop()
    return "_".join([name, *(re.sub(r"\W+", "_", part).strip("_") for part in parts or ["bare"])])


def _operation(path: str, said: Description, schemas: Schemas) -> Json:
    in_path = _PARAMETER.findall(path)
    made: Json = {
        "tags": [said.tag],
        "summary": said.summary,
        "description": _ACCESS[said.access],
    }
    if said.access == "public":
        made["security"] = []
    given = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": said.path[name],
            "schema": {"type": "string", "minLength": 1},
        }
        for name in in_path
    ]
    given += _parameters(said.query, "query")
    if not in_path:
        given += _parameters(said.query_for_path, "query")
    given += _parameters(said.headers, "header")
    if given:
        made["parameters"] = given
    if said.body is not None:
        made["requestBody"] = _body(said, schemas, named=openai.MODEL in in_path)
    return {**made, "responses": responses(said, schemas)}


def _body(said: Description, schemas: Schemas, *, named: bool) -> Json:
    """The body of a request, whose path has the model if that is `named` there."""
    content: Json = {"schema": schemas.at_path(said.body) if named else schemas.body(said.body)}
    if said.id in EXAMPLES:
        example = EXAMPLES[said.id]
        hidden = {openai.MODEL} if named else set()
        content["example"] = {name: example[name] for name in example if name not in hidden}
    media = "multipart/form-data" if said.form else "application/json"
    return {"required": not said.body_optional, "content": {media: content}}


def _parameters(kind: Any, where: str) -> list[Json]:
    if kind is None:
        return []
    schemas, required = parameters(kind)
    made = []
    for name, schema in schemas.items():
        plain = {field: value for field, value in schema.items() if field != "description"}
        made.append(
            {
                "name": name,
                "in": where,
                **({"required": True} if name in required else {}),
                **({"description": schema["description"]} if "description" in schema else {}),
                "schema": plain,
            }
        )
    return made
