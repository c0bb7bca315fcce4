"""What a trial of a model says of the answer."""

from __future__ import annotations

import pytest

from gateway.records import Content, Operation
from gateway.trial import said
from tests import calls
from tests.odd import changed
from tests.servers import Json


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (calls.whole(Operation.CHAT), "Hello from the fake provider."),
        (calls.whole(Operation.COMPLETION), "Hello from the fake provider."),
        (calls.whole(Operation.EMBEDDING), "a vector of 2 numbers"),
        ({"text": ""}, "(an answer without text)"),
        ({"choices": [{"message": 1}]}, "(an answer that is not as its format says)"),
        (Content(bytes(2048), "audio/mpeg"), "2,048 bytes of audio/mpeg"),
    ],
)
def test_said(body: Json | Content, text: str) -> None:
    assert said(body) == text


@pytest.mark.parametrize("operation", [Operation.CHAT, Operation.COMPLETION, Operation.EMBEDDING])
def test_something_is_said_of_every_answer(operation: Operation) -> None:
    assert all(said(body) for _, body in changed(calls.whole(operation)))
