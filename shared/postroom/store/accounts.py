"""The accounts in the store: what `postroom apply` and `postroom accounts` write and the services read."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, bindparam, delete, func, select, update

from postroom.account import Account
from postroom.account_servers import SystemSmtp
from postroom.fault import sentence
from postroom.sections import SECTIONS, SectionName, written
from postroom.store import deny, former_accounts
from postroom.store.engine import insert_new, upsert
from postroom.store.schema import (
    account_status,
    accounts,
    oauth_grants,
    revisions,
    secrets,
    sections,
    send_windows,
)
from postroom.user import User
from postroom.webhook import Webhook

_REVISION = "accounts"
NEVER_SIGNED_IN = datetime(1970, 1, 1, tzinfo=UTC)
"""When an account signed in that gets tokens without."""


@dataclass(frozen=True)
class Configuration:
    """All accounts by name, in their order, and what is for all of them.

    `broken`: accounts whose record this version does not understand, each with the reason.
    `broken_sections`: the same of what is for all accounts.
    `former`: owner and readers of accounts that were removed and whose mail is kept.
    `signed_in`: when the owner of an account signed in last (OAuth 2).
    """

    accounts: Mapping[str, Account]
    system_smtp: SystemSmtp | None = None
    revision: int = 0
    broken: Mapping[str, str] = field(default_factory=dict)
    signed_in: Mapping[str, datetime] = field(default_factory=dict)
    users: tuple[User, ...] = ()
    deny: tuple[str, ...] = ()
    webhooks: tuple[Webhook, ...] = ()
    broken_sections: Mapping[SectionName, str] = field(default_factory=dict)
    former: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def document(account: Account) -> dict[str, Any]:
    """What is kept of an account: its settings, without those that have their default."""
    kept: dict[str, Any] = json.loads(account.model_dump_json(by_alias=True, exclude_defaults=True))
    return kept


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
    broken_sections: dict[SectionName, str] = {}
    whole = dict(_read_sections(connection, broken_sections))
    return Configuration(
        found,
        revision=number,
        broken=broken,
        signed_in=_signed_in(connection),
        broken_sections=broken_sections,
        former=former_accounts.read(connection),
        **whole,
    )


def _read_sections(
    connection: Connection, broken: dict[SectionName, str]
) -> Iterator[tuple[SectionName, Any]]:
    found = {row.name: row.document for row in connection.execute(select(sections))}
    for name, adapter in SECTIONS.items():
        if name in found:
            try:
                yield name, adapter.validate_python(found[name])
            except ValidationError as error:
                broken[name] = _explained(error)


def _signed_in(connection: Connection) -> dict[str, datetime]:
    query = select(oauth_grants.c.account, oauth_grants.c.signed_in_at)
    rows = connection.execute(query.where(oauth_grants.c.signed_in_at > NEVER_SIGNED_IN))
    return {row.account: row.signed_in_at for row in rows}


def put(connection: Connection, account: Account, now: datetime) -> None:
    """Write an account; one of that name is replaced, a new one comes last."""
    former_accounts.forget(connection, account.name)
    known = connection.execute(select(accounts).where(accounts.c.name == account.name)).first()
    last = connection.execute(select(func.max(accounts.c.position))).scalar()
    wanted = document(account)
    row = {
        "name": account.name,
        "position": known.position if known else (-1 if last is None else last) + 1,
        "document": wanted,
        "created_at": known.created_at if known else now,
        "updated_at": now,
    }
    upsert(connection, accounts, [row], update=("document", "updated_at"))
    if known and known.document.get("smtp") != wanted.get("smtp"):
        _end_pauses(connection, [account.name])


def _end_pauses(connection: Connection, names: Sequence[str]) -> None:
    """What the mail server that they had before wanted says nothing about the one that they have now."""
    connection.execute(
        update(send_windows)
        .where(send_windows.c.account.in_(names))
        .values(paused_at=None, paused_until=None, pause_reason="")
    )


def order(connection: Connection, names: Sequence[str]) -> None:
    """Bring the accounts into this order; others come after them."""
    rest = select(accounts.c.name).where(accounts.c.name.not_in(names)).order_by(accounts.c.position)
    whole = [*names, *connection.execute(rest).scalars()]
    connection.execute(
        update(accounts).where(accounts.c.name == bindparam("of")).values(position=bindparam("to")),
        [{"of": name, "to": position} for position, name in enumerate(whole)],
    )


def put_section(connection: Connection, name: SectionName, value: Any, now: datetime) -> None:
    """Write what is for all accounts; None, or a list with nothing in it, removes it."""
    if name == "system_smtp":
        rows = connection.execute(select(accounts.c.name, accounts.c.document))
        _end_pauses(connection, [row.name for row in rows if not row.document.get("smtp")])
    if not value:
        connection.execute(delete(sections).where(sections.c.name == name))
        return
    row = {"name": name, "document": written(name, value), "updated_at": now}
    upsert(connection, sections, [row], update=("document", "updated_at"))


def remove(connection: Connection, name: str, now: datetime) -> bool:
    """Remove an account with its stored secrets, tokens, status and deny rules; whether there was one.

    Its mail is kept, and who it was for, so that nobody else is shown it under an account of the same name.
    """
    former_accounts.record(connection, name, now)
    found = connection.execute(delete(accounts).where(accounts.c.name == name)).rowcount
    connection.execute(delete(secrets).where(secrets.c.name.startswith(f"{name}/", autoescape=True)))
    connection.execute(delete(oauth_grants).where(oauth_grants.c.account == name))
    connection.execute(delete(account_status).where(account_status.c.account == name))
    deny.forget_account(connection, name)
    return bool(found)


def _explained(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(str(part) for part in fault['loc']) or 'the account'}: {sentence(fault)}"
        for fault in error.errors(include_url=False, include_input=False)
    )
