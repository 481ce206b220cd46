"""Deny rules, mails that wait for the next window, windows of senders."""

import sqlalchemy as sa
from alembic import op

from postroom.store.schema import Moment

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "deny_rules",
        sa.Column("account", sa.String(length=63), nullable=False),
        sa.Column("key", sa.String(length=1000), nullable=False),
        sa.Column("pattern", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("added_by", sa.String(length=200), nullable=False),
        sa.Column("added_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("account", "key", name=op.f("pk_deny_rules")),
    )
    op.create_table(
        "deferred_mails",
        sa.Column("seq", _KEY, autoincrement=True, nullable=False),
        sa.Column("mail_id", sa.String(length=36), nullable=False),
        sa.Column("account", sa.String(length=63), nullable=False),
        sa.Column("sender", sa.String(length=320), nullable=False),
        sa.Column("deferred_at", Moment(), nullable=False),
        sa.Column("until", Moment(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_deferred_mails")),
        sa.UniqueConstraint("mail_id", name=op.f("uq_deferred_mails_mail_id")),
    )
    op.create_index(op.f("ix_deferred_mails_account_seq"), "deferred_mails", ["account", "seq"])
    op.create_index(op.f("ix_deferred_mails_expires_at"), "deferred_mails", ["expires_at"])
    op.create_table(
        "sender_windows",
        sa.Column("account", sa.String(length=63), nullable=False),
        sa.Column("sender", sa.String(length=330), nullable=False),
        sa.Column("started_at", Moment(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("account", "sender", name=op.f("pk_sender_windows")),
    )
