"""Undoing what people did, by the row of the audit, whatever kind of deed it was."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from postroom.errors import Misconfigured
from postroom.inbox import acting
from postroom.inbox.reading import NotThere
from postroom.store import audit, deny
from postroom.store.view import View

Undo = Callable[[View, str | None, Mapping[str, Any], datetime], None]


def undo(view: View, audit_id: str, now: datetime) -> dict[str, Any]:
    """Undo a deed in this transaction; returns its row of the audit.

    Raises:
        NotThere: there is no such deed that the actor sees.
        NotAllowed: it is about everybody's mail, and that is not for the actor to change.
        Misconfigured: it was undone before, or cannot be.
    """
    row = audit.found(view, audit_id)
    if row is None:
        raise NotThere("deed", audit_id)
    carry_out = _UNDO.get((row["undo"] or {}).get("kind", ""))
    if carry_out is None or not audit.mark_undone(view, audit_id, now):
        why = "was undone before" if row["undone_at"] else "cannot be undone"
        raise Misconfigured("deed", f"{audit_id} ({row['action']} of {row['target']}) {why}")
    carry_out(view, row["account"], row["undo"], now)
    area = str(row["action"]).partition(".")[0]
    detail = {"action": row["action"]}
    audit.record(view.connection, view.actor, f"{area}.undo", row["account"], audit_id, detail, now=now)
    return row


def _of_inbox(kind: str) -> Undo:
    def carry_out(view: View, account: str | None, how: Mapping[str, Any], _now: datetime) -> None:
        acting.UNDO[kind](view, str(account), how)

    return carry_out


def _deny_no_more(view: View, account: str | None, how: Mapping[str, Any], _now: datetime) -> None:
    """Rules that somebody has removed since are gone as well."""
    _require_list(view, account)
    for pattern in how["patterns"]:
        deny.remove(view.connection, pattern, account=account)


def _deny_again(view: View, account: str | None, how: Mapping[str, Any], now: datetime) -> None:
    _require_list(view, account)
    by = view.actor.name
    for rule in how["rules"]:
        deny.add(view.connection, rule["pattern"], account=account, reason=rule["reason"], by=by, now=now)


def _require_list(view: View, account: str | None) -> None:
    if account is None:
        view.require("deny")


_UNDO: Mapping[str, Undo] = {
    **{kind: _of_inbox(kind) for kind in acting.UNDO},
    "deny.add": _deny_no_more,
    "deny.remove": _deny_again,
}
