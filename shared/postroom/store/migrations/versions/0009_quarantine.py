"""Dead letters: since when they wait for a person."""

import sqlalchemy as sa
from alembic import op

from postroom.store.schema import Moment

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "dead_letters",
        sa.Column("queue", sa.String(length=200), nullable=False),
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("dead_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("queue", "key", name=op.f("pk_dead_letters")),
    )
