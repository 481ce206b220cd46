"""An operator at a running Postroom: the command line in this process, real services, real mail servers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner, Result

from postroom import topology
from postroom.broker import declare
from postroom_console.app import main
from tests.servers.aiosmtpd import Behaviour, SmtpServer
from tests.servers.dovecot import Account as User
from tests.servers.dovecot import Dovecot
from tests.stack import SHARDS, Stack
from tests.tables import migrate

PASSWORD = "a right password"
REFUSED, BUSY = "nobody@example.net", "busy@example.net"


@dataclass
class Operator:
    """What an operator has at hand."""

    stack: Stack
    dovecot: Dovecot
    smtp: SmtpServer
    user: User

    def run(self, *arguments: str, typed: str | bytes = "", more: Mapping[str, str] | None = None) -> Result:
        """Run `postroom` with these arguments and this standard input."""
        environment = {
            "POSTROOM_DATA_DIR": str(self.stack.folder),
            "POSTROOM_SHARDS": str(SHARDS),
            "MAIL_PASSWORD": PASSWORD,
            **(more or {}),
        }
        result = CliRunner().invoke(main, arguments, input=typed, env=environment)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        return result

    def said(self, *arguments: str, typed: str | bytes = "") -> str:
        """What a command printed that must succeed."""
        result = self.run(*arguments, typed=typed)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *arguments: str) -> Any:
        """What a command printed as JSON, whatever its exit code."""
        return json.loads(self.run(*arguments, "--json").stdout)

    def entry(self, name: str, **changes: Any) -> dict[str, Any]:
        """An account on both mail servers; sections in `changes` are added to."""
        entry: dict[str, Any] = {
            "name": name,
            "address": self.user.user,
            "smtp": {
                "host": self.smtp.host,
                "port": self.smtp.port,
                "security": "none",
                "user": self.user.user,
                "password": "env:MAIL_PASSWORD",
            },
            "imap": {
                "host": self.dovecot.host,
                "port": self.dovecot.port,
                "security": "none",
                "interval": "1h",
            },
        }
        for setting, value in changes.items():
            entry[setting] = {**entry[setting], **value} if isinstance(value, dict) else value
        return entry

    def file(self, *entries: dict[str, Any], **sections: Any) -> str:
        """An accounts file."""
        return yaml.safe_dump({"accounts": list(entries), **sections})

    def apply(self, *entries: dict[str, Any], options: tuple[str, ...] = (), **sections: Any) -> str:
        """What `apply` said about these accounts."""
        return self.said("apply", "-f", "-", *options, typed=self.file(*entries, **sections))


@contextmanager
def open_operator(folder: Path, dovecot: Dovecot, *services: str) -> Iterator[Operator]:
    """An operator without accounts, with these services running."""
    user = dovecot.account(password=PASSWORD)
    behaviour = Behaviour(
        refused={REFUSED: "550 5.1.1 no such user", BUSY: "451 4.3.0 later"}, login=(user.user, PASSWORD)
    )
    stack = Stack.embedded(folder, [])
    stack.environment = {"MAIL_PASSWORD": PASSWORD}
    with ExitStack() as ending:
        smtp = ending.enter_context(SmtpServer(behaviour))
        folder.mkdir(parents=True, exist_ok=True)
        with closing(stack.store()) as store:
            migrate(store)
        declare.apply(stack.broker_url, topology.topology(SHARDS))
        stack.start(*services)
        for name in services:
            ending.callback(stack.stop, name)
        yield Operator(stack, dovecot, smtp, user)
