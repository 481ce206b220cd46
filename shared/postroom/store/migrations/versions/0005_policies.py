"""Deny rules, mails that wait for the next window, windows of senders."""

revision = "0005"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
