"""Carries out commands about mailboxes: many at once where they are of one kind, each with its own result.

The order is: the server, the ledger, the result as an event, and only then the acknowledgement. Whatever is
cut off in between is repeated, and every command may be.
"""

import logging
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import TypeVar

from postroom import metrics
from postroom.account import Account
from postroom.broker.consumer import Ack, DeadLetter, Delivery, RetryIn, Verdict
from postroom.broker.failure import failed
from postroom.broker.publisher import outgoing
from postroom.clock import Clock, utc_now
from postroom.envelope import Envelope, envelop
from postroom.errors import Misconfigured, Permanent
from postroom.messages import (
    AccountFetchNow,
    AccountFolders,
    AccountFoldersListed,
    AccountTest,
    Command,
    Event,
    MailboxAppend,
    MailboxCommand,
    MailboxDone,
    MailboxFind,
    MailboxMove,
    derive_id,
    mail_id,
)
from postroom.spool import Spool
from postroom_fetcher.desk import Desk
from postroom_fetcher.fault import Refused
from postroom_fetcher.filing import Filed, file
from postroom_fetcher.intake import Publish
from postroom_fetcher.lease import Fenced, Lease
from postroom_fetcher.mail import SOURCE
from postroom_fetcher.mailbox import Effect, Past, act, has_message_id, removes
from postroom_fetcher.progress import Progress
from postroom_fetcher.sent_folder import sent_folder
from postroom_fetcher.session import Connect, Session
from postroom_fetcher.trial import Trials

logger = logging.getLogger(__name__)

_FLAG = re.compile(r"\\?[A-Za-z0-9$_-]+")
ANOTHERS_RETRY_S = 1.0
MOVING = "moving"
"""In the ledger: a mail is copied, and will be deleted after that."""
UNRECORDED_TRIES = 3
UNRECORDED_RETRY_S = 1.0
MOST_LOGGED = 20
Outcome = tuple[Delivery, Event | Verdict | None]
T = TypeVar("T")


@dataclass(frozen=True)
class Tools:
    """What the commands of all shards share.

    `accounts` says which can be used now, by name. `trials` gets the tests: they wait for no other command,
    and no other command for them.
    """

    progress: Progress
    publish: Publish
    spool: Spool
    connect: Connect
    accounts: Callable[[], Mapping[str, Account]]
    look_now: Callable[[str], None]
    executor: Executor
    trials: Trials
    shards: int
    clock: Clock = utc_now


class Commands:
    """The handler of one shard's command queue. One batch at a time."""

    def __init__(self, tools: Tools, lease: Lease) -> None:
        self._tools = tools
        self._lease = lease
        self._desks: dict[str, Desk] = {}

    def handle(self, deliveries: Sequence[Delivery]) -> Sequence[Verdict]:
        """Carry out a batch; one verdict for each, in order. Accounts do not wait for one another."""
        by_account: dict[str, list[Delivery]] = {}
        verdicts: dict[int, Verdict] = {}
        for delivery in deliveries:
            if isinstance(delivery.envelope.message, AccountTest):
                self._tools.trials.begin(delivery.envelope)
                verdicts[id(delivery)] = Ack()
                continue
            name = str(getattr(delivery.envelope.message, "account", ""))
            by_account.setdefault(name, []).append(delivery)
        parts = self._tools.executor.map(self._handle_account, by_account, by_account.values())
        verdicts |= {id(delivery): verdict for part in parts for delivery, verdict in part}
        return [verdicts[id(delivery)] for delivery in deliveries]

    def close(self) -> None:
        """End all connections."""
        for desk in self._desks.values():
            desk.close()

    def _handle_account(self, name: str, deliveries: Sequence[Delivery]) -> list[tuple[Delivery, Verdict]]:
        account = self._tools.accounts().get(name)
        if account is None:
            reason = f"there is no account {name!r} that is enabled and receives"
            return [(delivery, DeadLetter(reason)) for delivery in deliveries]
        desk = self._desks.setdefault(name, Desk(self._tools.connect))
        return [pair for step in steps(deliveries) for pair in self._take_step(desk, account, step)]

    def _take_step(
        self, desk: Desk, account: Account, step: Sequence[Delivery]
    ) -> list[tuple[Delivery, Verdict]]:
        command = step[0].envelope.message
        handler = handler_of(command)
        if handler is None:
            reason = f"{command.TYPE} is not handled by this version of the fetcher"
            return [(delivery, DeadLetter(reason)) for delivery in step]
        try:
            # Who has stood still may have lost the shard, whose commands are another's now.
            self._tools.progress.must_hold(self._lease)
            outcomes = handler(self._tools, desk, account, step)
            self._publish(outcomes)
        except Fenced as error:
            return [(delivery, RetryIn(ANOTHERS_RETRY_S, str(error))) for delivery in step]
        except Exception as error:
            # Caught here, since other accounts have part in the batch.
            logger.warning(
                "command failed", extra={"account": account.name, "type": command.TYPE, "error": str(error)}
            )
            return [(delivery, failed(error, delivery.attempt)) for delivery in step]
        return [
            (delivery, Ack() if isinstance(result, Event | None) else result) for delivery, result in outcomes
        ]

    def _publish(self, outcomes: Sequence[Outcome]) -> None:
        events = [(delivery.envelope, result) for delivery, result in outcomes if isinstance(result, Event)]
        if events:
            now = self._tools.clock()
            self._tools.publish(
                [
                    outgoing(
                        envelop(
                            event,
                            source=SOURCE,
                            now=now,
                            message_id=derive_id(cause.id, event.TYPE),
                            cause=cause,
                        ),
                        self._tools.shards,
                    )
                    for cause, event in events
                ]
            )


def steps(deliveries: Sequence[Delivery]) -> list[list[Delivery]]:
    """The deliveries in groups that one IMAP command can serve, in the order of their first ones."""
    groups: dict[Hashable, list[Delivery]] = {}
    for delivery in deliveries:
        groups.setdefault(_kind(delivery.envelope), []).append(delivery)
    return list(groups.values())


def _kind(envelope: Envelope[Command]) -> Hashable:
    command = envelope.message
    if isinstance(command, MailboxAppend):
        return type(command), command.folder, command.flags
    if isinstance(command, MailboxCommand):
        target = command.target if isinstance(command, MailboxMove) else None
        return type(command), command.folder, command.uidvalidity, target
    return envelope.id


def _action(command: Command) -> str:
    return command.TYPE.partition(".")[2]


# Handlers: what is done, and the event that tells of it


def _act(tools: Tools, desk: Desk, account: Account, step: Sequence[Delivery]) -> list[Outcome]:
    commands: list[MailboxCommand] = [delivery.envelope.message for delivery in step]
    first, action = commands[0], _action(commands[0])
    uids = sorted({uid for command in commands for uid in command.uids})
    ids = {uid: mail_id(account.name, first.folder, first.uidvalidity, uid) for uid in uids}

    def carry_out(session: Session) -> Effect:
        return act(session, first, uids, _past(tools.progress, first, ids))

    try:
        effect = desk.do(account, carry_out)
    except Misconfigured as error:
        if error.reason_code != "folder_missing":
            raise
        effect = Effect(refused=str(error))
    except Refused as error:
        effect = Effect(refused=str(error))
    effect = _with_earlier(tools.progress, effect, ids, action)
    tools.progress.acted([ids[uid] for uid in sorted(effect.done)], action)
    metrics.commands_done.labels(action=action).inc(len(effect.done))
    if effect.changed:
        logger.warning(
            "mails left alone: they are not those that were handed on",
            extra={
                "account": account.name,
                "folder": first.folder,
                "uids": sorted(effect.changed)[:MOST_LOGGED],
            },
        )
    return [(delivery, _result(delivery, effect)) for delivery in step]


def _past(progress: Progress, command: MailboxCommand, ids: Mapping[int, str]) -> Past:
    """What the ledger knows of the mails; nothing where nothing is removed."""
    if not removes(command):
        return Past()
    entries = progress.known(list(ids.values()))
    known = {uid: entries[own_id] for uid, own_id in ids.items() if own_id in entries}
    return Past(
        known={uid: each.fingerprint for uid, each in known.items()},
        moving=frozenset(uid for uid, each in known.items() if each.action == MOVING),
        begin_move=lambda uids: progress.acted([ids[uid] for uid in uids], MOVING),
    )


def _result(delivery: Delivery, effect: Effect) -> Event | RetryIn:
    """The event, unless the command was sooner than the ledger: that follows the mail's publication."""
    uids = delivery.envelope.message.uids
    if delivery.attempt <= UNRECORDED_TRIES and not effect.unknown.isdisjoint(uids):
        return RetryIn(UNRECORDED_RETRY_S, "the ledger does not have these mails yet")
    return _done(delivery.envelope, effect)


def _with_earlier(progress: Progress, effect: Effect, ids: Mapping[int, str], action: str) -> Effect:
    """The effect, where a mail that is gone because an earlier try removed it counts as done."""
    if not effect.vanished:
        return effect
    before = progress.acted_before([ids[uid] for uid in sorted(effect.vanished)], action)
    ours = frozenset(uid for uid in effect.vanished if ids[uid] in before)
    return replace(effect, done=effect.done | ours, vanished=effect.vanished - ours)


def _done(envelope: Envelope[MailboxCommand], effect: Effect) -> MailboxDone:
    command = envelope.message
    return MailboxDone(
        account=command.account,
        command_id=envelope.id,
        action=_action(command),
        folder=command.folder,
        uidvalidity=command.uidvalidity,
        done=tuple(uid for uid in command.uids if uid in effect.done),
        vanished=tuple(uid for uid in command.uids if uid in effect.vanished),
        changed=tuple(uid for uid in command.uids if uid in effect.changed | effect.unknown),
        refused=effect.refused,
    )


def _append(tools: Tools, desk: Desk, account: Account, step: Sequence[Delivery]) -> list[Outcome]:
    commands: list[MailboxAppend] = [delivery.envelope.message for delivery in step]
    first = commands[0]
    wrong = [flag for flag in first.flags if not _FLAG.fullmatch(flag)]
    if wrong:
        raise Permanent(f"flags: {wrong[0]!r} is no IMAP flag")
    # Of two orders for one Message-ID the first files it, and the second finds it.
    firsts: dict[str, Delivery] = {}
    for delivery, command in zip(step, commands, strict=True):
        firsts.setdefault(command.message_id, delivery)
    mails = {message_id: delivery.envelope.message.dataref for message_id, delivery in firsts.items()}

    def put(session: Session) -> tuple[str, Mapping[str, Filed]]:
        folder = _folder_of(session, account, first)
        return folder, file(session, folder, mails, first.flags, tools.spool)

    folder, answer = _answered(first.folder or "", lambda: desk.do(account, put))
    found = dict.fromkeys(mails, answer) if isinstance(answer, Refused) else answer
    outcomes: list[Outcome] = []
    for delivery, command in zip(step, commands, strict=True):
        result = found[command.message_id]
        is_first = firsts[command.message_id] is delivery
        outcomes.append((delivery, _filed(delivery, folder, result if is_first else result or True)))
    return outcomes


def _filed(delivery: Delivery, folder: str, result: Filed) -> MailboxDone | Verdict:
    if isinstance(result, bool | Refused):
        return _looked_up(delivery.envelope, folder, result)
    return failed(result, delivery.attempt)


def _find(_tools: Tools, desk: Desk, account: Account, step: Sequence[Delivery]) -> list[Outcome]:
    (delivery,) = step
    command: MailboxFind = delivery.envelope.message

    def find(session: Session) -> tuple[str, bool]:
        folder = _folder_of(session, account, command)
        session.examine(folder)
        return folder, has_message_id(session, command.message_id)

    folder, result = _answered(command.folder or "", lambda: desk.do(account, find))
    return [(delivery, _looked_up(delivery.envelope, folder, result))]


def _answered(folder: str, look: Callable[[], tuple[str, T]]) -> tuple[str, T | Refused]:
    """What a look into a folder found, or that the server refused it."""
    try:
        return look()
    except Misconfigured as error:
        if error.reason_code != "folder_missing":
            raise
        return folder, Refused(str(error), "NONEXISTENT")
    except Refused as error:
        return folder, error


def _folder_of(session: Session, account: Account, command: MailboxAppend | MailboxFind) -> str:
    """The folder that is meant; without a name the one for sent mail. Raises Refused if there is none."""
    if command.folder is not None:
        return command.folder
    setting = account.imap.sent_folder if account.imap else None
    folder = setting or sent_folder(session.folders())[0]
    if folder is None:
        raise Refused("the mailbox has no folder for sent mail: name it in imap.sent_folder", "NONEXISTENT")
    return folder


def _looked_up(
    envelope: Envelope[MailboxAppend | MailboxFind], folder: str, result: bool | Refused
) -> MailboxDone:
    """The result of a command about a Message-ID: whether the mail was there already."""
    command = envelope.message
    found, refused = (None, str(result)) if isinstance(result, Refused) else (result, "")
    if not refused:
        metrics.commands_done.labels(action=_action(command)).inc()
    return MailboxDone(
        account=command.account,
        command_id=envelope.id,
        action=_action(command),
        folder=folder,
        found=found,
        refused=refused,
    )


def _folders(_tools: Tools, desk: Desk, account: Account, step: Sequence[Delivery]) -> list[Outcome]:
    (delivery,) = step
    folders = desk.do(account, Session.folders)
    setting = account.imap.sent_folder if account.imap else None
    sent, rule = sent_folder(folders, setting)
    listed = AccountFoldersListed(
        account=account.name,
        command_id=delivery.envelope.id,
        folders=folders,
        sent_folder=sent,
        sent_rule=rule,
    )
    return [(delivery, listed)]


def _fetch_now(tools: Tools, _desk: Desk, account: Account, step: Sequence[Delivery]) -> list[Outcome]:
    tools.look_now(account.name)
    return [(delivery, None) for delivery in step]


CommandHandler = Callable[[Tools, Desk, Account, Sequence[Delivery]], list[Outcome]]
_HANDLERS: Mapping[type[Command], CommandHandler] = {
    MailboxCommand: _act,
    MailboxAppend: _append,
    MailboxFind: _find,
    AccountFolders: _folders,
    AccountFetchNow: _fetch_now,
}


def handler_of(command: Command) -> CommandHandler | None:
    """What carries out a command; None if nothing does."""
    return next((handler for kind, handler in _HANDLERS.items() if isinstance(command, kind)), None)
