"""Tries one mailbox from where this is run: `python -m postroom_fetcher.probe [NAME]`.

NAME is an account in the store; without it `{"account": {settings as in the accounts file}}` is read from
standard input. The event `account.tested` is written to standard output as JSON. The exit code is 0 if no
stage failed, else 1.
"""

import json
import re
import sys
from contextlib import closing
from typing import Any

from pydantic import ValidationError

from postroom.account import Account
from postroom.accounts_watch import Accounts
from postroom.credentials import Credentials
from postroom.errors import Misconfigured, PostroomError
from postroom.fault import sentence
from postroom.messages import AccountTested
from postroom.oauth.tokens import Tokens
from postroom.secret import Secrets
from postroom.settings import read_settings
from postroom.store import Store
from postroom.trust import TRUST
from postroom_fetcher.examination import Open, Stages, examine, opener, passed, refused
from postroom_fetcher.opening import Tools

MAX_INPUT_CHARS = 1_000_000
COMMAND_ID = "local"
NAMELESS = "account"
"""The name in the answer about settings that have no proper one."""
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def main(arguments: list[str]) -> int:
    """Print what the test found; returns the exit code."""
    name, stages = _tested(arguments)
    event = AccountTested(account=name, side="imap", command_id=COMMAND_ID, ok=passed(stages), stages=stages)
    sys.stdout.write(event.model_dump_json() + "\n")
    return 0 if event.ok else 1


def examine_candidate(name: str, document: dict[str, Any], open_way: Open) -> Stages:
    """Try settings that are not in effect yet; settings that are wrong are a failed stage."""
    try:
        account = Account.model_validate({"name": name, **document})
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        wrong = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'the account'}: {sentence(fault)}" for fault in faults
        )
        return refused(name, "invalid_settings", wrong)
    # The system's SMTP server has no part in reading mail.
    return examine(account.effective(None), open_way)


def examine_known(name: str, account: Account | None, open_way: Open) -> Stages:
    """Try an account of the store; one that is not there is a failed stage."""
    if account is None:
        return refused(name, "unknown_account", f"there is no account {name}")
    return examine(account, open_way)


def _tested(arguments: list[str]) -> tuple[str, Stages]:
    document = None if arguments else _from_input()
    name = _proper(arguments[0] if arguments else document.get("name") if document else None)
    if document is None and not arguments:
        return name, refused(name, "invalid_settings", 'standard input must be {"account": {settings}}')
    try:
        settings = read_settings()
        with closing(Store(settings.store)) as store:
            box = settings.read_secret_box()
            secrets = Secrets(store, box)
            credentials = Credentials(secrets, Tokens(store, box, secrets, "probe"))
            open_way = opener(Tools(TRUST, credentials))
            if document is not None:
                return name, examine_candidate(name, document, open_way)
            return name, examine_known(name, Accounts(store).get(arguments[0]), open_way)
    except PostroomError as error:
        reason_code = error.reason_code if isinstance(error, Misconfigured) else "internal_error"
        return name, refused(name, reason_code, str(error))


def _from_input() -> dict[str, Any] | None:
    try:
        document = json.loads(sys.stdin.read(MAX_INPUT_CHARS))["account"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _proper(name: object) -> str:
    return name if isinstance(name, str) and _NAME.fullmatch(name) else NAMELESS


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
