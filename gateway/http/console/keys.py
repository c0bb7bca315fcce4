"""The Keys tab: who may call what, how much of it, and until when."""

from __future__ import annotations

import dataclasses
import time
from typing import Any, cast, get_args
from urllib.parse import urlencode

from starlette.responses import Response

from gateway import vault
from gateway.errors import Conflict, GatewayError, InvalidField
from gateway.http.console import key_forms
from gateway.http.console.snippets import curl, python
from gateway.http.console.visits import Visit
from gateway.http.keys import NO_STORE, rotation
from gateway.http.owners import all_shown
from gateway.records import Key, KeyState
from gateway.specs import key_spec, patched_key
from gateway.store.keys import KeyFilter

_PAGE = 50
# More names than can be ticked are written.
_MOST_TICKED = 60
_STATES = get_args(KeyState)


async def show_all(visit: Visit) -> Response:
    """The list, newest first: `?q=` a part of the label, `?state=`, `?team=`, `?page=` from 1."""
    given = visit.request.query_params
    sought, state, team = (given.get(name, "").strip() for name in ("q", "state", "team"))
    page = given.get("page", "")
    plain = page.isascii() and page.isdecimal() and len(page) < 8
    number = max(1, int(page)) if plain else 1
    wanted = KeyFilter.in_state(
        cast(KeyState, state) if state in _STATES else None,
        label_part=sought or None,
        team_id=team or None,
    )
    if not state:
        # Those that are gone are there for whoever asks.
        wanted = dataclasses.replace(wanted, revoked=False)
    store = visit.services.store
    keys, found = await store.keys.find(wanted, _PAGE, (number - 1) * _PAGE)
    views = await all_shown(visit.request, keys)
    used = await store.usage.last_used(key.id for key in keys)
    lines = [view | {"last_used": used.get(view["id"])} for view in views]
    query = {"q": sought, "state": state, "team": team}
    return visit.render(
        "keys/lines.html" if visit.partial else "keys/list.html",
        lines=lines,
        found=found,
        number=number,
        pages=-(-found // _PAGE),
        q=sought,
        state=state,
        states=_STATES,
        teams=_team_names(visit),
        filtered=bool(sought or state or team),
        here=urlencode({name: value for name, value in query.items() if value}),
        notice=_notice(given.get("done"), given.get("key")),
    )


async def ask_new(visit: Visit) -> Response:
    return _form(visit, key_forms.EMPTY)


async def issue(visit: Visit) -> Response:
    """Make the key, and show its secret, in this answer and nowhere else."""
    form = key_forms.sent(await visit.form_items())
    secret = vault.new_key()
    try:
        key = key_spec(key_forms.description(form)).record(secret, int(time.time()))
        await visit.services.store.keys.add(key, visit.actor)
    except GatewayError as error:
        return _form(visit, form, error)
    return _secret(visit, key, secret, status=201)


async def show(visit: Visit) -> Response:
    key = await _key(visit)
    [view] = await all_shown(visit.request, [key])
    used = await visit.services.store.usage.last_used([key.id])
    return visit.render(
        "keys/key.html", key=key, view=view, last_used=used.get(key.id), teams=_team_names(visit)
    )


async def ask_changes(visit: Visit) -> Response:
    key = await _key(visit)
    return _form(visit, key_forms.form_of(key, _model_names(visit)), key=key)


async def change(visit: Visit) -> Response:
    form = key_forms.sent(await visit.form_items())
    key = await _key(visit)
    try:
        patch = key_forms.changes(form, key)
        await visit.services.store.keys.change(
            key.id,
            lambda key: patched_key(key, patch, int(time.time())),
            visit.actor,
            keep_admin=True,
        )
    except GatewayError as error:
        return _form(visit, form, error, key)
    return visit.redirect(f"/ui/keys/{key.id}")


async def set_blocked(visit: Visit) -> Response:
    """Refuse its calls, or no longer."""
    form = await visit.form()
    key = await visit.services.store.keys.change(
        visit.request.path_params["id"],
        lambda key: dataclasses.replace(
            key, blocked=form.get("blocked") == "1", updated_at=int(time.time())
        ),
        visit.actor,
        keep_admin=True,
    )
    return visit.redirect(f"/ui/keys/{key.id}")


async def ask_to_rotate(visit: Visit) -> Response:
    return visit.render("keys/rotate.html", key=await _key(visit), problems={}, grace="1h")


async def rotate(visit: Visit) -> Response:
    form = await visit.form()
    key, secret, grace = await _key(visit), vault.new_key(), form.get("grace") or None
    try:
        key = await visit.services.store.keys.change(
            key.id,
            lambda key: rotation(visit.request, key, secret, grace),
            visit.actor,
            keep_admin=True,
        )
    except (InvalidField, Conflict) as error:
        return visit.render(
            "keys/rotate.html",
            status=error.status,
            key=key,
            problems={"grace": error.message},
            grace=grace or "",
        )
    return _secret(visit, key, secret)


async def ask_to_revoke(visit: Visit) -> Response:
    key = await _key(visit)
    used = await visit.services.store.usage.last_used([key.id])
    return visit.render("keys/revoke.html", key=key, last_used=used.get(key.id))


async def revoke(visit: Visit) -> Response:
    await visit.form()
    key = await _key(visit)
    await visit.services.store.keys.revoke([key.id], int(time.time()), visit.actor, keep_admin=True)
    return visit.redirect(f"/ui/keys?{urlencode({'done': 'revoked', 'key': _name(key)})}")


async def _key(visit: Visit) -> Key:
    """Raises NotFound."""
    return await visit.services.store.keys.get(visit.request.path_params["id"])


def _secret(visit: Visit, key: Key, secret: str, status: int = 200) -> Response:
    names = _model_names(visit)
    may = [name for name in key.models if name in names] if key.models else names
    plain = [name for name in may if "*" not in name]
    page = visit.render(
        "keys/secret.html",
        status=status,
        key=key,
        secret=secret,
        snippets=[
            (title, write(visit.api_url, secret, plain[0] if plain else "gpt-4o"))
            for title, write in (("With curl", curl), ("With Python", python))
        ],
    )
    page.headers.update(NO_STORE)
    return page


def _form(
    visit: Visit, form: key_forms.Form, error: GatewayError | None = None, key: Key | None = None
) -> Response:
    problems: dict[str, str] = {}
    if error is not None:
        field = key_forms.place(error) if isinstance(error, InvalidField) else "label"
        problems[field] = error.message
    names = _model_names(visit)
    further: tuple[Any, ...] = tuple(
        form[name] for name in ("user_id", "soft_budget", "tags", "more")
    )
    return visit.render(
        "keys/form.html",
        status=error.status if error else 200,
        form=form,
        key=key,
        problems=problems,
        names=names[:_MOST_TICKED],
        teams=_team_names(visit),
        further=any(further) or bool(problems.keys() & {"user_id", "soft_budget", "tags", "more"}),
    )


def _model_names(visit: Visit) -> list[str]:
    return sorted(visit.services.registry.catalogue.groups)


def _team_names(visit: Visit) -> dict[str, str]:
    """By their ids."""
    teams = visit.services.registry.teams.values()
    return {team.id: team.name for team in sorted(teams, key=lambda team: team.name)}


def _name(key: Key) -> str:
    return key.label or key.hint


def _notice(done: str | None, name: str | None) -> str | None:
    return f"“{name}” is revoked: its next call is refused." if done == "revoked" and name else None
