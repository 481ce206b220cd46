"""Carries out `account.test`: each test in a thread of its own pool, answered by `account.tested`."""

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Executor

from postroom.account import Account
from postroom.broker.publisher import outgoing
from postroom.clock import Clock, utc_now
from postroom.envelope import Envelope, envelop
from postroom.errors import PostroomError
from postroom.messages import AccountTest, AccountTested, derive_id
from postroom_fetcher.examination import SIGN_IN, Open, Stages, passed
from postroom_fetcher.intake import Publish
from postroom_fetcher.mail import SOURCE
from postroom_fetcher.probe import examine_candidate, examine_known

logger = logging.getLogger(__name__)


class Trials:
    """Begins tests and answers them. Threads may share it.

    A test is acknowledged when it is begun: it changes nothing, and who waits for its answer asks again where
    the fetcher is killed in between. `accounts` are those of now, by name.
    """

    def __init__(
        self,
        open_way: Open,
        accounts: Callable[[], Mapping[str, Account]],
        look_now: Callable[[str], None],
        publish: Publish,
        executor: Executor,
        *,
        shards: int,
        clock: Clock = utc_now,
    ) -> None:
        self._open_way = open_way
        self._accounts = accounts
        self._look_now = look_now
        self._publish = publish
        self._executor = executor
        self._shards = shards
        self._clock = clock

    def begin(self, cause: Envelope[AccountTest]) -> None:
        """Carry out the test in another thread."""
        self._executor.submit(self._answer, cause)

    def _answer(self, cause: Envelope[AccountTest]) -> None:
        command = cause.message
        try:
            stages = self._stages(command)
            event = AccountTested(
                account=command.account,
                side="imap",
                command_id=cause.id,
                ok=passed(stages),
                stages=stages,
            )
            own_id = derive_id(cause.id, AccountTested.TYPE)
            answer = envelop(event, source=SOURCE, now=self._clock(), message_id=own_id, cause=cause)
            self._publish([outgoing(answer, self._shards)])
        except PostroomError as error:
            logger.warning("a test is not answered", extra={"account": command.account, "error": str(error)})
        except Exception:
            logger.exception("a test failed unexpectedly", extra={"account": command.account})

    def _stages(self, command: AccountTest) -> Stages:
        if command.candidate is not None:
            return examine_candidate(command.account, command.candidate, self._open_way)
        stages = examine_known(command.account, self._accounts().get(command.account), self._open_way)
        if passed(stages, SIGN_IN):
            # A mailbox that waits for a change of its account need not wait any longer.
            self._look_now(command.account)
        return stages
