"""OpenAI's Responses: calls, and what a provider keeps of them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from gateway.catalogue import Catalogue
from gateway.errors import GatewayError, InvalidRequest, ModelDenied, NotFound, UnknownModel
from gateway.http.openai import read_call
from gateway.http.requests import (
    caller,
    json_response,
    services,
    unless_gone,
    whole_response,
)
from gateway.http.sse import EventStream
from gateway.pipeline import Pipeline, Stream
from gateway.records import Call, Key, Model, Operation
from gateway.resolve import resolve
from gateway.response_ids import ResponseIds, StoredResponse
from gateway.upstream.lane import Piece
from gateway.upstream.responses import ask

Json = dict[str, Any]

_FAILED = "response.failed"
_LIMIT = re.compile("[1-9][0-9]?|100")


def routes(prefix: str) -> list[Route]:
    path = prefix + Operation.RESPONSES
    return [
        Route(path, create_response, methods=["POST"]),
        Route(f"{path}/{{id}}", get_response, methods=["GET"]),
        Route(f"{path}/{{id}}", delete_response, methods=["DELETE"]),
        Route(f"{path}/{{id}}/cancel", cancel_response, methods=["POST"]),
        Route(f"{path}/{{id}}/input_items", list_input_items, methods=["GET"]),
    ]


async def create_response(request: Request) -> ASGIApp:
    """A call. What it refers to, and what comes of it, has ids of the gateway's own."""
    made = await read_call(request, Operation.RESPONSES)
    ids = _ids(request)
    previous = made.body.get("previous_response_id")
    if previous is not None:
        made = _continued(made, ids, services(request).registry.catalogue)
    pipeline = services(request).pipeline
    if made.streams:
        return _Events(pipeline, made, ids, previous)
    answer = await unless_gone(request.receive, pipeline.complete(made))
    view = _View(made.key, made.model_name, ids, answer.deployment_id, previous)
    assert isinstance(answer.body, dict)  # noqa: S101 - a response is no file
    return whole_response(answer._replace(body=view.response(answer.body), raw=None))


async def get_response(request: Request) -> Response:
    """What the provider keeps of a response."""
    if request.query_params.get("stream") == "true":
        raise InvalidRequest("The stream of a response cannot be had once more", param="stream")
    stored = _Stored(request)
    body = await stored.ask("aget_responses")
    return json_response(stored.view.response(body))


async def delete_response(request: Request) -> Response:
    stored = _Stored(request)
    body = await stored.ask("adelete_responses")
    return json_response({**body, "id": stored.given})


async def cancel_response(request: Request) -> Response:
    stored = _Stored(request)
    body = await stored.ask("acancel_responses")
    return json_response(stored.view.response(body))


async def list_input_items(request: Request) -> Response:
    """What a response was asked for."""
    query = request.query_params
    named: Json = {name: query[name] for name in ("after", "before", "order") if name in query}
    if include := [*query.getlist("include"), *query.getlist("include[]")]:
        named["include"] = include
    if named.get("order", "asc") not in ("asc", "desc"):
        raise InvalidRequest("order takes 'asc' or 'desc'", param="order")
    if "limit" in query:
        if not _LIMIT.fullmatch(query["limit"]):
            raise InvalidRequest("limit takes a whole number from 1 to 100", param="limit")
        named["limit"] = int(query["limit"])
    return json_response(await _Stored(request).ask("alist_input_items", **named))


class _View:
    """Puts the gateway's ids into a response."""

    def __init__(
        self,
        key: Key,
        model_name: str,
        ids: ResponseIds,
        deployment_id: str,
        previous: str | None = None,
    ) -> None:
        """`previous` is the caller's id of the response before, if the call named one."""
        self._key = key
        self._model_name = model_name
        self._ids = ids
        self._deployment_id = deployment_id
        self._previous = previous

    def response(self, body: Mapping[str, Any]) -> Json:
        shown = dict(body)
        for name, known in (("id", None), ("previous_response_id", self._previous)):
            if isinstance(shown.get(name), str):
                shown[name] = known or self._seal(shown[name])
        return shown

    def _seal(self, response_id: str) -> str:
        stored = StoredResponse(response_id, self._deployment_id, self._model_name)
        return self._ids.seal(stored, self._key)


class _Events(EventStream):
    """A response in events, whose failure is an event of this API, numbered as the others."""

    def __init__(
        self, pipeline: Pipeline, call: Call, ids: ResponseIds, previous: str | None
    ) -> None:
        super().__init__(pipeline, call)
        self._ids = ids
        self._previous = previous
        self._view: _View | None = None
        self._number = -1
        self._failed = False

    def _told(self, piece: Piece, stream: Stream) -> Piece:
        event = piece.body
        number = event.get("sequence_number")
        self._number = number if isinstance(number, int) else self._number + 1
        self._failed = event["type"] == _FAILED
        response = event.get("response")
        if not isinstance(response, dict):
            return piece
        if self._view is None:
            key, model_name = self._call.key, self._call.model_name
            where = stream.deployment_id
            self._view = _View(key, model_name, self._ids, where, self._previous)
        return Piece({**event, "response": self._view.response(response)})

    def _failure(self, error: GatewayError) -> Json | None:
        if self._failed:
            # The provider's own event has told.
            return None
        said = error.body()["error"]
        told = {name: said[name] for name in ("code", "message", "param")}
        return {"type": "error", **told, "sequence_number": self._number + 1}


class _Stored:
    """A response that a provider keeps, and that the caller may use."""

    def __init__(self, request: Request) -> None:
        """Raises NotAuthenticated, NotFound, ModelDenied."""
        self._request = request
        self.given: str = request.path_params["id"]
        key, ids = caller(request), _ids(request)
        self._response = ids.open(self.given, key)
        self._model = self._deployment(key)
        self.view = _View(key, self._response.model_name, ids, self._model.id)

    def _deployment(self, key: Key) -> Model:
        catalogue, name = services(self._request).registry.catalogue, self._response.model_name
        try:
            group = resolve(catalogue, key, name, Operation.RESPONSES)
        except UnknownModel:
            group = None
        for model in group.deployments if group else ():
            if model.id == self._response.deployment_id:
                return model
        raise NotFound(f"The model '{name}', which gave this response, is there no more")

    async def ask(self, function: str, **named: Any) -> Json:
        """The provider's answer. Raises UpstreamError, Misconfigured."""
        made = services(self._request)
        settings, response_id = made.registry.settings, self._response.id
        asked = made.lane.ask(
            partial(ask, function), self._model, settings, response_id=response_id, **named
        )
        body = await unless_gone(self._request.receive, asked)
        if "model" in body:
            body["model"] = self._response.model_name
        return body


def _continued(call: Call, ids: ResponseIds, catalogue: Catalogue) -> Call:
    """The call to where the response before is kept. Raises InvalidRequest, in OpenAI's words."""
    param = "previous_response_id"
    try:
        stored = ids.open(call.body[param], call.key)
    except NotFound as error:
        raise InvalidRequest(
            f"Previous {error.message[0].lower()}{error.message[1:]}",
            param=param,
            code="previous_response_not_found",
        ) from None
    # A name that means nothing to the key is the pipeline's to refuse.
    with suppress(ModelDenied, UnknownModel):
        group = resolve(catalogue, call.key, call.model_name, call.operation)
        if stored.deployment_id not in {model.id for model in group.deployments}:
            raise InvalidRequest(
                f"The previous response was made by the model '{stored.model_name}', or by a "
                "deployment that is there no more: ask that model, or send the whole conversation "
                "as 'input'",
                param=param,
            )
    return dataclasses.replace(
        call,
        body={**call.body, param: stored.id},
        deployment_id=stored.deployment_id,
        # It has the caller's id.
        raw=None,
    )


def _ids(request: Request) -> ResponseIds:
    return ResponseIds(services(request).store.vault)
