"""`postroom send`: one mail, or one each to everybody in a list."""

import json
import secrets
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError
from sqlalchemy import select

from postroom.attachment import BadFile, attach
from postroom.broker.outgoing import outgoing
from postroom.clock import utc_now
from postroom.document import json_document
from postroom.envelope import envelop, explain
from postroom.errors import Misconfigured
from postroom.messages import MailSend, derive_id, utc_seconds
from postroom.settings import Settings
from postroom.spool import Spool
from postroom.store import audit, outbox
from postroom.store import templates as stored_templates
from postroom.store.schema import send_recipients, sends
from postroom_console.acting import Who, acting, doing, looking
from postroom_console.approvals import as_json
from postroom_console.bulk_sending import send_bulk
from postroom_console.faults import FAILED, OK
from postroom_console.ordering import SENDER, publish, sending_account
from postroom_console.registry import SOURCE, opened
from postroom_console.terminal import safe

_ENDED = ("sent", "failed", "uncertain", "bounced")
LOOK_AGAIN_S = 0.2


@click.command("send")
@click.option("--account", help="The account that sends. Default: the one that the template names.")
@click.option("--to", "recipient", metavar="ADDRESS", help="Who gets the mail.")
@click.option("--cc", multiple=True, metavar="ADDRESS", help="Who else; repeat.")
@click.option("--subject", help="One line.")
@click.option("--text", help="What it says; - reads standard input.")
@click.option("--template", metavar="NAME", help="Make the mail from a template instead.")
@click.option("--values", metavar="JSON", help="What the template's names stand for; - reads standard input.")
@click.option("--attach", "files", multiple=True, metavar="FILE", help="A file that goes with it; repeat.")
@click.option("--sign-as", "signed_by", default="", metavar="USER", help="Whose signature stands in it.")
@click.option("--event", default="", help="What it is sent for; stands in its record.")
@click.option("--bulk", "list_file", metavar="LIST.csv", help="One mail each to everybody in the list.")
@click.option(
    "--skip-invalid", is_flag=True, help="With --bulk: leave lines out that are wrong, and say which."
)
@click.option("--id", "order_id", help="Your own id: a repeat with the same id sends nobody a second mail.")
@click.option("--wait/--no-wait", default=None, help="Wait for what becomes of it (bulk on a terminal: yes).")
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(min=0), help="Seconds to wait; without, for ever."
)
@acting
@as_json
def send(who: Who, as_json: bool, list_file: str | None, **given: Any) -> None:
    """Send one mail, or with --bulk one each to everybody in a list (CSV; the columns: email, and values).

    A list is checked whole first; if a line is wrong nobody gets a mail. The same list again mails nobody
    twice: to send it once more give it another --id.

    Exit codes: 0 ordered (with --wait: sent to all), 1 not sent, or in doubt, 2 refused, 3 not known in time.
    """
    given["account"] = given["account"] or _account_of_template(who, given["template"])
    if list_file is not None:
        _only_for_one(given)
        send_bulk(who, list_file, _about(who.settings, given), given, as_json=as_json)
        return
    if given["skip_invalid"]:
        raise Misconfigured("skip-invalid", "--skip-invalid goes with --bulk")
    order = _order(who.settings, given)
    _send_one(who, order, given, as_json=as_json)


def _account_of_template(who: Who, name: str | None) -> str:
    with looking(who) as view:
        templates = stored_templates.read(view.connection)
    template = templates.get(name) if name else None
    if template is None or template.account is None:
        which = f"the template {name} names none" if template else "--account is missing"
        raise Misconfigured("account", f"which account sends? {which}")
    return template.account


def _only_for_one(given: Mapping[str, Any]) -> None:
    for name, option in (("recipient", "to"), ("cc", "cc"), ("subject", "subject"), ("text", "text")):
        if given[name]:
            raise Misconfigured(
                option, f"--{option} does not go with --bulk: the list and the template say it"
            )
    if given["values"]:
        raise Misconfigured(
            "values", "--values does not go with --bulk: the columns of the list are the values"
        )


def _send_one(who: Who, order: MailSend, given: Mapping[str, Any], *, as_json: bool) -> None:
    now = utc_now()
    with doing(who) as view:
        sending_account(view, order.account)
        envelope = envelop(order, source=SOURCE, now=now, message_id=derive_id("mail.send", order.id))
        orders = [outgoing(envelope, who.settings.shards)]
        outbox.add(view.connection, SENDER, orders, now)
        detail = {"to": list(order.recipients), "kind": order.content.kind}
        audit.record(view.connection, view.actor, "mail.send", order.account, order.id, detail, now=now)
    waiting = publish(who.settings, SENDER, orders)
    if waiting:
        click.echo(f"it waits in the store, since the broker does not take it: {waiting}", err=True)
    if not given["wait"]:
        click.echo(json_document({"id": order.id, "state": "ordered"}) if as_json else order.id)
        return
    row, several = _ended(who.settings, order.id, given["timeout_s"])
    told = {
        "id": order.id,
        "state": row.state,
        "attempts": row.attempts,
        "code": row.code,
        "detail": row.detail,
    }
    if several:
        told["recipients"] = [dict(each._mapping) for each in several]
    lines = [_said(row)] if not several else [f"{each.recipient}: {_said(each)}" for each in several]
    click.echo(json_document(told) if as_json else "\n".join(map(safe, lines)))
    is_sent = all(each.state == "sent" for each in (row, *several))
    click.get_current_context().exit(OK if is_sent else FAILED)


def _said(row: Any) -> str:
    return f"{row.state}: {row.detail}" if row.detail else str(row.state)


def _ended(settings: Settings, send_id: str, timeout_s: float | None) -> tuple[Any, Sequence[Any]]:
    """The mail's row once its way has ended, and those of its recipients if it has several.

    Raises:
        TimeoutError: it has not.
    """
    table = send_recipients.c
    whom = select(table.recipient, table.state, table.code, table.detail).where(table.send_id == send_id)
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    with opened(settings) as store:
        while True:
            with store.read() as connection:
                row = connection.execute(select(sends).where(sends.c.send_id == send_id)).one_or_none()
                several = connection.execute(whom.order_by(table.position)).all()
            if row is not None and row.state in _ENDED:
                return row, several
            if deadline is not None and time.monotonic() >= deadline:
                state = row.state if row is not None else "ordered"
                raise TimeoutError(f"{send_id} is {state} after {timeout_s:g} s; it goes on")
            time.sleep(LOOK_AGAIN_S)


def _order(settings: Settings, given: Mapping[str, Any]) -> MailSend:
    """The order that the options come to. Raises Misconfigured: it names the one that is wrong."""
    if not given["recipient"]:
        raise Misconfigured("to", "--to is missing: who gets the mail? (or --bulk LIST.csv)")
    fields = {
        "id": given["order_id"] or f"send-{secrets.token_hex(6)}",
        "account": given["account"],
        "recipient": given["recipient"],
        "cc": given["cc"],
        "content": _content(given),
        "written_at": utc_seconds(utc_now()),
        **_about(settings, given),
    }
    try:
        return MailSend.model_validate(fields)
    except ValidationError as error:
        raise Misconfigured("send", explain(error)) from None


def _content(given: Mapping[str, Any]) -> dict[str, Any]:
    if given["template"] is None and given["values"] is None:
        if not given["subject"] or given["text"] is None:
            raise Misconfigured("text", "--subject and --text are needed, or --template")
        text = sys.stdin.read() if given["text"] == "-" else given["text"]
        return {"kind": "plain", "subject": given["subject"], "text": text}
    if given["subject"] or given["text"] is not None:
        raise Misconfigured(
            "template", "--template has subject and text of its own: leave --subject, --text out"
        )
    return {"kind": "template", "template": given["template"], "values": _values(given["values"])}


def _values(text: str | None) -> Any:
    if text is None:
        return {}
    try:
        found = json.loads(sys.stdin.read() if text == "-" else text)
    except ValueError as error:
        raise Misconfigured("values", f"--values is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise Misconfigured("values", '--values must be a JSON object, such as {"name": "Anna"}')
    return found


def _about(settings: Settings, given: Mapping[str, Any]) -> dict[str, Any]:
    """What goes with each mail; the files are laid into the spool."""
    about = {
        "attachments": _attachments(settings, given["files"]),
        "signed_by": given["signed_by"],
        "event": given["event"],
    }
    return {name: value for name, value in about.items() if value}


def _attachments(settings: Settings, files: Sequence[str]) -> list[dict[str, str]]:
    if not files:
        return []
    spool, most = Spool(settings.spool), settings.attachments_limit_bytes
    if sum(Path(name).stat().st_size for name in files if Path(name).is_file()) > most:
        raise Misconfigured(
            "attach",
            f"the files are larger than {most:,} bytes (POSTROOM_ATTACHMENTS_LIMIT_BYTES) together",
        )
    try:
        return [attach(spool, Path(name)).model_dump(exclude_defaults=True) for name in files]
    except BadFile as error:
        raise Misconfigured("attach", str(error)) from None
