"""What people do with conversations: each deed audited, and undone if that can be.

Every function takes the view of a transaction that may write and does one deed in it.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update

from postroom.account import Account
from postroom.addresses import fold_case, normal_address
from postroom.errors import Misconfigured
from postroom.inbox.entry import MAX_NAME_CHARS, short_id
from postroom.inbox.reading import (
    NotThere,
    contact_of_address,
    see_account,
    the_contact,
    the_conversation,
    the_message,
)
from postroom.messages import MailboxDelete, derive_id
from postroom.store import audit, deny
from postroom.store.engine import insert_new, upsert
from postroom.store.schema import (
    contact_addresses,
    contacts,
    conversation_messages,
    conversations,
    fetch_ledger,
)
from postroom.store.view import View

MAX_UIDS = 500
"""Of one order to the fetcher."""
MAX_ADDRESSES = 50
MAX_DELETED = 5000
"""Messages that one deed deletes at most: what it does is one transaction, and can be undone."""
_PREFIX = "inbox."


@dataclass(frozen=True)
class Deed:
    """What was done. `audit_id`: by which it can be undone."""

    audit_id: str
    account: str
    contact_id: str = ""
    address: str = ""
    is_new: bool = True


@dataclass(frozen=True)
class Deletion:
    """What deleting comes to: the messages that are not shown any more, and the orders to the fetcher.

    `kept`: why so many of the mails stay on the server.
    """

    audit_id: str
    account: str
    hidden: int
    orders: Sequence[MailboxDelete]
    kept: Mapping[str, int]


def pair(
    view: View, conversation_id: str, contact_id: str, now: datetime, message_id: str | None = None
) -> Deed:
    """Let the author's address (of the conversation, or of one message) be the contact's from now on.

    Raises:
        NotThere: no such conversation, message or contact that the actor sees.
        Misconfigured: they are of different accounts.
    """
    conversation, address = _whose(view, conversation_id, message_id)
    contact = the_contact(view, contact_id)
    account = str(conversation["account"])
    if contact["account"] != account:
        raise Misconfigured("contact", f"{contact_id} is a contact of another account than the conversation")
    undo = _pair_address(view, account, address, contact_id, now)
    if address is None:
        undo = {"conversation": conversation_id, "contact": _paired_by_hand(view, conversation_id)}
        _pair_conversation(view, conversation_id, contact_id)
    detail = {"contact": contact_id, "address": address}
    row = audit.record(
        view.connection,
        view.actor,
        f"{_PREFIX}pair",
        account,
        conversation_id,
        detail,
        undo | {"kind": "pair"},
        now,
    )
    return Deed(row, account, contact_id, address or "")


def add_contact(
    view: View, conversation_id: str, name: str, now: datetime, message_id: str | None = None
) -> Deed:
    """Make a contact of the author of the conversation, or of one of its messages.

    Raises:
        NotThere: no such conversation or message that the actor sees.
        Misconfigured: the author is a contact already, or cannot be read, or the name is none.
    """
    conversation, address = _whose(view, conversation_id, message_id)
    if address is None:
        raise Misconfigured("author", "its author cannot be read: add the contact by address, and pair them")
    return new_contact(view, str(conversation["account"]), name, (address,), now)


def new_contact(view: View, account: str, name: str, addresses: Sequence[str], now: datetime) -> Deed:
    """Make a contact with these addresses.

    Raises:
        NotThere: no such account that the actor sees.
        Misconfigured: an address is none, or is another contact's; or the name is none.
    """
    see_account(view, account)
    clean = [_address(each) for each in dict.fromkeys(addresses)]
    if not 1 <= len(clean) <= MAX_ADDRESSES:
        raise Misconfigured("address", f"a contact has 1 to {MAX_ADDRESSES} addresses")
    for address in clean:
        taken = contact_of_address(view, account, address)
        if taken is not None:
            raise Misconfigured("address", f"{address} is the address of the contact {taken} already")
    contact_id = short_id("contact", account, clean[0], now.isoformat())
    row = {"id": contact_id, "account": account, "name": _name(name), "origin": "added", "created_at": now}
    insert_new(view.connection, contacts, [row])
    rows = [
        {"account": account, "address": each, "contact_id": contact_id, "added_at": now}
        for each in sorted(clean)
    ]
    if len(insert_new(view.connection, contact_addresses, rows, key="address")) != len(rows):
        raise Misconfigured("address", "somebody has just made a contact of one of these addresses")
    undo = {"kind": "contact", "contact": contact_id, "addresses": clean}
    detail = {"addresses": clean}
    audit_id = audit.record(
        view.connection, view.actor, f"{_PREFIX}add-contact", account, contact_id, detail, undo, now
    )
    return Deed(audit_id, account, contact_id, clean[0])


def block(
    view: View, conversation_id: str, now: datetime, message_id: str | None = None, *, domain: bool = False
) -> Deed:
    """Deny the author's address, or its whole domain, to the account from the next mail on.

    Raises:
        NotThere: no such conversation or message that the actor sees.
        Misconfigured: the author cannot be read, or is the account itself.
    """
    conversation, address = _whose(view, conversation_id, message_id)
    account = str(conversation["account"])
    if address is None:
        raise Misconfigured(
            "author", "its author cannot be read: deny what you see in From with `postroom deny add`"
        )
    settings = view.configuration.accounts.get(account)
    if settings is not None and address in (fold_case(settings.address), fold_case(settings.reply_address)):
        raise Misconfigured("author", f"{address} is the account's own address")
    pattern = address.rpartition("@")[2] if domain else address
    reason = f"blocked in conversation {conversation_id}"
    is_new = deny.add(view.connection, pattern, account=account, reason=reason, by=view.actor.name, now=now)
    undo = {"kind": "block", "pattern": pattern} if is_new else None
    audit_id = audit.record(
        view.connection,
        view.actor,
        f"{_PREFIX}block",
        account,
        conversation_id,
        {"pattern": pattern},
        undo,
        now,
    )
    return Deed(audit_id, account, address=pattern, is_new=is_new)


def delete_messages(
    view: View, conversation_id: str, now: datetime, message_ids: Sequence[str] = ()
) -> Deletion:
    """Show the messages (default: all of the conversation) no more, and delete their mails on the server.

    The orders are for the caller to put into the outbox, in this transaction.

    Raises:
        NotThere: no such conversation or message that the actor sees.
        Misconfigured: it has too many messages for one deed.
    """
    conversation = the_conversation(view, conversation_id)
    account = str(conversation["account"])
    ids = [str(the_message(view, conversation_id, each)["id"]) for each in dict.fromkeys(message_ids)]
    rows = _to_delete(view, conversation_id, ids)
    if not rows:
        raise NotThere("message", "that is shown")
    mails = {row["mail_id"]: row for row in rows if row["mail_id"]}
    located, kept = _locate(view, account, list(mails))
    kept["our own copy only"] = len(rows) - len(mails)
    hidden = conversation_messages.c.id.in_([row["id"] for row in rows])
    view.connection.execute(
        update(conversation_messages).where(hidden, view.visible(conversation_messages)).values(hidden_at=now)
    )
    undo = {"kind": "delete", "conversation": conversation_id, "hidden_at": now.isoformat()}
    detail = {"messages": len(rows), "on_server": sum(map(len, located.values()))}
    audit_id = audit.record(
        view.connection, view.actor, f"{_PREFIX}delete", account, conversation_id, detail, undo, now
    )
    orders = _orders(account, located)
    return Deletion(
        audit_id, account, len(rows), orders, {why: count for why, count in kept.items() if count}
    )


def order_id(order: MailboxDelete, audit_id: str) -> str:
    """The id of an order's message: the same deed asks once."""
    return derive_id(order.TYPE, order.account, order.folder, order.uidvalidity, *order.uids, audit_id)


def _whose(view: View, conversation_id: str, message_id: str | None) -> tuple[Mapping[str, Any], str | None]:
    """The conversation, and the address of its correspondent or of one message's author."""
    conversation = the_conversation(view, conversation_id)
    if message_id is None:
        return conversation, conversation["correspondent"]
    return conversation, the_message(view, conversation_id, message_id)["author"]


def _pair_address(
    view: View, account: str, address: str | None, contact_id: str, now: datetime
) -> dict[str, Any]:
    if address is None:
        return {}
    before = contact_of_address(view, account, address)
    row = {"account": account, "address": address, "contact_id": contact_id, "added_at": now}
    upsert(view.connection, contact_addresses, [row], update=("contact_id", "added_at"))
    return {"address": address, "contact": before}


def _paired_by_hand(view: View, conversation_id: str) -> str | None:
    query = view.select(conversations.c.contact_id).where(conversations.c.id == conversation_id)
    found: str | None = view.connection.execute(query).scalar()
    return found


def _pair_conversation(view: View, conversation_id: str, contact_id: str | None) -> None:
    mine = (conversations.c.id == conversation_id) & view.visible(conversations)
    view.connection.execute(update(conversations).where(mine).values(contact_id=contact_id))


def _to_delete(view: View, conversation_id: str, ids: Sequence[str]) -> Sequence[Mapping[Any, Any]]:
    table = conversation_messages.c
    query = view.select(table.id, table.mail_id).where(
        table.conversation_id == conversation_id, table.hidden_at.is_(None)
    )
    if ids:
        query = query.where(table.id.in_(ids))
    rows = view.connection.execute(query.limit(MAX_DELETED + 1)).mappings().all()
    if len(rows) > MAX_DELETED:
        raise Misconfigured(
            "conversation",
            f"it has more than {MAX_DELETED} messages: delete some of them with --message first",
        )
    return rows


Located = dict[tuple[str, int], list[int]]


def _locate(view: View, account: str, mail_ids: Sequence[str]) -> tuple[Located, dict[str, int]]:
    """Where the mails lie on the server by our ledger, and how many are not to be deleted there, and why."""
    kept: defaultdict[str, int] = defaultdict(int)
    found: Located = defaultdict(list)
    why = _not_reading(view.configuration.accounts.get(account))
    if why:
        return {}, {why: len(mail_ids)}
    ledger = fetch_ledger.c
    rows = view.connection.execute(
        select(ledger.folder, ledger.uidvalidity, ledger.uid, ledger.truncated, ledger.action).where(
            ledger.mail_id.in_(mail_ids), ledger.account == account
        )
    ).all()
    kept["not in our ledger"] = len(mail_ids) - len(rows)
    for row in rows:
        if row.truncated:
            kept["too large to be read whole"] += 1
        elif row.action in ("delete", "move"):
            kept["deleted or moved before"] += 1
        else:
            found[row.folder, row.uidvalidity].append(row.uid)
    return dict(found), dict(kept)


def _not_reading(account: Account | None) -> str:
    if account is None or not account.enabled or not account.receive:
        return "the account is not read"
    return ""


def _orders(account: str, located: Located) -> list[MailboxDelete]:
    return [
        MailboxDelete(
            account=account,
            folder=folder,
            uidvalidity=uidvalidity,
            uids=tuple(sorted(uids)[start : start + MAX_UIDS]),
        )
        for (folder, uidvalidity), uids in sorted(located.items())
        for start in range(0, len(uids), MAX_UIDS)
    ]


def _undo_pair(view: View, account: str, how: Mapping[str, Any]) -> None:
    if "conversation" in how:
        _pair_conversation(view, how["conversation"], how["contact"])
        return
    table = contact_addresses.c
    mine = (table.account == account) & (table.address == how["address"])
    if how["contact"] is None:
        view.connection.execute(delete(contact_addresses).where(mine))
    else:
        view.connection.execute(update(contact_addresses).where(mine).values(contact_id=how["contact"]))


def _undo_contact(view: View, account: str, how: Mapping[str, Any]) -> None:
    """Without its contact an address is unknown again; addresses paired with it later go as well."""
    for table in (contact_addresses.c.contact_id, contacts.c.id):
        mine = (table == how["contact"]) & (table.table.c.account == account)
        view.connection.execute(delete(table.table).where(mine))
    hand = (conversations.c.contact_id == how["contact"]) & (conversations.c.account == account)
    view.connection.execute(update(conversations).where(hand).values(contact_id=None))


def _undo_block(view: View, account: str, how: Mapping[str, Any]) -> None:
    deny.remove(view.connection, how["pattern"], account=account)


def _undo_delete(view: View, account: str, how: Mapping[str, Any]) -> None:
    """Show the messages again; what the fetcher has deleted on the server stays deleted."""
    table = conversation_messages.c
    mine = (
        (table.account == account)
        & (table.conversation_id == how["conversation"])
        & (table.hidden_at == datetime.fromisoformat(how["hidden_at"]))
    )
    view.connection.execute(update(conversation_messages).where(mine).values(hidden_at=None))


UNDO: Mapping[str, Callable[[View, str, Mapping[str, Any]], None]] = {
    "pair": _undo_pair,
    "contact": _undo_contact,
    "block": _undo_block,
    "delete": _undo_delete,
}
"""What undoes a deed of this kind, in the account, by what its row of the audit says."""


def _address(text: str) -> str:
    try:
        return fold_case(normal_address(text))
    except ValueError as error:
        raise Misconfigured("address", str(error)) from None


def _name(text: str) -> str:
    name = " ".join(text.split())
    if len(name) > MAX_NAME_CHARS or not name.isprintable():
        raise Misconfigured("name", f"expected one line of at most {MAX_NAME_CHARS} characters")
    return name
