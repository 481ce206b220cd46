"""How entries of the quarantine are told, to programs and to people; of mails only what the actor may see."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.box import ROUNDED
from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from postroom.broker.letter import Letter
from postroom.errors import Permanent, PostroomError
from postroom.messages import MailReceived
from postroom.spool import Spool
from postroom.store import held
from postroom.store.held import Row
from postroom.store.view import View
from postroom_console.account_list import local
from postroom_console.losses import lost_with
from postroom_console.mail_text import MAX_BYTES, read_mail
from postroom_console.quarantine import Entry
from postroom_console.terminal import safe

DEAD = "dead letter"
HEAD_BYTES = 64 * 1024
_TIME = "%Y-%m-%d %H:%M:%S"
_ABOUT = ("approval_id", "id", "recipient", "subject", "mail_id", "folder", "uids")
_MAX_ABOUT_CHARS = 200


def told(entry: Entry, view: View) -> dict[str, Any]:
    """An entry as a row: the same names for both kinds."""
    if entry.found is not None:
        return _of_letter(entry.found.letter, view)
    assert entry.mail is not None
    return _of_mail(entry.mail)


def raw_of(entry: Entry, view: View, spool: Path) -> bytes | None:
    """The mail, or the body of the message; None: the actor may not see it, or it is kept no longer.

    Raises:
        Permanent: it was in the spool, and is not there any more.
    """
    if entry.mail is not None:
        source = held.source_of(view, entry.mail["mail_id"])
        return None if source is None else _bytes(source["content"], source["dataref"], spool)
    assert entry.found is not None
    letter = entry.found.letter
    if not view.sees(letter.account):
        return None
    dataref = letter.message.dataref if isinstance(letter.message, MailReceived) else None
    return _bytes(None if dataref else letter.wire.body, dataref, spool)


def table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """A page of the list."""
    shown = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("ID", "SINCE", "WHERE", "ACCOUNT"):
        shown.add_column(column, overflow="fold")
    shown.add_column("TRIED", justify="right")
    shown.add_column("WHY", overflow="fold")
    for row in rows:
        about = f"  {safe(row['about'])}" if row["about"] else ""
        shown.add_row(
            safe(row["id"]),
            local(row["since"], "%m-%d %H:%M") if row["since"] else "",
            safe(row["queue"] or row["kind"]),
            row["account"] or "",
            str(row["tried"]),
            Text.assemble(safe(row["reason"]), (about, "dim")),
        )
    return shown


def page_about(row: Mapping[str, Any], entry: Entry, view: View, spool: Path) -> Group:
    """Everything about one entry; what is in a mail stands in a box, so that nothing looks like ours."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in row.items():
        if value not in (None, "", 0):
            grid.add_row(name.replace("_", " "), safe(_cell(value)))
    if entry.found is not None:
        grid.add_row("if dropped", lost_with(str(row["type"])))
    return Group(grid, _content(entry, view, spool))


def _of_letter(letter: Letter, view: View) -> dict[str, Any]:
    return {
        "kind": DEAD,
        "id": letter.id,
        "queue": letter.queue,
        "type": letter.type,
        "account": letter.account,
        "about": _about(letter) if view.sees(letter.account) else "",
        "reason": letter.reason,
        "since": letter.since,
        "first_failed_at": letter.first_failed_at,
        "tried": letter.tried,
        "replays": letter.replays,
        "size_bytes": len(letter.wire.body),
    }


def _of_mail(row: Row) -> dict[str, Any]:
    return {
        "kind": row["outcome"],
        "id": row["mail_id"],
        "queue": "",
        "type": "mail.received",
        "account": row["account"],
        "about": row["subject"] or "",
        "reason": row["reason"],
        "since": row["handled_at"],
        "first_failed_at": None,
        "tried": 1,
        "replays": 0,
        "size_bytes": row["size_bytes"],
        "sender": row["sender"],
        "folder": row["folder"],
        "approval_id": row["approval_id"],
    }


def _about(letter: Letter) -> str:
    if isinstance(letter.message, MailReceived):
        return read_mail((letter.message.content or b"")[:HEAD_BYTES]).subject
    parts = []
    for name in _ABOUT:
        value = getattr(letter.message, name, None)
        if value:
            parts.append(f"{name.replace('_', ' ')} {_cell(value)}")
    return ", ".join(parts)[:_MAX_ABOUT_CHARS]


def _content(entry: Entry, view: View, spool: Path) -> Text | Panel:
    text = held.text_of(view, entry.mail["mail_id"]) if entry.mail else None
    if text is not None:
        return Panel(Text(safe(text) or "(no text)"), box=ROUNDED)
    try:
        raw = raw_of(entry, view, spool)
    except PostroomError as error:
        return Text(f"what is in it cannot be shown: {safe(str(error))}")
    if raw is None:
        return Text("what is in it is not kept, or not yours to see", style="dim")
    if entry.found is not None and not entry.found.letter.is_mail:
        return Panel(Text(safe(raw[:MAX_BYTES].decode("utf-8", "replace")[:20_000])), box=ROUNDED)
    mail = read_mail(raw)
    lines = [f"{name}: {value}" for name, value in mail.headers.items()]
    return Panel(Text(safe("\n".join((*lines, "", mail.text or "(no plain text)")))), box=ROUNDED)


def _bytes(content: bytes | None, dataref: str | None, spool: Path) -> bytes | None:
    if content is not None or dataref is None:
        return content
    if not spool.exists():
        raise Permanent(f"it lies in the spool of the services, and {spool} is not there")
    return Spool(spool).get(dataref)


def _cell(value: object) -> str:
    if isinstance(value, tuple | list):
        return " ".join(map(str, value[:20]))
    isoformat = getattr(value, "astimezone", None)
    return local(value, _TIME) if isoformat else str(value)  # type: ignore[arg-type]
