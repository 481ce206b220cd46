"""What waits for a person, as commands see and change it: dead letters (broker) and held mails (store).

Dead letters are for those who may do `dead`; what is in them only for those who see the account. Held mails
are for those who see the account.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice

from postroom.broker import quarantine
from postroom.broker.looking import Found, Look, Quarantine
from postroom.broker.outgoing import Outgoing, outgoing
from postroom.broker.publisher import Publisher
from postroom.broker.requeue import put_back
from postroom.clock import utc_now
from postroom.envelope import envelop
from postroom.errors import Misconfigured
from postroom.inbox import cursor as cursors
from postroom.inbox.cursor import Position
from postroom.inbox.reading import NotThere
from postroom.messages import Message, derive_id
from postroom.settings import Settings
from postroom.store import audit, dead_letters, event_queues, held, outbox
from postroom.store.held import Row, Wanted
from postroom.store.view import View
from postroom.work_queues import work_queues
from postroom_console.acting import Who, doing, looking
from postroom_console.broker import missing
from postroom_console.ordering import PROCESSOR, publish
from postroom_console.registry import SOURCE

BATCH = 100
"""Letters or mails of one transaction and one row of the audit."""
_NOWHEN = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Scope:
    """What of the quarantine is meant. `ids`: only these; empty: whatever else fits."""

    ids: frozenset[str] = frozenset()
    queue: str | None = None
    mails_only: bool = False
    since: datetime | None = None
    account: str | None = None

    def has(self, found: Found) -> bool:
        """Whether a dead letter is meant."""
        if self.ids and found.id not in self.ids:
            return False
        if self.account is not None and found.letter.account != self.account:
            return False
        since = found.letter.since
        return self.since is None or (since is not None and since >= self.since)


@dataclass(frozen=True)
class Entry:
    """Something that waits: a dead letter, or a mail."""

    found: Found | None = None
    mail: Row | None = None


@dataclass(frozen=True)
class Page:
    """Some entries, the cursor to go on from, and how much there is in all, by queue and of mails."""

    entries: Sequence[Entry]
    cursor: str | None
    letters: dict[str, int]
    mails: int | None


@dataclass
class Done:
    """Ids of what was replayed or dropped, and of what was not, with why. `waiting`: what orders wait for."""

    letters: list[str] = field(default_factory=list)
    mails: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    waiting: str = ""


class Desk:
    """The quarantine as the actor sees it.

    Args:
        who: Who acts.

    Raises:
        Misconfigured: nobody knows who acts.
    """

    def __init__(self, who: Who) -> None:
        self._who = who
        with looking(who) as view:
            # Of the view only what needs no transaction is used from here on.
            self.view: View = view
            self.sees_letters = view.may("dead")
            configuration = view.configuration
            now = work_queues(who.settings.shards, configuration.accounts.values(), configuration.webhooks)
            # Of a webhook or campaign that is no more, the quarantine stays until it is empty.
            self._names = tuple(dict.fromkeys((*now, *event_queues.read(view.connection))))

    @property
    def settings(self) -> Settings:
        """Of this process."""
        return self._who.settings

    @property
    def fault(self) -> str:
        """Why the dead letters cannot be looked at; empty if they can, or are not for the actor."""
        return missing(self.settings) if self.sees_letters else ""

    def check(self, scope: Scope) -> None:
        """Raises NotThere or NotAllowed for an account or a queue that the actor has nothing to do with."""
        view = self.view
        # Dead letters may be of accounts that are no more: who sees all of them is told of no account's lack.
        is_any_right = self.sees_letters and not view.actor.sees_all
        if scope.account is not None and scope.account not in view.accounts and not is_any_right:
            raise NotThere("account", scope.account)
        if scope.queue is not None:
            view.require("dead")

    def page(self, scope: Scope, limit: int, cursor: str | None) -> Page:
        """One page of the list: first the mails, then the letters queue by queue, always the oldest first.

        Raises:
            Misconfigured: the cursor is of another list; no such queue.
            Transient: the broker is away.
        """
        self.check(scope)
        name = f"dead {scope}"
        position = _position(cursor, name)
        entries: list[Entry] = []
        mails = None
        if scope.queue is None:
            entries, mails = self._mails_page(scope, limit + 1, position)
        letters: dict[str, int] = {}
        places: list[str] = [f"m:{each.mail['mail_id']}" for each in entries if each.mail]
        if not scope.mails_only and self.sees_letters and not self.fault:
            with self._opened(scope) as (found, queues):
                letters = queues
                for entry, place in self._letters(found, queues, scope, position, limit + 1 - len(entries)):
                    entries.append(entry)
                    places.append(place)
        more = len(entries) > limit
        entries = entries[:limit]
        last = Position(_moment(entries[-1]), places[limit - 1]) if more else None
        return Page(entries, cursors.encode(last, name) if last else None, letters, mails)

    def find(self, scope: Scope) -> list[Entry]:
        """Everything that has one of the ids, which all must be there.

        Raises:
            Misconfigured: there is nothing of one of these ids that the actor may see; no such queue.
            Transient: the broker is away.
        """
        self.check(scope)
        entries: list[Entry] = []
        if scope.queue is None:
            with looking(self._who) as view:
                rows = (held.found(view, each) for each in sorted(scope.ids))
                entries = [Entry(mail=row) for row in rows if row is not None]
        missed = scope.ids - {each.mail["mail_id"] for each in entries if each.mail}
        if (missed or scope.queue) and not scope.mails_only and self.sees_letters and not self.fault:
            with self._opened(scope) as (found, queues):
                entries += [Entry(found=each) for each in self._those(found, queues, scope.ids)]
        there = {each.found.id for each in entries if each.found}
        there |= {each.mail["mail_id"] for each in entries if each.mail}
        for each in sorted(scope.ids - there):
            raise NotWaiting(each, scope.queue)
        return entries

    def replay(self, scope: Scope) -> Done:
        """Put what is meant back; see `put_back` and `held.replay`.

        Raises:
            Misconfigured: nothing of one of the ids; no such queue.
            Transient: the broker is away; what was put back by then was.
        """
        done = Done()

        def replay_mail(view: View, row: Row, now: datetime) -> Outgoing:
            message = held.replay(view, row, now)
            return self._outgoing(message, row["mail_id"], row["correlation_id"], now)

        self._mails(scope, done, replay_mail)
        with Publisher(self.settings.broker, name="console") as publisher:
            self._each_batch(
                scope, done, "dead.replay", {}, lambda look, batch: put_back(look, publisher, batch)
            )
        return done

    def drop(self, scope: Scope, reason: str, *, tidy: bool) -> Done:
        """Let go of what is meant, for good. Raises as `replay`."""
        done = Done()

        def drop_mail(view: View, row: Row, now: datetime) -> Outgoing | None:
            command = held.drop(view, row, reason, now, tidy=tidy)
            if command is None:
                return None
            return self._outgoing(
                command, derive_id(command.TYPE, row["mail_id"], "dropped"), row["correlation_id"], now
            )

        self._mails(scope, done, drop_mail)
        self._each_batch(scope, done, "dead.drop", {"why": reason}, lambda look, batch: look.remove(batch))
        return done

    def _outgoing(self, message: Message, message_id: str, correlation_id: str, now: datetime) -> Outgoing:
        envelope = envelop(
            message, source=SOURCE, now=now, message_id=message_id, correlation_id=correlation_id
        )
        return outgoing(envelope, self.settings.shards)

    # Mails

    def _mails_page(self, scope: Scope, limit: int, position: Position | None) -> tuple[list[Entry], int]:
        wanted = Wanted(scope.account, scope.since)
        with looking(self._who) as view:
            count = held.counted(view, wanted)
            if position is not None:
                kind, _, mail_id = position.id.partition(":")
                if kind != "m":
                    return [], count
                wanted = replace(wanted, after=(position.at, mail_id))
            return [Entry(mail=row) for row in held.listed(view, wanted, limit)], count

    def _mails(self, scope: Scope, done: Done, act: Callable[[View, Row, datetime], Outgoing | None]) -> None:
        """Do something to each of the mails that are meant, some in one transaction."""
        if scope.queue is not None:
            return
        # What is held once more after its replay is not replayed again.
        wanted = Wanted(scope.account, scope.since, until=utc_now())
        ids = sorted(scope.ids)
        while True:
            with doing(self._who) as view:
                now = utc_now()
                rows = self._next_mails(view, wanted, scope, ids)
                orders = [order for row in rows if (order := self._try(view, row, now, act, done))]
                outbox.add(view.connection, PROCESSOR, orders, now)
            done.waiting = publish(self.settings, PROCESSOR, orders) or done.waiting
            if not rows or scope.ids:
                return
            wanted = replace(wanted, after=(rows[-1]["handled_at"], rows[-1]["mail_id"]))

    def _next_mails(self, view: View, wanted: Wanted, scope: Scope, ids: Sequence[str]) -> list[Row]:
        if not scope.ids:
            return held.listed(view, wanted, BATCH)
        return [row for each in ids if (row := held.found(view, each)) is not None]

    def _try(
        self,
        view: View,
        row: Row,
        now: datetime,
        act: Callable[[View, Row, datetime], Outgoing | None],
        done: Done,
    ) -> Outgoing | None:
        try:
            order = act(view, row, now)
        except Misconfigured as error:
            done.refused[row["mail_id"]] = str(error)
            return None
        done.mails.append(row["mail_id"])
        return order

    # Letters

    @contextmanager
    def _opened(self, scope: Scope) -> Iterator[tuple[Quarantine, dict[str, int]]]:
        """The quarantines, and how many letters each has of those that are meant and have any."""
        with quarantine.opened(self.settings.broker) as found:
            names = self._names if scope.queue is None else (scope.queue.removesuffix(".dead"),)
            counts = {name: found.count(name) for name in names}
            if scope.queue is not None and None in counts.values():
                raise NoSuchQueue(scope.queue, self._names)
            yield found, {name: count for name, count in counts.items() if count}

    def _letters(
        self,
        found: Quarantine,
        queues: dict[str, int],
        scope: Scope,
        position: Position | None,
        wanted: int,
    ) -> Iterator[tuple[Entry, str]]:
        start, offset, last_id = _start(position)
        names = list(queues)
        if start:
            # Of a queue that is empty by now nothing is left: on with those after it.
            order = list(self._names)
            later = order[order.index(start) :] if start in order else [start]
            names = [name for name in names if name in later]
        for name in names:
            if wanted <= 0:
                return
            with found.looking(name) as look:
                places = _after(look, offset, last_id) if name == start else enumerate(look)
                meant = ((number, each) for number, each in places if scope.has(each))
                for number, each in islice(meant, wanted):
                    wanted -= 1
                    yield Entry(found=each), f"q:{name}:{number + 1}:{each.id}"

    def _those(self, found: Quarantine, queues: dict[str, int], ids: frozenset[str]) -> list[Found]:
        entries: list[Found] = []
        for name in queues:
            with found.looking(name) as look:
                entries += [each for each in look if each.id in ids]
        return entries

    def _each_batch(
        self,
        scope: Scope,
        done: Done,
        action: str,
        detail: dict[str, str],
        act: Callable[[Look, Sequence[Found]], None],
    ) -> None:
        """Do something to each of the letters that are meant, after it was recorded who does it."""
        if not self._has_letters(scope, done):
            return
        with self._opened(scope) as (found, queues):
            for name in queues:
                with found.looking(name) as look:
                    letters = (each for each in look if scope.has(each))
                    while batch := list(islice(letters, BATCH)):
                        self._record(name, batch, action, detail)
                        act(look, batch)
                        done.letters += [each.id for each in batch]

    def _has_letters(self, scope: Scope, done: Done) -> bool:
        if scope.mails_only or not self.sees_letters or self.fault:
            return False
        return not scope.ids or bool(scope.ids - {*done.mails, *done.refused})

    def _record(self, queue: str, batch: Sequence[Found], action: str, detail: dict[str, str]) -> None:
        ids = [each.id for each in batch]
        with doing(self._who, "dead") as view:
            audit.record(view.connection, view.actor, action, None, queue, {**detail, "ids": ids})
            dead_letters.forget(view.connection, queue, [each.wire.message_id for each in batch])


class NotWaiting(Misconfigured):
    """Nothing of that id waits, as far as the actor may know."""

    def __init__(self, entry_id: str, queue: str | None) -> None:
        where = f" of {queue[:100]!r}" if queue else ""
        super().__init__(
            "dead", f"there is no {entry_id[:100]!r} in the quarantine{where}; see `postroom dead list`"
        )


class NoSuchQueue(Misconfigured):
    """There is no queue of that name with a quarantine."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        shown = [each for each in known if not each.rpartition(".")[2].isdigit()]
        numbered = len(known) - len(shown)
        more = f" and postroom.fetcher.commands.0 to .{numbered - 1}" if numbered else ""
        super().__init__(
            "queue", f"there is no queue {name[:100]!r} with a quarantine: there are {', '.join(shown)}{more}"
        )


def _position(cursor: str | None, name: str) -> Position | None:
    if cursor is None:
        return None
    try:
        return cursors.decode(cursor, name)
    except ValueError as error:
        raise Misconfigured("cursor", f"the cursor {cursor[:100]!r}: {error}") from None


def _moment(entry: Entry) -> datetime:
    at: datetime = entry.mail["handled_at"] if entry.mail else _NOWHEN
    return at


def _start(position: Position | None) -> tuple[str, int, str]:
    """The queue to go on in, how many of its letters were shown, and the last of them."""
    if position is None or not position.id.startswith("q:"):
        return "", 0, ""
    _, queue, offset, last_id = position.id.split(":", 3)
    return queue, int(offset), last_id


def _after(look: Look, offset: int, last_id: str) -> Iterator[tuple[int, Found]]:
    """The letters behind the last one shown; it stands further in front if some before it are gone."""
    is_behind = False
    for number, found in enumerate(look):
        if is_behind or number >= offset:
            yield number, found
        is_behind = is_behind or found.id == last_id
