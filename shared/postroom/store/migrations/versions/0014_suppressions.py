"""Who gets no mail any more, and what a mail that comes back is known by."""

import sqlalchemy as sa
from alembic import op

from postroom.store.schema import Moment

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("sends", sa.Column("reason_code", sa.String(length=50), nullable=True))
    op.add_column("sends", sa.Column("ref", sa.String(length=16), nullable=True))
    op.create_index(op.f("ix_sends_ref"), "sends", ["ref"])
    op.create_table(
        "suppressions",
        sa.Column("account", sa.String(length=63), nullable=False),
        sa.Column("key", sa.String(length=320), nullable=False),
        sa.Column("reason", sa.String(length=20), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("until", Moment(), nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("account", "key", "reason", name=op.f("pk_suppressions")),
    )
    op.create_index(op.f("ix_suppressions_key"), "suppressions", ["key"])
    op.create_table(
        "soft_bounces",
        sa.Column("send_id", sa.String(length=200), nullable=False),
        sa.Column("account", sa.String(length=63), nullable=False),
        sa.Column("key", sa.String(length=320), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("send_id", name=op.f("pk_soft_bounces")),
    )
    op.create_index(op.f("ix_soft_bounces_account_key_at"), "soft_bounces", ["account", "key", "at"])
    op.create_index(op.f("ix_soft_bounces_at"), "soft_bounces", ["at"])
