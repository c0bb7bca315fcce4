"""Who may use which route: every route of the app must be declared here."""

from __future__ import annotations

import re
from typing import Literal

from starlette.routing import Route

from gateway.app import API, CALL_PREFIXES
from gateway.records import Operation

Access = Literal["public", "call", "admin", "console"]

_PREFIX = f"(?:{'|'.join(CALL_PREFIXES)})"
_OPERATION = "|".join(Operation)
_READ = "GET|HEAD"

# What is in no rule fails the tests: a new route is declared before it is served.
_RULES: list[tuple[Access, str, str]] = [
    ("public", f"{_READ}|OPTIONS", "/health/(liveliness|liveness|readiness)"),
    ("public", _READ, "/|/openapi.json"),
    # Pages know sessions, and no keys.
    ("console", f"{_READ}|POST", "/ui(/.+)?"),
    ("call", "POST", f"{_PREFIX}({_OPERATION})|/v2/rerank"),
    ("call", "POST", f"{_PREFIX}/(engines|openai/deployments)/{{model:path}}({_OPERATION})"),
    ("call", "POST", "/openai/v1/responses"),
    ("call", f"{_READ}|DELETE", f"({_PREFIX}|/openai/v1)/responses/\\{{id\\}}(/input_items)?"),
    ("call", "POST", f"({_PREFIX}|/openai/v1)/responses/\\{{id\\}}/cancel"),
    ("call", _READ, f"{_PREFIX}/models(/{{name:path}})?"),
    ("call", _READ, "(/v[12])?/model/info|/model_group/info"),
    # Of a gateway key: itself, and what it spent.
    ("call", _READ, "/key/info|/spend/(logs|keys)"),
    ("call", "POST", "/spend/calculate"),
    ("admin", _READ, f"{API}/usage/requests/\\{{id\\}}/transcript"),
    ("call", _READ, f"{API}/usage(/.+)?"),
    ("admin", "POST|PATCH|DELETE", f"{API}/models(/{{name:path}})?"),
    ("admin", ".+", f"{API}/(keys|teams)(/.+)?"),
    ("admin", _READ, f"{API}/audit"),
    ("admin", ".+", "/v1/evals(/.+)?"),
    ("admin", ".+", f"{API}/evals/(datasets|evaluators|suites|runs)(/.+)?"),
    ("admin", f"{_READ}|PATCH", f"{API}/settings"),
    ("admin", "POST|PATCH", "/model/(new|update|delete|{id:path}/update)"),
    ("admin", ".+", "(/v2)?/(key|team|spend|global)/.+"),
    ("admin", _READ, "/health(/readiness/details)?"),
    ("admin", _READ, "/metrics"),
]


def access(method: str, path: str) -> Access | None:
    """Who may use the route with this template: the first rule decides, none where none does."""
    for who, methods, template in _RULES:
        if re.fullmatch(methods, method) and re.fullmatch(template, path):
            return who
    return None


def methods_of(route: Route) -> list[str]:
    """In an order that is always the same. Raises AssertionError where it takes any method."""
    assert route.methods, f"{route.path} takes any method"
    return sorted(route.methods)
