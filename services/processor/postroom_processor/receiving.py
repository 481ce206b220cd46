"""Handles received mail: examine, gather, decide, apply — one transaction for a batch."""

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from postroom import metrics
from postroom.account import Account
from postroom.accounts_watch import Accounts
from postroom.broker.publisher import Outgoing, PublishFailed, outgoing
from postroom.broker.verdict import Ack, DeadLetter, Delivery, RetryIn, Verdict
from postroom.clock import Clock
from postroom.deny_lists import DenyLists
from postroom.envelope import Envelope
from postroom.errors import Permanent, Transient
from postroom.messages import MailReceived
from postroom.reply_token import TokenKeys
from postroom.spool import Spool
from postroom.store import Store, outbox
from postroom_processor import asking_back, campaign, late_notice, ledger, returning, waiting
from postroom_processor.confirmation import question
from postroom_processor.decide import Facts, OutcomeKind, TokenRecord, decide
from postroom_processor.examine import Examined, examine, examine_whole, first_look
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
from postroom_processor.joining import join
from postroom_processor.limits import Line, Window, approver_key
from postroom_processor.mail import read_head
from postroom_processor.read_limits import HEADER_BYTES, UNREAD
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
        tag_keys: TokenKeys,
        deny: DenyLists | None = None,
    ) -> None:
        self._tag_keys = tag_keys
        self._deny = deny or DenyLists(store, accounts)
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
        self._deny.refresh()
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
            return delivery, self._examined(received, account), account
        except Permanent as error:
            return DeadLetter(str(error))
        except Transient as error:
            return RetryIn(10, str(error))

    def _examined(self, received: MailReceived, account: Account) -> Examined:
        """The mail as it was read; of a denied one nothing but its head, wherever it lies."""
        if received.dataref is None:
            return examine(received, received.content or b"", account, self._deny.covering)
        head = self._spool.head(received.dataref, HEADER_BYTES + len(b"\r\n\r\n"))
        looked = first_look(received, head, account, self._deny.covering)
        if looked.denied_by is not None:
            return looked
        whole = read_head(self._spool.get(received.dataref))
        return examine_whole(replace(looked, mail=whole), account)

    def _handle(self, mails: Sequence[Read]) -> Sequence[Verdict]:
        if not mails:
            return []
        now = self._clock()
        mails = self._vouched(mails)
        with self._store.write() as connection:
            handled, newly_waiting, messages, for_campaigns = self._transact(connection, mails, now)
        unheard = self._relay.publish(messages).unheard
        metrics.unheard.inc(unheard)
        self._publish_for_campaigns(for_campaigns)
        _observe(handled, newly_waiting, now)
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
    ) -> tuple[list[Handled], Collection[str], list[Outgoing], list[Outgoing]]:
        before = ledger.handled_before(connection, [delivery.envelope.id for delivery, _, _ in mails])
        new = {
            delivery.envelope.id: (delivery, examined, account)
            for delivery, examined, account in mails
            if delivery.envelope.id not in before
        }
        records = ledger.token_records(
            connection, (token.ref for _, examined, _ in new.values() for token in examined.tokens)
        )
        # From here on no other processor touches the windows of these accounts, nor who waits for them.
        windows = ledger.windows_of(connection, (account for _, _, account in new.values()), now)
        waits = waiting.touch(connection, [key for key, (each, _, _) in new.items() if _is_back(each)], now)
        lines = _lines(connection, new, records, windows, waits, now)
        sent = ledger.sent_by_us(connection, (examined.own_id for _, examined, _ in new.values()))
        decided = _decide_all(list(new.values()), records, windows, lines, sent, self._keys, now)
        allotted = [_allotted(connection, each, now) for each in decided]
        handled, returned = returning.settle(connection, allotted, self._tag_keys, now)
        envelopes = self._apply(connection, handled, now)
        ledger.save_windows(connection, windows)
        joined = join(connection, handled, now)
        newly_waiting = waiting.save(connection, handled, windows, lines, waits, now)
        events = [
            event_of(each, now, joined.get(each.envelope.id))
            for each in handled
            if each.outcome.kind != "deferred" or each.envelope.id in newly_waiting
        ]
        messages = [outgoing(each, self._shards) for each in (*events, *envelopes, *returned)]
        self._recorder.record(connection, messages, now, handled)
        for_campaigns = campaign.copies(
            messages, {each.account.name for each in handled if each.account.campaign}
        )
        outbox.add(connection, SERVICE, [*messages, *for_campaigns], now)
        return handled, newly_waiting, messages, for_campaigns

    def _publish_for_campaigns(self, messages: Sequence[Outgoing]) -> None:
        try:
            self._relay.publish(messages)
        except PublishFailed as error:
            # Recorded as they are, they are published once their queue is there; the mails are settled.
            logger.warning("accepted mail waits for its campaign queue", extra={"error": str(error)})

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


def _is_back(delivery: Delivery) -> bool:
    return delivery.attempt > 1 or delivery.redelivered


def _lines(
    connection: Connection,
    mails: Mapping[str, Read],
    records: Mapping[str, TokenRecord],
    windows: Mapping[str, Window],
    waits: Collection[str],
    now: datetime,
) -> dict[str, Line]:
    approvers: dict[str, set[str]] = defaultdict(set)
    for _, examined, account in mails.values():
        known = (records[token.ref] for token in examined.tokens if token.ref in records)
        approvers[account.name].update(approver_key(each.claim.approver) for each in known)
    batch = [(key, account, examined.sender_key) for key, (_, examined, account) in mails.items()]
    return waiting.lines_of(connection, batch, windows, approvers, waits, now)


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
    lines: dict[str, Line],
    sent: frozenset[tuple[str, str]],
    keys: TokenKeys,
    now: datetime,
) -> list[Handled]:
    """Decide one mail after the other, each with the facts as the one before left them.

    `windows` and `lines` are brought up to date.
    """
    handled = []
    unlimited = Window(now, 1, len(mails), 0)
    for delivery, examined, account in mails:
        window, line = windows.get(account.name, unlimited), lines.get(account.name, Line())
        facts = Facts(now, keys, records, window, sent, line, delivery.envelope.id)
        outcome, after = decide(examined, facts)
        records = after.records
        if account.name in windows:
            windows[account.name], lines[account.name] = after.window, after.line
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
    return RetryIn(waiting.wait_s(handled.outcome.until, now), handled.outcome.reason)


def _observe(handled: Sequence[Handled], newly_waiting: Collection[str], now: datetime) -> None:
    for each in handled:
        kind, received = each.outcome.kind, each.examined.received
        if kind == "deferred" and each.envelope.id not in newly_waiting:
            continue
        metrics.mails.labels(outcome=kind).inc()
        if kind == "deferred":
            continue
        if each.examined.mail.limited not in (None, UNREAD):
            metrics.mails_limited.labels(limit=each.examined.mail.limited).inc()
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
