"""Webhooks and what became of them."""

import sqlalchemy as sa
from alembic import op

from postroom.store.schema import Moment

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "webhook_states",
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("last_success_at", Moment(), nullable=True),
        sa.Column("last_failure_at", Moment(), nullable=True),
        sa.Column("last_failure", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("rests_until", Moment(), nullable=True),
        sa.Column("disabled_at", Moment(), nullable=True),
        sa.Column("disabled_url", sa.Text(), nullable=True),
        sa.Column("disabled_why", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_webhook_states")),
    )
    op.create_table(
        "event_queues",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("bindings", sa.JSON(), nullable=False),
        sa.Column("is_bound", sa.Boolean(), nullable=False),
        sa.Column("retired_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_event_queues")),
    )
