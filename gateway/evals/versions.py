"""What a run was made with, as hashes, and what of it is another by now."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.catalogue import Catalogue, Group
from gateway.errors import NotFound
from gateway.evals.datasets import hash_of
from gateway.evals.records import Run
from gateway.store.evals import Evals


@dataclass(frozen=True, slots=True)
class Change:
    """Something that a run was made with and that is another now, or is gone."""

    kind: str
    """`dataset`, `evaluator` or `model`."""
    name: str
    state: str
    """`changed` or `removed`."""


def version_of_group(group: Group) -> str:
    """Of what a name stands for: its deployments, without their keys."""
    deployments = sorted(
        json.dumps(
            {
                "provider": model.provider,
                "model": model.upstream_model,
                "base_url": model.base_url,
                "api_version": model.api_version,
                "params": model.params,
                "info": {name: value for name, value in model.info.items() if name != "id"},
            },
            sort_keys=True,
        )
        for model in group.deployments
    )
    return hash_of(deployments)


def versions_now(run: Run, catalogue: Catalogue, aliases: Mapping[str, str]) -> dict[str, str]:
    """The versions that a run's models have now, of those that are there; `aliases` are those of
    its key."""
    found = {name: catalogue.find(aliases.get(name, name)) for name in run.model_versions}
    return {name: version_of_group(group) for name, group in found.items() if group is not None}


async def changes_since(run: Run, evals: Evals, models: Mapping[str, str]) -> list[Change]:
    """What of a run has changed since; `models` are the versions that its models have now.

    Datasets and evaluators are told by their ids, so that one that was renamed is the same.
    """
    found: list[Change] = []
    try:
        version = (await evals.datasets.head(run.dataset.id)).version
    except NotFound:
        version = None
    found += _change("dataset", run.dataset.name, run.dataset.version, version)
    now: dict[str, Any] = {each.id: each.version for each in await evals.evaluators.all()}
    for evaluator in run.evaluators:
        version = now.get(evaluator.id)
        found += _change("evaluator", evaluator.name, evaluator.version, version)
    for name, version in run.model_versions.items():
        found += _change("model", name, version, models.get(name))
    return found


def _change(kind: str, name: str, before: str, now: str | None) -> Iterable[Change]:
    if now is None:
        yield Change(kind, name, "removed")
    elif now != before:
        yield Change(kind, name, "changed")
