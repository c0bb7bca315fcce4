"""Where the pages of the Evaluations tab are."""

from __future__ import annotations

from gateway.http.console.evals import comparing, datasets, evaluators, overview, runs, suites
from gateway.http.console.visits import Handler

PAGES: list[tuple[str, str, Handler]] = [
    ("/ui/evals", "GET", overview.show),
    ("/ui/evals/suites", "GET", suites.show_all),
    ("/ui/evals/suites", "POST", suites.add),
    ("/ui/evals/suites/new", "GET", suites.ask_new),
    ("/ui/evals/suites/{id}", "GET", suites.show),
    ("/ui/evals/suites/{id}/run", "POST", suites.start_run),
    ("/ui/evals/suites/{id}/edit", "GET", suites.ask_changes),
    ("/ui/evals/suites/{id}/edit", "POST", suites.change),
    ("/ui/evals/suites/{id}/delete", "GET", suites.ask_to_delete),
    ("/ui/evals/suites/{id}/delete", "POST", suites.delete),
    ("/ui/evals/runs", "GET", runs.show_all),
    ("/ui/evals/runs/{id}", "GET", runs.show),
    ("/ui/evals/runs/{id}/progress", "GET", runs.show_progress),
    ("/ui/evals/runs/{id}/compare", "GET", comparing.show),
    ("/ui/evals/runs/{id}/cancel", "POST", runs.cancel),
    ("/ui/evals/runs/{id}/resume", "POST", runs.resume),
    ("/ui/evals/runs/{id}/rerun", "POST", runs.rerun),
    ("/ui/evals/runs/{id}/baseline", "POST", runs.make_baseline),
    ("/ui/evals/runs/{id}/delete", "GET", runs.ask_to_delete),
    ("/ui/evals/runs/{id}/delete", "POST", runs.delete),
    ("/ui/evals/runs/{id}/files/{name}", "GET", runs.as_file),
    ("/ui/evals/datasets", "GET", datasets.show_all),
    ("/ui/evals/datasets", "POST", datasets.add),
    ("/ui/evals/datasets/new", "GET", datasets.ask_new),
    ("/ui/evals/datasets/{id}", "GET", datasets.show),
    ("/ui/evals/datasets/{id}/edit", "GET", datasets.ask_changes),
    ("/ui/evals/datasets/{id}/edit", "POST", datasets.change),
    ("/ui/evals/datasets/{id}/export", "GET", datasets.export),
    ("/ui/evals/datasets/{id}/delete", "GET", datasets.ask_to_delete),
    ("/ui/evals/datasets/{id}/delete", "POST", datasets.delete),
    ("/ui/evals/evaluators", "GET", evaluators.show_all),
    ("/ui/evals/evaluators", "POST", evaluators.add),
    ("/ui/evals/evaluators/new", "GET", evaluators.ask_new),
    ("/ui/evals/evaluators/{id}", "GET", evaluators.show),
    ("/ui/evals/evaluators/{id}/try", "POST", evaluators.try_out),
    ("/ui/evals/evaluators/{id}/edit", "GET", evaluators.ask_changes),
    ("/ui/evals/evaluators/{id}/edit", "POST", evaluators.change),
    ("/ui/evals/evaluators/{id}/delete", "GET", evaluators.ask_to_delete),
    ("/ui/evals/evaluators/{id}/delete", "POST", evaluators.delete),
]
