"""`gateway models`: register, change, list, remove and try models."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from typing import Annotated, Any

import typer

from gateway.commands.output import (
    PROBLEM,
    Json,
    note,
    operator,
    print_fields,
    print_json,
    print_table,
    with_store,
)
from gateway.commands.pairs import pairs
from gateway.display import model_view
from gateway.errors import InvalidField

app = typer.Typer(help="Models: register, change, list, remove, test.", no_args_is_help=True)

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="The name that callers use; * stands for any text.")
]
Named = Annotated[
    str,
    typer.Argument(metavar="NAME", help="Its name, or the id of one of several deployments."),
]
Provider = Annotated[
    str | None, typer.Option(help="One of litellm's providers: openai, azure, anthropic, …")
]
Upstream = Annotated[
    str | None, typer.Option("--model", help="The provider's name for it, if it is another.")
]
BaseUrl = Annotated[str | None, typer.Option(help="Required for Azure and self-hosted providers.")]
ApiVersion = Annotated[str | None, typer.Option(help="Azure's API version.")]
ApiKeyEnv = Annotated[
    str | None,
    typer.Option(metavar="VARIABLE", help="Read the provider's key from this variable, now."),
]
ApiKeyReference = Annotated[
    str | None,
    typer.Option(metavar="VARIABLE", help="Store no key: the server reads this variable."),
]
ApiKeyStdin = Annotated[
    bool, typer.Option("--api-key-stdin", help="Read the provider's key from stdin.")
]
Params = Annotated[
    list[str] | None,
    typer.Option("--param", metavar="NAME=VALUE", help="A litellm parameter; VALUE may be JSON."),
]
Infos = Annotated[
    list[str] | None,
    typer.Option("--info", metavar="NAME=VALUE", help="Something to note, such as mode=embedding."),
]


@app.command()
def add(
    context: typer.Context,
    name: Name,
    provider: Provider = None,
    model: Upstream = None,
    base_url: BaseUrl = None,
    api_version: ApiVersion = None,
    api_key_env: ApiKeyEnv = None,
    api_key_ref: ApiKeyReference = None,
    api_key_stdin: ApiKeyStdin = False,
    param: Params = None,
    info: Infos = None,
    as_json: Json = False,
) -> None:
    """Register a model; of a name that there is, one more deployment, which shares its calls.

    On a terminal the provider's key is asked for, hidden.
    """
    from gateway.specs import model_spec

    api_key = _api_key(api_key_env, api_key_ref, api_key_stdin)
    params = pairs("--param", param, empty="")
    if model is not None:
        params["model"] = model
    described = {
        "model_name": name,
        "provider": provider,
        "base_url": base_url,
        "api_version": api_version,
        "api_key": api_key,
        "litellm_params": params,
        "model_info": pairs("--info", info, empty=""),
    }
    # Once without the key: what is wrong is said before somebody types one in.
    spec = model_spec(described)
    if api_key is None and "api_key" not in params and sys.stdin.isatty():
        asked = typer.prompt("API key (empty for none)", default="", hide_input=True, err=True)
        spec = model_spec(described | {"api_key": asked})
    record = spec.record(None, None, int(time.time()))
    count = with_store(context, lambda store: store.models.add(record, operator()))
    if as_json:
        print_json(model_view(record))
    elif count == 1:
        note(f"Registered {name}. Try it: gateway models test {name}")
    else:
        note(
            f"Registered {record.id}, one of now {count} deployments of {name}. "
            f"Try it: gateway models test {record.id}"
        )


@app.command("list")
def list_(context: typer.Context, as_json: Json = False) -> None:
    """List the models."""
    models = with_store(context, lambda store: store.models.all())
    if as_json:
        print_json([model_view(model) for model in models])
        return
    counts = Counter(model.name for model in models)
    # Where the names do not tell them apart.
    ids = any(count > 1 for count in counts.values())
    print_table(
        ("NAME", *(("ID",) if ids else ()), "PROVIDER", "MODEL", "BASE URL", "KEY"),
        (
            (
                model.name,
                *((model.id if counts[model.name] > 1 else None,) if ids else ()),
                model.provider,
                model.upstream_model,
                model.base_url,
                model_view(model)["api_key"],
            )
            for model in models
        ),
        "No models. Register one: gateway models add NAME --provider PROVIDER",
    )


@app.command()
def show(context: typer.Context, name: Named, as_json: Json = False) -> None:
    """Show one model."""
    view = model_view(with_store(context, lambda store: store.models.get(name)))
    print_json(view) if as_json else print_fields(view.items())


@app.command()
def update(
    context: typer.Context,
    name: Named,
    rename: Annotated[str | None, typer.Option(help="A new name for callers.")] = None,
    provider: Provider = None,
    model: Upstream = None,
    base_url: BaseUrl = None,
    api_version: ApiVersion = None,
    api_key_env: ApiKeyEnv = None,
    api_key_ref: ApiKeyReference = None,
    api_key_stdin: ApiKeyStdin = False,
    param: Params = None,
    info: Infos = None,
    unset: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD", help="Take away a field, or a parameter by its name."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Change what is given, and leave the rest."""
    from gateway.records import Model
    from gateway.specs import ModelSpec, patched

    params = pairs("--param", param, empty="")
    if model is not None:
        params["model"] = model
    fields = {
        "model_name": rename,
        "provider": provider,
        "base_url": base_url,
        "api_version": api_version,
        "api_key": _api_key(api_key_env, api_key_ref, api_key_stdin),
    }
    patch: dict[str, Any] = {field: value for field, value in fields.items() if value is not None}
    for field in unset or ():
        if field in ModelSpec.model_fields:
            patch[field] = None
        else:
            params[field] = None
    if params:
        patch["litellm_params"] = params
    if info:
        patch["model_info"] = pairs("--info", info, empty="")
    if not patch:
        raise InvalidField("Nothing to change: see `gateway models update --help`")

    def change(model: Model) -> Model:
        return patched(model, patch, int(time.time()))

    view = model_view(
        with_store(context, lambda store: store.models.change(name, change, operator()))
    )
    print_json(view) if as_json else note(f"Changed {view['model_name']}.")


@app.command()
def remove(
    context: typer.Context,
    name: Named,
    all_: Annotated[bool, typer.Option("--all", help="All deployments of the name.")] = False,
    as_json: Json = False,
) -> None:
    """Remove a model. Keys stay; calls to it are refused from then on."""
    if all_:
        gone = with_store(context, lambda store: store.models.remove_all(name, operator()))
    else:
        gone = [with_store(context, lambda store: store.models.remove(name, operator()))]
    removed = [{"id": model.id, "model_name": model.name, "deleted": True} for model in gone]
    if as_json:
        print_json(removed if all_ else removed[0])
    else:
        note(f"Removed {name}{f' with {len(gone)} deployments' if len(gone) > 1 else ''}.")


@app.command()
def test(context: typer.Context, name: Named, as_json: Json = False) -> None:
    """Make one real call, and say what came back or what is wrong and how to mend it."""
    from gateway.commands.trial import attempt

    trial = with_store(context, lambda store: attempt(store, name))
    if as_json:
        print_json(trial)
    elif trial["ok"]:
        note(f"{name} answered in {trial['seconds']:.2f} s, {trial['tokens']} tokens:")
        print(trial["answer"])
    elif trial["ok"] is None:
        note(f"{name} was not tried: {trial['not_tried']}")
    else:
        note(f"{name} does not work: {trial['problem']}\nTo mend it: {trial['remedy']}")
    if trial["ok"] is False:
        raise typer.Exit(PROBLEM)


def _api_key(variable: str | None, reference: str | None, stdin: bool) -> str | None:
    """The provider's key from where the options say, or None. Raises InvalidField."""
    from gateway.vault import REFERENCE_PREFIX

    if sum((variable is not None, reference is not None, stdin)) > 1:
        raise InvalidField("Give one of --api-key-env, --api-key-ref and --api-key-stdin")
    if reference is not None:
        return REFERENCE_PREFIX + reference
    if variable is not None:
        value = os.environ.get(variable, "").strip()
        if not value:
            raise InvalidField(f"--api-key-env: the variable {variable} is not set")
        return value
    if stdin:
        value = sys.stdin.readline().strip()
        if not value:
            raise InvalidField("--api-key-stdin: nothing came on stdin")
        return value
    return None
