"""Bulk sends and their recipients."""

import sqlalchemy as sa
from alembic import op

from postroom.store.schema import Moment

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "bulks",
        sa.Column("id", sa.String(length=100), nullable=False),
        sa.Column("account", sa.String(length=63), nullable=False),
        sa.Column("template", sa.String(length=63), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("skipped", sa.Integer(), nullable=False),
        sa.Column("about", sa.JSON(), nullable=False),
        sa.Column("created_by", sa.String(length=63), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("updated_at", Moment(), nullable=False),
        sa.Column("correlation_id", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bulks")),
    )
    op.create_index(op.f("ix_bulks_state"), "bulks", ["state"])
    op.create_index(op.f("ix_bulks_account_created_at"), "bulks", ["account", "created_at"])
    op.create_table(
        "bulk_recipients",
        sa.Column("bulk_id", sa.String(length=100), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("recipient", sa.String(length=320), nullable=False),
        sa.Column("send_id", sa.String(length=200), nullable=False),
        sa.Column("values", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("outcome", sa.String(length=20), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("bulk_id", "position", name=op.f("pk_bulk_recipients")),
        sa.UniqueConstraint("send_id", name=op.f("uq_bulk_recipients_send_id")),
    )
    op.create_index(
        op.f("ix_bulk_recipients_bulk_id_state_position"),
        "bulk_recipients",
        ["bulk_id", "state", "position"],
    )
