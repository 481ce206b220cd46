"""Takes a list of recipients: checks it whole, and records it if it is right."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from postroom.account import Account
from postroom.amount import amount
from postroom.bulk import Check, Fault, NoList, Row, order_digest, right_rows
from postroom.store import Store, bulks
from postroom.store import templates as stored_templates
from postroom.store.bulks import Order, State
from postroom.templates.template import Template, default_of

Rows = Callable[[], Any]
"""Reads the list from its beginning: it is gone through twice, so that it need not be in memory."""
MAX_FAULTS = 1000
_PLACEHOLDERS = {"signature": "", "unsubscribe": "mailto:unsubscribe@example.com"}


class WrongList(NoList):
    """Lines of the list are wrong, and nobody got a mail. `faults`: the first of them; `count`: of all."""

    def __init__(self, faults: tuple[Fault, ...], count: int) -> None:
        super().__init__(
            f"{amount(count, 'line of the list is', 'lines of the list are')} wrong, and nothing was sent"
        )
        self.faults = faults
        self.count = count


@dataclass(frozen=True)
class Wish:
    """What is to be sent: all but the list. `template`: None is the default; `about`: what all mails have."""

    id: str | None
    account: Account
    template: str | None
    about: Mapping[str, Any] = field(default_factory=dict)
    skip_invalid: bool = False
    created_by: str = ""
    correlation_id: str = ""


@dataclass(frozen=True)
class Checked:
    """A list that was gone through. `order`: what is to be recorded."""

    order: Order
    faults: tuple[Fault, ...]
    wrong: frozenset[int]


def template_for(store: Store, account: Account, name: str | None) -> Template:
    """The template of a name, or the default one. Raises NoList: there is none."""
    with store.read() as connection:
        stored = stored_templates.read_all(connection)
    templates = stored.templates
    if name and name in stored.unreadable:
        raise NoList(stored.unreadable[name])
    found = templates.get(name) if name else default_of(templates.values(), account.name)
    if found is None:
        known = f"there are {', '.join(sorted(templates))}" if templates else "there is none yet"
        what = f"there is no template {name!r}" if name else "there is no default template"
        raise NoList(f"{what}: {known}")
    return found


def check(wish: Wish, template: Template, rows: Rows, tick: Callable[[], None] = lambda: None) -> Checked:
    """Go through the list; `tick` is called for each line.

    Raises:
        WrongList: lines are wrong, and they are not to be skipped; or none is right.
        NoList: it cannot be read.
    """
    account = wish.account
    given = {**_PLACEHOLDERS, "sender": account.from_name or account.address}
    files = wish.about.get("attachments", ())
    images = frozenset(each["content_id"].lower() for each in files if each.get("content_id"))
    checking = Check(template, given, images)
    faults: list[Fault] = []
    wrong: set[int] = set()
    for row in rows():
        fault = checking.fault_of(row)
        if fault is not None:
            wrong.add(fault.line)
            if len(faults) < MAX_FAULTS:
                faults.append(fault)
        tick()
    if wrong and not wish.skip_invalid:
        raise WrongList(tuple(faults), len(wrong))
    if not checking.count:
        raise WrongList(tuple(faults), len(wrong)) if wrong else NoList("the list names nobody")
    digest = order_digest(account.name, template.name, wish.about, checking.digest)
    order = Order(
        id=wish.id or f"bulk-{digest[:12]}",
        account=account.name,
        template=template.name,
        digest=digest,
        total=checking.count,
        skipped=len(wrong),
        about=wish.about,
        created_by=wish.created_by,
        correlation_id=wish.correlation_id or f"bulk-{digest[:12]}",
    )
    return Checked(order, tuple(faults), frozenset(wrong))


def place(store: Store, checked: Checked, rows: Rows, now: datetime) -> State:
    """Record the recipients of an order that has begun; its state. Harmless to repeat, also after a crash."""
    return bulks.place(store, checked.order, _right(rows, checked.wrong), now)


def _right(rows: Rows, wrong: frozenset[int]) -> Any:
    return right_rows(rows(), wrong)


__all__ = ["Checked", "Row", "Wish", "WrongList", "check", "place", "template_for"]
