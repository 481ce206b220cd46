"""Accounts, their secrets and their OAuth 2 tokens; the fetchers that live; what mails are known by."""

import sqlalchemy as sa
from alembic import op

from postroom.store.schema import Moment

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column(
        "account_status",
        sa.Column("settings_digest", sa.String(length=64), nullable=False, server_default=""),
    )
    op.create_table(
        "accounts",
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("updated_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_accounts")),
    )
    op.create_table(
        "sections",
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("updated_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_sections")),
    )
    op.create_table(
        "revisions",
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_revisions")),
    )
    op.create_table(
        "secrets",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("ciphertext", sa.Text(), nullable=False),
        sa.Column("updated_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_secrets")),
    )
    op.create_table(
        "oauth_grants",
        sa.Column("account", sa.String(length=63), nullable=False),
        sa.Column("ciphertext", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("access_expires_at", Moment(), nullable=True),
        sa.Column("refresh_expires_at", Moment(), nullable=True),
        sa.Column("signed_in_at", Moment(), nullable=False),
        sa.Column("refreshed_at", Moment(), nullable=True),
        sa.Column("claimed_by", sa.String(length=200), nullable=True),
        sa.Column("claimed_until", Moment(), nullable=True),
        sa.Column("rejected", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_oauth_grants")),
    )
    op.create_table(
        "fetchers",
        sa.Column("holder", sa.String(length=200), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("holder", name=op.f("pk_fetchers")),
    )
    op.add_column("fetch_ledger", sa.Column("header_sha256", sa.String(length=64), nullable=True))
    op.add_column("sends", sa.Column("content_sha256", sa.String(length=64), nullable=True))
    op.add_column("fetch_ledger", sa.Column("arrived_at", Moment(), nullable=True))
    for name in ("settled_uid", "marked_uid", "scanned_after_uid", "scanned_uid"):
        number = sa.Column(name, sa.BigInteger(), nullable=False, server_default="0")
        op.add_column("fetch_cursors", number)
    op.add_column("fetch_cursors", sa.Column("marked_at", Moment(), nullable=True))
    op.add_column("fetch_cursors", sa.Column("gaps", sa.Text(), nullable=False, server_default=""))
    op.add_column("fetch_cursors", sa.Column("since_on", sa.Date(), nullable=True))
