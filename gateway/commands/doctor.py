"""`gateway doctor`: is this installation and its database in order?"""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from gateway.commands.findings import Finding, integrity, ledger, report, secret_key
from gateway.commands.output import Json
from gateway.settings import Settings

if TYPE_CHECKING:
    from gateway.records import Key, Model, Team
    from gateway.store import Store

# Published with malware in them, and the files they left behind: see docs/security of litellm,
# BerriAI/litellm issues 24512 and 24518, and the incident of 21 October 2026.
_MALICIOUS_LITELLM = ("1.82.7", "1.82.8", "1.107.0")
_IMPLANTS = ("litellm_init.pth", "cook.pth", "cook.py", "sitecustomize.py")


def doctor(context: typer.Context, as_json: Json = False) -> None:
    """Check the installation, the database and the secrets."""
    report(asyncio.run(_examine(context.obj)), as_json)


async def _examine(settings: Settings) -> list[Finding]:
    from gateway.errors import GatewayError
    from gateway.store import Store

    findings = [_python(), _litellm(), *_implants(sys.path)]
    try:
        async with Store.open(settings) as store:
            findings += [finding async for finding in _database(store)]
    except GatewayError as error:
        findings.append(Finding("database", "problem", str(error), "check GATEWAY_DATABASE_URL"))
    return findings


def _python() -> Finding:
    return Finding("python", "ok", sys.version.split()[0])


def _litellm() -> Finding:
    try:
        version = distribution("litellm").version
    except PackageNotFoundError:
        return Finding("litellm", "problem", "not installed", "install the gateway again")
    if version in _MALICIOUS_LITELLM:
        return Finding(
            "litellm",
            "problem",
            f"{version} was published with malware",
            "take this machine off the network, rotate every key on it, and build it anew",
        )
    return Finding("litellm", "ok", version)


def _implants(folders: list[str]) -> list[Finding]:
    # Some systems ship a sitecustomize.py of their own beside the standard library.
    packages = [Path(folder) for folder in folders if folder.endswith("site-packages")]
    found = [str(p / name) for p in packages for name in _IMPLANTS if (p / name).exists()]
    return [
        Finding(
            "implants",
            "problem",
            f"{path} is a file that malicious releases of litellm left behind",
            "find out where it comes from before anything else runs here",
        )
        for path in found
    ]


async def _database(store: Store) -> AsyncIterator[Finding]:
    from gateway.store.sqlite import SQLite

    yield await integrity(store)
    if isinstance(store.database, SQLite):
        yield _mode("database file", store.database.path)
    if store.key_file is not None and store.key_file.exists():
        yield _mode("secret key file", store.key_file)
    opened = await secret_key(store)
    yield opened
    if opened.state == "ok":
        async for finding in _models(store):
            yield finding
    for finding in await ledger(store):
        yield finding
    keys = [key for key in await store.keys.all() if key.revoked_at is None]
    if any(key.is_admin for key in keys):
        yield Finding("admin key", "ok", "there is one")
    else:
        yield Finding("admin key", "warning", "none yet", "the first start makes and prints one")


async def _models(store: Store) -> AsyncIterator[Finding]:
    from gateway.errors import Misconfigured
    from gateway.vault import resolve_references

    models = await store.models.all()
    async for finding in _prices(store, models):
        yield finding
    async for finding in _routing(store, models):
        yield finding
    several = Counter(model.name for model in models)
    for model in models:
        try:
            resolve_references([model.secrets, model.params, model.base_url], os.environ)
        except Misconfigured as error:
            which = f", {model.id}" if several[model.name] > 1 else ""
            yield Finding(
                f"model {model.name}{which}",
                "warning",
                f"{error} here",
                "set it where the gateway runs",
            )


async def _prices(store: Store, models: list[Model]) -> AsyncIterator[Finding]:
    from gateway.catalogue import is_pattern
    from gateway.pricing import prices_of

    # Each model that a pattern stands for has a price of its own, or none.
    named = [model for model in models if not is_pattern(model.upstream_model)]
    unpriced = dict.fromkeys(model.name for model in named if prices_of(model) is None)
    owners: list[Key | Team] = [*await store.keys.all(), *await store.teams.all()]
    # Without a budget, a cost that is not known misleads nobody.
    if unpriced and any(owner.max_budget is not None for owner in owners):
        yield Finding(
            "prices",
            "warning",
            f"no price is known for {', '.join(unpriced)}: budgets do not count them",
            "set input_cost_per_token and output_cost_per_token in litellm_params",
        )


async def _routing(store: Store, models: list[Model]) -> AsyncIterator[Finding]:
    from gateway.catalogue import Catalogue
    from gateway.specs.routing import loose_ends

    settings = await store.settings.get()
    catalogue = Catalogue(models, settings.model_group_alias)
    for name, problem in loose_ends(asdict(settings), catalogue):
        yield Finding(name, "warning", problem, f"register it, or gateway settings set {name}")


def _mode(check: str, path: Path) -> Finding:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return Finding(check, "problem", f"others may read {path}", f"chmod 600 {path}")
    return Finding(check, "ok", f"mode {mode:03o}")
