"""The Settings tab: what holds for all calls, to be changed here, and how the process runs."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import orjson
from starlette.responses import Response

from gateway import __version__
from gateway.errors import Conflict, GatewayError, NotFound
from gateway.http.console.fields import json_value
from gateway.http.console.setting_texts import SECTIONS, About
from gateway.http.console.shown import count
from gateway.http.console.visits import Visit
from gateway.records import CallSettings
from gateway.specs import patched_settings
from gateway.specs.routing import STRATEGIES, loose_ends

_ABOUT = {name: about for section in SECTIONS.values() for name, about in section.items()}


@dataclass(frozen=True, slots=True)
class Line:
    """One setting.

    Attributes:
        shown: Its value, for people.
        default: Likewise its default, if that is another.
        text: Its value, as its form takes it.
        ruled: Whether the file that the gateway was started with sets it.
        warnings: What of it has no effect.
    """

    name: str
    about: About
    shown: str
    default: str | None
    text: str
    ruled: bool
    warnings: Sequence[str]


async def show_all(visit: Visit) -> Response:
    return await _page(visit)


async def change(visit: Visit) -> Response:
    """Change the setting `name` to `value`, or with `default` to its default."""
    form = await visit.form()
    name, text = form.get("name", ""), form.get("value", "")
    if name not in _ABOUT:
        raise NotFound("There is no such setting", param="name")
    try:
        if name in visit.services.settings.start.file_settings:
            raise Conflict(
                f"{visit.services.settings.start.config_file} sets it at each start; change it "
                "there",
                param=name,
            )
        value = None if "default" in form else _value(name, text)
        await visit.services.store.settings.change(
            lambda old: patched_settings(old, {name: value}), visit.actor
        )
    except GatewayError as error:
        return await _page(visit, name, text, error)
    return visit.redirect(f"/ui/settings?changed={name}#{name}")


async def _page(
    visit: Visit, wrong: str | None = None, given: str = "", error: GatewayError | None = None
) -> Response:
    settings = await visit.services.store.settings.get()
    changed = visit.request.query_params.get("changed")
    return visit.render(
        "settings.html",
        status=error.status if error else 200,
        sections=_sections(visit, settings),
        strategies=STRATEGIES,
        process=list(_process(visit)),
        start=visit.services.settings.start,
        wrong=wrong,
        given=given,
        problem=error.message if error else None,
        changed=changed if changed in _ABOUT else None,
    )


def _sections(visit: Visit, settings: CallSettings) -> Mapping[str, list[Line]]:
    values, defaults = asdict(settings), asdict(CallSettings())
    ruled = visit.services.settings.start.file_settings
    loose = list(loose_ends(values, visit.services.registry.catalogue))
    return {
        title: [
            Line(
                name,
                about,
                _shown(values[name], about),
                None if values[name] == defaults[name] else _shown(defaults[name], about),
                _written(values[name], about),
                name in ruled,
                [problem for setting, problem in loose if setting == name],
            )
            for name, about in section.items()
        ]
        for title, section in SECTIONS.items()
    }


def _value(name: str, text: str) -> Any:
    """What a field holds; None, for the default, where it is empty and so is that.

    Raises InvalidField.
    """
    if not text and getattr(CallSettings(), name) in (None, (), {}):
        return None
    return json_value(text, name) if _ABOUT[name].kind == "json" else text


def _shown(value: Any, about: About) -> str:
    if value is None:
        return "not set"
    if value in ({}, (), []):
        return "none"
    return f"{_plain(value)} s" if about.kind == "seconds" else _plain(value)


def _written(value: Any, about: About) -> str:
    if value is None or value == {}:
        return ""
    if about.kind == "names":
        return ", ".join(value)
    if about.kind == "json":
        return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    return _plain(value)


def _plain(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _process(visit: Visit) -> Iterator[tuple[str, str, str]]:
    """What there is to know of the process: what, its value, and what sets it. No secrets."""
    settings = visit.services.settings
    yield "Gateway", __version__, ""
    yield "litellm", version("litellm"), ""
    yield "Python", platform.python_version(), ""
    path = settings.database_path
    database = visit.services.store.database.shown if path is None else str(path.absolute())
    yield "Database", database, "GATEWAY_DATABASE_URL"
    if path is None:
        yield "Journals", str(settings.data_dir.absolute()), "GATEWAY_DATA_DIR"
    yield "Workers", str(settings.start.workers), "gateway serve --workers"
    yield "Configuration file", settings.start.config_file or "none", "gateway serve --config"
    yield "Redis", _on(settings.redis_url), "GATEWAY_REDIS_URL"
    if settings.redis_url:
        yield "Limits while it is down", settings.redis_down_limits, "GATEWAY_REDIS_DOWN_LIMITS"
        yield "Budgets while it is down", settings.redis_down_budgets, "GATEWAY_REDIS_DOWN_BUDGETS"
    yield (
        "Providers' keys are sealed by",
        "a variable" if settings.secret_key else "a file beside the database",
        "GATEWAY_SECRET_KEY",
    )
    yield "Admin key from a variable", _on(settings.admin_key), "GATEWAY_ADMIN_KEY"
    yield "Key for /metrics alone", _on(settings.metrics_key), "GATEWAY_METRICS_KEY"
    yield "Traces", _on(settings.traces), "OTEL_EXPORTER_OTLP_ENDPOINT"
    yield "Largest body", f"{count(settings.max_body_bytes)} bytes", "GATEWAY_MAX_BODY_BYTES"
    yield "Largest answer", f"{count(settings.max_answer_bytes)} bytes", "GATEWAY_MAX_ANSWER_BYTES"
    yield (
        "Ledger on the disk",
        f"at most {count(settings.spool_bytes)} bytes",
        "GATEWAY_SPOOL_BYTES",
    )
    yield (
        "Without the database",
        f"for {count(settings.max_stale_seconds)} seconds",
        "GATEWAY_MAX_STALE_SECONDS",
    )


def _on(value: object) -> str:
    return "on" if value else "off"
