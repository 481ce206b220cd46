"""The accounts in the store: what `postroom apply` and `postroom accounts` write and the services read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, bindparam, delete, func, select, update

from postroom.account import Account
from postroom.account_servers import SystemSmtp
from postroom.fault import sentence
from postroom.store.engine import insert_new, upsert
from postroom.store.schema import account_status, accounts, oauth_grants, revisions, secrets, sections

_REVISION = "accounts"
_SYSTEM_SMTP = "system_smtp"
NEVER_SIGNED_IN = datetime(1970, 1, 1, tzinfo=UTC)
"""When an account signed in that gets tokens without."""


@dataclass(frozen=True)
class Configuration:
    """All accounts by name, in their order, and what is for all of them.

    `broken`: accounts whose record this version does not understand, each with the reason.
    `signed_in`: when the owner of an account signed in last (OAuth 2).
    """

    accounts: Mapping[str, Account]
    system_smtp: SystemSmtp | None = None
    revision: int = 0
    broken: Mapping[str, str] = field(default_factory=dict)
    signed_in: Mapping[str, datetime] = field(default_factory=dict)


def document(model: Account | SystemSmtp) -> dict[str, Any]:
    """What is kept of an account or section: its settings, without those that have their default."""
    written: dict[str, Any] = json.loads(model.model_dump_json(by_alias=True, exclude_defaults=True))
    return written


def revision(connection: Connection) -> int:
    """Grows with every change."""
    number = connection.execute(select(revisions.c.number).where(revisions.c.name == _REVISION)).scalar()
    return int(number or 0)


def lock(connection: Connection) -> None:
    """Until the end of this transaction nobody else who calls this changes accounts; call it before reading.

    On SQLite a transaction that may write is alone anyway.
    """
    insert_new(connection, revisions, [{"name": _REVISION, "number": 0}])
    connection.execute(select(revisions.c.number).where(revisions.c.name == _REVISION).with_for_update())


def bump(connection: Connection) -> int:
    """There is a change in this transaction; returns the new revision."""
    insert_new(connection, revisions, [{"name": _REVISION, "number": 0}])
    grow = update(revisions).where(revisions.c.name == _REVISION).values(number=revisions.c.number + 1)
    return int(connection.execute(grow.returning(revisions.c.number)).scalar_one())


def read(connection: Connection) -> Configuration:
    """The accounts as they stand."""
    number = revision(connection)
    found: dict[str, Account] = {}
    broken: dict[str, str] = {}
    for row in connection.execute(select(accounts).order_by(accounts.c.position, accounts.c.name)):
        try:
            found[row.name] = Account.model_validate(row.document)
        except ValidationError as error:
            broken[row.name] = _explained(error)
    section = connection.execute(select(sections.c.document).where(sections.c.name == _SYSTEM_SMTP)).scalar()
    system_smtp = None
    if section is not None:
        try:
            system_smtp = SystemSmtp.model_validate(section)
        except ValidationError as error:
            broken[_SYSTEM_SMTP] = _explained(error)
    return Configuration(found, system_smtp, number, broken, _signed_in(connection))


def _signed_in(connection: Connection) -> dict[str, datetime]:
    query = select(oauth_grants.c.account, oauth_grants.c.signed_in_at)
    rows = connection.execute(query.where(oauth_grants.c.signed_in_at > NEVER_SIGNED_IN))
    return {row.account: row.signed_in_at for row in rows}


def put(connection: Connection, account: Account, now: datetime) -> None:
    """Write an account; one of that name is replaced, a new one comes last."""
    known = connection.execute(select(accounts).where(accounts.c.name == account.name)).first()
    last = connection.execute(select(func.max(accounts.c.position))).scalar()
    row = {
        "name": account.name,
        "position": known.position if known else (-1 if last is None else last) + 1,
        "document": document(account),
        "created_at": known.created_at if known else now,
        "updated_at": now,
    }
    upsert(connection, accounts, [row], update=("document", "updated_at"))


def order(connection: Connection, names: Sequence[str]) -> None:
    """Bring the accounts into this order; others come after them."""
    rest = select(accounts.c.name).where(accounts.c.name.not_in(names)).order_by(accounts.c.position)
    whole = [*names, *connection.execute(rest).scalars()]
    connection.execute(
        update(accounts).where(accounts.c.name == bindparam("of")).values(position=bindparam("to")),
        [{"of": name, "to": position} for position, name in enumerate(whole)],
    )


def put_system_smtp(connection: Connection, section: SystemSmtp | None, now: datetime) -> None:
    """Write the section; None removes it."""
    if section is None:
        connection.execute(delete(sections).where(sections.c.name == _SYSTEM_SMTP))
        return
    row = {"name": _SYSTEM_SMTP, "document": document(section), "updated_at": now}
    upsert(connection, sections, [row], update=("document", "updated_at"))


def remove(connection: Connection, name: str) -> bool:
    """Remove an account with its stored secrets, tokens and status; whether there was one."""
    found = connection.execute(delete(accounts).where(accounts.c.name == name)).rowcount
    connection.execute(delete(secrets).where(secrets.c.name.startswith(f"{name}/", autoescape=True)))
    connection.execute(delete(oauth_grants).where(oauth_grants.c.account == name))
    connection.execute(delete(account_status).where(account_status.c.account == name))
    return bool(found)


def _explained(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(str(part) for part in fault['loc']) or 'the account'}: {sentence(fault)}"
        for fault in error.errors(include_url=False, include_input=False)
    )
