"""What is said of the routes of evaluations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway.evals.specs import DatasetSpec, SuiteSpec
from gateway.evals.specs.any import AnyEvaluator
from gateway.http.evals import datasets, evaluators, reports, runs, suites
from gateway.http.openapi import evals_answers as answers
from gateway.http.openapi import evals_bodies as bodies
from gateway.http.openapi.description import Description

_DATASET = {"id": "The dataset's id or its name"}
_ROW = _DATASET | {"row": "The row's id. Slashes may stay"}
_EVALUATOR = {"id": "The evaluator's id or its name"}
_SUITE = {"id": "The suite's id or its name"}
_RUN = {"id": "The run's id"}

DESCRIPTIONS: Mapping[Callable[..., Any], Description] = {
    datasets.list_datasets: Description(
        id="list_datasets", tag="evals", summary="List datasets, by name",
        answer=answers.DatasetList,
    ),
    datasets.add_dataset: Description(
        id="add_dataset", tag="evals", summary="Make a dataset",
        body=DatasetSpec, answer=answers.Dataset, statuses=(201,), errors=(409,),
    ),
    datasets.get_dataset: Description(
        id="get_dataset", tag="evals", summary="Get a dataset, without its rows",
        path=_DATASET, answer=answers.Dataset,
    ),
    datasets.patch_dataset: Description(
        id="change_dataset", tag="evals", summary="Change a dataset",
        path=_DATASET, body=bodies.DATASET_PATCH, answer=answers.Dataset, errors=(409,),
    ),
    datasets.delete_dataset: Description(
        id="delete_dataset", tag="evals", summary="Remove a dataset that no suite has",
        path=_DATASET, answer=answers.DeletedDataset, errors=(409,),
    ),
    datasets.list_rows: Description(
        id="list_rows", tag="evals", summary="List a dataset's rows",
        path=_DATASET, query=bodies.ListsRows, answer=answers.RowPage,
    ),
    datasets.add_rows: Description(
        id="add_rows", tag="evals", summary="Add rows to a dataset",
        path=_DATASET, body=bodies.Rows, answer=answers.Dataset,
    ),
    datasets.patch_row: Description(
        id="change_row", tag="evals", summary="Change a row",
        path=_ROW, body=bodies.RowPatch, answer=answers.Dataset,
    ),
    datasets.delete_row: Description(
        id="delete_row", tag="evals", summary="Remove a row",
        path=_ROW, answer=answers.Dataset, errors=(422,),
    ),
    datasets.import_rows: Description(
        id="import_rows", tag="evals", summary="Read rows from a file of YAML, CSV or JSONL",
        path=_DATASET, body=bodies.Import, form=True, answer=answers.Dataset,
    ),
    datasets.export_rows: Description(
        id="export_rows", tag="evals", summary="Get a dataset's rows as a file",
        path=_DATASET, query=bodies.Exports,
        media={
            "application/jsonl": "A row a line",
            "text/csv": "For spreadsheets",
            "application/yaml": "A list of rows",
        },
    ),
    evaluators.list_evaluators: Description(
        id="list_evaluators", tag="evals", summary="List evaluators, by name",
        answer=answers.EvaluatorList,
    ),
    evaluators.add_evaluator: Description(
        id="add_evaluator", tag="evals", summary="Make an evaluator",
        body=AnyEvaluator, answer=answers.Evaluator, statuses=(201,), errors=(409,),
    ),
    evaluators.get_evaluator: Description(
        id="get_evaluator", tag="evals", summary="Get an evaluator",
        path=_EVALUATOR, answer=answers.Evaluator,
    ),
    evaluators.patch_evaluator: Description(
        id="change_evaluator", tag="evals", summary="Change an evaluator",
        path=_EVALUATOR, body=bodies.EvaluatorPatch, answer=answers.Evaluator, errors=(409,),
    ),
    evaluators.delete_evaluator: Description(
        id="delete_evaluator", tag="evals", summary="Remove an evaluator that no suite has",
        path=_EVALUATOR, answer=answers.DeletedEvaluator, errors=(409,),
    ),
    evaluators.try_evaluator: Description(
        id="try_evaluator", tag="evals", summary="Have an evaluator score an answer",
        path=_EVALUATOR, body=bodies.Trial, answer=answers.Tested,
    ),
    suites.list_suites: Description(
        id="list_suites", tag="evals", summary="List suites, by name", answer=answers.SuiteList,
    ),
    suites.add_suite: Description(
        id="add_suite", tag="evals", summary="Make a suite",
        body=SuiteSpec, answer=answers.Suite, statuses=(201,), errors=(409,),
    ),
    suites.get_suite: Description(
        id="get_suite", tag="evals", summary="Get a suite", path=_SUITE, answer=answers.Suite,
    ),
    suites.patch_suite: Description(
        id="change_suite", tag="evals", summary="Change a suite",
        path=_SUITE, body=bodies.SUITE_PATCH, answer=answers.Suite, errors=(409,),
    ),
    suites.delete_suite: Description(
        id="delete_suite", tag="evals", summary="Remove a suite; its runs stay",
        path=_SUITE, answer=answers.DeletedSuite,
    ),
    runs.list_runs: Description(
        id="list_runs", tag="evals", summary="List runs, newest first",
        query=bodies.ListsRuns, answer=answers.RunPage, errors=(404,),
    ),
    runs.start_run: Description(
        id="start_run", tag="evals", summary="Begin a run, of a suite or of what is given",
        body=bodies.NewRun, answer=answers.RunHead, statuses=(202,), errors=(404,),
    ),
    runs.get_run: Description(
        id="get_run", tag="evals", summary="Get a run and what it has come to",
        path=_RUN, answer=answers.Run, errors=(422,),
    ),
    runs.delete_run: Description(
        id="delete_run", tag="evals", summary="Remove a run that has ended",
        path=_RUN, answer=answers.DeletedRun, errors=(409,),
    ),
    runs.get_progress: Description(
        id="get_run_progress", tag="evals", summary="Get a run without its results",
        path=_RUN, answer=answers.RunHead,
    ),
    runs.list_items: Description(
        id="list_run_items", tag="evals", summary="List a run's items, in the order of its plan",
        path=_RUN, query=bodies.ListsItems, answer=answers.ItemPage,
    ),
    runs.cancel_run: Description(
        id="cancel_run", tag="evals", summary="End a run; what was done is kept",
        path=_RUN, answer=answers.RunHead,
    ),
    runs.resume_run: Description(
        id="resume_run", tag="evals", summary="Do what is left of a run",
        path=_RUN, body=bodies.Resumption, body_optional=True, answer=answers.RunHead,
        statuses=(202,), errors=(409,),
    ),
    runs.rerun: Description(
        id="rerun", tag="evals", summary="Run once more what a run was, as it is by now",
        path=_RUN, body=bodies.Rerun, body_optional=True, answer=answers.RunHead, statuses=(202,),
    ),
    runs.get_outdated: Description(
        id="get_run_outdated", tag="evals", summary="Get what has changed since a run",
        path=_RUN, answer=answers.Outdated,
    ),
    runs.compare_run: Description(
        id="compare_run", tag="evals", summary="Compare a run with an earlier one",
        path=_RUN | {"base": "The id of the run to compare it with"}, query=bodies.Compares,
        answer=answers.Comparison, errors=(409,),
    ),
    reports.get_html: Description(
        id="get_run_html", tag="evals", summary="Get the report on a run, as a page",
        path=_RUN, media={"text/html": "All in one file"}, errors=(422,),
    ),
    reports.get_json: Description(
        id="get_run_json", tag="evals", summary="Get all of a run, as a file",
        path=_RUN, answer=answers.ReportOfRun, errors=(422,),
    ),
    reports.get_csv: Description(
        id="get_run_csv", tag="evals", summary="Get a run's scores, as a file",
        path=_RUN, media={"text/csv": "A row for each item and evaluator"}, errors=(422,),
    ),
    reports.get_junit: Description(
        id="get_run_junit", tag="evals", summary="Get a run as tests, for CI servers",
        path=_RUN, media={"application/xml": "JUnit's format"}, errors=(422,),
    ),
}  # fmt: skip
