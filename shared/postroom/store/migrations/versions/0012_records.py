"""Sends as records: event names, links, copies, how the uncertain were settled."""

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
