"""The first schema: models, keys, settings, stamps."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    stamps = op.create_table(
        "stamps",
        sa.Column("topic", sa.String, primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(
        stamps, [{"topic": topic, "value": 0} for topic in ("models", "keys", "settings")]
    )
    op.create_table(
        "models",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("provider", sa.String, nullable=False),
        sa.Column("upstream_model", sa.String, nullable=False),
        sa.Column("base_url", sa.String),
        sa.Column("api_version", sa.String),
        sa.Column("params", sa.JSON, nullable=False),
        sa.Column("sealed_secrets", sa.Text),
        sa.Column("info", sa.JSON, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    )
    op.create_index("models_name", "models", ["name"], unique=True)
    op.create_table(
        "keys",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("label", sa.String),
        sa.Column("secret_hash", sa.String, nullable=False),
        sa.Column("hint", sa.String, nullable=False),
        sa.Column("rpm_limit", sa.BigInteger),
        sa.Column("tpm_limit", sa.BigInteger),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("revoked_at", sa.BigInteger),
        sa.Column("stamp", sa.BigInteger, nullable=False),
        sa.CheckConstraint("kind IN ('gateway', 'admin')", name="keys_kind"),
    )
    op.create_index("keys_secret_hash", "keys", ["secret_hash"], unique=True)
    op.create_index("keys_stamp", "keys", ["stamp"])
    op.create_table(
        "settings",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("value", sa.JSON, nullable=False),
    )
