"""Accounts that were removed and whose mail is kept."""

import sqlalchemy as sa
from alembic import op

from postroom.store.schema import Moment

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "former_accounts",
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("people", sa.JSON(), nullable=False),
        sa.Column("removed_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_former_accounts")),
    )
