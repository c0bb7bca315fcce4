"""Settings of one process, from the environment.

What all processes share (models, keys, call settings) is in the database instead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from gateway.errors import GatewayError

DEFAULT_DATABASE_URL = "sqlite:///gateway.db"
SQLITE_PREFIX = "sqlite:///"
_POSTGRESQL_SCHEMES = ("postgresql", "postgres", "postgresql+asyncpg")
HOW_TO_MAKE_A_SECRET_KEY = "openssl rand -base64 32 | tr '+/' '-_'"  # noqa: S105
# Room for several images in one message; providers take 20 to 50 MB.
DEFAULT_MAX_BODY_BYTES = 32 * 1024 * 1024
# Room for ten large pictures.
DEFAULT_MAX_ANSWER_BYTES = 64 * 1024 * 1024
# Room for a million rows of the ledger.
DEFAULT_SPOOL_BYTES = 1024 * 1024 * 1024
DEFAULT_MAX_STALE_SECONDS = 300
# https://opentelemetry.io/docs/specs/otel/protocol/exporter/
_TRACES = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_REDIS_SCHEMES = ("redis://", "rediss://", "unix://")


_COUNT = re.compile(r"0{0,9}[1-9][0-9]{0,17}")


class SettingsError(GatewayError):
    """An environment variable, flag or file that the gateway cannot start with."""


class RedisDown(StrEnum):
    """What becomes of calls while Redis cannot be reached."""

    CONTINUE = "continue"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Start:
    """How `gateway serve` was called, for the console to tell.

    Attributes:
        config_file: The file that was applied, as it is again at the next start.
        file_settings: The call settings that it sets.
        workers: How many processes serve.
    """

    config_file: str | None = None
    file_settings: tuple[str, ...] = ()
    workers: int = 1


@dataclass(frozen=True, slots=True)
class Settings:
    """How this process runs.

    Attributes:
        database_url: `sqlite:///PATH` or `postgresql://USER:PASSWORD@HOST:PORT/NAME`.
        data_dir: With PostgreSQL, where this host keeps its processes' journals and its cache of
            answers.
        secret_key: One or more Fernet keys, comma separated, newest first; None for the key
            file beside the SQLite file.
        admin_key: An admin key to accept besides those in the database.
        metrics_key: What may read `/metrics` and nothing else, besides the admin keys.
        traces: Whether spans go to where OpenTelemetry's own variables say.
        max_body_bytes: The largest request body that is read.
        max_answer_bytes: The most that is read of a provider's answer, streams too.
        spool_bytes: What rows of the ledger may take on the disk, where the database takes none.
        max_stale_seconds: For how long what is known of the database holds, where it cannot be
            read: models, keys, teams and call settings.
        redis_url: Where limits and budgets are counted, for all processes that share the database;
            and the cache of answers, if the call settings have it in Redis.
        redis_down_limits: What becomes of calls with limits while it cannot be reached.
        redis_down_budgets: Likewise of those with budgets.
        start: See `Start`.
    """

    database_url: str = field(default=DEFAULT_DATABASE_URL, repr=False)
    data_dir: Path = Path()
    secret_key: str | None = field(default=None, repr=False)
    admin_key: str | None = field(default=None, repr=False)
    metrics_key: str | None = field(default=None, repr=False)
    traces: bool = False
    max_body_bytes: int = DEFAULT_MAX_BODY_BYTES
    max_answer_bytes: int = DEFAULT_MAX_ANSWER_BYTES
    spool_bytes: int = DEFAULT_SPOOL_BYTES
    max_stale_seconds: int = DEFAULT_MAX_STALE_SECONDS
    redis_url: str | None = field(default=None, repr=False)
    redis_down_limits: RedisDown = RedisDown.CONTINUE
    redis_down_budgets: RedisDown = RedisDown.REFUSE
    start: Start = Start()

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Settings:
        """Read `GATEWAY_*`, and two of OpenTelemetry's variables.

        A blank value counts as not set, and blanks around one are left out.

        Raises:
            SettingsError: A value cannot be read; the message names the variable.
        """
        # A file of variables may end its lines in \r, which no request could repeat in a key.
        present = {name: value.strip() for name, value in environ.items() if value.strip()}
        redis_url = present.get("GATEWAY_REDIS_URL")
        if redis_url is not None and not redis_url.startswith(_REDIS_SCHEMES):
            # Not the URL itself: it may hold a password.
            raise SettingsError(
                "GATEWAY_REDIS_URL is no URL of Redis; it takes redis://HOST:PORT/0, rediss:// for "
                "TLS, or unix://PATH"
            )
        made = cls(
            database_url=present.get("GATEWAY_DATABASE_URL", DEFAULT_DATABASE_URL),
            data_dir=Path(present.get("GATEWAY_DATA_DIR", "")),
            secret_key=present.get("GATEWAY_SECRET_KEY"),
            admin_key=present.get("GATEWAY_ADMIN_KEY"),
            metrics_key=present.get("GATEWAY_METRICS_KEY"),
            traces=any(present.get(name) for name in _TRACES)
            and present.get("OTEL_SDK_DISABLED", "").lower() != "true",
            max_body_bytes=_bytes(present, "GATEWAY_MAX_BODY_BYTES", DEFAULT_MAX_BODY_BYTES),
            max_answer_bytes=_bytes(present, "GATEWAY_MAX_ANSWER_BYTES", DEFAULT_MAX_ANSWER_BYTES),
            spool_bytes=_bytes(present, "GATEWAY_SPOOL_BYTES", DEFAULT_SPOOL_BYTES),
            max_stale_seconds=_count(
                present, "GATEWAY_MAX_STALE_SECONDS", DEFAULT_MAX_STALE_SECONDS, "seconds"
            ),
            redis_url=redis_url,
            redis_down_limits=_redis_down(present, "GATEWAY_REDIS_DOWN_LIMITS", RedisDown.CONTINUE),
            redis_down_budgets=_redis_down(present, "GATEWAY_REDIS_DOWN_BUDGETS", RedisDown.REFUSE),
        )
        made._check_files("GATEWAY_DATA_DIR" in present)
        return made

    def _check_files(self, has_data_dir: bool) -> None:
        if self.database_path is None and self.secret_key is None:
            raise SettingsError(
                "GATEWAY_SECRET_KEY is not set: with PostgreSQL, where the gateway may run on many "
                "hosts, all need the same. It takes 32 random bytes in URL-safe base64, as made "
                f"by: {HOW_TO_MAKE_A_SECRET_KEY}"
            )
        if self.database_path is not None and has_data_dir:
            raise SettingsError(
                "GATEWAY_DATA_DIR is for PostgreSQL; with SQLite all files are beside the database"
            )
        if not self.data_dir.is_dir():
            raise SettingsError(f"GATEWAY_DATA_DIR is {str(self.data_dir)!r}, which is no folder")

    @property
    def database_path(self) -> Path | None:
        """The SQLite file; None where the database is in PostgreSQL.

        Raises:
            SettingsError: The URL is of another database.
        """
        scheme, _, rest = self.database_url.partition("://")
        if scheme in _POSTGRESQL_SCHEMES and rest.strip("/"):
            return None
        path = self.database_url.removeprefix(SQLITE_PREFIX)
        if path == self.database_url or not path or path == ":memory:":
            # Not the URL itself: another database's holds a password.
            raise SettingsError(
                f"GATEWAY_DATABASE_URL names no database; it takes {SQLITE_PREFIX}PATH, such as "
                f"{DEFAULT_DATABASE_URL}, or postgresql://USER:PASSWORD@HOST:PORT/NAME"
            )
        return Path(path)


def _bytes(present: Mapping[str, str], name: str, default: int) -> int:
    return _count(present, name, default, "bytes")


def _count(present: Mapping[str, str], name: str, default: int, unit: str) -> int:
    given = present.get(name, str(default))
    if not _COUNT.fullmatch(given):
        raise SettingsError(f"{name} is {given!r}; it takes a number of {unit}, such as {default}")
    return int(given)


def _redis_down(present: Mapping[str, str], name: str, default: RedisDown) -> RedisDown:
    given = present.get(name, default)
    try:
        return RedisDown(given)
    except ValueError:
        raise SettingsError(f"{name} is {given!r}; it takes {' or '.join(RedisDown)}") from None
