"""Evaluations: datasets, evaluators, suites, runs and their items."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    _create_datasets()
    _create_cases()
    _create_evaluators()
    _create_suites()
    _create_runs()
    _create_items()
    _create_openai()


def _create_datasets() -> None:
    op.create_table(
        "eval_datasets",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("description", sa.String),
        sa.Column("version", sa.String, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    )
    op.create_index("eval_datasets_name", "eval_datasets", ["name"], unique=True)
    op.create_index("eval_datasets_version", "eval_datasets", ["version"])


def _create_cases() -> None:
    op.create_table(
        "eval_cases",
        sa.Column("version", sa.String, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("case_id", sa.String, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("version", "position"),
    )


def _create_evaluators() -> None:
    op.create_table(
        "eval_evaluators",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("type", sa.String, nullable=False),
        sa.Column("params", sa.JSON, nullable=False),
        sa.Column("version", sa.String, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    )
    op.create_index("eval_evaluators_name", "eval_evaluators", ["name"], unique=True)


def _create_suites() -> None:
    op.create_table(
        "eval_suites",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("dataset", sa.String, nullable=False),
        sa.Column("models", sa.JSON, nullable=False),
        sa.Column("evaluators", sa.JSON, nullable=False),
        sa.Column("messages", sa.JSON, nullable=False),
        sa.Column("params", sa.JSON, nullable=False),
        sa.Column("repeat", sa.BigInteger, nullable=False),
        sa.Column("concurrency", sa.BigInteger, nullable=False),
        sa.Column("max_cost", sa.BigInteger),
        sa.Column("gate", sa.JSON),
        sa.Column("baseline", sa.String),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    )
    op.create_index("eval_suites_name", "eval_suites", ["name"], unique=True)


def _create_runs() -> None:
    op.create_table(
        "eval_runs",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("suite", sa.String),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("dataset", sa.JSON, nullable=False),
        sa.Column("dataset_version", sa.String, nullable=False),
        sa.Column("targets", sa.JSON, nullable=False),
        sa.Column("evaluators", sa.JSON, nullable=False),
        sa.Column("messages", sa.JSON, nullable=False),
        sa.Column("params", sa.JSON, nullable=False),
        sa.Column("repeat", sa.BigInteger, nullable=False),
        sa.Column("concurrency", sa.BigInteger, nullable=False),
        sa.Column("max_cost", sa.BigInteger),
        sa.Column("gate", sa.JSON),
        sa.Column("model_versions", sa.JSON, nullable=False),
        sa.Column("key_id", sa.String, nullable=False),
        sa.Column("planned", sa.BigInteger, nullable=False),
        sa.Column("spent", sa.BigInteger, nullable=False),
        sa.Column("owner", sa.String),
        sa.Column("beat_at", sa.BigInteger),
        sa.Column("expected_at", sa.BigInteger),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("started_at", sa.BigInteger),
        sa.Column("ended_at", sa.BigInteger),
        sa.Column("error", sa.Text),
    )
    op.create_index("eval_runs_created", "eval_runs", ["created_at"])
    op.create_index("eval_runs_version", "eval_runs", ["dataset_version"])


def _create_items() -> None:
    op.create_table(
        "eval_items",
        sa.Column("run_id", sa.String, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("target", sa.String, nullable=False),
        sa.Column("case_id", sa.String, nullable=False),
        sa.Column("repetition", sa.BigInteger, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("output", sa.Text),
        sa.Column("tool_calls", sa.JSON, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("latency_ms", sa.BigInteger),
        sa.Column("prompt_tokens", sa.BigInteger, nullable=False),
        sa.Column("completion_tokens", sa.BigInteger, nullable=False),
        sa.Column("cost", sa.BigInteger),
        sa.Column("judge_tokens", sa.BigInteger, nullable=False),
        sa.Column("judge_cost", sa.BigInteger, nullable=False),
        sa.Column("scores", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "position"),
    )
    op.create_index("eval_items_status", "eval_items", ["run_id", "status"])


def _create_openai() -> None:
    op.create_table(
        "eval_openai",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("body", sa.JSON, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "eval_openai_runs",
        sa.Column("run_id", sa.String, primary_key=True),
        sa.Column("eval_id", sa.String, nullable=False),
        sa.Column("body", sa.JSON, nullable=False),
    )
    op.create_index("eval_openai_runs_eval", "eval_openai_runs", ["eval_id"])
