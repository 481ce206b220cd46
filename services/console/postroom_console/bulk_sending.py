"""`postroom send --bulk`: checks a list, orders it, and shows how it goes."""

import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from postroom.amount import amount
from postroom.bulk import MAX_LIST_BYTES, Fault, NoList, Row, read_list
from postroom.bulk_placing import Checked, Wish, WrongList, check, place, template_for
from postroom.clock import utc_now
from postroom.document import json_document
from postroom.errors import Misconfigured
from postroom.store import audit, bulks
from postroom.store.bulks import State
from postroom.store.engine import Store
from postroom_console.acting import Who, doing, looking
from postroom_console.faults import FAILED, OK, USAGE
from postroom_console.ordering import sending_account
from postroom_console.registry import opened
from postroom_console.terminal import make_console, safe

MAX_SHOWN = 50
LOOK_AGAIN_S = 0.5
_OVER = ("done", "cancelled")


def send_bulk(
    who: Who, list_file: str, about: Mapping[str, Any], given: Mapping[str, Any], *, as_json: bool
) -> None:
    """Order a mail each for everybody in the list, and wait for the end if that is wanted."""
    content = _content(list_file)
    with looking(who) as view:
        account = sending_account(view, given["account"])
        name = view.actor.name
    wish = Wish(given["order_id"], account, given["template"], about, given["skip_invalid"], created_by=name)

    def rows() -> Iterator[Row | Fault]:
        return read_list(content)

    with opened(who.settings) as store, _progress(as_json=as_json) as progress:
        checked = _checked(wish, store, rows, progress, content.count(b"\n"))
        state = _begun(who, checked)
        if state == "preparing":
            state = _placed(store, checked, rows, progress)
            word = "ordered"
        else:
            word = f"was ordered before ({state}): nobody gets a second mail"
        wait = sys.stderr.isatty() if given["wait"] is None else given["wait"]
        try:
            if not (as_json and wait):
                _say(checked, word, as_json=as_json)
            if wait:
                said = _told(checked, word) if as_json else None
                _watch(store, checked, progress, given["timeout_s"], said)
        except KeyboardInterrupt:
            progress.stop()
            where = f"see `postroom bulk show {checked.order.id}`, and pause or cancel to stop it"
            click.echo(f"sending goes on; {where}", err=True)


def _content(list_file: str) -> bytes:
    """What there is to read, and of what is too large no more than shows that it is."""
    try:
        with nullcontext(sys.stdin.buffer) if list_file == "-" else Path(list_file).open("rb") as stream:
            return stream.read(MAX_LIST_BYTES + 1)
    except OSError as error:
        raise Misconfigured("bulk", f"{list_file}: cannot be read: {error.strerror}") from error


def _checked(wish: Wish, store: Store, rows: Any, progress: Progress, lines: int) -> Checked:
    task = progress.add_task("checking", total=lines or 1, told="")
    try:
        checked = check(
            wish, template_for(store, wish.account, wish.template), rows, lambda: progress.advance(task)
        )
    except WrongList as wrong:
        progress.stop()
        _print_faults(wrong.faults, wrong.count)
        click.echo(f"postroom: {wrong}", err=True)
        click.get_current_context().exit(USAGE)
    except NoList as error:
        raise Misconfigured("bulk", str(error)) from None
    finally:
        progress.remove_task(task)
    _print_faults(checked.faults, len(checked.wrong))
    return checked


def _print_faults(faults: Iterable[Fault], count: int) -> None:
    shown = list(faults)[:MAX_SHOWN]
    for fault in shown:
        click.echo(safe(str(fault)), err=True)
    if count > len(shown):
        click.echo(f"… and {count - len(shown)} more", err=True)


def _begun(who: Who, checked: Checked) -> State:
    now, order = utc_now(), checked.order
    with doing(who) as view:
        sending_account(view, order.account)
        state = bulks.begin(view.connection, order, now)
        detail = {"template": order.template, "recipients": order.total, "skipped": order.skipped}
        if state == "preparing":
            audit.record(view.connection, view.actor, "bulk.send", order.account, order.id, detail, now=now)
    return state


def _placed(store: Store, checked: Checked, rows: Any, progress: Progress) -> State:
    task = progress.add_task("recording", total=None, told="")
    try:
        return place(store, checked, rows, utc_now())
    except KeyboardInterrupt:
        progress.stop()
        click.echo("nobody got a mail: the list is not whole; the same command goes on with it", err=True)
        click.get_current_context().exit(FAILED)
    finally:
        progress.remove_task(task)


def _say(checked: Checked, word: str, *, as_json: bool) -> None:
    order = checked.order
    if as_json:
        click.echo(json_document(_told(checked, word)))
        return
    left_out = f", {amount(order.skipped, 'line')} left out" if order.skipped else ""
    click.echo(f"{order.id}: {word}; {amount(order.total, 'recipient')}{left_out}")


def _told(checked: Checked, word: str) -> dict[str, Any]:
    order = checked.order
    return {"id": order.id, "recipients": order.total, "skipped": order.skipped, "said": word}


def _watch(
    store: Store,
    checked: Checked,
    progress: Progress,
    timeout_s: float | None,
    said: Mapping[str, Any] | None,
) -> None:
    """Show how it goes until it is over; `said`: what the one JSON document has besides."""
    bulk_id = checked.order.id
    task = progress.add_task("sending", total=checked.order.total, told="")
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    state, counts = _look(store, bulk_id, progress, task)
    while state not in _OVER:
        if deadline is not None and time.monotonic() >= deadline:
            raise TimeoutError(f"{bulk_id} is {state} after {timeout_s:g} s; it goes on")
        time.sleep(LOOK_AGAIN_S)
        state, counts = _look(store, bulk_id, progress, task)
    progress.stop()
    click.echo(told(counts) if said is None else json_document({**said, "state": state, **counts}))
    whole = counts["sent"] + counts["suppressed"] == checked.order.total
    click.get_current_context().exit(OK if whole else FAILED)


def _look(store: Store, bulk_id: str, progress: Progress, task: TaskID) -> tuple[State, dict[Any, int]]:
    with store.read() as connection:
        state = bulks.states(connection, [bulk_id])[bulk_id]
        counts = bulks.counts(connection, [bulk_id])[bulk_id]
    over = sum(count for outcome, count in counts.items() if outcome != "queued")
    progress.update(task, completed=over, told=told(counts), description=state)
    return state, counts


def told(counts: Mapping[Any, int]) -> str:
    """Counts in a line: those that are not zero."""
    return ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count) or "nothing yet"


@contextmanager
def _progress(*, as_json: bool) -> Iterator[Progress]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[told]}"),
        TimeElapsedColumn(),
    )
    console = make_console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=as_json or not console.is_terminal
    ) as progress:
        yield progress
