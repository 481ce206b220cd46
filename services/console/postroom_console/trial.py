"""Trying an account stage by stage: by the services where they run, or by this machine."""

import json
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from postroom.account import Account, Side
from postroom.account_servers import SystemSmtp
from postroom.errors import Misconfigured
from postroom.messages import AccountTest, AccountTested, TestStage
from postroom.settings import Settings
from postroom.store.accounts import document
from postroom_console.asking import asking

TIMEOUT_S = 30.0
SERVICES: Mapping[Side, str] = {"imap": "fetcher", "smtp": "sender"}
"""Who tries which side."""
_PROBES: Mapping[Side, str] = {"imap": "postroom_fetcher.probe", "smtp": "postroom_sender.probe"}


@dataclass(frozen=True)
class Tried:
    """What the test of one side found. `unheard`: why there is nothing to be told."""

    account: str
    side: Side
    stages: tuple[TestStage, ...] = ()
    ok: bool = False
    unheard: str = ""


@dataclass(frozen=True)
class Trial:
    """What is to be tried.

    Attributes:
        account: As it stands in the file or in the store.
        sides: Which sides of it.
        system_smtp: The section for accounts that use it.
    """

    account: Account
    sides: Sequence[Side]
    system_smtp: SystemSmtp | None = None

    @property
    def candidate(self) -> Account:
        """The account with the system's server as its own, so that it can be tried without the section."""
        account = self.account
        live = account.effective(self.system_smtp)
        if not account.use_system_smtp or live.smtp is None:
            return account
        return account.model_copy(update={"smtp": live.smtp, "use_system_smtp": False})


def sides_of(account: Account, wished: str | None = None) -> Sequence[Side]:
    """The sides to try: all that the account has, or the one that is wished for.

    Raises:
        Misconfigured: it does not have that one.
    """
    has: list[Side] = [side for side, on in (("imap", account.receive), ("smtp", account.send)) if on]  # type: ignore[misc]
    if wished is None:
        return has
    if wished not in has:
        does = {"imap": "receive", "smtp": "send"}[wished]
        raise Misconfigured("side", f"{account.name} does not {does}, so there is no side {wished} to test")
    return [side for side in has if side == wished]


def try_by_services(settings: Settings, trials: Iterable[Trial], timeout_s: float) -> list[Tried]:
    """What fetcher and sender found; a side whose service does not answer in time says so."""
    commands = [_command(trial, side) for trial in trials for side in trial.sides]
    found: dict[tuple[str, str], Tried] = {}
    with asking(settings, AccountTested) as asked:
        for command in commands:
            asked.give(command)
        for _, event in asked.answers(time.monotonic() + timeout_s):
            found[event.account, event.side] = _tried(event)
    return [
        found.get((command.account, command.side)) or _unheard(command.account, command.side, timeout_s)
        for command in commands
    ]


def try_here(trials: Iterable[Trial], timeout_s: float) -> list[Tried]:
    """What this machine finds, with the services' own code in processes of their own."""
    return [_probe(trial.candidate, side, timeout_s) for trial in trials for side in trial.sides]


def _command(trial: Trial, side: Side) -> AccountTest:
    # The settings go along even if the services have them: they may be those of two seconds ago.
    return AccountTest(account=trial.account.name, side=side, candidate=document(trial.candidate))


def _tried(event: AccountTested) -> Tried:
    return Tried(event.account, event.side, event.stages, event.ok)


def _unheard(account: str, side: Side, timeout_s: float) -> Tried:
    who = SERVICES[side]
    return Tried(
        account,
        side,
        unheard=f"the {who} did not answer within {timeout_s:g} s: check that it runs and uses this broker, "
        "or test from this machine with --local",
    )


def _probe(account: Account, side: Side, timeout_s: float) -> Tried:
    module = _PROBES[side]
    given = json.dumps({"account": document(account)})
    try:
        done = subprocess.run(
            [sys.executable, "-m", module],
            input=given,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=timeout_s,
            check=False,
        )
        return _tried(AccountTested.model_validate_json(done.stdout))
    except subprocess.TimeoutExpired:
        return Tried(account.name, side, unheard=f"the test did not end within {timeout_s:g} s")
    except ValidationError:
        said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return Tried(account.name, side, unheard=f"the test could not be run: {said}")
