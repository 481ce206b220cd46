"""Whatever happens to a request in whatever order, it ends as a plain model of the rules says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from postroom import topology
from postroom.broker import declare
from postroom.broker.verdict import Delivery
from postroom.messages import ApprovalCancel, ApprovalDelegate, ApprovalMail, Escalation
from postroom.store import Store
from postroom.store.schema import approval_votes, approvals, approvers, mails
from tests.accounts import keep_accounts
from tests.integration.processor.test_receiving import ACCOUNTS, NOW, Bench
from tests.tables import migrate

ANNA, BERT, CARL, DORA, BOSS = (f"{name}@corp.example" for name in ("anna", "bert", "carl", "dora", "boss"))
EVE = "eve@corp.example"
FIRST = (ANNA, BERT, CARL)
HOUR = timedelta(hours=1)
LIFE, EVERY, ESCALATION, AT_MOST = 48 * HOUR, 6 * HOUR, 12 * HOUR, 3
CHOICES = {"default": ("approve", "reject"), "colours": ("red", "green", "blue")}
ids = (f"r-{number}" for number in count())


@dataclass
class Model:
    """What the documentation says, without looking at the code: one request and its people."""

    rule: str
    choices: tuple[str, ...]
    deadline: datetime
    state: str = "none"
    decision: str | None = None
    round: int = 0
    content: str = ""
    asked_at: datetime = NOW
    reminded_at: datetime = NOW
    reminders: int = 0
    escalated: bool = False
    delegated: bool = False
    votes: dict[str, str] = field(default_factory=dict)

    def ask(self, content: str, now: datetime) -> None:
        if self.state not in ("none", "pending") or content == self.content or now >= self.deadline:
            return
        self.state, self.content, self.round, self.asked_at = "pending", content, self.round + 1, now
        self.reminded_at, self.reminders, self.votes = now, 0, {}
        self.escalated = self.delegated = False

    def reply(self, seat: str, number: int, choice: str, now: datetime) -> None:
        if self.state != "pending" or number != self.round or seat in self.votes or now > self.deadline:
            return
        self.votes[seat] = choice
        self._count()

    def _count(self) -> None:
        needed = {"any": 1, "2": 2, "all": 3}[self.rule]
        got = Counter(self.votes.values())
        best, most = got.most_common(1)[0]
        left = len(FIRST) + 1 - len(self.votes)  # the boss is asked some day
        if most >= needed:
            self.state, self.decision = "decided", best
        elif "reject" in self.choices:
            if len(FIRST) - got["reject"] < needed:
                self.state, self.decision = "decided", "reject"
        elif (self.rule == "all" and len(got) > 1) or most + left < needed:
            self.state = "undecided"

    def delegate(self) -> None:
        self.delegated = self.delegated or (self.state == "pending" and ANNA not in self.votes)

    def cancel(self) -> None:
        if self.state == "pending":
            self.state = "cancelled"

    def look(self, now: datetime) -> None:
        if self.state != "pending":
            return
        if now > self.deadline:
            self.state = "expired"
            return
        times = [self.asked_at + EVERY * number for number in range(1, AT_MOST + 1)]
        if any(self.reminded_at < each <= now and each < self.deadline for each in times):
            self.reminded_at, self.reminders = now, self.reminders + (len(self.votes) < self._seats())
        if self.asked_at + ESCALATION <= now and self.asked_at + ESCALATION < self.deadline:
            self.escalated = True

    def _seats(self) -> int:
        return len(FIRST) + self.escalated


@dataclass
class Played:
    """The same done to the real handlers."""

    bench: Bench
    approval_id: str
    model: Model
    tokens: dict[tuple[int, str], str] = field(default_factory=dict)
    delivered: list[Delivery] = field(default_factory=list)

    def ask(self, content: str) -> None:
        self.bench.request(
            id=self.approval_id,
            approvers=FIRST,
            subject=content,
            rule=self.model.rule,
            choices=self.model.choices,
            deadline=self.model.deadline,
            remind_every_s=int(EVERY.total_seconds()),
            remind_at_most=AT_MOST,
            escalate=Escalation(after_s=int(ESCALATION.total_seconds()), to=(BOSS,)),
        )
        self.model.ask(content, self.bench.now)
        self._keep_tokens()

    def reply(self, who: str, number: int, choice: str, sender: str | None = None) -> None:
        token = self.tokens.get((number, who))
        if token is None:
            return
        word = self.model.choices[int(choice) % len(self.model.choices)]
        mail = self.bench.mail(word, token, sender or who)
        self.delivered.append(mail)
        self.bench.received_mail()([mail])
        if sender is None:
            self.model.reply(ANNA if who == DORA else who, number, word, self.bench.now)

    def again(self) -> None:
        if self.delivered:
            self.bench.received_mail()([self.delivered[-1], self.delivered[0]])

    def delegate(self) -> None:
        self.bench.command(ApprovalDelegate(id=self.approval_id, approver=ANNA, to=DORA))
        self.model.delegate()
        self._keep_tokens()

    def cancel(self) -> None:
        self.bench.command(ApprovalCancel(id=self.approval_id))
        self.model.cancel()

    def wait(self, hours: int) -> None:
        self.bench.now += hours * HOUR

    def look(self) -> None:
        for _ in range(2):
            self.bench.deadlines().tend()
        self.model.look(self.bench.now)
        self._keep_tokens()

    def _keep_tokens(self) -> None:
        for send in self.bench.sends():
            if isinstance(send.content, ApprovalMail) and send.content.approval_id == self.approval_id:
                address = f"release+{send.content.reply_token}@corp.example"
                known = self.tokens.setdefault((self.model.round, send.recipient), address)
                assert known == address, "a reminder bears the token of the first mail"

    def check(self) -> None:
        model = self.model
        with self.bench.store.read() as connection:
            row = connection.execute(select(approvals).where(approvals.c.id == self.approval_id)).first()
            mine = approval_votes.c.approval_id == self.approval_id
            votes = connection.execute(select(approval_votes).where(mine)).all()
            outcomes = connection.execute(
                select(mails.c.outcome).where(mails.c.approval_id == self.approval_id)
            ).scalars()
            people = connection.execute(
                select(approvers.c.address).where(approvers.c.approval_id == self.approval_id)
            ).scalars()
            asked, decisions = set(people), Counter(outcomes)["decided"]
        if row is None:
            assert model.state == "none"
            return
        current = {vote.seat: vote.choice for vote in votes if vote.round == row.round}
        found = (row.state, row.decision, row.round, row.reminders, row.escalated_at is not None, current)
        expected = (model.state, model.decision, model.round, model.reminders, model.escalated, model.votes)
        assert found == expected
        assert (DORA in asked) == model.delegated
        assert decisions == (model.state == "decided")
        assert row.decided_by is None or row.decided_by in asked


people = st.sampled_from([*FIRST, DORA, BOSS])
digits = st.sampled_from("012")
rounds = st.integers(1, 3)
STEPS = st.one_of(
    st.tuples(st.just("reply"), people, rounds, digits),
    st.tuples(st.just("reply"), people, st.just(1), digits),
    st.tuples(st.just("reply"), people, rounds, digits, st.just(EVE)),
    st.tuples(st.just("ask"), st.sampled_from(["Release 4", "Release 5"])),
    st.tuples(st.just("again")),
    st.tuples(st.just("delegate")),
    st.tuples(st.just("wait"), st.integers(1, 20)),
    st.tuples(st.just("look")),
    st.tuples(st.just("look")),
    st.tuples(st.just("cancel")),
)


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder: Path = tmp_path_factory.mktemp("order")
    store = Store(f"sqlite:///{folder}/store.sqlite3")
    migrate(store)
    keep_accounts(store, ACCOUNTS)
    broker_url = f"embedded:///{folder}/broker.sqlite3"
    declare.apply(broker_url, topology.topology(1))
    bench = Bench(store, broker_url, folder)
    yield bench
    for publisher in bench.publishers:
        publisher.close()
    store.close()


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    rule=st.sampled_from(["any", "all", "2"]),
    choices=st.sampled_from(sorted(CHOICES)),
    steps=st.lists(STEPS, min_size=3, max_size=14),
)
def test_any_order_of_events_ends_as_the_model_says(
    there: Bench, rule: str, choices: str, steps: list[tuple[Any, ...]]
) -> None:
    model = Model(rule, CHOICES[choices], there.now + LIFE)
    played = Played(there, next(ids), model)
    played.ask("Release 4")
    for name, *arguments in steps:
        getattr(played, name)(*arguments)
        played.check()
