"""Which stored deployment each model of a file is, whatever the two say."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gateway.config.matching import match
from gateway.records import Model
from gateway.specs import ModelSpec, deployment_of, model_spec


def spec(name: str, upstream: str, key: str | None, model_id: str | None) -> ModelSpec:
    info = {} if model_id is None else {"id": model_id}
    params = {"model": f"openai/{upstream}"}
    return model_spec(
        {"model_name": name, "api_key": key, "litellm_params": params, "model_info": info}
    )


SPECS = st.lists(
    st.builds(
        spec,
        st.sampled_from(["a", "b"]),
        st.sampled_from(["x", "y"]),
        st.sampled_from(["k1", "k2", None]),
        st.sampled_from([None, None, "i", "j"]),
    ),
    max_size=5,
)


def distinct(specs: list[ModelSpec]) -> list[ModelSpec]:
    """What of these a file can have: each deployment and each id once."""
    kept: dict[tuple[str, str], ModelSpec] = {}
    ids = set()
    for each in specs:
        given_id = each.model_info.get("id")
        if given_id is None or given_id not in ids:
            kept.setdefault((each.model_name, deployment_of(each.record("", 0, 0))), each)
            ids.add(given_id)
    return list(kept.values())


def made(specs: list[ModelSpec], prefix: str) -> list[Model]:
    """Stored deployments, without ids of the operator's own."""
    records = [each.record(f"{prefix}{number}", 0, 0) for number, each in enumerate(specs)]
    return sorted(records, key=lambda model: model.name)


def applied(specs: list[ModelSpec], stored: list[Model]) -> list[Model]:
    """What `apply` leaves in the store."""
    matched = match(specs, stored, 0)
    replaced = {old.id for _, old in matched if old}
    left = [model for model in stored if model.id not in replaced]
    new = [replace(model, created_at=0, updated_at=0) for model, _ in matched]
    return sorted([*left, *new], key=lambda model: (model.name, model.id))


def contents(models: list[Model]) -> Counter[tuple[str, str]]:
    return Counter((model.name, deployment_of(model)) for model in models)


@given(SPECS.map(distinct), SPECS.map(distinct), st.randoms())
def test_a_file_is_found_again_and_its_order_does_not_matter(
    specs: list[ModelSpec], registered: list[ModelSpec], random: st.DrawFn
) -> None:
    stored = made(registered, "m")
    once = applied(specs, stored)
    assert applied(specs, once) == once
    # Every entry is there, and nothing that the file could not have meant is gone.
    asked = contents([each.record("", 0, 0) for each in specs])
    assert all(contents(once)[content] for content in asked)
    assert len(once) >= max(len(stored), len(specs))
    shuffled = list(specs)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert applied(shuffled, once) == once
    assert contents(applied(shuffled, stored)) == contents(once)


@given(SPECS.map(distinct))
def test_no_two_entries_are_one_and_names_are_kept_apart(specs: list[ModelSpec]) -> None:
    stored = made(distinct(specs[::-1]), "m")
    matched = match(specs, stored, 0)
    taken = [old.id for _, old in matched if old]
    assert len(set(taken)) == len(taken)
    assert all(old.name == new.name for new, old in matched if old)
