"""A mail that was sent lies once in the folder for sent mail, and once in its conversation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import select, update

import postroom_fetcher.app
import postroom_processor.app
import postroom_sender.app
from postroom import topology
from postroom.accounts_file import parse_accounts
from postroom.accounts_plan import apply, plan
from postroom.broker import declare
from postroom.broker.publisher import Publisher, outgoing
from postroom.clock import utc_now
from postroom.envelope import envelop
from postroom.messages import MailSend
from postroom.settings import Settings, read_settings
from postroom.store import Store
from postroom.store.accounts import read
from postroom.store.schema import conversation_messages, mails, sent_copies
from tests.integration.sender.scripted import friendly, scripted
from tests.integration.sender.sendroom import SHARDS, plain
from tests.loops import running
from tests.servers.dovecot import Account, Dovecot
from tests.tables import migrate
from tests.waiting import wait_until

pytestmark = pytest.mark.needs("dovecot")


@contextmanager
def services(settings: Settings) -> Iterator[None]:
    """Sender, processor and fetcher, running."""
    with ExitStack() as stack:
        builds = (postroom_sender.app.build, postroom_processor.app.build, postroom_fetcher.app.build)
        loops = [loop for build in builds for loop in build(settings, stack).loops.values()]
        with running(*loops):
            yield


def prepared(folder: Path, dovecot: Dovecot, user: Account, port: int) -> tuple[Settings, Store]:
    """Settings and a store with an account that sends through this server and reads this mailbox."""
    settings = read_settings(data_dir=folder, shards=SHARDS, batch_wait_ms=5)
    store = Store(settings.store)
    migrate(store)
    declare.apply(settings.broker, topology.topology(SHARDS))
    (folder / "password").write_text("a right password")
    server = {"host": "127.0.0.1", "security": "none"}
    imap = {**server, "port": dovecot.port, "user": user.user, "password": f"file:{folder}/password"}
    account = {
        "name": "releases",
        "address": user.user,
        "smtp": {**server, "port": port, "auth": "none"},
        "imap": {**imap, "interval": "1s"},
    }
    file, faults = parse_accounts(yaml.safe_dump({"accounts": [account]}).encode())
    assert not faults, faults
    with store.write() as connection:
        apply(connection, plan(read(connection), file, prune=True), utc_now())
    return settings, store


def order(settings: Settings, command: MailSend) -> None:
    with Publisher(settings.broker, name="test") as publisher:
        publisher.publish([outgoing(envelop(command, source="test", now=utc_now()), SHARDS)])


def rows(store: Store, table: Any) -> list[Any]:
    with store.read() as connection:
        return list(connection.execute(select(table)).mappings())


def test_a_copy_is_filed_once_known_as_our_own_and_shown_once(tmp_path: Path, dovecot: Dovecot) -> None:
    user = dovecot.account()

    def filed() -> Callable[[], bool]:
        return lambda: [each["state"] for each in rows(store, sent_copies)] in (["filed"], ["there"])

    with scripted(friendly) as server:
        settings, store = prepared(tmp_path, dovecot, user, server.port)
        with services(settings):
            order(settings, plain(1))
            wait_until(filed(), 30, "the copy to be filed")
            wait_until(lambda: rows(store, mails), 30, "the copy to be read")
        assert list(dovecot.mails(user.user, "Sent").values()) == server.contents
        (message,) = rows(store, conversation_messages)
        (outcome,) = rows(store, mails)
        assert (outcome["outcome"], message["mail_id"]) == ("own", outcome["mail_id"])
        assert message["send_id"] == "build-1"
        # The order comes a second time, as after a kill between the server and the answer.
        with store.write() as connection:
            connection.execute(update(sent_copies).values(state="ordered", due_at=utc_now()))
        with services(settings):
            wait_until(filed(), 30, "the answer to come")
        assert rows(store, sent_copies)[0]["state"] == "there"
    assert len(dovecot.mails(user.user, "Sent")) == 1
    assert len(rows(store, conversation_messages)) == 1
    store.close()
