"""Making the accounts those of a file: read it, see what changes, change that, tell the services."""

import sys
from dataclasses import dataclass
from pathlib import Path

from postroom.access import the_operator
from postroom.accounts_file import (
    MAX_FILE_BYTES,
    AccountsFile,
    AccountsFileError,
    parse_accounts,
    read_accounts,
)
from postroom.accounts_plan import Plan, apply, plan
from postroom.clock import utc_now
from postroom.settings import Settings
from postroom.store import audit
from postroom.store.engine import Store
from postroom_console.registry import broadcast, changing, read_configuration

STANDARD_INPUT = Path("-")


@dataclass(frozen=True)
class Applied:
    """What was changed; `revision` is None if nothing was. `unheard`: why services could not be told."""

    plan: Plan
    revision: int | None = None
    unheard: str = ""


def read_file(path: Path) -> AccountsFile:
    """The accounts file; `-` is standard input.

    Raises:
        Misconfigured: it cannot be used; a line for each fault.
    """
    if path != STANDARD_INPUT:
        return read_accounts(path)
    found, faults = parse_accounts(sys.stdin.buffer.read(MAX_FILE_BYTES + 1))
    if faults:
        raise AccountsFileError(Path("standard input"), faults)
    return found


def look(store: Store, wanted: AccountsFile, *, prune: bool) -> Applied:
    """What would change."""
    return Applied(plan(read_configuration(store), wanted, prune=prune))


def carry_out(settings: Settings, store: Store, wanted: AccountsFile, *, prune: bool) -> Applied:
    """Change it in one transaction, and tell the services.

    Raises:
        Transient: the store does not answer; nothing is changed.
    """
    with changing(store) as (connection, current):
        planned = plan(current, wanted, prune=prune)
        now = utc_now()
        revision = apply(connection, planned, now)
        if revision is not None:
            detail = {
                what: {each.name: each.kind for each in planned.changes if each.is_section is is_section}
                for what, is_section in (("sections", True), ("accounts", False))
            }
            audit.record(connection, the_operator(), "apply", None, "accounts file", detail, now=now)
    if revision is None:
        return Applied(planned)
    return Applied(planned, revision, broadcast(settings, planned.names, revision))
