"""What the gateway logs, as lines of text or of JSON."""

from __future__ import annotations

import logging
from collections.abc import Callable, MutableMapping
from contextvars import ContextVar
from typing import Any, Literal

Format = Literal["text", "json"]

_OF_REQUESTS = ("method", "path", "status", "duration_ms")

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""Of the request that is being answered; in all its lines of JSON."""


def configuration(level: str, form: Format) -> dict[str, Any]:
    """For `logging.config.dictConfig`."""
    formatters: dict[Format, Any] = {
        "text": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"},
        "json": {"()": _json},
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": formatters[form]},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {"gateway": {"level": level.upper()}, "uvicorn": {"level": level.upper()}},
    }


def log_fast() -> None:
    """Leave out of log records what no line of ours tells.

    https://docs.python.org/3/howto/logging.html#optimization
    """
    for name in ("logThreads", "logProcesses", "logMultiprocessing", "logAsyncioTasks"):
        setattr(logging, name, False)
    logging._srcfile = None


def _json() -> logging.Formatter:
    # Text does without it.
    from structlog.processors import EventRenamer, ExceptionRenderer, JSONRenderer, TimeStamper
    from structlog.stdlib import ExtraAdder, ProcessorFormatter, add_log_level, add_logger_name
    from structlog.tracebacks import ExceptionDictTransformer

    # Values of variables can be secrets.
    exceptions = ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
    return ProcessorFormatter(
        foreign_pre_chain=[
            add_log_level,
            add_logger_name,
            TimeStamper("iso"),
            _add_request_id,
            # Not all: uvicorn and litellm have some of their own.
            ExtraAdder(_OF_REQUESTS),
            exceptions,
        ],
        processors=[
            ProcessorFormatter.remove_processors_meta,
            EventRenamer("message"),
            JSONRenderer(),
        ],
    )


def _add_request_id(
    _logger: Callable[..., object], _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    known = request_id.get()
    if known is not None:
        event["request_id"] = known
    return event
