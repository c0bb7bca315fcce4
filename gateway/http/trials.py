"""Calls that try a model of a running gateway."""

from __future__ import annotations

from starlette.requests import Request

from gateway.http.requests import services
from gateway.records import Call, Key, Model
from gateway.trial import NotTried, trial_call, tried_model


def trial_of(request: Request, model: Model, key: Key) -> Call:
    """The call that tries the model.

    Raises NotTried, also where what would stand in for a pattern is another model's name.
    """
    tried = tried_model(model)
    found = services(request).registry.catalogue.find(tried.name)
    if found is None or model.id not in [each.id for each in found.deployments]:
        raise NotTried(f"a model is registered as {tried.name!r}, and would be tried in its place")
    return trial_call(tried, key, request.state.request_id)


def cli_name(request: Request, model: Model) -> str:
    """What `gateway models` calls it: by its id, where its name has several deployments."""
    group = services(request).registry.catalogue.groups.get(model.name)
    return model.id if group and len(group.deployments) > 1 else model.name
