"""The first tables."""

import sqlalchemy as sa
from alembic import op

from postroom.store.schema import Moment

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "account_status",
        sa.Column("account", sa.String(length=63), nullable=False),
        sa.Column("side", sa.String(length=4), nullable=False),
        sa.Column("colour", sa.String(length=5), nullable=False),
        sa.Column("reason_code", sa.String(length=50), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("since", Moment(), nullable=False),
        sa.Column("next_try_at", Moment(), nullable=True),
        sa.Column("last_good_at", Moment(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("back_off_s", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("account", "side", name=op.f("pk_account_status")),
    )
    op.create_table(
        "approvals",
        sa.Column("id", sa.String(length=100), nullable=False),
        sa.Column("account", sa.String(length=63), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("choices", sa.JSON(), nullable=False),
        sa.Column("requester", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("decision", sa.String(length=32), nullable=True),
        sa.Column("decided_by", sa.String(length=320), nullable=True),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("mail_id", sa.String(length=36), nullable=True),
        sa.Column("requested_at", Moment(), nullable=False),
        sa.Column("deadline", Moment(), nullable=False),
        sa.Column("decided_at", Moment(), nullable=True),
        sa.Column("correlation_id", sa.String(length=200), nullable=False),
        sa.Column("traceparent", sa.String(length=100), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals")),
    )
    with op.batch_alter_table("approvals", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_approvals_requested_at"), ["requested_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_approvals_state_deadline"), ["state", "deadline"], unique=False)

    op.create_table(
        "approvers",
        sa.Column("approval_id", sa.String(length=100), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("token_ref", sa.String(length=16), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.Column("undelivered", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("approval_id", "address", name=op.f("pk_approvers")),
        sa.UniqueConstraint("token_ref", name=op.f("uq_approvers_token_ref")),
    )
    op.create_table(
        "attempts",
        sa.Column("queue", sa.String(length=200), nullable=False),
        sa.Column("message_id", sa.String(length=200), nullable=False),
        sa.Column("begun", sa.Integer(), nullable=False),
        sa.Column("last_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("queue", "message_id", name=op.f("pk_attempts")),
    )
    op.create_table(
        "fetch_cursors",
        sa.Column("account", sa.String(length=63), nullable=False),
        sa.Column("folder", sa.String(length=1000), nullable=False),
        sa.Column("uidvalidity", sa.BigInteger(), nullable=False),
        sa.Column("last_uid", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("account", "folder", name=op.f("pk_fetch_cursors")),
    )
    op.create_table(
        "fetch_ledger",
        sa.Column("mail_id", sa.String(length=36), nullable=False),
        sa.Column("account", sa.String(length=63), nullable=False),
        sa.Column("folder", sa.String(length=1000), nullable=False),
        sa.Column("uidvalidity", sa.BigInteger(), nullable=False),
        sa.Column("uid", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("truncated", sa.Boolean(), nullable=False),
        sa.Column("fetched_at", Moment(), nullable=False),
        sa.Column("action", sa.String(length=20), nullable=True),
        sa.Column("acted_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("mail_id", name=op.f("pk_fetch_ledger")),
        sa.UniqueConstraint(
            "account",
            "folder",
            "uidvalidity",
            "uid",
            name=op.f("uq_fetch_ledger_account_folder_uidvalidity_uid"),
        ),
    )
    with op.batch_alter_table("fetch_ledger", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_fetch_ledger_account_sha256"), ["account", "sha256"], unique=False
        )

    op.create_table(
        "help_mails",
        sa.Column("approval_id", sa.String(length=100), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.PrimaryKeyConstraint("approval_id", "address", "day", name=op.f("pk_help_mails")),
    )
    op.create_table(
        "inbox",
        sa.Column("service", sa.String(length=32), nullable=False),
        sa.Column("message_id", sa.String(length=200), nullable=False),
        sa.Column("handled_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("service", "message_id", name=op.f("pk_inbox")),
    )
    with op.batch_alter_table("inbox", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_inbox_handled_at"), ["handled_at"], unique=False)

    op.create_table(
        "mails",
        sa.Column("mail_id", sa.String(length=36), nullable=False),
        sa.Column("account", sa.String(length=63), nullable=False),
        sa.Column("folder", sa.String(length=1000), nullable=False),
        sa.Column("uidvalidity", sa.BigInteger(), nullable=False),
        sa.Column("uid", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("arrived_at", Moment(), nullable=False),
        sa.Column("handled_at", Moment(), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("sender", sa.String(length=320), nullable=True),
        sa.Column("approval_id", sa.String(length=100), nullable=True),
        sa.Column("correlation_id", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("mail_id", name=op.f("pk_mails")),
    )
    with op.batch_alter_table("mails", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_mails_account_handled_at"), ["account", "handled_at"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_mails_approval_id"), ["approval_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_mails_handled_at"), ["handled_at"], unique=False)

    op.create_table(
        "outbox",
        sa.Column(
            "seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("service", sa.String(length=32), nullable=False),
        sa.Column("message_id", sa.String(length=200), nullable=False),
        sa.Column("exchange", sa.String(length=200), nullable=False),
        sa.Column("routing_key", sa.String(length=255), nullable=False),
        sa.Column("must_route", sa.Boolean(), nullable=False),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("content_type", sa.String(length=100), nullable=False),
        sa.Column("correlation_id", sa.String(length=200), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("due_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_outbox")),
        sa.UniqueConstraint("message_id", name=op.f("uq_outbox_message_id")),
    )
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_outbox_service_due_at"), ["service", "due_at"], unique=False)

    op.create_table(
        "sends",
        sa.Column("send_id", sa.String(length=200), nullable=False),
        sa.Column("account", sa.String(length=63), nullable=False),
        sa.Column("recipient", sa.String(length=320), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("message_id", sa.String(length=320), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("code", sa.Integer(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("updated_at", Moment(), nullable=False),
        sa.Column("correlation_id", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("send_id", name=op.f("pk_sends")),
    )
    with op.batch_alter_table("sends", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_sends_account_state"), ["account", "state"], unique=False)
        batch_op.create_index(batch_op.f("ix_sends_message_id"), ["message_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_sends_updated_at"), ["updated_at"], unique=False)

    op.create_table(
        "shard_leases",
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("holder", sa.String(length=200), nullable=True),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("shard", name=op.f("pk_shard_leases")),
    )
    op.create_table(
        "windows",
        sa.Column("account", sa.String(length=63), nullable=False),
        sa.Column("started_at", Moment(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_windows")),
    )
