"""Ids of responses: whom they are of use to, and for how long."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet

from gateway.errors import NotFound
from gateway.records import Key
from gateway.response_ids import ResponseIds, StoredResponse
from gateway.specs import key_record
from gateway.vault import Vault

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
STORED = StoredResponse("resp_1", "deployment", "models/ä")


def key(name: str, team_id: str | None = None) -> Key:
    return key_record(name, name, 1, label=name, team_id=team_id)


def test_an_id_outlasts_a_rotation_of_the_secret_key() -> None:
    holder = key("a")
    given = ResponseIds(Vault([OLD])).seal(STORED, holder)
    assert given == ResponseIds(Vault([OLD])).seal(STORED, holder)
    assert ResponseIds(Vault([NEW, OLD])).open(given, holder) == STORED
    with pytest.raises(NotFound):
        ResponseIds(Vault([NEW])).open(given, holder)


def test_an_id_is_of_use_to_its_key_and_team() -> None:
    ids = ResponseIds(Vault([OLD]))
    holder, mate = key("a", "team"), key("b", "team")
    for other in (key("c"), key("d", "another")):
        alone = ids.seal(STORED, other)
        assert ids.open(alone, other) == STORED
        for stranger in (key("e"), holder):
            with pytest.raises(NotFound):
                ids.open(alone, stranger)
    assert ids.open(ids.seal(STORED, holder), mate) == STORED


@pytest.mark.parametrize("given", ["", "resp_", "resp_1", "resp_" + "A" * 300, "é", "x" * 10_000])
def test_what_is_no_id(given: str) -> None:
    with pytest.raises(NotFound) as raised:
        ResponseIds(Vault([OLD])).open(given, key("a"))
    assert len(raised.value.message) < 200
