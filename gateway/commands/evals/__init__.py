"""`gateway evals`: run evaluations, and look at what came of them.

Exit codes are those of all commands, and 100 where a run did not reach what its gate asks for.
"""

from __future__ import annotations

import typer

from gateway.commands.evals import datasets, importing, reviewing, running

app = typer.Typer(
    help="Evaluations: how well models answer, by rules and by judges.",
    epilog="Exit codes: 0 the gate is passed, or there is none; 1 failed; 2 wrong usage; 100 the "
    "gate is not passed.",
    no_args_is_help=True,
)
app.add_typer(datasets.app, name="dataset")
app.command()(running.run)
app.command()(running.score)
app.command()(running.rerun)
app.command()(running.resume)
app.command("list")(reviewing.list_)
app.command()(reviewing.show)
app.command()(reviewing.report)
app.command()(reviewing.compare)
app.command("outdated")(reviewing.whats_outdated)
app.command()(reviewing.cancel)
app.command()(reviewing.remove)
app.command()(reviewing.baseline)
app.command()(reviewing.suites)
app.command()(reviewing.evaluators)
app.command("import-openai")(importing.import_openai)
