"""Carries out `account.test` beside the sending, in threads of its own: no mail waits for a slow server.

The command waits in its delay queue meanwhile. It is done with when its answer is recorded; if this process
ends before, it comes again and the test is made anew.
"""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import select

from postroom.accounts_watch import Accounts
from postroom.broker.publisher import outgoing
from postroom.broker.verdict import Ack, Delivery, RetryIn, Verdict
from postroom.clock import Clock
from postroom.credentials import Credentials
from postroom.envelope import Envelope, envelop
from postroom.messages import AccountTest, AccountTested, TestStage, derive_id
from postroom.store import Store, outbox
from postroom.store import accounts as stored
from postroom.store.inbox import take_new
from postroom.store.outbox import OutboxRelay
from postroom.store.schema import inbox
from postroom_sender.probe import examine, is_ok
from postroom_sender.recorder import SERVICE, SOURCE
from postroom_sender.standing import Standings, release

logger = logging.getLogger(__name__)

THREADS = 4
LOOK_AGAIN_S = 60.0
"""Longer than a test takes (its timeouts), so that most commands come back once."""


class Testing:
    """The tests of this process. Threads may share it."""

    __test__ = False  # pytest takes classes of this name for tests

    def __init__(
        self,
        accounts: Accounts,
        standings: Standings,
        credentials: Credentials,
        store: Store,
        relay: OutboxRelay,
        shards: int,
        clock: Clock,
    ) -> None:
        self._accounts = accounts
        self._standings = standings
        self._credentials = credentials
        self._store = store
        self._relay = relay
        self._shards = shards
        self._clock = clock
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="account test")
        self._lock = threading.Lock()
        self._running: set[str] = set()

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def begin(self, delivery: Delivery) -> Verdict:
        """See to it that the test is made. Raises Transient if the store is away."""
        command_id = delivery.envelope.id
        if self._is_answered(command_id):
            return Ack()
        with self._lock:
            is_new = command_id not in self._running
            self._running.add(command_id)
        if is_new:
            self._threads.submit(self._carry_out, delivery.envelope)
        return RetryIn(LOOK_AGAIN_S, "the account is being tested")

    def _carry_out(self, envelope: Envelope[Any]) -> None:
        try:
            self._answer(envelope, self._stages(envelope.message))
        except Exception:
            logger.exception("an account's test comes again", extra={"account": envelope.message.account})
        finally:
            with self._lock:
                self._running.discard(envelope.id)

    def _stages(self, command: AccountTest) -> tuple[TestStage, ...]:
        with self._store.read() as connection:
            configuration = stored.read(connection)
        live = self._accounts.get(command.account)
        return examine(command.account, command.candidate, configuration, live, self._credentials)

    def _answer(self, envelope: Envelope[Any], stages: tuple[TestStage, ...]) -> None:
        command, now = envelope.message, self._clock()
        event = AccountTested(
            account=command.account, side="smtp", command_id=envelope.id, ok=is_ok(stages), stages=stages
        )
        own_id = derive_id(AccountTested.TYPE, envelope.id)
        told = [
            outgoing(envelop(event, source=SOURCE, now=now, message_id=own_id, cause=envelope), self._shards)
        ]
        live = self._accounts.get(command.account)
        healed = live is not None and command.candidate is None and _signed_in(stages)
        with self._store.write() as connection:
            if not take_new(connection, SERVICE, [envelope.id], now):
                return
            outbox.add(connection, SERVICE, told, now)
            if healed and live is not None:
                release(connection, live, now)
        if healed and live is not None:
            self._standings.forgive(live)
        self._relay.publish(told)

    def _is_answered(self, command_id: str) -> bool:
        query = select(inbox.c.message_id).where(inbox.c.service == SERVICE, inbox.c.message_id == command_id)
        with self._store.read() as connection:
            return connection.execute(query).first() is not None


def _signed_in(stages: tuple[TestStage, ...]) -> bool:
    return any(stage.name == "authenticate" and stage.result == "ok" for stage in stages)
