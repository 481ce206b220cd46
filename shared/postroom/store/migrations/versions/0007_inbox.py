"""Contacts, conversations and their messages."""

import sqlalchemy as sa
from alembic import op

from postroom.store.schema import Moment

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    _contacts()
    _conversations()
    _messages()


def _contacts() -> None:
    op.create_table(
        "contacts",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("account", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("origin", sa.String(length=10), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contacts")),
    )
    op.create_index(op.f("ix_contacts_account_created_at_id"), "contacts", ["account", "created_at", "id"])
    op.create_table(
        "contact_addresses",
        sa.Column("account", sa.String(length=63), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("contact_id", sa.String(length=16), nullable=False),
        sa.Column("added_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("account", "address", name=op.f("pk_contact_addresses")),
    )
    op.create_index(op.f("ix_contact_addresses_contact_id"), "contact_addresses", ["contact_id"])


def _conversations() -> None:
    op.create_table(
        "conversations",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("account", sa.String(length=63), nullable=False),
        sa.Column("contact_id", sa.String(length=16), nullable=True),
        sa.Column("correspondent", sa.String(length=320), nullable=True),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("started_at", Moment(), nullable=False),
        sa.Column("last_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversations")),
    )
    op.create_index(
        op.f("ix_conversations_account_correspondent"), "conversations", ["account", "correspondent"]
    )
    op.create_index(
        op.f("ix_conversations_account_last_at_id"), "conversations", ["account", "last_at", "id"]
    )
    op.create_table(
        "conversation_keys",
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("account", sa.String(length=63), nullable=False),
        sa.Column("conversation_id", sa.String(length=16), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_conversation_keys")),
    )
    op.create_index(op.f("ix_conversation_keys_conversation_id"), "conversation_keys", ["conversation_id"])


def _messages() -> None:
    op.create_table(
        "conversation_messages",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("account", sa.String(length=63), nullable=False),
        sa.Column("conversation_id", sa.String(length=16), nullable=False),
        sa.Column("direction", sa.String(length=3), nullable=False),
        sa.Column("author", sa.String(length=320), nullable=True),
        sa.Column("author_name", sa.String(length=200), nullable=False),
        sa.Column("recipients", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("preview", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("searched", sa.Text(), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("mail_id", sa.String(length=36), nullable=True),
        sa.Column("send_id", sa.String(length=200), nullable=True),
        sa.Column("approval_id", sa.String(length=100), nullable=True),
        sa.Column("hidden_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversation_messages")),
    )
    op.create_index(
        op.f("ix_conversation_messages_conversation_id_at"),
        "conversation_messages",
        ["conversation_id", "at"],
    )
    op.create_table(
        "message_sources",
        sa.Column("message_id", sa.String(length=36), nullable=False),
        sa.Column("account", sa.String(length=63), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("dataref", sa.String(length=80), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("truncated", sa.Boolean(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_message_sources")),
    )
    op.create_index(op.f("ix_message_sources_account_at"), "message_sources", ["account", "at"])
    op.create_index(op.f("ix_message_sources_dataref"), "message_sources", ["dataref"])
