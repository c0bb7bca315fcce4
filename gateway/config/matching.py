"""Which stored deployment each model of a file is. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from gateway.errors import Conflict
from gateway.records import Model
from gateway.specs import ModelSpec, deployment_of, target_of

Match = tuple[Model, Model | None]
"""What a model shall be, and the stored deployment that it is, if any."""


def match(specs: Sequence[ModelSpec], stored: Sequence[Model], now: int) -> list[Match]:
    """Each of a file's models with the stored one that it is; in the file's order.

    Those of one name are matched by the ids that the file gives; then the ones that are the same;
    then, of the file's that have no id, those that have the same target, and the rest in order. One
    alone on either side are the same whatever they say. So a file that is applied twice finds what
    it made, and a stored deployment that it does not name is left over.
    """
    entries: dict[str, list[int]] = defaultdict(list)
    for index, spec in enumerate(specs):
        entries[spec.model_name].append(index)
    left: dict[str, list[Model]] = defaultdict(list)
    for model in stored:
        left[model.name].append(model)
    records = [spec.record(None, None, now) for spec in specs]
    ids = [spec.model_info.get("id") for spec in specs]
    contents = [deployment_of(record) for record in records]
    stored_contents = {model.id: deployment_of(model) for model in stored}
    lone = {name for name, pending in entries.items() if len(pending) == len(left[name]) == 1}
    rules: tuple[Callable[[int, Model], bool], ...] = (
        lambda index, old: ids[index] == old.id,
        lambda index, old: contents[index] == stored_contents[old.id],
        lambda index, old: ids[index] is None and target_of(records[index]) == target_of(old),
        lambda index, old: old.name in lone or ids[index] is None,
    )
    found: dict[int, Model] = {}
    for fits in rules:
        for name, pending in entries.items():
            _pair(pending, left[name], found, fits)
    return [
        (spec.record(ids[index] or old.id, old.created_at, now), old)
        if (old := found.get(index))
        else (records[index], None)
        for index, spec in enumerate(specs)
    ]


def refuse_clashes(matched: Iterable[Match], stored: Iterable[Model]) -> None:
    """Raises Conflict where an id is another model's, or a deployment would be there twice."""
    by_id = {model.id: model for model in stored}
    before = {old.id for _, old in matched if old}
    untouched = {
        (model.name, deployment_of(model)): model.id
        for model in by_id.values()
        if model.id not in before
    }
    for model, old in matched:
        owner = by_id.get(model.id)
        if owner is not None and owner != old:
            raise Conflict(
                f"The id {model.id!r} of the model {model.name!r} belongs to the registered model "
                f"{owner.name!r}; delete that model first, or leave model_info.id out",
                param="model_info.id",
            )
        twin = untouched.get((model.name, deployment_of(model)))
        if twin is not None:
            raise Conflict(
                f"The deployment {model.id!r} of the model {model.name!r} would be the same as "
                f"{twin!r}; delete that one first",
                param="model_name",
            )


def _pair(
    pending: list[int],
    left: list[Model],
    found: dict[int, Model],
    fits: Callable[[int, Model], bool],
) -> None:
    """Take each of `pending` with the first of `left` that fits it out of both."""
    for index in list(pending):
        old = next((each for each in left if fits(index, each)), None)
        if old is not None:
            pending.remove(index)
            left.remove(old)
            found[index] = old
