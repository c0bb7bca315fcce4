"""The routes of evaluations."""

from __future__ import annotations

from collections.abc import Iterator

from starlette.routing import BaseRoute, Route

from gateway.http.evals import datasets, evaluators, reports, runs, suites


def routes(prefix: str) -> Iterator[BaseRoute]:
    """All of them, below `prefix`."""
    many = f"{prefix}/datasets"
    one = f"{many}/{{id}}"
    # A row's id may hold slashes.
    row = f"{one}/rows/{{row:path}}"
    yield Route(many, datasets.list_datasets, methods=["GET"])
    yield Route(many, datasets.add_dataset, methods=["POST"])
    yield Route(one, datasets.get_dataset, methods=["GET"])
    yield Route(one, datasets.patch_dataset, methods=["PATCH"])
    yield Route(one, datasets.delete_dataset, methods=["DELETE"])
    yield Route(f"{one}/rows", datasets.list_rows, methods=["GET"])
    yield Route(f"{one}/rows", datasets.add_rows, methods=["POST"])
    yield Route(row, datasets.patch_row, methods=["PATCH"])
    yield Route(row, datasets.delete_row, methods=["DELETE"])
    yield Route(f"{one}/import", datasets.import_rows, methods=["POST"])
    yield Route(f"{one}/export", datasets.export_rows, methods=["GET"])
    many = f"{prefix}/evaluators"
    one = f"{many}/{{id}}"
    yield Route(many, evaluators.list_evaluators, methods=["GET"])
    yield Route(many, evaluators.add_evaluator, methods=["POST"])
    yield Route(one, evaluators.get_evaluator, methods=["GET"])
    yield Route(one, evaluators.patch_evaluator, methods=["PATCH"])
    yield Route(one, evaluators.delete_evaluator, methods=["DELETE"])
    yield Route(f"{one}/test", evaluators.try_evaluator, methods=["POST"])
    many = f"{prefix}/suites"
    one = f"{many}/{{id}}"
    yield Route(many, suites.list_suites, methods=["GET"])
    yield Route(many, suites.add_suite, methods=["POST"])
    yield Route(one, suites.get_suite, methods=["GET"])
    yield Route(one, suites.patch_suite, methods=["PATCH"])
    yield Route(one, suites.delete_suite, methods=["DELETE"])
    many = f"{prefix}/runs"
    one = f"{many}/{{id}}"
    yield Route(many, runs.list_runs, methods=["GET"])
    yield Route(many, runs.start_run, methods=["POST"])
    yield Route(one, runs.get_run, methods=["GET"])
    yield Route(one, runs.delete_run, methods=["DELETE"])
    yield Route(f"{one}/progress", runs.get_progress, methods=["GET"])
    yield Route(f"{one}/items", runs.list_items, methods=["GET"])
    yield Route(f"{one}/cancel", runs.cancel_run, methods=["POST"])
    yield Route(f"{one}/resume", runs.resume_run, methods=["POST"])
    yield Route(f"{one}/rerun", runs.rerun, methods=["POST"])
    yield Route(f"{one}/outdated", runs.get_outdated, methods=["GET"])
    yield Route(f"{one}/compare/{{base}}", runs.compare_run, methods=["GET"])
    yield Route(f"{one}/report.html", reports.get_html, methods=["GET"])
    yield Route(f"{one}/report.json", reports.get_json, methods=["GET"])
    yield Route(f"{one}/report.csv", reports.get_csv, methods=["GET"])
    yield Route(f"{one}/junit.xml", reports.get_junit, methods=["GET"])
