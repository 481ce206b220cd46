"""`postroom sends resolve`: a person says what became of mails that may have been sent or not."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

import click

from postroom.amount import amount
from postroom.broker.outgoing import Outgoing, outgoing
from postroom.clock import utc_now
from postroom.document import json_document
from postroom.envelope import Envelope, envelop
from postroom.errors import Misconfigured, PostroomError
from postroom.inbox.resolving import How, Resolution
from postroom.inbox.resolving import resolve as settle
from postroom.inbox.sends import the_send
from postroom.sent_copies import NewCopy, we_file
from postroom.settings import Settings
from postroom.spool import Spool
from postroom.store import bulks, copies, doubts, outbox
from postroom.store.view import View
from postroom_console.acting import Who, acting, doing, looking
from postroom_console.approvals import as_json
from postroom_console.bulk import the_bulk
from postroom_console.faults import FAILED, USAGE
from postroom_console.ordering import SENDER, publish
from postroom_console.registry import SOURCE
from postroom_console.terminal import safe

STEP = 100
"""Mails that one transaction settles."""
_TOLD: Mapping[How, tuple[str, str]] = {
    "sent": ("counts as sent", "count as sent"),
    "resend": ("is sent again", "are sent again"),
}


@dataclass
class Done:
    """What came of it. `repeated`: of these the same was said before; `waiting`: why orders wait."""

    resolved: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    waiting: str = ""

    def add(self, step: "Done") -> None:
        """That of a step, once it is durable."""
        self.resolved += step.resolved
        self.repeated += step.repeated
        self.refused |= step.refused


@click.command("resolve")
@click.argument("ids", metavar="ID…", nargs=-1)
@click.argument("how", type=click.Choice(["sent", "resend"]))
@click.option("--bulk", "bulk_id", metavar="ID", help="All mails of this bulk that wait for a person.")
@click.option("--yes", is_flag=True, help="Do not ask, though several are to be sent again.")
@acting
@as_json
def resolve(ids: tuple[str, ...], how: How, bulk_id: str | None, yes: bool, who: Who, as_json: bool) -> None:
    """Say what became of uncertain mails: they were sent, or are to be sent again, as the same mails.

    Look into the mailbox or ask the recipients first: sent again they may arrive twice. Saying the same
    twice does nothing, and the same mail is not sent again twice if two people say so at once.

    Exit codes: 0 all are settled so, 1 some could not be, 2 none could, or there is no such mail.
    """
    if bool(ids) == (bulk_id is not None):
        raise Misconfigured("resolve", "give ids of mails, or the --bulk that they are of; not both")
    with looking(who) as view:
        wanted = _named(view, ids) if bulk_id is None else _parked(view, bulk_id)
    if how == "resend" and len(wanted) > 1 and not yes:
        _confirm(len(wanted))
    done = _settle(who, wanted, how)
    _print(done, how, as_json=as_json)


def _named(view: View, ids: Sequence[str]) -> dict[str, int | None]:
    """The mails with their attempts so far. Raises NotThere: one of them is not there."""
    found = [(name, the_send(view, name)) for name in ids]
    return {send["send_id"] if send["kind"] == "send" else name: send.get("attempts") for name, send in found}


def _parked(view: View, bulk_id: str) -> dict[str, int | None]:
    the_bulk(view, bulk_id)
    waiting = doubts.parked(view.connection, bulk_id)
    told = f"of {bulk_id} {amount(len(waiting), 'mail waits', 'mails wait')} for a person"
    settling = bulks.counts(view.connection, [bulk_id])[bulk_id]["uncertain"] - len(waiting)
    if settling > 0:
        told += f"; {amount(settling, 'more is', 'more are')} still being settled"
    click.echo(safe(told), err=True)
    return dict(waiting)


def _confirm(count: int) -> None:
    if not sys.stdin.isatty():
        raise Misconfigured(
            "terminal", f"there is no terminal to ask on: give --yes to send {amount(count, 'mail')} again"
        )
    click.confirm(f"Send {amount(count, 'mail')} again, which may arrive twice?", abort=True, err=True)


def _settle(who: Who, wanted: Mapping[str, int | None], how: How) -> Done:
    """Settle them in steps, each for good: what is not settled when it is cut short waits as before."""
    done = Done()
    # In one order, whoever says it: two who lock the same rows must not wait for one another.
    for step in _steps(sorted(wanted)):
        now, orders, settled = utc_now(), list[Outgoing](), Done()
        with _telling(done), doing(who) as view:
            for send_id in step:
                orders += _settled(view, send_id, how, wanted[send_id], who.settings, now, settled)
            outbox.add(view.connection, SENDER, orders, now)
        done.add(settled)
        # A broker that does not answer is asked once: the sender's sweeper publishes what waits.
        done.waiting = done.waiting or publish(who.settings, SENDER, orders)
    return done


@contextmanager
def _telling(done: Done) -> Iterator[None]:
    """Says what steps before came to, should one fail."""
    try:
        yield
    except PostroomError:
        if done.resolved:
            told = amount(len(done.resolved), "mail is settled", "mails are settled")
            click.echo(f"{told}; the same command goes on with the rest", err=True)
        raise


def _steps(send_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    remaining = iter(send_ids)
    while step := list(islice(remaining, STEP)):
        yield step


def _settled(
    view: View, send_id: str, how: How, attempts: int | None, settings: Settings, now: datetime, done: Done
) -> list[Outgoing]:
    """Settle one of them; what is to be published."""
    try:
        resolution = settle(view, send_id, how, SOURCE, now, attempts)
    except Misconfigured as error:
        done.refused[send_id] = str(error)
        return []
    (done.resolved if resolution.is_new else done.repeated).append(send_id)
    return _orders(view, resolution, send_id, settings, now)


def _orders(
    view: View, resolution: Resolution, send_id: str, settings: Settings, now: datetime
) -> list[Outgoing]:
    """What is to be published; of a mail that was sent also the order to file its copy."""
    messages: list[Envelope[Any]] = list(resolution.messages)
    account = view.configuration.accounts.get(resolution.account)
    live = account.effective(view.configuration.system_smtp) if account is not None else None
    if resolution.content is not None and live is not None and we_file(live):
        dataref = Spool(settings.spool).put([resolution.content])
        message_id = resolution.messages[0].message.message_id  # type: ignore[union-attr]
        for order in copies.add(view.connection, [NewCopy(send_id, live.name, message_id, dataref)], now):
            messages.append(envelop(order.command, source=SOURCE, now=now, message_id=order.id))
    return [outgoing(each, settings.shards) for each in messages]


def _print(done: Done, how: How, *, as_json: bool) -> None:
    if as_json:
        click.echo(json_document({"as": how, **vars(done)}))
    else:
        for line in _lines(done, how):
            click.echo(line)
    for send_id, why in done.refused.items():
        click.echo(f"{safe(send_id)}: {safe(why)}", err=True)
    if done.waiting:
        click.echo(f"orders wait for the broker: {safe(done.waiting)}", err=True)
    if done.refused:
        click.get_current_context().exit(FAILED if done.resolved or done.repeated else USAGE)


def _lines(done: Done, how: How) -> Iterator[str]:
    one, many = _TOLD[how]
    for send_ids, told in ((done.resolved, ""), (done.repeated, ", as was said before")):
        if len(send_ids) == 1:
            yield f"{safe(send_ids[0])} {one}{told}"
        elif send_ids:
            yield f"{amount(len(send_ids), 'mail')} {many}{told}"
