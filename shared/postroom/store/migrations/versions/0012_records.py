"""Sends as records: event names, links, copies, how the uncertain were settled."""

import sqlalchemy as sa
from alembic import op

from postroom.store.schema import Moment

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("sends", sa.Column("settled_by", sa.String(length=20), nullable=True))
    _create_records()
    _create_doubts()
    _create_sent_copies()


def _create_records() -> None:
    op.create_table(
        "records",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("account", sa.String(length=63), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("event", sa.String(length=100), nullable=False),
        sa.Column("send_id", sa.String(length=200), nullable=True),
        sa.Column("recipient", sa.String(length=320), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("contact_id", sa.String(length=16), nullable=True),
        sa.Column("conversation_id", sa.String(length=16), nullable=True),
        sa.Column("log", sa.String(length=10), nullable=False),
        sa.Column("headers", sa.LargeBinary(), nullable=True),
        sa.Column("source_id", sa.String(length=36), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_records")),
    )
    op.create_index(op.f("ix_records_account_at_id"), "records", ["account", "at", "id"])
    op.create_index(op.f("ix_records_send_id"), "records", ["send_id"])
    op.create_index(op.f("ix_records_contact_id"), "records", ["contact_id"])
    op.create_index(op.f("ix_records_conversation_id"), "records", ["conversation_id"])


def _create_doubts() -> None:
    op.create_table(
        "doubts",
        sa.Column("send_id", sa.String(length=200), nullable=False),
        sa.Column("account", sa.String(length=63), nullable=False),
        sa.Column("since", Moment(), nullable=False),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("look_id", sa.String(length=36), nullable=True),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("parked_at", Moment(), nullable=True),
        sa.Column("command", sa.LargeBinary(), nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("send_id", name=op.f("pk_doubts")),
    )
    op.create_index(op.f("ix_doubts_look_id"), "doubts", ["look_id"])
    op.create_index(op.f("ix_doubts_since"), "doubts", ["since"])


def _create_sent_copies() -> None:
    op.create_table(
        "sent_copies",
        sa.Column("send_id", sa.String(length=200), nullable=False),
        sa.Column("account", sa.String(length=63), nullable=False),
        sa.Column("message_id", sa.String(length=320), nullable=False),
        sa.Column("dataref", sa.String(length=80), nullable=False),
        sa.Column("command_id", sa.String(length=36), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due_at", Moment(), nullable=True),
        sa.Column("updated_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("send_id", name=op.f("pk_sent_copies")),
    )
    op.create_index(op.f("ix_sent_copies_command_id"), "sent_copies", ["command_id"])
    op.create_index(op.f("ix_sent_copies_due_at"), "sent_copies", ["due_at"])
    op.create_index(op.f("ix_sent_copies_dataref"), "sent_copies", ["dataref"])
