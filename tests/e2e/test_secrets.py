"""Secrets are planted wherever one can be, everything is used, and nothing that anybody can read has them."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from postroom import topology
from postroom.broker.connection import connect
from postroom.clock import utc_now
from postroom.secret_box import SecretBox, new_key
from postroom.store import Store
from postroom.store import accounts as stored
from postroom.store import secrets as stored_secrets
from postroom.store.schema import metadata
from postroom_console.app import main
from tests.servers.aiosmtpd import Behaviour, SmtpServer
from tests.servers.dovecot import Dovecot
from tests.servers.oauth import OAuthServer
from tests.servers.rabbitmq import Vhost
from tests.sign_ins import oauth_entry, sign_in
from tests.stack import SHARDS, Stack
from tests.waiting import wait_until

POSTROOM = Path(sys.executable).with_name("postroom")
# A process of ours lives longer than this: Python alone takes as long to start.
LOOK_S = 0.05


@dataclass
class Planted:
    """The secrets by what they are; each is in the world once."""

    values: dict[str, str] = field(default_factory=dict)

    def new(self, what: str) -> str:
        """A new one. Its letters survive every way to write a text, so that it is found wherever it is."""
        return self.known(what, f"planted{secrets.token_hex(12)}")

    def known(self, what: str, value: str) -> str:
        """One that somebody else has made."""
        self.values[what] = value
        return value

    def found_in(self, text: str) -> set[str]:
        """What of it stands there."""
        return {what for what, value in self.values.items() if value in text}


@dataclass
class Ear:
    """Hears every event, and every command as its receiver does."""

    url: str
    queues: dict[str, str] = field(default_factory=dict)

    def listen(self) -> None:
        """From now on."""
        with connect(self.url, name="ear") as connection, connection.channel() as channel:
            self._bind(channel, topology.EVENTS, "#")
            for queue in topology.topology(SHARDS).queues:
                for binding in queue.bindings:
                    if binding.exchange in (topology.COMMANDS, topology.RETRY, topology.DEAD):
                        self._bind(channel, binding.exchange, binding.routing_key)

    def heard(self) -> str:
        """Everything that came, headers and bodies."""
        texts = []
        with connect(self.url, name="ear") as connection, connection.channel() as channel:
            for queue in set(self.queues.values()):
                while (message := channel.basic_get(queue, no_ack=True)) is not None:
                    texts.append(f"{message.properties} {message.headers} {message.body!r}")
        return "\n".join(texts)

    def _bind(self, channel: Any, exchange: str, key: str) -> None:
        queue = self.queues.setdefault(exchange, f"ear-{exchange}")
        channel.queue_declare(queue, durable=True, auto_delete=False)
        channel.queue_bind(queue, exchange, key)


@contextmanager
def command_lines() -> Iterator[set[str]]:
    """The command lines of all processes of this machine, looked at again and again."""
    seen: set[str] = set()
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(LOOK_S):
            for each in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(each.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
                except OSError:
                    continue

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        stop.set()
        watcher.join()


@dataclass
class Operator:
    """Runs the console's commands; keeps all that they print."""

    environment: dict[str, str]
    folder: Path
    printed: list[str] = field(default_factory=list)

    def start(self, *arguments: str, answer: str = "") -> None:
        """Run one as a process of its own, with a command line that others can see."""
        done = subprocess.run(
            [str(POSTROOM), *arguments],
            cwd=self.folder,
            env={**os.environ, **self.environment},
            input=answer,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        self.printed.append(done.stdout + done.stderr)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)

    def run(self, *arguments: str, answer: str = "", code: int = 0) -> str:
        """Run one in this process, which is quicker; its standard output."""
        done = CliRunner().invoke(main, arguments, input=answer, env=self.environment)
        self.printed.append(done.output)
        if done.exc_info is not None and not isinstance(done.exception, SystemExit):
            # What Python would print of it at the end of a process.
            self.printed += traceback.format_exception(*done.exc_info)
        assert done.exit_code == code, (arguments, done.output, done.exc_info)
        return done.stdout


def dump(store: Store) -> str:
    """Every table, row by row."""
    with store.read() as connection:
        return "\n".join(
            str(dict(row))
            for table in metadata.sorted_tables
            for row in connection.execute(select(table)).mappings()
        )


def wrong_files(planted: Planted) -> Iterator[str]:
    """Accounts files with a password written where it does not belong."""
    for place in ("name", "address", "type", "port", "host", "security", "password", "interval", "enabled"):
        value = planted.new(f"written as {place}")
        entry = {"name": "ops", "address": "ops@corp.example"}
        section: dict[str, str] = {"host": "imap.example", "user": "ops", "password": "env:NONE"}
        (entry if place in ("name", "address", "type", "enabled") else section)[place] = f"{value} \n!"
        yield json.dumps({"accounts": [{**entry, "imap": section}]})
    yield f"accounts: *{planted.new('an alias')}"
    yield f"accounts: [{{name: ops, password: {planted.new('an unknown setting')}"


@pytest.mark.needs("rabbitmq", "postgresql", "dovecot")
def test_no_secret_is_in_logs_events_queues_tables_errors_processes_or_metrics(
    tmp_path: Path,
    rabbitmq_vhost: Vhost,
    postgresql_store: str,
    oauth_server: OAuthServer,
    oauth_dovecot: Dovecot,
) -> None:
    planted = Planted()
    by_file, by_env = tmp_path / "by-file", planted.new("a password in the environment")
    by_file.write_text(f"{planted.new('a password in a file')}\n")
    refused_file = tmp_path / "refused"
    refused_file.write_text(planted.new("a password that is refused"))
    key = planted.known("the secret key", new_key())
    client = oauth_server.register(confidential=True)
    planted.known("the client's secret", client.secret)
    smtp_password, relay_password = planted.new("a stored password"), planted.new("the relay's password")

    imap = {"host": "127.0.0.1", "port": oauth_dovecot.port, "security": "none", "interval": 1}
    ann, bert = (oauth_dovecot.account(password=each) for each in (by_file.read_text().strip(), by_env))
    with (
        SmtpServer(Behaviour(login=("ann", smtp_password))) as smtp,
        SmtpServer(Behaviour(login=("relay", relay_password))) as relay,
        command_lines() as seen,
    ):
        taker = {"host": smtp.host, "port": smtp.port, "security": "none"}
        entries: list[dict[str, Any]] = [
            {
                "name": "ann",
                "address": ann.user,
                "imap": {**imap, "user": ann.user, "password": f"file:{by_file}"},
                "smtp": {**taker, "user": "ann", "password": "stored"},
            },
            {
                "name": "bert",
                "address": bert.user,
                "imap": {**imap, "user": bert.user, "password": "env:BERT_PASSWORD"},
                "use_system_smtp": True,
            },
            {
                "name": "refused",
                "address": ann.user,
                "imap": {**imap, "user": ann.user, "password": f"file:{refused_file}"},
                "smtp": {**taker, "user": "ann", "password": f"file:{refused_file}"},
            },
            oauth_entry(
                client,
                name="cloud",
                address=ann.user,
                oauth={"client_secret": "stored"},
                imap={**imap, "user": ann.user},
                smtp={**taker, "user": "ann"},
            ),
        ]
        system = {
            "host": relay.host,
            "port": relay.port,
            "security": "none",
            "user": "relay",
            "password": "stored",
        }
        (tmp_path / "accounts.yaml").write_text(json.dumps({"accounts": entries, "system_smtp": system}))
        stack = Stack(
            tmp_path / "stack",
            rabbitmq_vhost.url,
            postgresql_store,
            [],
            environment={"POSTROOM_SECRET_KEYS": key, "BERT_PASSWORD": by_env},
        )
        with stack, closing(stack.store()) as store:
            box = SecretBox((key,))
            operator = Operator(stack.settings(), tmp_path)
            ear = Ear(rabbitmq_vhost.url)
            ear.listen()
            operator.start("apply", "-f", "accounts.yaml")
            for name, value in (
                ("ann", smtp_password),
                ("cloud", client.secret),
                ("system_smtp", relay_password),
            ):
                operator.start("accounts", "set-secret", name, answer=f"{value}\n")
            with store.read() as connection:
                cloud = stored.read(connection).accounts["cloud"]
            for token in ("access", "refresh"):
                answer = client.issue(ann.user)
                planted.known(f"the {token} token", answer[f"{token}_token"])
            sign_in(store, box, cloud, {**answer, "access_token": planted.values["the access token"]})

            good = {"ann", "bert", "cloud"}

            def green() -> bool:
                found = json.loads(operator.run("accounts", "list", "--json"))
                return good <= {each["account"] for each in found if each["colour"] == "green"}

            wait_until(green, 60, "the mailboxes to be watched", interval_s=0.3)
            oauth_dovecot.deliver(ann.user, b"Subject: Hello\r\n\r\nHello.\r\n")
            for name, code in (("ann", 0), ("bert", 0), ("refused", 1), ("cloud", 1)):
                operator.run("accounts", "test", name, code=code)
                operator.run("accounts", "show", name)
            operator.run("accounts", "test", "refused", "--local", "--json", code=1)
            for name in ("ann", "bert"):
                operator.start("accounts", "send-test", name, "you@example.com")
            assert smtp.wait_for(1)
            assert relay.wait_for(1)
            stack.wait_for_outcomes(1, 30)
            for text in wrong_files(planted):
                operator.run("apply", "-f", "-", answer=text, code=2)
            operator.run("accounts", "export")
            operator.run("secrets", "list")
            operator.start("secrets", "rotate")
            operator.run("config", "check", "-f", str(tmp_path / "accounts.yaml"))

            with store.write() as connection:
                stored_secrets.write(
                    connection, SecretBox((new_key(),)), "ann/smtp.password", planted.new("sealed"), utc_now()
                )
            operator.run("accounts", "test", "ann", code=1)

            logs = "\n".join(stack.log(name) for name in stack.running)
            pages = "\n".join(stack.page(name, "metrics") for name in stack.running)
            places = {
                "the logs": logs,
                "the metrics": pages,
                "what commands print": "\n".join(operator.printed),
                "messages": ear.heard(),
                "the database": dump(store),
            }
    places["command lines"] = "\n".join(seen)
    for what in (
        "account.tested",
        "mail.received",
        "accounts.changed",
        "account.status_changed",
        "mail.sent",
    ):
        assert what in places["messages"], what
    assert re.search(r"mails handed on", places["the logs"])
    assert "postroom_account_red" in places["the metrics"]
    assert len(planted.values) > 15
    found = {place: planted.found_in(text) for place, text in places.items()}
    assert not any(found.values()), found
