"""`postroom accounts send-test`: one mail through the sender, to see it arrive."""

import secrets
import time
from collections.abc import Callable

import click
from sqlalchemy import select

from postroom.clock import utc_now
from postroom.errors import Misconfigured
from postroom.messages import MailFailed, MailSend, MailSent, MailUncertain, PlainMail, SendEvent, utc_seconds
from postroom.settings import read_settings
from postroom.store.engine import Store
from postroom.store.schema import sends
from postroom_console.asking import Asking, asking
from postroom_console.checked import checked
from postroom_console.faults import FAILED, OK, TIMED_OUT
from postroom_console.registry import opened, read_configuration, the_account

LOOK_S = 2.0
_TEXT = """\
This mail was sent to try the account {account} of Postroom: it reached you, so the account sends.
There is nothing to do. Replies to it are not read by anybody.
"""


@click.command("send-test")
@click.argument("name")
@click.argument("address")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0.1),
    default=60.0,
    show_default=True,
    help="Seconds to wait for the outcome.",
)
def send_test(name: str, address: str, timeout_s: float) -> None:
    """Send a short mail from the account to an address, and wait until the mail server took or refused it.

    Exit codes: 0 sent, 1 failed or uncertain, 2 a field is wrong, 3 no outcome in time: the sender goes on.
    """
    settings = read_settings()
    with opened(settings) as store:
        account = the_account(read_configuration(store), name)
        if not (account.send and account.enabled):
            raise Misconfigured(
                "send", f"{name} does not send: it is {'disabled' if account.send else 'receive-only'}"
            )
        command = _command(name, address)
        with asking(settings, MailSent, MailFailed, MailUncertain) as asked:
            asked.give(command)
            event = _outcome(asked, time.monotonic() + timeout_s, lambda: _reason(store, command.id))
        told, code = _told(event, timeout_s, _reason(store, command.id))
    click.echo(told, err=code != OK)
    click.get_current_context().exit(code)


def _command(name: str, address: str) -> MailSend:
    content = PlainMail(subject="A test of Postroom", text=_TEXT.format(account=name))
    return checked(
        MailSend,
        id=f"test:{secrets.token_hex(12)}",
        account=name,
        recipient=address,
        content=content,
        written_at=utc_seconds(utc_now()),
    )


def _outcome(asked: Asking[SendEvent], deadline: float, reason: Callable[[], str]) -> SendEvent | None:
    """The event that ends it; says meanwhile why the sender tries again."""
    said = ""
    while time.monotonic() < deadline:
        for _, event in asked.answers(min(deadline, time.monotonic() + LOOK_S)):
            return event
        why = reason()
        if why and why != said:
            click.echo(f"the sender tries again: {why}", err=True)
            said = why
    return None


def _reason(store: Store, send_id: str) -> str:
    """Why the mail is not sent yet, as the sender noted it."""
    with store.read() as connection:
        row = connection.execute(select(sends).where(sends.c.send_id == send_id)).first()
    return str(row.detail) if row is not None and row.state == "retrying" else ""


def _told(event: SendEvent | None, timeout_s: float, reason: str) -> tuple[str, int]:
    if isinstance(event, MailSent):
        return f"sent to {event.recipient}; the mail server took it (Message-ID {event.message_id})", OK
    if isinstance(event, MailFailed):
        return f"failed: {event.reason} ({event.reason_code})", FAILED
    if isinstance(event, MailUncertain):
        return f"uncertain, it may have been sent or not: {event.reason}", FAILED
    why = (
        f"the sender goes on trying: {reason}"
        if reason
        else "check that the sender runs and uses this broker"
    )
    return f"no outcome within {timeout_s:g} s: {why}", TIMED_OUT
