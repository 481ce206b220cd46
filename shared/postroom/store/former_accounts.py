"""Accounts that were removed: whose mail it was that is kept of them."""

from datetime import datetime

from sqlalchemy import Connection, delete, or_, select

from postroom.store.engine import upsert
from postroom.store.schema import (
    accounts,
    approvals,
    contacts,
    conversations,
    former_accounts,
    mails,
    sends,
)

_KEPT = (conversations, contacts, mails, sends, approvals)


def record(connection: Connection, name: str, now: datetime) -> None:
    """This account is about to be removed; nothing happens if there is none."""
    document = connection.execute(select(accounts.c.document).where(accounts.c.name == name)).scalar()
    if document is None:
        return
    people = [each for each in (document.get("owner"), *document.get("readers", ())) if each]
    row = {"name": name, "people": people, "removed_at": now}
    upsert(connection, former_accounts, [row], update=("people", "removed_at"))


def read(connection: Connection) -> dict[str, tuple[str, ...]]:
    """Owner and readers of each of which something is kept that they could see."""
    table = former_accounts.c
    is_kept = or_(*(select(1).where(each.c.account == table.name).exists() for each in _KEPT))
    rows = connection.execute(select(table.name, table.people).where(is_kept).order_by(table.name))
    return {row.name: tuple(row.people) for row in rows}


def forget(connection: Connection, name: str) -> bool:
    """What is kept of it is for whoever has the next account of the name; whether there was one."""
    return bool(connection.execute(delete(former_accounts).where(former_accounts.c.name == name)).rowcount)
