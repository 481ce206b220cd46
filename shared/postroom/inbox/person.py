"""What there is of one person in the accounts that somebody sees: to be exported, and to be erased.

A person is the addresses of a contact, or one address. Theirs are the messages that they wrote, and those
that went out in conversations with them. What was decided, and the evidence of it, is kept by its own policy.
"""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, func, or_, select, update

from postroom.addresses import fold_case, normal_address
from postroom.errors import Misconfigured
from postroom.inbox.reading import NotThere, the_contact
from postroom.store import audit
from postroom.store.schema import (
    approvals,
    approvers,
    contact_addresses,
    contacts,
    conversation_keys,
    conversation_messages,
    conversations,
    doubts,
    mails,
    message_sources,
    records,
)
from postroom.store.view import View

STEP = 500
"""Messages of one page and of one step of erasing."""


@dataclass(frozen=True)
class Person:
    """Whose data it is; `contact_id` only if that was asked for, and then of its account alone."""

    addresses: tuple[str, ...]
    account: str | None = None
    contact_id: str | None = None

    @property
    def name(self) -> str:
        """What they were asked for by."""
        return self.contact_id or self.addresses[0]


@dataclass(frozen=True)
class Mail:
    """A message, with its raw mail: the bytes, or where they lie in the spool."""

    row: Mapping[str, Any]
    raw: bytes | None
    dataref: str | None


def the_person(view: View, text: str) -> Person:
    """The person of an address, or of a contact's id.

    Raises:
        NotThere: the actor sees no contact of this id, or nothing of this address.
        Misconfigured: it is neither.
    """
    if "@" not in text:
        contact = the_contact(view, text)
        addresses = tuple(contact["addresses"])
        if addresses:
            return Person(addresses, contact["account"], text)
        raise NotThere("address of the contact", text)
    try:
        person = Person((fold_case(normal_address(text)),))
    except ValueError as error:
        raise Misconfigured("address", str(error)) from None
    if not counts(view, person)["contacts"] and _next_ids(view, person, "") == []:
        raise NotThere("address", text)
    return person


def counts(view: View, person: Person) -> dict[str, int]:
    """How much there is of the person."""
    found = {
        "contacts": view.select(func.count(contact_addresses.c.address)).where(_addresses_of(person)),
        "messages": view.select(func.count(conversation_messages.c.id)).where(_messages_of(person)),
        "outcomes": view.select(func.count(mails.c.mail_id)).where(_outcomes_of(person)),
        "requests": view.select(func.count(approvals.c.id)).where(_requests_of(person)),
    }
    return {name: int(view.connection.execute(query).scalar() or 0) for name, query in found.items()}


def about(view: View, person: Person) -> dict[str, Any]:
    """Contacts, outcomes of their mails, and the requests that they were asked about."""
    ids = view.select(contact_addresses.c.contact_id).where(_addresses_of(person))
    queries = {
        "contacts": view.select(contacts).where(contacts.c.id.in_(ids)),
        "addresses": view.select(contact_addresses).where(_addresses_of(person)),
        "outcomes": view.select(mails).where(_outcomes_of(person)).order_by(mails.c.arrived_at),
        "requests": _requests(view, person),
        "records": _records(view, person),
    }
    found = {name: view.connection.execute(query).mappings().all() for name, query in queries.items()}
    return {
        "addresses_asked_for": list(person.addresses),
        **{name: [dict(row) for row in rows] for name, rows in found.items()},
    }


def messages(view: View, person: Person) -> Iterator[Mail]:
    """Every message of theirs, also those that were deleted here."""
    after = ""
    while ids := _next_ids(view, person, after):
        yield from _mails(view, ids)
        after = ids[-1]


def erase_step(view: View, person: Person) -> int:
    """Erase some of their messages with the raw mail, and the conversations that are empty then; how many."""
    ids = _next_ids(view, person, "")
    if not ids:
        return 0
    column = conversation_messages.c.conversation_id
    touched = view.select(column).where(conversation_messages.c.id.in_(ids)).distinct()
    before = list(view.connection.execute(touched).scalars())
    erase_messages(view.connection, ids)
    erase_empty(view.connection, before)
    return len(ids)


def accounts_with(view: View, person: Person) -> tuple[str, ...]:
    """The accounts that have something of theirs."""
    wanted = (
        view.select(contact_addresses.c.account).where(_addresses_of(person)),
        view.select(conversation_messages.c.account).where(_messages_of(person)),
        view.select(mails.c.account).where(_outcomes_of(person)),
    )
    found = {each for query in wanted for each in view.connection.execute(query.distinct()).scalars()}
    return tuple(sorted(found))


def erase_rest(view: View, person: Person, accounts: Sequence[str], now: datetime) -> dict[str, int]:
    """Erase contacts, who the handled mails were from, and the addresses in the audit.

    Audited without the address. Returns how much is kept, by its kind.
    """
    connection = view.connection
    ids = list(
        connection.execute(view.select(contact_addresses.c.contact_id).where(_addresses_of(person))).scalars()
    )
    mine = _addresses_of(person) & view.visible(contact_addresses)
    connection.execute(delete(contact_addresses).where(mine))
    left = select(contact_addresses.c.contact_id).where(contact_addresses.c.contact_id.in_(ids))
    empty = contacts.c.id.in_(ids) & contacts.c.id.not_in(left) & view.visible(contacts)
    connection.execute(delete(contacts).where(empty))
    _erase_records(view, person, ids)
    connection.execute(
        update(mails)
        .where(_outcomes_of(person), view.visible(mails), mails.c.approval_id.is_(None))
        .values(sender=None)
    )
    audit.forget_person(view, person.addresses, person.account)
    # One row for each account, so that whoever sees the account sees it; and no address in it.
    for account in accounts:
        audit.record(connection, view.actor, "contacts.erase", account, "a person", {}, now=now)
    kept = counts(view, person)
    return {"requests": kept["requests"], "outcomes of replies to requests": kept["outcomes"]}


def _erase_records(view: View, person: Person, contact_ids: Sequence[str]) -> None:
    """Erase the records of mail to them, with what was logged by hand; `sends` has its own policy.

    But of mail in doubt: somebody has to find it to say what became of it.
    """
    table = records.c
    in_doubt = select(doubts.c.send_id).where(doubts.c.send_id == table.send_id)
    theirs = (
        _within(table.account, person)
        & ~in_doubt.exists()
        & or_(func.lower(table.recipient).in_(person.addresses), table.contact_id.in_(contact_ids))
        & view.visible(records)
    )
    sources = select(table.source_id).where(theirs, table.source_id.is_not(None))
    mine = message_sources.c.message_id.in_(sources) & view.visible(message_sources)
    view.connection.execute(delete(message_sources).where(mine))
    view.connection.execute(delete(records).where(theirs))


def erase_messages(connection: Any, ids: Sequence[str]) -> None:
    """Erase messages and their raw mail."""
    connection.execute(delete(message_sources).where(message_sources.c.message_id.in_(ids)))
    connection.execute(delete(conversation_messages).where(conversation_messages.c.id.in_(ids)))


def erase_empty(connection: Any, conversation_ids: Sequence[str]) -> None:
    """Erase those of the conversations that have no message any more, with what leads to them."""
    wanted = sorted(set(conversation_ids))
    message = conversation_messages.c
    # Locked, so that a mail that is just joining one of them is seen, or begins it anew.
    locked = select(conversations.c.id).where(conversations.c.id.in_(wanted)).order_by(conversations.c.id)
    connection.execute(locked.with_for_update())
    used = select(message.conversation_id).where(message.conversation_id.in_(wanted))
    gone = [each for each in wanted if each not in set(connection.execute(used).scalars())]
    connection.execute(delete(conversation_keys).where(conversation_keys.c.conversation_id.in_(gone)))
    connection.execute(delete(conversations).where(conversations.c.id.in_(gone)))


def _next_ids(view: View, person: Person, after: str) -> list[str]:
    column = conversation_messages.c.id
    query = view.select(column).where(_messages_of(person), column > after).order_by(column).limit(STEP)
    return list(view.connection.execute(query).scalars())


def _mails(view: View, ids: Sequence[str]) -> Iterator[Mail]:
    source, message = message_sources.c, conversation_messages.c
    sources = {
        row.message_id: row
        for row in view.connection.execute(view.select(message_sources).where(source.message_id.in_(ids)))
    }
    shown = [each for each in message if each.name != "searched"]
    for row in view.connection.execute(
        view.select(*shown).where(message.id.in_(ids)).order_by(message.id)
    ).mappings():
        found = sources.get(row["id"])
        raw = zlib.decompress(found.content) if found is not None and found.content is not None else None
        yield Mail(dict(row), raw, found.dataref if found is not None else None)


def _messages_of(person: Person) -> ColumnElement[bool]:
    message, conversation = conversation_messages.c, conversations.c
    theirs = select(conversation.id).where(conversation.correspondent.in_(person.addresses))
    wrote = message.author.in_(person.addresses) & (message.direction == "in")
    return _within(message.account, person) & or_(
        wrote, (message.direction == "out") & message.conversation_id.in_(theirs)
    )


def _addresses_of(person: Person) -> ColumnElement[bool]:
    table = contact_addresses.c
    return _within(table.account, person) & table.address.in_(person.addresses)


def _outcomes_of(person: Person) -> ColumnElement[bool]:
    return _within(mails.c.account, person) & func.lower(mails.c.sender).in_(person.addresses)


def _requests_of(person: Person) -> ColumnElement[bool]:
    asked = select(approvers.c.approval_id).where(func.lower(approvers.c.address).in_(person.addresses))
    return _within(approvals.c.account, person) & approvals.c.id.in_(asked)


def _requests(view: View, person: Person) -> Select[Any]:
    table = approvals.c
    shown = (table.id, table.account, table.subject, table.state, table.decision, table.decided_by)
    return view.select(*shown, table.comment, table.requested_at, table.decided_at).where(
        _requests_of(person)
    )


def _records(view: View, person: Person) -> Select[Any]:
    table = records.c
    shown = (table.id, table.account, table.kind, table.event, table.send_id, table.recipient, table.subject)
    theirs = _within(table.account, person) & func.lower(table.recipient).in_(person.addresses)
    return view.select(*shown, table.detail, table.at).where(theirs).order_by(table.at)


def _within(column: ColumnElement[Any], person: Person) -> ColumnElement[bool]:
    """Of the contact's account alone, or of any that the view shows."""
    return column == person.account if person.account is not None else column.is_not(None)
