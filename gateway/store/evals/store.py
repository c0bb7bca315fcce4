"""The stores of evaluations behind one handle."""

from __future__ import annotations

from gateway.store.database import Database
from gateway.store.evals.datasets import Datasets
from gateway.store.evals.named import Evaluators, Suites
from gateway.store.evals.openai import OpenAIEvals
from gateway.store.evals.runs import Runs


class Evals:
    """Attributes:
    datasets: With all versions of their cases that something needs.
    evaluators: Ways to score an answer.
    suites: What is to be run.
    runs: What was run, and what came of it.
    openai: Evaluations of clients of OpenAI's API.
    """

    def __init__(self, database: Database) -> None:
        self.datasets = Datasets(database)
        self.evaluators = Evaluators(database)
        self.suites = Suites(database)
        self.runs = Runs(database)
        self.openai = OpenAIEvals(database)
