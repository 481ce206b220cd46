"""Handles received mail: examine, gather, decide, apply — one transaction for a batch."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from postroom import metrics
from postroom.account import Account
from postroom.accounts_watch import Accounts
from postroom.broker.publisher import Outgoing, outgoing
from postroom.broker.verdict import Ack, DeadLetter, Delivery, RetryIn, Verdict
from postroom.clock import Clock
from postroom.envelope import Envelope
from postroom.errors import Permanent, Transient
from postroom.messages import MailReceived
from postroom.reply_token import TokenKeys
from postroom.spool import Spool
from postroom.store import Store, outbox
from postroom_processor import asking_back, late_notice, ledger
from postroom_processor.confirmation import question
from postroom_processor.decide import Facts, OutcomeKind, TokenRecord, decide
from postroom_processor.examine import Examined, examine
from postroom_processor.follow_up import (
    Handled,
    confirm_mail,
    event_of,
    first_reply,
    help_mail,
    late_mail,
    tidy_commands,
)
from postroom_processor.help_budget import refusal
from postroom_processor.limits import Window
from postroom_processor.recording import Recorder
from postroom_processor.vouching import Check, vouched

logger = logging.getLogger(__name__)

SERVICE = "processor"
UNKNOWN_ACCOUNT_RETRY_S = 10
UNKNOWN_ACCOUNT_TRIES = 30

Read = tuple[Delivery, Examined, Account]


class ReceivedMail:
    """The handler of the queues `replies` and `inbox`."""

    def __init__(
        self,
        *,
        store: Store,
        spool: Spool,
        relay: outbox.OutboxRelay,
        accounts: Accounts,
        keys: TokenKeys,
        recorder: Recorder,
        check: Check,
        shards: int,
        clock: Clock,
    ) -> None:
        self._store = store
        self._spool = spool
        self._relay = relay
        self._accounts = accounts
        self._keys = keys
        self._recorder = recorder
        self._check = check
        self._shards = shards
        self._clock = clock

    def __call__(self, deliveries: Sequence[Delivery]) -> Sequence[Verdict]:
        """One verdict for each delivery. An Ack means: the outcome is durable and told."""
        verdicts: dict[int, Verdict] = {}
        readable: list[Read] = []
        for index, delivery in enumerate(deliveries):
            read = self._read(delivery)
            if isinstance(read, tuple):
                readable.append(read)
            else:
                verdicts[index] = read
        settled = iter(self._handle(readable))
        return [verdicts.get(index) or next(settled) for index in range(len(deliveries))]

    def _read(self, delivery: Delivery) -> Read | Verdict:
        received = delivery.envelope.message
        if not isinstance(received, MailReceived):
            return DeadLetter(f"{delivery.envelope.type} does not belong in {delivery.queue}")
        account = self._accounts.get(received.account)
        if account is None:
            return _unknown_account(delivery, received.account)
        try:
            content = received.content if received.dataref is None else self._spool.get(received.dataref)
        except Permanent as error:
            return DeadLetter(str(error))
        except Transient as error:
            return RetryIn(10, str(error))
        return delivery, examine(received, content or b"", account), account

    def _handle(self, mails: Sequence[Read]) -> Sequence[Verdict]:
        if not mails:
            return []
        now = self._clock()
        mails = self._vouched(mails)
        with self._store.write() as connection:
            handled, messages = self._transact(connection, mails, now)
        unheard = self._relay.publish(messages).unheard
        metrics.unheard.inc(unheard)
        _observe(handled, now)
        outcomes = {each.envelope.id: each for each in handled}
        return [_verdict(outcomes.get(delivery.envelope.id), now) for delivery, _, _ in mails]

    def _vouched(self, mails: Sequence[Read]) -> Sequence[Read]:
        """The mails with their signatures where they matter: the DNS is asked before anything is locked."""
        refs = {token.ref for _, examined, _ in mails for token in examined.tokens}
        if not refs:
            return mails
        with self._store.read() as connection:
            records = ledger.token_records(connection, refs, lock=False)
        looked_at = vouched([examined for _, examined, _ in mails], records, self._keys, self._check)
        return [
            (delivery, examined, account)
            for (delivery, _, account), examined in zip(mails, looked_at, strict=True)
        ]

    def _transact(
        self, connection: Connection, mails: Sequence[Read], now: datetime
    ) -> tuple[list[Handled], list[Outgoing]]:
        before = ledger.handled_before(connection, [delivery.envelope.id for delivery, _, _ in mails])
        new = {
            delivery.envelope.id: (delivery, examined, account)
            for delivery, examined, account in mails
            if delivery.envelope.id not in before
        }
        records = ledger.token_records(
            connection, (token.ref for _, examined, _ in new.values() for token in examined.tokens)
        )
        windows = ledger.windows_of(connection, (account for _, _, account in new.values()), now)
        sent = ledger.sent_by_us(connection, (examined.own_id for _, examined, _ in new.values()))
        decided = _decide_all(list(new.values()), records, windows, sent, self._keys, now)
        handled = [_allotted(connection, each, now) for each in decided]
        envelopes = self._apply(connection, handled, now)
        ledger.save_windows(connection, windows)
        first_deferral = {delivery.envelope.id for delivery, _, _ in new.values() if delivery.attempt == 1}
        events = [
            event_of(each, now)
            for each in handled
            if each.outcome.kind != "deferred" or each.envelope.id in first_deferral
        ]
        messages = [outgoing(each, self._shards) for each in (*events, *envelopes)]
        self._recorder.record(connection, messages, now, handled)
        outbox.add(connection, SERVICE, messages, now)
        return handled, messages

    def _apply(
        self, connection: Connection, handled: Sequence[Handled], now: datetime
    ) -> list[Envelope[Any]]:
        """Write the outcomes; returns the commands that follow from them."""
        final = [each for each in handled if each.outcome.kind != "deferred"]
        if len(ledger.save_outcomes(connection, final, now)) != len(final):
            raise Transient("another processor has just handled some of these mails")
        if not ledger.save_votes(connection, final, now):
            raise Transient("another processor has just decided one of these requests")
        asking_back.save_answers(connection, final)
        return [*self._answers(final, now), *tidy_commands(final, now)]

    def _answers(self, handled: Sequence[Handled], now: datetime) -> Iterator[Envelope[Any]]:
        """The mails that answer replies."""
        for each in handled:
            record = each.outcome.record
            if record is None:
                continue
            if each.is_helped:
                yield help_mail(each, record, self._keys, now)
            if each.question is not None:
                yield confirm_mail(each, record, each.question, self._keys, now)
            if each.told is not None:
                yield late_mail(each, record, each.told, now)


def _allotted(connection: Connection, handled: Handled, now: datetime) -> Handled:
    """The mail with what answers it, and with the reason where nothing does: each has its budget."""
    record, allot = handled.outcome.record, _ALLOTMENTS.get(handled.outcome.kind)
    return handled if record is None or allot is None else allot(connection, handled, record, now)


def _allot_help(connection: Connection, handled: Handled, record: TokenRecord, now: datetime) -> Handled:
    person = (record.claim.approval_id, record.claim.approver)
    why_not = refusal(handled.examined.mail, ledger.helped(connection, *person, now))
    if why_not is None and not ledger.save_help(connection, *person, now):
        why_not = "one went just now"
    if why_not is None:
        return replace(handled, is_helped=True)
    return _unanswered(handled, f"no help mail: {why_not}")


def _allot_question(connection: Connection, handled: Handled, record: TokenRecord, now: datetime) -> Handled:
    """A weak reply about which nobody is asked waits for nothing, and is no change of the request."""
    asked = question(record.claim, first_reply(handled, record, now))
    if asking_back.may_ask(connection, asked):
        return replace(handled, question=asked)
    return _unanswered(handled, "whether a reply was theirs was asked today already", "held")


def _allot_notice(connection: Connection, handled: Handled, record: TokenRecord, now: datetime) -> Handled:
    told = late_notice.addressee(handled.examined, record)
    person = (record.claim.approval_id, told)
    why_not = late_notice.refusal(handled.examined, record, ledger.told_late(connection, *person, now))
    if why_not is None and ledger.save_late(connection, *person, now):
        return replace(handled, told=told)
    return handled


def _unanswered(handled: Handled, why: str, kind: OutcomeKind | None = None) -> Handled:
    outcome = handled.outcome
    changed = replace(outcome, kind=kind or outcome.kind, reason=f"{outcome.reason}; {why}")
    return replace(handled, outcome=changed)


_ALLOTMENTS: Mapping[OutcomeKind, Callable[[Connection, Handled, TokenRecord, datetime], Handled]] = {
    "unclear": _allot_help,
    "pending_confirmation": _allot_question,
    "ignored": _allot_notice,
}


def _decide_all(
    mails: Sequence[Read],
    records: Mapping[str, TokenRecord],
    windows: dict[str, Window],
    sent: frozenset[tuple[str, str]],
    keys: TokenKeys,
    now: datetime,
) -> list[Handled]:
    """Decide one mail after the other, each with the facts as the one before left them; updates `windows`."""
    handled = []
    unlimited = Window(now, 1, len(mails), 0)
    for delivery, examined, account in mails:
        facts = Facts(now, keys, records, windows.get(account.name, unlimited), sent)
        outcome, after = decide(examined, facts)
        records = after.records
        if account.name in windows:
            windows[account.name] = after.window
        handled.append(Handled(delivery.envelope, examined, outcome, account))
    return handled


def _unknown_account(delivery: Delivery, name: str) -> Verdict:
    # The services read the accounts file one after the other: an account may be known to the fetcher first.
    if delivery.attempt <= UNKNOWN_ACCOUNT_TRIES:
        return RetryIn(UNKNOWN_ACCOUNT_RETRY_S, f"account {name!r} is not known yet")
    return DeadLetter(f"account {name!r} is unknown")


def _verdict(handled: Handled | None, now: datetime) -> Verdict:
    if handled is None or handled.outcome.until is None:
        return Ack()
    return RetryIn(max(1.0, (handled.outcome.until - now).total_seconds()), handled.outcome.reason)


def _observe(handled: Sequence[Handled], now: datetime) -> None:
    for each in handled:
        kind, received = each.outcome.kind, each.examined.received
        metrics.mails.labels(outcome=kind).inc()
        if each.examined.mail.limited is not None:
            metrics.mails_limited.labels(limit=each.examined.mail.limited).inc()
        if kind == "deferred":
            continue
        if received.role == "inbox":  # nobody waits for what they sent themselves
            age_s = max(0.0, (now - received.arrived_at).total_seconds())
            metrics.mail_age.labels(outcome=kind).observe(age_s)
        record = each.outcome.record
        # Ordinary mail is the bulk and has its row in the store; what concerns a request is told here too.
        logger.log(
            logging.DEBUG if kind == "accepted" else logging.INFO,
            "mail handled",
            extra={
                "correlation_id": record.correlation_id if record else each.envelope.correlation_id,
                "mail_id": each.envelope.id,
                "account": received.account,
                "outcome": kind,
                "reason": each.outcome.reason,
                "approval_id": record.claim.approval_id if record else None,
            },
        )
