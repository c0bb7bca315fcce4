"""The tables. A change here needs a migration in `migrations/versions/` beside it."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Column,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData()

# A topic's stamp rises with every change to its table, so that one cheap query tells a process
# whether what it holds in memory is still true.
stamps = Table(
    "stamps",
    metadata,
    Column("topic", String, primary_key=True),
    Column("value", Integer, nullable=False),
)

models = Table(
    "models",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("provider", String, nullable=False),
    Column("upstream_model", String, nullable=False),
    Column("base_url", String),
    Column("api_version", String),
    Column("params", JSON, nullable=False),
    Column("sealed_secrets", Text),
    Column("info", JSON, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("updated_at", Integer, nullable=False),
    Index("models_name", "name", unique=True),
)

# Keys are never deleted: a revoked one must stay known as revoked.
keys = Table(
    "keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("label", String),
    Column("secret_hash", String, nullable=False),
    Column("hint", String, nullable=False),
    Column("rpm_limit", Integer),
    Column("tpm_limit", Integer),
    Column("created_at", Integer, nullable=False),
    Column("revoked_at", Integer),
    # The stamp of the row's last change: a process loads only rows past the one it knows.
    Column("stamp", Integer, nullable=False),
    CheckConstraint("kind IN ('gateway', 'admin')", name="keys_kind"),
    Index("keys_secret_hash", "secret_hash", unique=True),
    Index("keys_stamp", "stamp"),
)

settings = Table(
    "settings",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", JSON, nullable=False),
)
