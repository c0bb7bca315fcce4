"""The ids of stored responses, as callers get them.

A provider keeps responses for its account, which all callers of a deployment share. The id that a
caller gets is therefore the gateway's own: it leads back to the deployment that has the response,
and is of use to the key it was given to, and to the keys of that key's team, alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from gateway.errors import NotFound
from gateway.records import Key
from gateway.vault import Vault

_PREFIX = "resp_"
_SHOWN = 64


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """Where a response is kept.

    Attributes:
        id: The provider's.
        model_name: What the caller called the model.
    """

    id: str
    deployment_id: str
    model_name: str


class ResponseIds:
    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def seal(self, response: StoredResponse, key: Key) -> str:
        """The caller's id of a response; the same each time."""
        parts = [key.id, key.team_id, response.deployment_id, response.model_name, response.id]
        return _PREFIX + self._vault.token(orjson.dumps(parts).decode())

    def open(self, given: str, key: Key) -> StoredResponse:
        """Raises NotFound where it is no id of a response that the key may use."""
        text = self._vault.read_token(given.removeprefix(_PREFIX))
        if text is not None:
            key_id, team_id, deployment_id, model_name, response_id = orjson.loads(text)
            if key_id == key.id or (team_id is not None and team_id == key.team_id):
                return StoredResponse(response_id, deployment_id, model_name)
        raise NotFound(
            f"Response with id '{given[:_SHOWN]}' not found: it is another key's, or was not stored"
        )
