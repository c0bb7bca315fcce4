"""From a name to a model."""

from __future__ import annotations

import pytest

from gateway.errors import UnknownModel
from gateway.records import Operation
from gateway.resolve import resolve
from gateway.specs import model_spec

MODELS = {
    name: model_spec({"model_name": name, "provider": "openai"}).record(None, None, 1)
    for name in ("gpt", "openai/gpt", "a:b")
}


@pytest.mark.parametrize("name", MODELS)
def test_a_name_stands_for_the_model_registered_under_it(name: str) -> None:
    assert resolve(MODELS, name, Operation.CHAT) is MODELS[name]


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize("name", ["GPT", "gpt ", "gp", "openai/", "azure/gpt", "", "%", "*"])
def test_any_other_name_is_unknown(name: str, operation: Operation) -> None:
    with pytest.raises(UnknownModel) as refused:
        resolve(MODELS, name, operation)
    assert refused.value.message.startswith(f"{operation.value}: Invalid model name passed in")
    assert f"model={name}." in refused.value.message
    assert (refused.value.status, refused.value.param) == (400, "model")
