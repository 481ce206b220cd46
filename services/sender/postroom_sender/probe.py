"""Tests an account's way of sending stage by stage; `python -m postroom_sender.probe` does it here."""

import argparse
import json
import os
import socket
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from postroom.account import Account
from postroom.account_reason import reason
from postroom.account_servers import SystemSmtp
from postroom.accounts_file import unfitting
from postroom.credentials import Credentials
from postroom.errors import Misconfigured, PostroomError
from postroom.fault import sentence
from postroom.messages import AccountTested, TestStage
from postroom.oauth.tokens import Tokens
from postroom.secret import Secrets
from postroom.settings import read_settings
from postroom.store import Store
from postroom.store import accounts as stored
from postroom.store.accounts import Configuration
from postroom_sender.judging import judge
from postroom_sender.opening import Opening, Refused, Timeouts

TIMEOUTS = Timeouts(connect_s=8.0, opening_s=15.0, command_s=15.0)
"""A person waits for the answer."""
STAGES = ("resolve", "connect", "tls", "authenticate", "sender", "capabilities")
SETTINGS = "settings"
_NOT_ENCRYPTED = "security is none: not encrypted"
_NOBODY = "no user is set: nobody signs in"


def probe(account: Account, credentials: Credentials, timeouts: Timeouts = TIMEOUTS) -> tuple[TestStage, ...]:
    """What the stages found. No mail is sent, no recipient named; nothing raises.

    Args:
        account: As it is in effect, with its `smtp`.
        credentials: Its secrets and tokens.
        timeouts: How long is waited.
    """
    opening = Opening(account, timeouts, credentials)
    steps: Mapping[str, Callable[[], tuple[str, str]]] = {
        "resolve": lambda: ("ok", opening.resolve()),
        "connect": lambda: ("ok", opening.connect()),
        "tls": lambda: _or_skipped(opening.start_tls(), _NOT_ENCRYPTED),
        "authenticate": lambda: _or_skipped(opening.authenticate(), _NOBODY),
        "sender": lambda: ("ok", _try_sender(opening)),
        "capabilities": lambda: ("ok", _capabilities(opening.extensions)),
    }
    try:
        return tuple(_run(account.name, steps))
    finally:
        opening.hang_up()


def wrong_settings(name: str, reason_code: str, detail: str) -> tuple[TestStage, ...]:
    """The stages of a test that could not begin."""
    first = _failed(name, SETTINGS, reason_code, detail, 0.0)
    return (first, *(TestStage(name=stage, result="skipped") for stage in STAGES))


def subject(
    name: str, candidate: Mapping[str, Any] | None, configuration: Configuration, live: Account | None
) -> Account:
    """The account to be tested, as it is in effect.

    Args:
        name: What it is called.
        candidate: Its settings, if it is not there yet or is to be changed.
        configuration: For its `system_smtp`.
        live: The account of that name as it is.

    Raises:
        Misconfigured: there is none, its settings are wrong, or it does not send.
    """
    account = live if candidate is None else _account(name, candidate, configuration.system_smtp)
    if account is None:
        raise Misconfigured("unknown_account", f"there is no account {name!r}")
    if not account.send:
        raise Misconfigured("sending_disabled", f"the account {name} is not set to send")
    if account.smtp is None:
        why = unfitting(account, configuration.system_smtp) or "its settings are not in effect yet"
        raise Misconfigured("system_smtp", why)
    return account


def is_ok(stages: Iterable[TestStage]) -> bool:
    """Whether nothing failed."""
    return all(stage.result != "failed" for stage in stages)


def _account(name: str, candidate: Mapping[str, Any], system_smtp: SystemSmtp | None) -> Account:
    try:
        account = Account.model_validate({**candidate, "name": name})
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        named = (f"{'.'.join(map(str, each['loc'])) or 'the account'}: {sentence(each)}" for each in faults)
        raise Misconfigured("invalid_settings", "; ".join(named)) from None
    return account.effective(system_smtp)


def _run(name: str, steps: Mapping[str, Callable[[], tuple[str, str]]]) -> Iterator[TestStage]:
    remaining = iter(steps.items())
    for stage, step in remaining:
        started = time.monotonic()
        found = _stage(name, stage, step, started)
        yield found
        if found.result == "failed":
            break
    for stage, _ in remaining:
        yield TestStage(name=stage, result="skipped")


def _stage(name: str, stage: str, step: Callable[[], tuple[str, str]], started: float) -> TestStage:
    try:
        result, detail = step()
    except Refused as error:
        return _failed(name, stage, error.outcome.reason_code, str(error), started)
    except PostroomError as error:
        return _failed(name, stage, getattr(error, "reason_code", "unreachable"), str(error), started)
    return TestStage.model_validate(
        {"name": stage, "result": result, "duration_ms": _ms_since(started), "detail": detail}
    )


def _failed(name: str, stage: str, reason_code: str, detail: str, started: float) -> TestStage:
    return TestStage(
        name=stage,
        result="failed",
        duration_ms=_ms_since(started) if started else 0.0,
        reason_code=reason_code,
        detail=detail,
        advice=reason(reason_code).advice.replace("NAME", name),
    )


def _ms_since(started: float) -> float:
    return round(1000 * (time.monotonic() - started), 1)


def _or_skipped(detail: str, otherwise: str) -> tuple[str, str]:
    return ("ok", detail) if detail else ("skipped", otherwise)


def _try_sender(opening: Opening) -> str:
    """Whether the server takes mail from the account's address; that is taken back at once."""
    address, dialogue, wait_s = opening.account.address, opening.dialogue, opening.timeouts.command_s
    options = ""
    if not address.isascii():
        if "SMTPUTF8" not in opening.extensions:
            raise Misconfigured("smtputf8", "the server cannot take the account's address (no SMTPUTF8)")
        options = " SMTPUTF8 BODY=8BITMIME"
    reply = dialogue.ask(f"MAIL FROM:<{address}>{options}", wait_s)
    if not 200 <= reply.code < 300:
        raise Refused(judge("mail", reply))
    dialogue.ask("RSET", wait_s)
    return f"the server takes mail from {address}"


def _capabilities(extensions: Mapping[str, str]) -> str:
    size = extensions.get("SIZE", "")
    limit = f"SIZE {size}" if size.strip("0").isdecimal() else "no SIZE limit told"
    known = (each if each in extensions else f"no {each}" for each in ("PIPELINING", "SMTPUTF8", "8BITMIME"))
    return ", ".join((*known, limit))


# On its own: without the sender, with the same settings.


def main(arguments: list[str] | None = None) -> int:
    """Test an account of the store (NAME) or one on standard input; prints `account.tested` as JSON.

    Returns 0 if all is well, 1 if a stage failed, 2 if the test could not be made.
    """
    parser = argparse.ArgumentParser(prog="python -m postroom_sender.probe", description=__doc__)
    parser.add_argument("name", nargs="?", help='without it: {"account": settings} on standard input')
    name = parser.parse_args(arguments).name
    try:
        candidate = None if name else _from_input(sys.stdin.read())
        stages = _here(name or str((candidate or {}).get("name", "")), candidate)
    except PostroomError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    tested = AccountTested(
        account=name or str((candidate or {}).get("name")),
        side="smtp",
        command_id="",
        ok=is_ok(stages),
        stages=stages,
    )
    sys.stdout.write(f"{tested.model_dump_json()}\n")
    return 0 if tested.ok else 1


def _from_input(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)["account"]
        if isinstance(found, dict) and isinstance(found.get("name"), str):
            return found
    except (ValueError, KeyError, TypeError):
        pass
    raise Misconfigured("invalid_settings", 'expected {"account": {"name": …, …}} on standard input')


def _here(name: str, candidate: Mapping[str, Any] | None) -> tuple[TestStage, ...]:
    settings = read_settings()
    store = Store(settings.store)
    try:
        box = settings.read_secret_box()
        secrets = Secrets(store, box)
        holder = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        credentials = Credentials(secrets, Tokens(store, box, secrets, holder))
        with store.read() as connection:
            configuration = stored.read(connection)
        found = configuration.accounts.get(name)
        live = found.effective(configuration.system_smtp) if found else None
        return examine(name, candidate, configuration, live, credentials)
    finally:
        store.close()


def examine(
    name: str,
    candidate: Mapping[str, Any] | None,
    configuration: Configuration,
    live: Account | None,
    credentials: Credentials,
) -> tuple[TestStage, ...]:
    """`probe` of what `subject` finds; wrong settings are a failed stage. Nothing raises."""
    try:
        account = subject(name, candidate, configuration, live)
    except Misconfigured as error:
        return wrong_settings(name, error.reason_code, str(error))
    return probe(account, credentials)


if __name__ == "__main__":
    sys.exit(main())
