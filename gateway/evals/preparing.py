"""From what is to be run, as whoever wants it says it, to a run with all that it is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gateway.catalogue import Catalogue
from gateway.errors import GatewayError, InvalidField, ModelDenied, UnknownModel
from gateway.evals.evaluators import scorer_of
from gateway.evals.model_calls import Read
from gateway.evals.records import Dataset, Evaluator, Run, Suite
from gateway.evals.runner import is_column
from gateway.evals.specs import (
    check_columns_used,
    gate_description,
    models_of,
    suite_description,
    suite_record,
)
from gateway.evals.versions import version_of_group
from gateway.fields import merge_patch
from gateway.money import dollars
from gateway.records import Key, Operation
from gateway.resolve import resolve
from gateway.specs import new_id
from gateway.specs.shared import check_patch
from gateway.store.evals import Evals

MOST_ITEMS = 1_000_000

Json = Mapping[str, Any]


class Preparing:
    """Makes runs out of descriptions."""

    def __init__(self, store: Evals, read: Read, *, allow_python: bool) -> None:
        self._store = store
        self._read = read
        self._allow_python = allow_python

    async def run(
        self,
        description: Json,
        key: Key,
        catalogue: Catalogue,
        now: int,
        dataset: Dataset | None = None,
    ) -> Run:
        """The run that is described: by a suite, and what is to be other than there; or in full.

        `dataset` is one that is not stored, in place of the one that is named.

        Raises:
            InvalidField: Names the field.
            NotFound: The suite, the dataset or an evaluator is not there.
        """
        given = dict(check_patch(description))
        named = given.pop("suite", None)
        if not isinstance(named, str | None):
            raise InvalidField("suite takes the name of a suite", param="suite")
        suite = None if named is None else await self._store.suites.get(named)
        base = suite_description(suite) if suite else {"name": "Run"}
        wanted = suite_record(merge_patch(base, given), now)
        if dataset is None:
            dataset = await self._store.datasets.get(wanted.dataset)
        evaluators = await self._evaluators(wanted)
        of = suite.name if suite else None
        return self.made(wanted, dataset, evaluators, of, key, catalogue, now)

    async def again(
        self, run: Run, name: str | None, key: Key, catalogue: Catalogue, now: int
    ) -> Run:
        """A run of the same, as all that it is made of is by now. Raises as `run`."""
        description = {
            "name": name or run.name,
            # By their ids: they may have other names by now.
            "dataset": run.dataset.id,
            "evaluators": [evaluator.id for evaluator in run.evaluators],
            "models": list(run.targets),
            "messages": list(run.messages),
            "params": dict(run.params),
            "repeat": run.repeat,
            "concurrency": run.concurrency,
        }
        if run.max_cost is not None:
            description["max_cost"] = dollars(run.max_cost)
        if run.gate is not None:
            description["gate"] = gate_description(run.gate)
        wanted = suite_record(description, now)
        dataset = await self._store.datasets.get(wanted.dataset)
        evaluators = await self._evaluators(wanted)
        return self.made(wanted, dataset, evaluators, run.suite, key, catalogue, now)

    async def _evaluators(self, wanted: Suite) -> list[Evaluator]:
        """Raises NotFound."""
        return [await self._store.evaluators.get(name) for name in wanted.evaluators]

    def made(
        self,
        wanted: Suite,
        dataset: Dataset,
        evaluators: Sequence[Evaluator],
        suite: str | None,
        key: Key,
        catalogue: Catalogue,
        now: int,
    ) -> Run:
        """A run of these; `suite` is the name of the one that it is of. Raises InvalidField."""
        self._check(wanted, dataset, evaluators)
        models = [target for target in wanted.models if not is_column(target)]
        judges = [judge for evaluator in evaluators for judge in models_of(evaluator)]
        return Run(
            id=new_id("run"),
            name=wanted.name,
            suite=suite,
            status="pending",
            dataset=dataset,
            targets=wanted.models,
            evaluators=tuple(evaluators),
            messages=wanted.messages,
            params=wanted.params,
            repeat=wanted.repeat,
            concurrency=wanted.concurrency,
            max_cost=wanted.max_cost,
            gate=wanted.gate,
            model_versions={
                **_versions(models, "models", key, catalogue),
                **_versions(judges, "evaluators", key, catalogue),
            },
            key_id=key.id,
            created_at=now,
        )

    def _check(self, wanted: Suite, dataset: Dataset, evaluators: Sequence[Evaluator]) -> None:
        if not dataset.cases:
            raise InvalidField(f"The dataset {dataset.name!r} has no rows", param="dataset")
        if len(dataset.cases) * len(wanted.models) * wanted.repeat > MOST_ITEMS:
            raise InvalidField(
                f"repeat: rows, models and repeats make more than {MOST_ITEMS} calls",
                param="repeat",
            )
        for evaluator in evaluators:
            scorer_of(evaluator, allow_python=self._allow_python)  # raises InvalidField
        columns = [{"content": target} for target in wanted.models if is_column(target)]
        check_columns_used(dataset, evaluators, [*wanted.messages, *columns])
        message = {"role": "user", "content": "x"}
        try:
            self._read(Operation.CHAT, {**wanted.params, "model": "x", "messages": [message]})
        except GatewayError as error:
            raise InvalidField(f"params: {error.message}", param="params") from None


def _versions(names: Iterable[str], param: str, key: Key, catalogue: Catalogue) -> dict[str, str]:
    """Raises InvalidField for a model that is not there, or not the key's to call."""
    found: dict[str, str] = {}
    for name in names:
        try:
            group = resolve(catalogue, key, name, Operation.CHAT)
        except ModelDenied:
            raise InvalidField(
                f"{param}: the key {key.id!r} may not call the model {name!r}", param=param
            ) from None
        except UnknownModel:
            raise InvalidField(
                f"{param}: no model is registered as {name!r}; any agent that speaks OpenAI's "
                "format can be, by its base URL",
                param=param,
            ) from None
        found[name] = version_of_group(group)
    return found
