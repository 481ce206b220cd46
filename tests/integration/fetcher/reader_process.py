"""A fetcher's intake in a process of its own: reads one mailbox to its end and says what that took.

The argument is a JSON object with `host`, `port` and `folder`, perhaps `max_size`, `count`, `longest_s` and
`at_once`: so many accounts read the same mailbox. The answer, on standard output, has the highest resident
memory in MiB before reading and after, and the seconds.
"""

from __future__ import annotations

import json
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

from postroom.account import Account
from postroom.broker import declare
from postroom.broker.publisher import Publisher
from postroom.credentials import Password
from postroom.spool import Spool
from postroom.store import Store
from postroom.store.migrate import migrate
from postroom.topology import topology
from postroom.trust import TRUST
from postroom_fetcher import opening
from postroom_fetcher.app import main as whole_fetcher
from postroom_fetcher.cursor import Limits
from postroom_fetcher.intake import Intake, Visit
from postroom_fetcher.lease import Leases
from postroom_fetcher.progress import Progress
from postroom_fetcher.trouble_list import TroubleList

IMPORTED = whole_fetcher
"""What a whole fetcher imports is counted as well."""


class _Credentials:
    def of(self, _account: object, _server: object) -> Password:
        return Password("user@example.org", "a right password")


def main() -> None:
    """Read the mailbox."""
    given = json.loads(sys.argv[1])
    folder = Path(given["folder"])
    with closing(Store(f"sqlite:///{folder}/store.sqlite3")) as store, ThreadPoolExecutor(4) as pool:
        migrate(store)
        broker = f"embedded://{folder}/broker.sqlite3"
        declare.apply(broker, topology(1))
        leases = Leases(store, 1, "reader")
        leases.step()
        with Publisher(broker, name="reader") as publisher:
            limits = Limits(64 * 1024, given.get("max_size", 25 * 1024 * 1024))
            intake = Intake(
                Progress(store),
                TroubleList(store),
                publisher.publish,
                Spool(folder / "spool"),
                pool,
                limits=limits,
                shards=1,
            )
            before, began = peak_mib(), time.monotonic()
            at_once = given.get("at_once", 1)
            with ThreadPoolExecutor(at_once) as readers:
                accounts = [_account(f"team-{number}", given) for number in range(at_once)]
                longest_s = given.get("longest_s", 100)
                list(readers.map(lambda account: _read(intake, account, leases, longest_s), accounts))
            took = time.monotonic() - began
        print(json.dumps({"before_mib": before, "peak_mib": peak_mib(), "seconds": took}))


def _account(name: str, given: dict[str, Any]) -> Account:
    server = {
        "host": given["host"],
        "port": given["port"],
        "security": "none",
        "user": "user@example.org",
        "password": "env:UNUSED",
        "since": "beginning",
        "count": given.get("count", 1_000_000),
    }
    return Account.model_validate({"name": name, "address": "user@example.org", "imap": server})


def _read(intake: Intake, account: Account, leases: Leases, longest_s: float) -> None:
    assert account.imap is not None
    session = opening.connector(opening.Tools(TRUST, _Credentials()))(account)  # type: ignore[arg-type]
    visit = Visit(account, account.imap, leases.held()[0], lambda: False, "INBOX")
    until = time.monotonic() + longest_s
    while intake.look(session, visit).more and time.monotonic() < until:
        leases.step()
    session.close()


def peak_mib() -> float:
    """The highest resident memory of this process so far."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found.group(1)) / 1024


if __name__ == "__main__":
    main()
