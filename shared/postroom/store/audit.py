"""What people did: recorded with the deed, in its transaction, and shown to those who see the account."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, update

from postroom.access import Actor
from postroom.clock import utc_now
from postroom.store.schema import audit
from postroom.store.view import View


def record(
    connection: Connection,
    actor: Actor,
    action: str,
    account: str | None,
    target: str,
    detail: Mapping[str, Any],
    undo: Mapping[str, Any] | None = None,
    now: datetime | None = None,
) -> int:
    """Record a deed in its own transaction; returns the row's id.

    Args:
        connection: The transaction of the deed.
        actor: Who did it.
        action: What, such as `contact.add`.
        account: Whose mail it was about; None: the whole system. It decides who may read the row.
        target: What it was done to, such as an id.
        detail: More about it; no text of mails.
        undo: How to undo it, in the words of whoever recorded it; None: that cannot be done.
        now: When; default: now.
    """
    row = {
        "at": now or utc_now(),
        "actor": actor.name,
        "via": actor.via,
        "action": action,
        "account": account,
        "target": target,
        "detail": dict(detail),
    }
    # Left out rather than None: in a JSON column that would be the value null.
    if undo is not None:
        row["undo"] = dict(undo)
    return int(connection.execute(insert(audit).returning(audit.c.id), row).scalar_one())


def listed(
    view: View,
    *,
    limit: int,
    actor: str | None = None,
    account: str | None = None,
    action: str | None = None,
    before: int | None = None,
) -> list[dict[str, Any]]:
    """The newest deeds that the view shows, those that concern no account only to those who have `audit`.

    Args:
        view: Whose.
        limit: How many at most.
        actor: Only those of this person.
        account: Only those of this account.
        action: Only these, or all that begin so: `contact` is `contact.add` and all others of contacts.
        before: Only rows with a lower id, to page on.
    """
    query = view.select(audit, also_system="audit").order_by(audit.c.id.desc()).limit(limit)
    if actor is not None:
        query = query.where(audit.c.actor == actor)
    if account is not None:
        query = query.where(audit.c.account == account)
    if action is not None:
        query = query.where(
            (audit.c.action == action) | audit.c.action.startswith(f"{action}.", autoescape=True)
        )
    if before is not None:
        query = query.where(audit.c.id < before)
    return [dict(row) for row in view.connection.execute(query).mappings()]


def found(view: View, row_id: int) -> dict[str, Any] | None:
    """One row, or None if there is none that the view shows."""
    query = view.select(audit, also_system="audit").where(audit.c.id == row_id)
    row = view.connection.execute(query).mappings().first()
    return dict(row) if row else None


def mark_undone(view: View, row_id: int, now: datetime) -> bool:
    """The deed is being undone in this transaction; False if it was, cannot be, or is not to be seen."""
    open_row = (
        (audit.c.id == row_id)
        & view.visible(audit, also_system="audit")
        & audit.c.undo.is_not(None)
        & audit.c.undone_at.is_(None)
    )
    changed = view.connection.execute(update(audit).where(open_row).values(undone_at=now))
    return changed.rowcount == 1
