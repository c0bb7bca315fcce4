"""Several models under one name; retries, fallbacks and cache hits in the ledger."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.drop_index("models_name", "models")
    op.create_index("models_name", "models", ["name"])
    for name in ("retries", "fallbacks"):
        op.add_column("ledger", sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))
    op.add_column(
        "ledger", sa.Column("cache_hit", sa.Boolean, nullable=False, server_default=sa.false())
    )
    op.add_column(
        "daily", sa.Column("cache_hits", sa.BigInteger, nullable=False, server_default="0")
    )
