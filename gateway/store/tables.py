"""The tables. A change here needs a migration in `migrations/versions/` beside it."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    false,
    text,
)

metadata = MetaData()

# SQLite counts by itself in a column of just this type.
POSITION = BigInteger().with_variant(Integer, "sqlite")

# A topic's stamp rises with every change to its table, so that one cheap query tells a process
# whether what it holds in memory is still true.
stamps = Table(
    "stamps",
    metadata,
    Column("topic", String, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

# One row: a name for this database, by which its counters in Redis are known.
identity = Table(
    "identity",
    metadata,
    Column("id", String, primary_key=True),
)

# Sessions of the console that were signed out before their time; rows go when that is over.
ended_sessions = Table(
    "ended_sessions",
    metadata,
    Column("id", String, primary_key=True),
    Column("until", BigInteger, nullable=False),
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
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    # Several are deployments of one name.
    Index("models_name", "name"),
)

teams = Table(
    "teams",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("blocked", Boolean, nullable=False),
    Column("max_budget", BigInteger),
    Column("soft_budget", BigInteger),
    Column("budget_duration", String),
    Column("metadata", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Index("teams_name", "name", unique=True),
)

# Keys are never deleted: a revoked one must stay known as revoked.
keys = Table(
    "keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("label", String),
    Column("team_id", String),
    Column("user_id", String),
    Column("secret_hash", String, nullable=False),
    Column("hint", String, nullable=False),
    Column("retiring_hash", String),
    Column("retiring_until", BigInteger),
    Column("blocked", Boolean, nullable=False, server_default=false()),
    Column("models", JSON, nullable=False, server_default="[]"),
    Column("aliases", JSON, nullable=False, server_default="{}"),
    Column("rpm_limit", BigInteger),
    Column("tpm_limit", BigInteger),
    Column("model_rpm_limit", JSON, nullable=False, server_default="{}"),
    Column("model_tpm_limit", JSON, nullable=False, server_default="{}"),
    Column("max_parallel_requests", BigInteger),
    Column("max_budget", BigInteger),
    Column("soft_budget", BigInteger),
    Column("budget_duration", String),
    Column("tags", JSON, nullable=False, server_default="[]"),
    Column("metadata", JSON, nullable=False, server_default="{}"),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False, server_default="0"),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    # The stamp of the row's last change: a process loads only rows past the one it knows.
    Column("stamp", BigInteger, nullable=False),
    CheckConstraint("kind IN ('gateway', 'admin')", name="keys_kind"),
    Index("keys_secret_hash", "secret_hash", unique=True),
    Index("keys_stamp", "stamp"),
    Index("keys_team_id", "team_id"),
)

# Secrets that a rotation has replaced, for good: none of them may come back as a new key.
retired_secrets = Table(
    "retired_secrets",
    metadata,
    Column("secret_hash", String, primary_key=True),
    Column("key_id", String, nullable=False),
)

settings = Table(
    "settings",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", JSON, nullable=False),
)

# One row a request. `position` gives the order of arrival, by which other processes follow.
ledger = Table(
    "ledger",
    metadata,
    Column("position", POSITION, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False),
    Column("request_id", String, nullable=False),
    Column("started_ms", BigInteger, nullable=False),
    Column("key_id", String, nullable=False),
    Column("team_id", String),
    Column("operation", String, nullable=False),
    Column("model", String, nullable=False),
    Column("served_model", String),
    Column("deployment_id", String),
    Column("provider", String),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("cache_write_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("estimated", Boolean, nullable=False),
    Column("cost", BigInteger),
    Column("latency_ms", BigInteger, nullable=False),
    Column("first_token_ms", BigInteger),
    Column("status", BigInteger, nullable=False),
    Column("error", String),
    Column("outcome", String, nullable=False),
    Column("stream", Boolean, nullable=False),
    Column("end_user", String),
    Column("tags", JSON, nullable=False),
    Column("retries", BigInteger, nullable=False, server_default="0"),
    Column("fallbacks", BigInteger, nullable=False, server_default="0"),
    Column("cache_hit", Boolean, nullable=False, server_default=false()),
    # The process that wrote the row.
    Column("node", String, nullable=False),
    Index("ledger_id", "id", unique=True),
    Index("ledger_started", "started_ms"),
    Index("ledger_key", "key_id", "started_ms"),
    sqlite_autoincrement=True,
)

# What the ledger adds up to by day, written with it in one transaction and kept when its rows go.
daily = Table(
    "daily",
    metadata,
    # The day in UTC on which a request started, `2026-11-24`.
    Column("day", String, nullable=False),
    Column("key_id", String, nullable=False),
    # Empty for none, as a null would not be the same as another.
    Column("team_id", String, nullable=False),
    Column("model", String, nullable=False),
    Column("provider", String, nullable=False),
    # A JSON array, sorted.
    Column("tags", String, nullable=False),
    Column("requests", BigInteger, nullable=False),
    Column("errors", BigInteger, nullable=False),
    Column("estimated", BigInteger, nullable=False),
    Column("unpriced", BigInteger, nullable=False),
    Column("cache_hits", BigInteger, nullable=False, server_default="0"),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("cache_write_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("cost", BigInteger, nullable=False),
    Column("latency_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("key_id", "day", "team_id", "model", "provider", "tags"),
    Index("daily_day", "day"),
    Index("daily_team", "team_id", "day"),
    # In place of the primary key: PostgreSQL's indexes hold no more than 2.7 kB of a row.
    Index(
        "daily_key",
        *("key_id", "day", "team_id", "model", "provider", text("md5(tags)")),
        unique=True,
    ).ddl_if("postgresql"),
)

# What was asked and answered, only where the operator wants it stored; goes with its ledger row.
transcripts = Table(
    "transcripts",
    metadata,
    Column("id", String, primary_key=True),
    Column("started_ms", BigInteger, nullable=False),
    Column("request", Text, nullable=False),
    Column("response", Text),
    Index("transcripts_started", "started_ms"),
)

audit = Table(
    "audit",
    metadata,
    Column("position", POSITION, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("actor_id", String, nullable=False),
    Column("actor_label", String),
    Column("address", String),
    # What was done to what: `key.add`, `model.update`, …
    Column("action", String, nullable=False),
    Column("target_id", String, nullable=False),
    Column("target_name", String),
    Column("before", JSON),
    Column("after", JSON),
    Index("audit_target", "target_id"),
    sqlite_autoincrement=True,
)

# Evaluations. Of a dataset, every version that it has or that a run was made with, by its hash.
eval_datasets = Table(
    "eval_datasets",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("description", String),
    Column("version", String, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Index("eval_datasets_name", "name", unique=True),
    Index("eval_datasets_version", "version"),
)

eval_cases = Table(
    "eval_cases",
    metadata,
    Column("version", String, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("case_id", String, nullable=False),
    # JSON, which is read apart from the rest, in a thread: there may be many.
    Column("content", Text, nullable=False),
    PrimaryKeyConstraint("version", "position"),
)

eval_evaluators = Table(
    "eval_evaluators",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("type", String, nullable=False),
    Column("params", JSON, nullable=False),
    Column("version", String, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Index("eval_evaluators_name", "name", unique=True),
)

eval_suites = Table(
    "eval_suites",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("dataset", String, nullable=False),
    Column("models", JSON, nullable=False),
    Column("evaluators", JSON, nullable=False),
    Column("messages", JSON, nullable=False),
    Column("params", JSON, nullable=False),
    Column("repeat", BigInteger, nullable=False),
    Column("concurrency", BigInteger, nullable=False),
    Column("max_cost", BigInteger),
    Column("gate", JSON),
    Column("baseline", String),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Index("eval_suites_name", "name", unique=True),
)

eval_runs = Table(
    "eval_runs",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("suite", String),
    Column("status", String, nullable=False),
    # Without its cases, which are those of the version.
    Column("dataset", JSON, nullable=False),
    Column("dataset_version", String, nullable=False),
    Column("targets", JSON, nullable=False),
    Column("evaluators", JSON, nullable=False),
    Column("messages", JSON, nullable=False),
    Column("params", JSON, nullable=False),
    Column("repeat", BigInteger, nullable=False),
    Column("concurrency", BigInteger, nullable=False),
    Column("max_cost", BigInteger),
    Column("gate", JSON),
    Column("model_versions", JSON, nullable=False),
    Column("key_id", String, nullable=False),
    Column("planned", BigInteger, nullable=False),
    # All that its calls came to, also those of items that were not finished.
    Column("spent", BigInteger, nullable=False),
    # The process that runs it, when it was last heard of, and when it expects to be done.
    Column("owner", String),
    Column("beat_at", BigInteger),
    Column("expected_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("error", Text),
    Index("eval_runs_created", "created_at"),
    Index("eval_runs_version", "dataset_version"),
)

# What is there of a run. `position` counts what it is to have, in the order of its plan.
eval_items = Table(
    "eval_items",
    metadata,
    Column("run_id", String, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("target", String, nullable=False),
    Column("case_id", String, nullable=False),
    Column("repetition", BigInteger, nullable=False),
    # `passed`, `failed` or `error`.
    Column("status", String, nullable=False),
    Column("output", Text),
    Column("tool_calls", JSON, nullable=False),
    Column("error", Text),
    Column("latency_ms", BigInteger),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("cost", BigInteger),
    Column("judge_tokens", BigInteger, nullable=False),
    Column("judge_cost", BigInteger, nullable=False),
    Column("scores", JSON, nullable=False),
    PrimaryKeyConstraint("run_id", "position"),
    Index("eval_items_status", "run_id", "status"),
)

# Evaluations as clients of OpenAI's API make them, in its words; and what of a run is in them.
eval_openai = Table(
    "eval_openai",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("body", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

eval_openai_runs = Table(
    "eval_openai_runs",
    metadata,
    Column("run_id", String, primary_key=True),
    Column("eval_id", String, nullable=False),
    Column("body", JSON, nullable=False),
    Index("eval_openai_runs_eval", "eval_id"),
)
