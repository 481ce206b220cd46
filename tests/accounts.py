"""Brings accounts into a store, as `postroom apply` does; nobody is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from postroom.accounts_file import AccountsFile, parse_accounts
from postroom.accounts_plan import apply, plan
from postroom.clock import utc_now
from postroom.store import Store
from postroom.store import accounts as stored


def keep_accounts(store: Store, source: str | Path | Sequence[Mapping[str, Any]]) -> AccountsFile:
    """Make the accounts of the store those of a file, of its text, or of its entries."""
    if isinstance(source, Path):
        text = source.read_text()
    else:
        text = source if isinstance(source, str) else yaml.safe_dump({"accounts": list(map(dict, source))})
    wanted, faults = parse_accounts(text.encode())
    assert not faults, faults
    with store.write() as connection:
        apply(connection, plan(stored.read(connection), wanted, prune=True), utc_now())
    return wanted
