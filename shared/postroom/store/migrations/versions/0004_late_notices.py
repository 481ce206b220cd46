"""Who was told that a reply changed nothing; questions are counted by token, so for each round."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "late_notices",
        sa.Column("approval_id", sa.String(length=100), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.PrimaryKeyConstraint("approval_id", "address", name=op.f("pk_late_notices")),
    )
    op.create_index(op.f("ix_late_notices_address_day"), "late_notices", ["address", "day"])
    with op.batch_alter_table("confirmations") as table:
        table.drop_constraint(op.f("uq_confirmations_approval_id_address_day"), type_="unique")
        table.create_unique_constraint(op.f("uq_confirmations_asked_ref_day"), ["asked_ref", "day"])
