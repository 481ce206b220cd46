"""A batch costs as many statements however many mails are in it; for the sender and the processor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import event

from postroom.accounts_watch import Accounts
from postroom.broker.verdict import Ack, Delivery
from postroom.envelope import encode, envelop
from postroom.messages import MailSend, PlainMail
from postroom.spool import Spool
from postroom.store import Store
from postroom.store.outbox import OutboxRelay
from postroom_sender.finding import Ending, find
from postroom_sender.gathering import Gathering
from postroom_sender.hindering import hindrances
from postroom_sender.job import Job, Task
from postroom_sender.outcome import Outcome, Result
from postroom_sender.patience import Patience
from postroom_sender.recorder import Life, Recorder
from postroom_sender.send import written
from tests.integration.inbox.desk import KEYS, Desk

FEW, MANY = 5, 100
PATIENCE = Patience()


@contextmanager
def statements(store: Store) -> Iterator[list[str]]:
    """What is carried out meanwhile."""
    heard: list[str] = []

    def hear(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        heard.append(statement)

    event.listen(store.engine, "before_cursor_execute", hear)
    try:
        yield heard
    finally:
        event.remove(store.engine, "before_cursor_execute", hear)


def test_a_batch_of_many_mails_is_sent_with_no_more_statements_than_one_of_few(desk: Desk) -> None:
    send(desk, "first", FEW)
    with statements(desk.store) as for_few:
        send(desk, "few", FEW)
    with statements(desk.store) as for_many:
        send(desk, "many", MANY)
    assert len(desk.rows("records")) == len(desk.rows("sends", state="sent")) == FEW + FEW + MANY
    assert len(for_many) == len(for_few)


def test_a_batch_of_many_received_mails_takes_no_more_statements_than_one_of_few(desk: Desk) -> None:
    processor = desk.processor()
    batches = [[desk.delivery(sender=f"s{desk.uid}@x.example") for _ in range(n)] for n in (FEW, FEW, MANY)]
    counts = []
    for batch in batches:
        with statements(desk.store) as heard:
            assert list(processor(batch)) == [Ack()] * len(batch)
        counts.append(len(heard))
    assert len(desk.rows("conversation_messages")) == FEW + FEW + MANY
    assert counts[2] == counts[1]


def send(desk: Desk, name: str, count: int) -> None:
    """Claim a batch, begin it as one slice, and record that all of it was taken."""
    tasks = list(composed(desk, name, count))
    relay = OutboxRelay(desk.store, desk.heard, "sender", lambda: desk.now)
    recorder = Recorder(Life("me", timedelta(minutes=1)), desk.store, relay, 1, lambda: desk.now)
    hindrances(desk.store, [task.job.command for task in tasks], lambda: desk.now)
    claims = recorder.claim([task.job for task in tasks], lambda _claims: (), tasks, PATIENCE)
    begun = recorder.turn((), None, tasks, claims.at)
    assert len(begun.ids) == count
    taken, ending = Outcome(Result.SENT, "", "taken", code=250), Ending(1, desk.now, PATIENCE)
    recorder.turn([find(task.job, taken, ending) for task in tasks], None, (), claims.at)
    recorder.tell()


def composed(desk: Desk, name: str, count: int) -> Iterator[Task]:
    """New mails, each to somebody else."""
    accounts = Accounts(desk.store)
    commands = [order(desk, f"{name}-{number}") for number in range(count)]
    stock = Gathering(desk.store, Spool(desk.folder / "spool"), accounts, 0, KEYS).stock(commands)
    for index, delivery in enumerate(deliveries(desk, commands)):
        task = written(Job(index, delivery, commands[index], ""), accounts.get("desk"), stock)
        assert isinstance(task, Task)
        yield task


def order(desk: Desk, name: str) -> MailSend:
    content = PlainMail(subject=f"About {name}", text="It is done.")
    written_at = desk.now.replace(microsecond=0)
    return MailSend(
        id=name, account="desk", recipient=f"{name}@x.example", content=content, written_at=written_at
    )


def deliveries(desk: Desk, commands: Sequence[MailSend]) -> Iterator[Delivery]:
    for command in commands:
        envelope = envelop(command, source="/test", now=desk.now)
        yield Delivery("q", envelope, encode(envelope), redelivered=False, attempt=1)
