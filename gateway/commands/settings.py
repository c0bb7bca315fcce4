"""`gateway settings`: what holds for all calls, and for what is kept of them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from gateway.commands.output import Json, note, operator, print_json, print_table, with_store
from gateway.records import CallSettings

app = typer.Typer(help="Settings that all processes share.", no_args_is_help=True)


@app.command()
def show(context: typer.Context, as_json: Json = False) -> None:
    """Show the settings, and which are not as they were made."""
    settings = asdict(with_store(context, lambda store: store.settings.get()))
    if as_json:
        print_json(settings)
        return
    default = asdict(CallSettings())
    rows = [
        (name, _shown(value), "" if value == default[name] else _shown(default[name]))
        for name, value in settings.items()
    ]
    print_table(("SETTING", "VALUE", "DEFAULT, IF ANOTHER"), rows, "No settings.")


@app.command("set")
def set_(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="As `gateway settings show` has it.")],
    value: Annotated[
        str | None,
        typer.Argument(metavar="VALUE", help="Lists and mappings as JSON; names also with commas."),
    ] = None,
    default: Annotated[bool, typer.Option("--default", help="Its default, and no VALUE.")] = False,
    as_json: Json = False,
) -> None:
    """Change one setting. A running gateway goes by it within a second."""
    from gateway.specs import patched_settings

    if (value is None) != default:
        raise typer.BadParameter("give either a VALUE or --default")
    settings = with_store(
        context,
        lambda store: store.settings.change(
            lambda old: patched_settings(old, {name: value}), operator()
        ),
    )
    changed = asdict(settings)[name]
    if as_json:
        print_json({name: changed})
    else:
        note(f"{name} is {_shown(changed)} now.")


def _shown(value: object) -> str:
    import json

    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
