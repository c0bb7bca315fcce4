"""The gateway's own OpenAPI document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError
from starlette.routing import Route

from gateway.app import create_app
from gateway.http.bodies import BODIES
from gateway.http.openapi import bodies
from gateway.http.openapi.calls import CALLS
from gateway.http.openapi.document import DESCRIPTIONS, described, document, methods
from gateway.http.openapi.examples import EXAMPLES
from gateway.records import Operation
from gateway.settings import Settings
from gateway.specs import KeySpec, ModelSpec, TeamSpec
from gateway.specs.settings import SETTINGS
from tests.documented import Documented
from tests.security.access import access
from tests.servers import Json

ROUTES = [
    route
    for route in create_app(Settings()).routes
    if isinstance(route, Route) and route.include_in_schema
]


@pytest.fixture(scope="module")
def made() -> Json:
    return document(ROUTES)


def operations(made: Json) -> dict[tuple[str, str], Json]:
    return {
        (method.upper(), path): operation
        for path, item in made["paths"].items()
        for method, operation in item.items()
    }


def template(route: Route) -> str:
    """The route's path as OpenAPI writes it.

    >>> template(Route("/models/{name:path}", lambda _: None))
    '/models/{name}'
    """
    return route.path.replace(":path}", "}")


def schema_of(made: Json, name: str) -> Json:
    return dict(made["components"]["schemas"][name])


async def test_it_is_served_to_anybody_and_made_once(made: Json) -> None:
    # Without its start: it needs nothing of a gateway that runs.
    transport = httpx.ASGITransport(create_app(Settings()))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
        first, again = [await http.get("/openapi.json") for _ in range(2)]
        assert first.status_code == 200
        assert first.headers["content-type"] == "application/json"
        assert first.json() == json.loads(json.dumps(made))
        assert len(first.content) < 450_000
        assert again.content == first.content
        refused = await http.post("/openapi.json")
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")


def test_it_has_every_route_and_no_other(made: Json) -> None:
    routes = {(method, template(route)) for route in ROUTES for method in methods(route)}
    assert set(operations(made)) == routes


def test_nothing_is_said_of_what_is_no_route() -> None:
    said = {described(route).id for route in ROUTES}
    assert {each.id for each in [*DESCRIPTIONS.values(), *CALLS.values()]} == said
    assert EXAMPLES.keys() <= said


def test_a_route_that_nothing_is_said_of_is_noticed() -> None:
    def unheard_of() -> None: ...

    with pytest.raises(KeyError):
        document([*ROUTES, Route("/new", unheard_of)])


def test_it_is_an_openapi_document(made: Json) -> None:
    meta = json.loads(Path(__file__).with_name("openapi-3.1.schema.json").read_text())
    # Aliases would only take time.
    usual = {
        path: {method: one for method, one in item.items() if "x-alias" not in one}
        for path, item in made["paths"].items()
    }
    assert list(Draft202012Validator(meta).iter_errors({**made, "paths": usual})) == []
    for schema in made["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_its_references_lead_somewhere_and_nothing_is_left_over(made: Json) -> None:
    found = set()

    def walk(part: Any) -> None:
        if isinstance(part, dict):
            if isinstance(part.get("$ref"), str):
                found.add(part["$ref"])
            for each in part.values():
                walk(each)
        elif isinstance(part, list):
            for each in part:
                walk(each)

    walk(made)
    kinds = ("schemas", "responses", "headers")
    there = {f"#/components/{kind}/{name}" for kind in kinds for name in made["components"][kind]}
    # OpenAPI has no place to say what the events of a stream are.
    assert there - found == {"#/components/schemas/ChatCompletionChunk"}
    assert found <= there


def test_an_operation_has_an_id_of_its_own_and_its_aliases_begin_with_it(made: Json) -> None:
    found = [(operation["operationId"], operation) for operation in operations(made).values()]
    ids = [name for name, _ in found]
    assert len(set(ids)) == len(ids)
    usual = [name for name, operation in found if "x-alias" not in operation]
    for name, operation in found:
        assert "x-alias" not in operation or any(name.startswith(f"{each}_") for each in usual)


def test_paths_have_the_parameters_that_are_said(made: Json) -> None:
    for (_, path), operation in operations(made).items():
        given = [each for each in operation.get("parameters", []) if each["in"] == "path"]
        assert [f"{{{each['name']}}}" for each in given] == [
            part for part in path.split("/") if part.startswith("{")
        ]


def test_who_may_is_what_the_security_tests_say() -> None:
    said = {
        (each, route.path): described(route).access for route in ROUTES for each in methods(route)
    }
    assert said == {place: access(*place) for place in said}


def test_public_routes_alone_need_no_key(made: Json) -> None:
    for (method, path), operation in operations(made).items():
        [route] = [one for one in ROUTES if template(one) == path and method in methods(one)]
        public = described(route).access == "public"
        assert operation.get("security") == ([] if public else None)
        assert ("401" in operation["responses"]) is not public


@pytest.mark.parametrize("operation", Operation)
def test_the_body_of_a_call_has_what_is_checked_and_read(made: Json, operation: Operation) -> None:
    at = made["paths"][f"/v1{operation}"]["post"]["requestBody"]["content"]
    [content] = at.values()
    schema = schema_of(made, content["schema"]["$ref"].rpartition("/")[2])
    checked = BODIES[operation].json_schema()["properties"]
    assert set(schema["properties"]) == {*checked, "tags", "cache"}
    assert schema["additionalProperties"] is False


def test_a_path_that_names_the_model_needs_none_in_the_body(made: Json) -> None:
    for name, schema in made["components"]["schemas"].items():
        if name.endswith("OfPath"):
            assert "model" not in schema.get("required", [])
            usual = schema_of(made, name.removesuffix("OfPath"))
            assert set(schema["properties"]) == set(usual["properties"])


@pytest.mark.parametrize("spec", [KeySpec, ModelSpec, TeamSpec])
def test_null_and_blanks_are_taken_where_it_says_so(made: Json, spec: Any) -> None:
    schema = schema_of(made, spec.__name__)
    needed = {
        KeySpec: {},
        ModelSpec: {"model_name": "gpt", "provider": "openai"},
        TeamSpec: {"name": "Research"},
    }[spec]
    for name, each in schema["properties"].items():
        for value in (None, " "):
            if Draft202012Validator(each).is_valid(value) and name not in needed:
                assert spec.model_validate({**needed, name: value}), (name, value)
    for name in needed:
        if name in schema["required"]:
            with pytest.raises(ValidationError):
                spec.model_validate({**needed, name: None})


def test_all_settings_can_be_changed_and_are_shown(made: Json) -> None:
    assert set(bodies.SettingsPatch.__annotations__) == set(SETTINGS)
    assert set(schema_of(made, "Settings")["properties"]) == {*SETTINGS, "object"}


def test_examples_are_valid(made: Json) -> None:
    documented = Documented(made)
    for (method, path), operation in operations(made).items():
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
            if "example" in content:
                place, _ = documented.operation(method, path)
                place += f"/requestBody/content/{media_type.replace('/', '~1')}/schema"
                assert documented.faults(place, content["example"]) == [], place
