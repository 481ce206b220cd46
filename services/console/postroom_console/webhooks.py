"""`postroom webhooks list|show|test|replay`: where events are posted to, and how that goes (C11)."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from postroom.broker import quarantine, queues
from postroom.broker.letter import Letter
from postroom.clock import utc_now
from postroom.document import json_document
from postroom.errors import Misconfigured
from postroom.event_queues import WEBHOOK, Family, family_named, webhook_family
from postroom.messages import WebhookTest, WebhookTested
from postroom.settings import Settings
from postroom.store import audit, event_queues, webhook_states
from postroom.store.view import View
from postroom.store.webhook_states import State
from postroom.webhook import Webhook
from postroom_console.account_list import local
from postroom_console.acting import Who, acting, doing, looking
from postroom_console.approvals import as_json
from postroom_console.asking import asking
from postroom_console.broker import check_broker
from postroom_console.faults import FAILED, OK
from postroom_console.moment import SINCE
from postroom_console.quarantine import Desk, Scope
from postroom_console.terminal import make_console, safe

MAX_LETTERS_SHOWN = 20
TEST_S = 30.0
_TIME = "%m-%d %H:%M"
_STYLES = {"ok": "green", "new": "dim", "off": "dim", "removed": "yellow", "resting": "yellow"}


@dataclass(frozen=True)
class Row:
    """What the list says of a webhook. `waiting`, `dead`: None if its queues are not there (yet)."""

    name: str
    url: str
    status: str
    why: str
    last_success_at: datetime | None
    last_failure_at: datetime | None
    failures: int
    waiting: int | None = None
    dead: int | None = None


@click.group("webhooks")
def webhooks() -> None:
    """Look at the webhooks of the accounts file, test them, and bring back what could not be delivered."""


@webhooks.command("list")
@acting
@as_json
def list_webhooks(who: Who, as_json: bool) -> None:
    """List the webhooks: whether events get there, how many wait, how many are dead letters.

    Removed ones are listed as long as something is in their queues.
    """
    with looking(who, "webhooks") as view:
        rows = [*_rows(view), *_removed(view)]
    rows = list(_measured(who.settings, rows))
    if as_json:
        click.echo(json_document([asdict(row) for row in rows]))
    elif rows:
        _print_rows(rows)
    else:
        click.echo("no webhooks: add the section `webhooks` to the accounts file and apply it")


@webhooks.command("show")
@click.argument("name")
@acting
@as_json
def show(name: str, who: Who, as_json: bool) -> None:
    """Show one webhook: its settings (no secrets), how it goes, and the oldest of its dead letters."""
    with looking(who, "webhooks") as view:
        webhook = _found(view, name)
        row = next(row for row in _rows(view) if row.name == name)
    (row,) = _measured(who.settings, [row])
    letters = [_told(each) for each in _letters(who.settings, webhook_family(webhook))]
    settings = webhook.model_dump(mode="json")
    if as_json:
        told = {**asdict(row), "settings": settings, "dead_letters": letters}
        click.echo(json_document(told))
        return
    console = make_console()
    _print_rows([row])
    console.print(_pairs(settings))
    for each in letters:
        line = (
            f"{each['id']}  {each['type']}  {each['account'] or ''}  {local(each['since'])}  {each['reason']}"
        )
        console.print(Text(safe(line)), soft_wrap=True)


@webhooks.command("test")
@click.argument("name")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0.1),
    default=TEST_S,
    show_default=True,
    help="Seconds until the notifier counts as away.",
)
@acting
@as_json
def test_webhook(name: str, timeout_s: float, who: Who, as_json: bool) -> None:
    """Let the notifier post a signed test event now, and print the answer.

    A webhook that was disabled since it answered 410 is enabled again if it takes the event. Exit codes: 0 it
    took the event, 1 it did not or the notifier is away, 2 there is no such webhook.
    """
    with doing(who, "webhooks") as view:
        _found(view, name)
        audit.record(view.connection, view.actor, "webhook.test", None, name, {})
    answer = _asked(who.settings, name, timeout_s)
    if as_json:
        click.echo(json_document(answer.model_dump(mode="json") if answer else None))
    else:
        console = make_console()
        for line in _answer_lines(name, answer, timeout_s):
            console.print(Text(line), soft_wrap=True)
    click.get_current_context().exit(OK if answer and answer.ok else FAILED)


@webhooks.command("replay")
@click.argument("name")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--all", "every", is_flag=True, help="All of its dead letters.")
@click.option(
    "--since", type=SINCE, help="Those that became dead letters since then or later: 2h, or a time."
)
@acting
def replay(name: str, ids: tuple[str, ...], every: bool, since: datetime | None, who: Who) -> None:
    """Deliver dead letters again, by the event's ID (`webhooks show`), all, or those of late.

    They are the same events, with the same webhook-id, and are tried for another 24 hours.
    Exit codes: 0 some were, 1 there are none, 2 there is none of one of the IDs.
    """
    if sum((bool(ids), every, since is not None)) != 1:
        raise Misconfigured("replay", "say which: IDs, --all, or --since such as 2h")
    with looking(who, "webhooks") as view:
        _found(view, name)
    check_broker(who.settings)
    scope = Scope(frozenset(ids), f"{WEBHOOK}.{name}", since=since)
    desk = Desk(who)
    if ids:
        desk.find(scope)
    count = len(desk.replay(scope).letters)
    click.echo(f"{count} delivered again" if count else "nothing of that is there")
    click.get_current_context().exit(OK if count else FAILED)


def _found(view: View, name: str) -> Webhook:
    by_name = {each.name: each for each in view.configuration.webhooks}
    if name not in by_name:
        there = ", ".join(by_name) or "none; see the section `webhooks` of the accounts file"
        raise Misconfigured("webhook", f"there is no webhook {name!r}; there are {there}")
    return by_name[name]


def _rows(view: View) -> Iterator[Row]:
    states = webhook_states.read(view.connection)
    now = utc_now()
    for webhook in view.configuration.webhooks:
        yield _row(webhook, states.get(webhook.name, State()), now)


def _row(webhook: Webhook, state: State, now: datetime) -> Row:
    status, why = _status(webhook, state, now)
    return Row(
        webhook.name, webhook.url, status, why, state.last_success_at, state.last_failure_at, state.failures
    )


def _status(webhook: Webhook, state: State, now: datetime) -> tuple[str, str]:
    if not webhook.enabled:
        return "off", "enabled: false in the accounts file"
    if state.is_disabled(webhook.url):
        why = f"{state.disabled_why}; `postroom webhooks test {webhook.name}` enables it again"
        return "disabled", why
    if state.rest_s(now):
        return "resting", f"it asked to be left alone until {local(state.rests_until)}"
    if state.failures:
        return "failing", state.last_failure
    return ("ok", "") if state.last_success_at else ("new", "nothing was posted yet")


def _removed(view: View) -> Iterator[Row]:
    there = {webhook_family(each).name for each in view.configuration.webhooks}
    for name, queue in event_queues.read(view.connection).items():
        family = family_named(name)
        if family.kind == "webhook" and name not in there:
            since = f"not in the accounts file since {local(queue.retired_at)}" if queue.retired_at else ""
            yield Row(family.of, "", "removed", since, None, None, 0)


def _measured(settings: Settings, rows: Sequence[Row]) -> Iterator[Row]:
    if not rows:
        return
    check_broker(settings)
    with queues.opened(settings.broker, "console") as broker:
        for row in rows:
            family = Family("webhook", row.name, ())
            depths = [broker.depth(each) for each in family.waiting]
            waiting = None if depths[0] is None else sum(each or 0 for each in depths)
            yield replace(row, waiting=waiting, dead=broker.depth(family.dead))


def _letters(settings: Settings, family: Family) -> list[Letter]:
    with quarantine.opened(settings.broker) as dead:
        if not dead.count(family.name):
            return []
        with dead.looking(family.name) as look:
            found = [each.letter for each, _ in zip(look, range(MAX_LETTERS_SHOWN), strict=False)]
    return found


def _told(letter: Letter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "type": letter.type,
        "account": letter.account,
        "since": letter.since,
        "tried": letter.tried,
        "reason": letter.reason,
    }


def _asked(settings: Settings, name: str, timeout_s: float) -> WebhookTested | None:
    with asking(settings, WebhookTested) as asked:
        asked.give(WebhookTest(webhook=name))
        return next((answer for _, answer in asked.answers(time.monotonic() + timeout_s)), None)


def _answer_lines(name: str, answer: WebhookTested | None, timeout_s: float) -> Iterator[str]:
    if answer is None:
        yield f"the notifier has not answered in {timeout_s:g} s: does it run?"
        return
    where = f" ({answer.address}, {answer.duration_ms:.0f} ms)" if answer.address else ""
    yield safe(f"{name}: {answer.detail}{where}")
    if answer.event_id and answer.ok:
        yield f"webhook-id: {answer.event_id}"
    if answer.answer:
        yield safe(answer.answer)


def _print_rows(rows: Sequence[Row]) -> None:
    """The table, and below it why something is not as it should be."""
    console = make_console()
    console.print(_table(rows))
    for row in rows:
        if row.why:
            console.print(Text(safe(f"{row.name}: {row.why}")), soft_wrap=True)


def _table(rows: Sequence[Row]) -> Table:
    shown = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("WEBHOOK", "STATUS", "SUCCESS", "FAILURE", "FAILED", "WAITS", "DEAD"):
        shown.add_column(column, overflow="fold")
    for row in rows:
        shown.add_row(
            row.name,
            Text(row.status, style=_STYLES.get(row.status, "red")),
            local(row.last_success_at, _TIME),
            local(row.last_failure_at, _TIME),
            str(row.failures),
            _number(row.waiting),
            _number(row.dead),
        )
    return shown


def _number(count: int | None) -> str:
    return "-" if count is None else str(count)


def _pairs(settings: Mapping[str, Any]) -> Table:
    shown = Table.grid(padding=(0, 2))
    for name, value in settings.items():
        if name != "name" and value is not None:
            shown.add_row(Text(name, style="dim"), Text(safe(_value(value))))
    return shown


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
