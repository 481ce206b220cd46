"""Rates, and what became of each recipient."""

import sqlalchemy as sa
from alembic import op

from postroom.store.schema import Moment

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("sends", sa.Column("holder", sa.String(length=200), nullable=True))
    op.create_table(
        "send_recipients",
        sa.Column("send_id", sa.String(length=200), nullable=False),
        sa.Column("recipient", sa.String(length=320), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("code", sa.Integer(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("updated_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("send_id", "recipient", name=op.f("pk_send_recipients")),
    )
    op.create_table(
        "senders",
        sa.Column("holder", sa.String(length=200), nullable=False),
        sa.Column("beat_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("holder", name=op.f("pk_senders")),
    )
    op.create_table(
        "send_windows",
        sa.Column("account", sa.String(length=63), nullable=False),
        sa.Column("started_at", Moment(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("paused_at", Moment(), nullable=True),
        sa.Column("paused_until", Moment(), nullable=True),
        sa.Column("pause_reason", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_send_windows")),
    )
