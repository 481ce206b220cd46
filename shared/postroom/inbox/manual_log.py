"""Logs by hand a mail that was not logged by itself, such as one that was sent from another program."""

import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.utils import getaddresses, parsedate_to_datetime
from typing import Any

from postroom.account import Account
from postroom.addresses import normal_address
from postroom.errors import Misconfigured
from postroom.inbox.entry import clean_line
from postroom.inbox.reading import NotThere, see_account, the_contact, the_conversation
from postroom.inbox.subject import MAX_CHARS
from postroom.messages import LogDepth, derive_id
from postroom.own_mail import content_sha256
from postroom.record import Record, depth, header_block, send_record_id, sha256
from postroom.store import audit
from postroom.store import records as kept
from postroom.store.engine import insert_new
from postroom.store.schema import message_sources, sends
from postroom.store.view import View

MAX_BYTES = 25 * 1024 * 1024
_SHOWN_HEADER_BYTES = 64 * 1024


@dataclass(frozen=True)
class Wanted:
    """A mail to be logged, as which event, and where people look for it."""

    content: bytes
    account: str
    event: str = ""
    contact_id: str | None = None
    conversation_id: str | None = None
    log: LogDepth | None = None


@dataclass(frozen=True)
class Logged:
    """The record; `is_new` False: it was there before, or the mail was logged by itself as `send_id`."""

    record_id: str
    is_new: bool
    send_id: str | None = None


def log_by_hand(view: View, wanted: Wanted, now: datetime) -> Logged:
    """Log the mail, once however often; audited.

    Raises:
        Misconfigured: it is no mail, is too large, or its links are of another account.
        NotThere: the actor sees no such account, contact or conversation.
    """
    account = _account(view, wanted.account)
    _check(wanted)
    _check_links(view, wanted)
    headers = message_from_bytes(header_block(wanted.content)[:_SHOWN_HEADER_BYTES])
    by_itself = _sent_by_us(view, wanted, str(headers.get("message-id", "")).strip())
    if by_itself is not None:
        return Logged(send_record_id(by_itself), False, by_itself)
    hashed = sha256(wanted.content)
    log = depth(wanted.log, account.log, confidential=account.confidential)
    record_id = derive_id("record", "manual", wanted.account, hashed)
    record = Record(
        id=record_id,
        account=wanted.account,
        kind="manual",
        event=wanted.event,
        recipient=_recipient(headers.get_all("to", [])),
        subject="" if log == "nothing" else clean_line(_subject(headers.get("subject", "")), MAX_CHARS),
        log=log,
        headers=header_block(wanted.content) if log == "headers" else None,
        source_id=record_id if log == "full" else None,
        sha256=hashed,
        size_bytes=len(wanted.content),
        contact_id=wanted.contact_id,
        conversation_id=wanted.conversation_id,
        at=_written_at(headers.get("date", "")) or now,
    )
    if not kept.add(view.connection, [record]):
        return Logged(record_id, False)
    if log == "full":
        _keep(view, record, wanted.content, now)
    audit.record(
        view.connection, view.actor, "sends.log", wanted.account, record_id, {"event": wanted.event}, now=now
    )
    return Logged(record_id, True)


def _account(view: View, name: str) -> Account:
    see_account(view, name)
    account = view.configuration.accounts.get(name)
    if account is None:
        raise NotThere("account", name)
    return account


def _check(wanted: Wanted) -> None:
    if len(wanted.content) > MAX_BYTES:
        raise Misconfigured("file", f"a mail of at most {MAX_BYTES // 1024 // 1024} MiB can be logged")
    headers = message_from_bytes(header_block(wanted.content)[:_SHOWN_HEADER_BYTES])
    if not (headers.get("from") and (headers.get("date") or headers.get("message-id"))):
        raise Misconfigured("file", "this is no mail: it has no From, or neither Date nor Message-ID")


def _check_links(view: View, wanted: Wanted) -> None:
    links = {}
    if wanted.contact_id is not None:
        links["contact"] = the_contact(view, wanted.contact_id)
    if wanted.conversation_id is not None:
        links["conversation"] = the_conversation(view, wanted.conversation_id)
    for kind, row in links.items():
        if row["account"] != wanted.account:
            raise NotThere(kind, row["id"])


def _sent_by_us(view: View, wanted: Wanted, message_id: str) -> str | None:
    """The id of the mail of ours that this is, if it is one."""
    if not message_id:
        return None
    table = sends.c
    query = view.select(table.send_id).where(
        table.account == wanted.account,
        table.message_id == message_id,
        table.content_sha256 == content_sha256(wanted.content),
    )
    found: str | None = view.connection.execute(query).scalar()
    return found


def _keep(view: View, record: Record, content: bytes, now: datetime) -> None:
    row = {
        "message_id": record.id,
        "account": record.account,
        "content": zlib.compress(content),
        "dataref": None,
        "size_bytes": len(content),
        "truncated": False,
        "at": now,
    }
    insert_new(view.connection, message_sources, [row])


def _recipient(fields: list[Any]) -> str:
    """The first address of To that is one."""
    for _name, address in getaddresses([str(each) for each in fields]):
        try:
            return normal_address(address)
        except ValueError:
            continue
    return ""


def _subject(raw: Any) -> str:
    try:
        return str(make_header(decode_header(str(raw))))
    except (ValueError, LookupError):
        return str(raw)


def _written_at(raw: Any) -> datetime | None:
    try:
        moment = parsedate_to_datetime(str(raw))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
