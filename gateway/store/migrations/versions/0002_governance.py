"""Teams, what governs a key, the ledger and its daily sums, transcripts, the audit log."""

import sqlalchemy as sa
from alembic import op

from gateway.store.tables import POSITION

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.bulk_insert(
        sa.table("stamps", sa.column("topic", sa.String), sa.column("value", sa.BigInteger)),
        [{"topic": topic, "value": 0} for topic in ("teams", "ledger")],
    )
    op.create_table(
        "teams",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("blocked", sa.Boolean, nullable=False),
        sa.Column("max_budget", sa.BigInteger),
        sa.Column("soft_budget", sa.BigInteger),
        sa.Column("budget_duration", sa.String),
        sa.Column("metadata", sa.JSON, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    )
    op.create_index("teams_name", "teams", ["name"], unique=True)
    _extend_keys()
    _create_ledger()
    _create_daily()
    op.create_table(
        "transcripts",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("started_ms", sa.BigInteger, nullable=False),
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("response", sa.Text),
    )
    op.create_index("transcripts_started", "transcripts", ["started_ms"])
    op.create_table(
        "audit",
        sa.Column("position", POSITION, primary_key=True, autoincrement=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("actor_id", sa.String, nullable=False),
        sa.Column("actor_label", sa.String),
        sa.Column("address", sa.String),
        sa.Column("action", sa.String, nullable=False),
        sa.Column("target_id", sa.String, nullable=False),
        sa.Column("target_name", sa.String),
        sa.Column("before", sa.JSON),
        sa.Column("after", sa.JSON),
        sqlite_autoincrement=True,
    )
    op.create_index("audit_target", "audit", ["target_id"])
    _seal_audit()


def _seal_audit() -> None:
    """Let rows be added to the audit log and nothing else."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'the audit log cannot be changed'; END $$"
        )
        for name, when in (("change", "UPDATE OR DELETE"), ("truncate", "TRUNCATE")):
            op.execute(
                f"CREATE TRIGGER audit_no_{name} BEFORE {when} ON audit "
                "FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()"
            )
        return
    refused = "BEGIN SELECT RAISE(ABORT, 'the audit log cannot be changed'); END"
    op.execute(f"CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit {refused}")
    op.execute(f"CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit {refused}")
    # INSERT OR REPLACE deletes without a DELETE trigger (sqlite.org/lang_conflict.html).
    known = "WHEN EXISTS (SELECT 1 FROM audit WHERE position = NEW.position)"
    op.execute(f"CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit {known} {refused}")


def _extend_keys() -> None:
    for column in (
        sa.Column("team_id", sa.String),
        sa.Column("user_id", sa.String),
        sa.Column("retiring_hash", sa.String),
        sa.Column("retiring_until", sa.BigInteger),
        sa.Column("blocked", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("models", sa.JSON, nullable=False, server_default="[]"),
        sa.Column("aliases", sa.JSON, nullable=False, server_default="{}"),
        sa.Column("model_rpm_limit", sa.JSON, nullable=False, server_default="{}"),
        sa.Column("model_tpm_limit", sa.JSON, nullable=False, server_default="{}"),
        sa.Column("max_parallel_requests", sa.BigInteger),
        sa.Column("max_budget", sa.BigInteger),
        sa.Column("soft_budget", sa.BigInteger),
        sa.Column("budget_duration", sa.String),
        sa.Column("tags", sa.JSON, nullable=False, server_default="[]"),
        sa.Column("metadata", sa.JSON, nullable=False, server_default="{}"),
        sa.Column("updated_at", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("expires_at", sa.BigInteger),
    ):
        op.add_column("keys", column)
    op.create_index("keys_team_id", "keys", ["team_id"])
    op.create_table(
        "retired_secrets",
        sa.Column("secret_hash", sa.String, primary_key=True),
        sa.Column("key_id", sa.String, nullable=False),
    )
    op.execute("UPDATE keys SET updated_at = coalesce(revoked_at, created_at)")


def _create_ledger() -> None:
    op.create_table(
        "ledger",
        sa.Column("position", POSITION, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String, nullable=False),
        sa.Column("request_id", sa.String, nullable=False),
        sa.Column("started_ms", sa.BigInteger, nullable=False),
        sa.Column("key_id", sa.String, nullable=False),
        sa.Column("team_id", sa.String),
        sa.Column("operation", sa.String, nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("served_model", sa.String),
        sa.Column("deployment_id", sa.String),
        sa.Column("provider", sa.String),
        sa.Column("prompt_tokens", sa.BigInteger, nullable=False),
        sa.Column("completion_tokens", sa.BigInteger, nullable=False),
        sa.Column("cached_tokens", sa.BigInteger, nullable=False),
        sa.Column("cache_write_tokens", sa.BigInteger, nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger, nullable=False),
        sa.Column("estimated", sa.Boolean, nullable=False),
        sa.Column("cost", sa.BigInteger),
        sa.Column("latency_ms", sa.BigInteger, nullable=False),
        sa.Column("first_token_ms", sa.BigInteger),
        sa.Column("status", sa.BigInteger, nullable=False),
        sa.Column("error", sa.String),
        sa.Column("outcome", sa.String, nullable=False),
        sa.Column("stream", sa.Boolean, nullable=False),
        sa.Column("end_user", sa.String),
        sa.Column("tags", sa.JSON, nullable=False),
        sa.Column("node", sa.String, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ledger_id", "ledger", ["id"], unique=True)
    op.create_index("ledger_started", "ledger", ["started_ms"])
    op.create_index("ledger_key", "ledger", ["key_id", "started_ms"])


def _create_daily() -> None:
    dimensions = ("key_id", "day", "team_id", "model", "provider", "tags")
    counts = ("requests", "errors", "estimated", "unpriced")
    sums = (
        "prompt_tokens",
        "completion_tokens",
        "cached_tokens",
        "cache_write_tokens",
        "reasoning_tokens",
        "cost",
        "latency_ms",
    )
    postgresql = op.get_bind().dialect.name == "postgresql"
    op.create_table(
        "daily",
        *(sa.Column(name, sa.String, nullable=False) for name in dimensions),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in counts),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in sums),
        # See tables.py.
        *() if postgresql else (sa.PrimaryKeyConstraint(*dimensions),),
    )
    if postgresql:
        key = (*dimensions[:-1], sa.text("md5(tags)"))
        op.create_index("daily_key", "daily", key, unique=True)
    op.create_index("daily_day", "daily", ["day"])
    op.create_index("daily_team", "daily", ["team_id", "day"])
