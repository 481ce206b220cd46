"""What there is to see of conversations and contacts; everything through the actor's view."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    Select,
    and_,
    func,
    literal,
    not_,
    or_,
    select,
)

from postroom.errors import Misconfigured
from postroom.inbox import cursor as cursors
from postroom.inbox.cursor import Position
from postroom.inbox.entry import search_form
from postroom.store.schema import contact_addresses, contacts, conversation_messages, conversations, sends
from postroom.store.view import View

MAX_PAGE = 500
MAX_SEARCH_CHARS = 200
UNKNOWN_AUTHOR = "author not found"
_ID = re.compile(r"[0-9a-f]{16}")
_PART_OF_ID = re.compile(r"[0-9a-f-]{6,36}")

Row = Mapping[str, Any]


class NotThere(Misconfigured):
    """What is not there, and what the actor may not see: nobody can tell one from the other."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(kind, f"there is no {kind} {name[:100]!r}")


@dataclass(frozen=True)
class Page:
    """Some rows, and the cursor to go on from; None: these were the last."""

    rows: Sequence[Row]
    cursor: str | None


@dataclass(frozen=True)
class Wish:
    """How much of a list is wanted, and from where on."""

    limit: int = 20
    cursor: str | None = None

    def position(self, query: str) -> Position | None:
        """Where to go on.

        Raises:
            Misconfigured: the cursor is none of this query.
        """
        if self.cursor is None:
            return None
        try:
            return cursors.decode(self.cursor, query)
        except ValueError as error:
            raise Misconfigured("cursor", f"the cursor {self.cursor[:100]!r}: {error}") from None


def list_conversations(
    view: View,
    wish: Wish,
    *,
    account: str | None = None,
    unknown_only: bool = False,
    contact: str | None = None,
) -> Page:
    """The conversations with the newest mail first.

    Raises:
        NotThere: no such account or contact that the actor sees.
        Misconfigured: the cursor is none of this query.
    """
    table, query_name = conversations.c, f"conversations {account} {unknown_only} {contact}"
    query = _conversations(view).order_by(table.last_at.desc(), table.id.desc())
    if account is not None:
        see_account(view, account)
        query = query.where(table.account == account)
    if contact is not None:
        query = query.where(_of_contact(the_contact(view, contact)["id"]))
    if unknown_only:
        query = query.where(not_(_is_known()))
    query = query.where(_has_messages())
    return _page(view, query, wish, query_name, (table.last_at, table.id), "last_at")


def the_conversation(view: View, conversation_id: str) -> dict[str, Any]:
    """One conversation.

    Raises:
        NotThere: there is none that the actor sees.
    """
    if _ID.fullmatch(conversation_id):
        query = _conversations(view).where(conversations.c.id == conversation_id)
        row = view.connection.execute(query).mappings().first()
        if row is not None:
            return _told(row)
    raise NotThere("conversation", conversation_id)


def list_messages(view: View, conversation_id: str, wish: Wish) -> Page:
    """The messages of a conversation that the actor sees, the oldest first."""
    table = conversation_messages.c
    query = (
        _messages(view)
        .where(table.conversation_id == conversation_id, table.hidden_at.is_(None))
        .order_by(table.at, table.id)
    )
    return _page(view, query, wish, f"messages {conversation_id}", (table.at, table.id), "at", ascending=True)


def the_message(view: View, conversation_id: str, message_id: str) -> dict[str, Any]:
    """A message of a conversation, by its id or the beginning of it.

    Raises:
        NotThere: there is none that the actor sees, or there are several that begin so.
    """
    if _PART_OF_ID.fullmatch(message_id):
        table = conversation_messages.c
        begins = table.id.startswith(message_id, autoescape=True)
        query = _messages(view).where(
            table.conversation_id == conversation_id, begins, table.hidden_at.is_(None)
        )
        rows = view.connection.execute(query.limit(2)).mappings().all()
        if len(rows) == 1:
            return _told(rows[0])
    raise NotThere("message", message_id)


def search(view: View, text: str, wish: Wish, *, account: str | None = None) -> Page:
    """The messages that have the text, the newest first: in subject, people or the text kept of them.

    Letters' case and blanks do not matter; words are not taken apart.

    Raises:
        Misconfigured: there is nothing to search for, or too much; or the cursor is none of this query.
        NotThere: no such account that the actor sees.
    """
    wanted = search_form(text)
    if not wanted or len(wanted) > MAX_SEARCH_CHARS or "\0" in wanted:
        raise Misconfigured("text", f"expected a text of 1 to {MAX_SEARCH_CHARS} characters")
    table = conversation_messages.c
    query = (
        _messages(view)
        .where(table.hidden_at.is_(None), table.searched.contains(wanted, autoescape=True))
        .order_by(table.at.desc(), table.id.desc())
    )
    if account is not None:
        see_account(view, account)
        query = query.where(table.account == account)
    return _page(view, query, wish, f"search {account} {wanted}", (table.at, table.id), "at")


def list_contacts(view: View, wish: Wish, *, account: str | None = None) -> Page:
    """The contacts, the newest first, each with its addresses."""
    table = contacts.c
    query = view.select(contacts).order_by(table.created_at.desc(), table.id.desc())
    if account is not None:
        see_account(view, account)
        query = query.where(table.account == account)
    page = _page(view, query, wish, f"contacts {account}", (table.created_at, table.id), "created_at")
    addresses = _addresses(view, [row["id"] for row in page.rows])
    return Page([{**row, "addresses": addresses.get(row["id"], [])} for row in page.rows], page.cursor)


def the_contact(view: View, contact_id: str) -> dict[str, Any]:
    """One contact with its addresses.

    Raises:
        NotThere: there is none that the actor sees.
    """
    if _ID.fullmatch(contact_id):
        row = (
            view.connection.execute(view.select(contacts).where(contacts.c.id == contact_id))
            .mappings()
            .first()
        )
        if row is not None:
            return {**_told(row), "addresses": _addresses(view, [contact_id]).get(contact_id, [])}
    raise NotThere("contact", contact_id)


def see_account(view: View, account: str) -> None:
    """Raises NotThere unless the actor sees the account."""
    if account not in view.accounts:
        raise NotThere("account", account)


def contact_of_address(view: View, account: str, address: str) -> str | None:
    """The id of the contact that has the address."""
    table = contact_addresses.c
    query = view.select(table.contact_id).where(table.account == account, table.address == address)
    found: str | None = view.connection.execute(query).scalar()
    return found


def _conversations(view: View) -> Select[Any]:
    table = conversations.c
    visible = _visible_messages()
    newest = (
        select(conversation_messages.c.preview).where(*visible).order_by(conversation_messages.c.at.desc())
    )
    return view.select(
        table.id,
        table.account,
        table.subject,
        table.correspondent,
        table.started_at,
        table.last_at,
        _contact_id().label("contact_id"),
        _contact_name().label("contact_name"),
        select(func.count())
        .select_from(conversation_messages)
        .where(*visible)
        .scalar_subquery()
        .label("messages"),
        newest.limit(1).scalar_subquery().label("preview"),
    )


def _messages(view: View) -> Select[Any]:
    table = conversation_messages.c
    shown = [each for each in table if each.name not in ("searched", "hidden_at")]
    address = contact_addresses.c
    author = select(address.contact_id).where(
        address.account == table.account, address.address == table.author
    )
    state = select(sends.c.state).where(sends.c.send_id == table.send_id)
    return view.select(
        *shown,
        author.scalar_subquery().label("author_contact_id"),
        state.scalar_subquery().label("send_state"),
    )


def _contact_id() -> ColumnElement[Any]:
    return func.coalesce(conversations.c.contact_id, _paired())


def _contact_name() -> ScalarSelect[Any]:
    return (
        select(contacts.c.name)
        .where(contacts.c.id == _contact_id())
        .correlate(conversations)
        .scalar_subquery()
    )


def _paired() -> ScalarSelect[Any]:
    address, table = contact_addresses.c, conversations.c
    return (
        select(address.contact_id)
        .where(address.account == table.account, address.address == table.correspondent)
        .correlate(conversations)
        .scalar_subquery()
    )


def _is_known() -> ColumnElement[bool]:
    return _contact_id().is_not(None)


def _of_contact(contact_id: str) -> ColumnElement[bool]:
    return _contact_id() == literal(contact_id)


def _visible_messages() -> tuple[ColumnElement[bool], ...]:
    table = conversation_messages.c
    return table.conversation_id == conversations.c.id, table.hidden_at.is_(None)


def _has_messages() -> ColumnElement[bool]:
    return (
        select(1)
        .select_from(conversation_messages)
        .where(*_visible_messages())
        .correlate(conversations)
        .exists()
    )


def _page(
    view: View,
    query: Select[Any],
    wish: Wish,
    name: str,
    order: tuple[ColumnElement[Any], ColumnElement[Any]],
    moment: str,
    *,
    ascending: bool = False,
) -> Page:
    """The rows after the cursor, and the cursor after them."""
    position, limit = wish.position(name), min(wish.limit, MAX_PAGE)
    if position is not None:
        at, row_id = order
        after = (
            (at > position.at, row_id > position.id)
            if ascending
            else (at < position.at, row_id < position.id)
        )
        query = query.where(or_(after[0], and_(at == position.at, after[1])))
    rows = [_told(row) for row in view.connection.execute(query.limit(limit + 1)).mappings()]
    more = len(rows) > limit
    rows = rows[:limit]
    last = Position(rows[-1][moment], rows[-1]["id"]) if more else None
    return Page(rows, cursors.encode(last, name) if last else None)


def _told(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row with its state: whether the author is a contact."""
    told = dict(row)
    if "contact_name" in told:
        told["state"] = "known" if told["contact_id"] else UNKNOWN_AUTHOR
    if told.get("direction") == "in":
        told["state"] = "known" if told["author_contact_id"] else UNKNOWN_AUTHOR
    return told


def _addresses(view: View, contact_ids: Sequence[str]) -> dict[str, list[str]]:
    table = contact_addresses.c
    query = (
        view.select(table.contact_id, table.address)
        .where(table.contact_id.in_(contact_ids))
        .order_by(table.address)
    )
    found: dict[str, list[str]] = {}
    for contact_id, address in view.connection.execute(query):
        found.setdefault(contact_id, []).append(address)
    return found
