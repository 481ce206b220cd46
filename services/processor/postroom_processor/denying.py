"""Carries out what programs say about deny rules: `deny.add` and `deny.remove`."""

from datetime import datetime

from sqlalchemy import Connection

from postroom.access import Actor, program_as_actor
from postroom.accounts_watch import Accounts
from postroom.deny import canonical_pattern
from postroom.envelope import Envelope
from postroom.messages import DenyAdd, DenyChanged, DenyCommand, DenyRefused
from postroom.store import audit, deny


def carry_out(
    connection: Connection, envelope: Envelope[DenyCommand], accounts: Accounts, now: datetime
) -> DenyChanged | DenyRefused:
    """Change the rules as one of the two commands says, with a row of the audit; the answer to it."""
    command, actor = envelope.message, program_as_actor(envelope.source)
    refused = _refuse(command, accounts)
    if refused is not None:
        return refused
    if isinstance(command, DenyAdd):
        return _add(connection, command, actor, now)
    return _remove(connection, command, actor, now)


def _refuse(command: DenyCommand, accounts: Accounts) -> DenyRefused | None:
    if command.account is not None and accounts.get(command.account) is None:
        return DenyRefused(field="account", reason=f"there is no account {command.account!r}")
    for place, pattern in enumerate(command.patterns):
        try:
            canonical_pattern(pattern)
        except ValueError as error:
            return DenyRefused(field=f"patterns[{place}]", reason=str(error))
    return None


def _add(connection: Connection, command: DenyAdd, actor: Actor, now: datetime) -> DenyChanged:
    added = deny.add_all(
        connection,
        command.patterns,
        account=command.account,
        reason=command.reason,
        by=actor.name,
        now=now,
    )
    undo = {"kind": DenyAdd.TYPE, "patterns": list(added)}
    audit.record_rules(connection, actor, command.TYPE, command.account, added, undo, now)
    return DenyChanged(account=command.account, added=added)


def _remove(connection: Connection, command: DenyCommand, actor: Actor, now: datetime) -> DenyChanged:
    gone = deny.remove_all(connection, command.patterns, account=command.account)
    removed = tuple(rule.pattern for rule in gone)
    rules = [{"pattern": rule.pattern, "reason": rule.reason} for rule in gone]
    undo = {"kind": command.TYPE, "rules": rules}
    audit.record_rules(connection, actor, command.TYPE, command.account, removed, undo, now)
    return DenyChanged(account=command.account, removed=removed)
