"""Settings from the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.settings import DEFAULT_MAX_BODY_BYTES, RedisDown, Settings, SettingsError


def test_nothing_set_gives_the_defaults() -> None:
    assert Settings.from_env({}) == Settings()
    assert Settings().database_path == Path("gateway.db")
    assert Settings().max_body_bytes == 32 * 1024 * 1024


@pytest.mark.parametrize(
    ("variable", "value", "field", "read"),
    [
        ("GATEWAY_DATABASE_URL", "sqlite:////srv/g.db", "database_url", "sqlite:////srv/g.db"),
        ("GATEWAY_SECRET_KEY", "new,old", "secret_key", "new,old"),
        ("GATEWAY_ADMIN_KEY", "sk-abc", "admin_key", "sk-abc"),
        ("GATEWAY_METRICS_KEY", "sk-abc", "metrics_key", "sk-abc"),
        ("GATEWAY_MAX_BODY_BYTES", "1024", "max_body_bytes", 1024),
        ("GATEWAY_MAX_BODY_BYTES", "0001", "max_body_bytes", 1),
        ("GATEWAY_SPOOL_BYTES", "4096", "spool_bytes", 4096),
        ("GATEWAY_MAX_STALE_SECONDS", "60", "max_stale_seconds", 60),
        ("GATEWAY_REDIS_URL", "rediss://h:1/0", "redis_url", "rediss://h:1/0"),
        ("GATEWAY_REDIS_DOWN_LIMITS", "refuse", "redis_down_limits", RedisDown.REFUSE),
        ("GATEWAY_REDIS_DOWN_BUDGETS", "continue", "redis_down_budgets", RedisDown.CONTINUE),
    ],
)
def test_each_variable_is_read(variable: str, value: str, field: str, read: object) -> None:
    settings = Settings.from_env({variable: value, "PATH": "/bin"})
    assert getattr(settings, field) == read
    others = {name for name in Settings.__slots__ if name != field}
    assert all(getattr(settings, name) == getattr(Settings(), name) for name in others)


@pytest.mark.parametrize("blank", ["", " ", "\r\n"])
def test_a_blank_value_counts_as_not_set(blank: str) -> None:
    names = ("DATABASE_URL", "SECRET_KEY", "ADMIN_KEY", "MAX_BODY_BYTES", "REDIS_URL")
    assert Settings.from_env({f"GATEWAY_{name}": blank for name in names}) == Settings()


def test_a_carriage_return_of_a_variables_file_is_not_part_of_a_key() -> None:
    assert Settings.from_env({"GATEWAY_ADMIN_KEY": "sk-abc\r"}).admin_key == "sk-abc"


@pytest.mark.parametrize("value", ["0", "000", "-1", "+1", "1.5", "1e6", "32MB", "٣", "9" * 5000])
def test_a_bad_number_of_bytes_names_the_variable(value: str) -> None:
    with pytest.raises(SettingsError, match=r"^GATEWAY_MAX_BODY_BYTES is .* number of bytes"):
        Settings.from_env({"GATEWAY_MAX_BODY_BYTES": value})
    assert Settings.from_env({}).max_body_bytes == DEFAULT_MAX_BODY_BYTES
    with pytest.raises(SettingsError, match=r"^GATEWAY_MAX_STALE_SECONDS is .* number of seconds"):
        Settings.from_env({"GATEWAY_MAX_STALE_SECONDS": value})


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///gateway.db", "gateway.db"),
        ("sqlite:///data/gateway.db", "data/gateway.db"),
        ("sqlite:////var/lib/gateway.db", "/var/lib/gateway.db"),
        ("sqlite:////a b/100%?#.db", "/a b/100%?#.db"),
    ],
)
def test_the_database_url_is_a_path(url: str, path: str) -> None:
    assert Settings(database_url=url).database_path == Path(path)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://gateway:hunter2@db/gateway",
        "postgresql:hunter2",
        "sqlite+aiosqlite:///hunter2.db",
        "sqlite://hunter2.db",
        "sqlite:///",
        "sqlite:///:memory:",
        "hunter2.db",
    ],
)
def test_another_database_url_is_refused_and_not_repeated(url: str) -> None:
    """It may hold a password."""
    with pytest.raises(SettingsError) as refused:
        _ = Settings(database_url=url).database_path
    message = str(refused.value)
    assert message.startswith("GATEWAY_DATABASE_URL ")
    assert "sqlite:///gateway.db" in message
    assert "hunter2" not in message


def test_postgresql_has_no_file_and_needs_a_secret_key(tmp_path: Path) -> None:
    given = {"GATEWAY_DATABASE_URL": "postgresql://u:p@h/db", "GATEWAY_DATA_DIR": str(tmp_path)}
    with pytest.raises(SettingsError, match=r"^GATEWAY_SECRET_KEY is not set: .* openssl rand"):
        Settings.from_env(given)
    found = Settings.from_env(given | {"GATEWAY_SECRET_KEY": "k"})
    assert (found.database_path, found.data_dir) == (None, tmp_path)


def test_a_folder_for_files_must_be_there_and_is_for_postgresql_alone(tmp_path: Path) -> None:
    given = {"GATEWAY_DATABASE_URL": "postgresql://h/db", "GATEWAY_SECRET_KEY": "k"}
    with pytest.raises(SettingsError, match=r"^GATEWAY_DATA_DIR is '.*/none', which is no folder"):
        Settings.from_env(given | {"GATEWAY_DATA_DIR": f"{tmp_path}/none"})
    with pytest.raises(SettingsError, match="GATEWAY_DATA_DIR is for PostgreSQL"):
        Settings.from_env({"GATEWAY_DATA_DIR": str(tmp_path)})


@pytest.mark.parametrize("url", ["hunter2", "http://:hunter2@h", "redis:hunter2"])
def test_another_redis_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(
        SettingsError, match=r"^GATEWAY_REDIS_URL .* redis://HOST:PORT/0"
    ) as refused:
        Settings.from_env({"GATEWAY_REDIS_URL": url})
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("name", ["GATEWAY_REDIS_DOWN_LIMITS", "GATEWAY_REDIS_DOWN_BUDGETS"])
@pytest.mark.parametrize("value", ["Refuse", "fail", "1"])
def test_without_redis_calls_continue_or_are_refused(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} is '{value}'; it takes continue or refuse$"):
        Settings.from_env({name: value})


def test_no_secret_is_in_the_repr() -> None:
    shown = repr(
        Settings(
            database_url="postgresql://u:hunter2@db/g",
            secret_key="the-secret-key",
            admin_key="sk-the-admin-key",
            redis_url="redis://:hunter2@h",
        )
    )
    assert "hunter2" not in shown
    assert "the-secret-key" not in shown
    assert "sk-the-admin-key" not in shown
