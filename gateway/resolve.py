"""From the name a caller asks for to the model that serves it. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.errors import UnknownModel
from gateway.records import Model, Operation


def resolve(models: Mapping[str, Model], name: str, operation: Operation) -> Model:
    """Raises UnknownModel where nothing is registered under `name`."""
    model = models.get(name)
    if model is None:
        raise UnknownModel(operation.value, name)
    return model
