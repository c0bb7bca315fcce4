"""The Playground tab: one or two models to talk to, and what that takes."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from gateway.http.bodies import validate
from gateway.http.console.visits import Visit
from gateway.http.requests import encode, headers_of, read_object
from gateway.http.sse import EventStream
from gateway.money import dollars
from gateway.pipeline import Stream
from gateway.price_table import mode_of
from gateway.records import Call, Operation

TOKEN = "x-csrf-token"  # noqa: S105 - a header's name
_TAG = "playground"
_CHATS = (None, "chat", "responses")


async def show(visit: Visit) -> Response:
    groups = visit.services.registry.catalogue.groups
    names = [
        name
        for name, group in sorted(groups.items())
        if "*" not in name and mode_of(group.deployments[0]) in _CHATS
    ]
    return visit.render(
        "playground.html", names=names, chosen=visit.request.query_params.get("model", "")
    )


async def chat(request: Request) -> ASGIApp:
    """A chat completion of the admin's key, streamed; the last event tells what it cost.

    Takes what `/chat/completions` takes. Its errors are in the API's format.

    Raises:
        NotAuthenticated, InvalidRequest, InvalidField.
    """
    visit = await Visit.of(request)
    key = visit.key
    visit.check_token(headers_of(request).get(TOKEN, ""))
    body = await read_object(request)
    always = {"stream": True, "stream_options": {"include_usage": True}}
    taken = validate(Operation.CHAT, body | always)
    call = Call(Operation.CHAT, key, taken, request.state.request_id, (_TAG,))
    return _CostedStream(visit.services.pipeline, call)


class _CostedStream(EventStream):
    def _last(self, stream: Stream) -> bytes:
        cost = None if stream.cost is None else dollars(stream.cost)
        return b"event: cost\ndata: " + encode({"cost": cost}) + b"\n\n" + super()._last(stream)
