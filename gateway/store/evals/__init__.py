"""What evaluations are made of, and their results, as rows."""

from gateway.store.evals.datasets import Datasets
from gateway.store.evals.named import Evaluators, Suites
from gateway.store.evals.runs import Runs
from gateway.store.evals.store import Evals

__all__ = ["Datasets", "Evals", "Evaluators", "Runs", "Suites"]
