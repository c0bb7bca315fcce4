"""What an operator may say of datasets, evaluators and suites, checked, and made into records.

The HTTP routes, the CLI and the YAML file all pass through here. `…_description` gives of a record
what makes the same again; a patch is a description with some of it changed.
"""

from gateway.evals.specs.datasets import (
    DatasetSpec,
    dataset_description,
    dataset_record,
    described_dataset,
    with_cases,
)
from gateway.evals.specs.evaluators import (
    TYPES,
    EvaluatorSpec,
    described_evaluator,
    evaluator_description,
    evaluator_record,
    models_of,
)
from gateway.evals.specs.suites import (
    GateSpec,
    SuiteSpec,
    check_columns_used,
    described_suite,
    gate_description,
    suite_description,
    suite_record,
)

__all__ = [
    "TYPES",
    "DatasetSpec",
    "EvaluatorSpec",
    "GateSpec",
    "SuiteSpec",
    "check_columns_used",
    "dataset_description",
    "dataset_record",
    "described_dataset",
    "described_evaluator",
    "described_suite",
    "evaluator_description",
    "evaluator_record",
    "gate_description",
    "models_of",
    "suite_description",
    "suite_record",
    "with_cases",
]
