"""Requests with rules, votes, reminders and escalation, and their former tokens."""

import sqlalchemy as sa
from alembic import op

from postroom.store.schema import Moment

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    _requests()
    _votes()
    _confirmations()
    _evidence()


def _requests() -> None:
    for column in (
        sa.Column("round", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("changed_at", Moment(), nullable=True),
        sa.Column("rule", sa.String(length=10), nullable=False, server_default="any"),
        sa.Column("comment_required", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("plan", sa.JSON(), nullable=False, server_default="{}"),
        sa.Column("reminders", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("reminded_at", Moment(), nullable=True),
        sa.Column("escalated_at", Moment(), nullable=True),
        sa.Column("due_at", Moment(), nullable=True),
        sa.Column("proof", sa.String(length=30), nullable=False, server_default="token+from"),
    ):
        op.add_column("approvals", column)
    op.execute("UPDATE approvals SET due_at = deadline")
    op.create_index(op.f("ix_approvals_state_due_at"), "approvals", ["state", "due_at"])
    op.add_column(
        "approvers", sa.Column("role", sa.String(length=10), nullable=False, server_default="first")
    )
    op.add_column("approvers", sa.Column("stands_for", sa.String(length=320), nullable=True))


def _votes() -> None:
    op.create_table(
        "approval_votes",
        sa.Column("approval_id", sa.String(length=100), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("seat", sa.String(length=320), nullable=False),
        sa.Column("approver", sa.String(length=320), nullable=False),
        sa.Column("choice", sa.String(length=32), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("mail_id", sa.String(length=36), nullable=False),
        sa.Column("voted_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("approval_id", "round", "seat", name=op.f("pk_approval_votes")),
        sa.UniqueConstraint(
            "approval_id", "round", "approver", name=op.f("uq_approval_votes_approval_id_round_approver")
        ),
    )
    op.create_table(
        "former_tokens",
        sa.Column("token_ref", sa.String(length=16), nullable=False),
        sa.Column("approval_id", sa.String(length=100), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.Column("voided_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("token_ref", name=op.f("pk_former_tokens")),
    )
    op.create_index(op.f("ix_former_tokens_approval_id"), "former_tokens", ["approval_id"])


def _confirmations() -> None:
    op.create_table(
        "confirmations",
        sa.Column("token_ref", sa.String(length=16), nullable=False),
        sa.Column("asked_ref", sa.String(length=16), nullable=False),
        sa.Column("approval_id", sa.String(length=100), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("voter", sa.String(length=320), nullable=False),
        sa.Column("choice", sa.String(length=32), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("mail_id", sa.String(length=36), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("asked_at", Moment(), nullable=False),
        sa.Column("answer", sa.String(length=20), nullable=True),
        sa.PrimaryKeyConstraint("token_ref", name=op.f("pk_confirmations")),
        sa.UniqueConstraint(
            "approval_id", "address", "day", name=op.f("uq_confirmations_approval_id_address_day")
        ),
    )


def _evidence() -> None:
    op.create_table(
        "evidence",
        sa.Column("approval_id", sa.String(length=100), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("event_sha256", sa.String(length=64), nullable=False),
        sa.Column("recorded_at", Moment(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("mail", sa.LargeBinary(), nullable=True),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("signature", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("approval_id", "sequence", name=op.f("pk_evidence")),
    )
    op.create_index(op.f("ix_evidence_recorded_at"), "evidence", ["recorded_at"])
