"""The worker's side of consuming: decode, call the handler, carry out the verdicts that need a publish."""

import logging
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from postroom.amount import amount
from postroom.broker.failure import failed, limited, republish
from postroom.broker.publisher import Publisher, PublishFailed
from postroom.broker.reception import Taken
from postroom.broker.verdict import Ack, Attempts, DeadLetter, Delivery, Handler, Observer, RetryIn, Verdict
from postroom.envelope import decode
from postroom.errors import PostroomError, Undecodable

logger = logging.getLogger(__name__)

VERDICT_NAMES: dict[type[Verdict], str] = {Ack: "ack", RetryIn: "retry", DeadLetter: "dead"}


class Handling:
    """Takes batches to their end. Used by several workers at a time.

    Args:
        handler: The service's own work.
        publisher: For retries and dead letters.
        attempts: Counts redelivered messages durably.
        max_crashes: How often a message may kill its worker.
        max_attempts: How often a message is retried.
        observer: Metrics.
    """

    def __init__(
        self,
        handler: Handler,
        publisher: Publisher,
        attempts: Attempts,
        *,
        max_crashes: int,
        max_attempts: int,
        observer: Observer | None,
    ) -> None:
        self._handler = handler
        self._publisher = publisher
        self._attempts = attempts
        self._max_crashes = max_crashes
        self._max_attempts = max_attempts
        self._observer = observer

    def handle(self, batch: Sequence[Taken]) -> tuple[Taken, ...]:
        """Handle a batch; returns the messages whose verdict could not be published: they must go back."""
        started = time.monotonic()
        verdicts = self._verdicts(batch)
        unsettled = self._carry_out(list(zip(batch, verdicts, strict=True)))
        self._note_buried(batch, verdicts, unsettled)
        for taken in batch:
            if taken.redelivered:
                self._end_attempt(taken)
        self._observe(batch, verdicts, time.monotonic() - started)
        return unsettled

    def _verdicts(self, batch: Sequence[Taken]) -> list[Verdict]:
        """One verdict per message, in order; nothing raises."""
        verdicts: dict[int, Verdict] = {}
        deliveries: list[tuple[int, Delivery]] = []
        for index, taken in enumerate(batch):
            try:
                deliveries.append((index, _delivery(taken)))
            except Undecodable as error:
                verdicts[index] = self._undecodable(taken, str(error))
            except Exception as error:
                # Whatever a stranger publishes: it is the message's fault, and must not stop the others.
                verdicts[index] = self._undecodable(taken, f"{type(error).__name__}: {error}")
        answers = self._call([delivery for _, delivery in deliveries])
        for (index, _), answer in zip(deliveries, answers, strict=True):
            verdicts[index] = answer
        return [verdicts[index] for index in range(len(batch))]

    def _undecodable(self, taken: Taken, reason: str) -> Verdict:
        logger.error(
            "a message does not follow the contract and goes to quarantine",
            extra={"queue": taken.queue, "message_id": taken.wire.message_id, "reason": reason},
        )
        if self._observer:
            self._observer.undecodable(taken.queue)
        return DeadLetter(reason)

    def _call(self, deliveries: list[Delivery]) -> list[Verdict]:
        if not deliveries:
            return []
        if len(deliveries) == 1:
            return [self._call_one(deliveries[0])]
        try:
            return self._checked(deliveries)
        except Exception as error:
            # One of them is the cause: find out which, the others must not suffer for it.
            logger.warning(
                "a batch failed, its messages are handled one by one",
                extra={"count": len(deliveries), "error": f"{type(error).__name__}: {error}"},
            )
            return [self._call_one(delivery) for delivery in deliveries]

    def _call_one(self, delivery: Delivery) -> Verdict:
        try:
            crashes = self._begin_attempt(delivery)
            if crashes > self._max_crashes:
                return DeadLetter(f"killed its worker {amount(crashes - 1, 'time')}")
            return self._checked([delivery])[0]
        except Exception as error:
            # Failures are limited; a handler that answers RetryIn knows why, and for how long (a count limit
            # or a greylisting server may make a message wait for days).
            verdict = limited(failed(error, delivery.attempt), delivery.attempt, self._max_attempts)
            logger.warning(
                "handling a message failed",
                # Errors of our own tree explain themselves; for others the place in the code is needed.
                exc_info=None if isinstance(error, PostroomError) else error,
                extra={
                    "queue": delivery.queue,
                    "message_id": delivery.wire.message_id,
                    "correlation_id": delivery.envelope.correlation_id,
                    "attempt": delivery.attempt,
                    "verdict": VERDICT_NAMES[type(verdict)],
                    "reason": f"{type(error).__name__}: {error}",
                },
            )
            return verdict

    def _checked(self, deliveries: list[Delivery]) -> list[Verdict]:
        verdicts = list(self._handler(deliveries))
        if len(verdicts) != len(deliveries):
            messages = amount(len(deliveries), "message")
            raise RuntimeError(f"the handler gave {amount(len(verdicts), 'verdict')} for {messages}")
        return verdicts

    def _begin_attempt(self, delivery: Delivery) -> int:
        if not delivery.redelivered:
            return 0
        return self._attempts.begin(delivery.wire.message_id, delivery.queue)

    def _end_attempt(self, taken: Taken) -> None:
        try:
            self._attempts.end(taken.wire.message_id, taken.queue)
        except Exception as error:
            logger.warning(
                "an attempt could not be closed", extra={"queue": taken.queue, "error": str(error)}
            )

    def _note_buried(
        self, batch: Sequence[Taken], verdicts: Sequence[Verdict], unsettled: Sequence[Taken]
    ) -> None:
        back = {id(taken) for taken in unsettled}
        buried: dict[str, list[str]] = {}
        for taken, verdict in zip(batch, verdicts, strict=True):
            if isinstance(verdict, DeadLetter) and id(taken) not in back:
                buried.setdefault(taken.queue, []).append(taken.wire.message_id)
        for queue, message_ids in buried.items():
            try:
                self._attempts.buried(message_ids, queue)
            except Exception as error:
                # They are in quarantine all the same; only their age will be too low.
                logger.warning(
                    "the age of dead letters is not recorded", extra={"queue": queue, "error": str(error)}
                )

    def _carry_out(self, settled: list[tuple[Taken, Verdict]]) -> tuple[Taken, ...]:
        now = datetime.now(UTC)
        pairs = [(taken, republish(taken, each, now)) for taken, each in settled if not isinstance(each, Ack)]
        if not pairs:
            return ()
        try:
            self._publisher.publish([message for _, message in pairs])
        except PublishFailed as error:
            lost = {id(message) for message, _ in error.failed}
            logger.error("messages cannot be retried or quarantined: %s", error)
            return tuple(taken for taken, message in pairs if id(message) in lost)
        except PostroomError as error:
            logger.error("messages cannot be retried or quarantined: %s", error)
            return tuple(taken for taken, _ in pairs)
        return ()

    def _observe(self, batch: Sequence[Taken], verdicts: Sequence[Verdict], seconds: float) -> None:
        if not self._observer:
            return
        names = (VERDICT_NAMES[type(verdict)] for verdict in verdicts)
        counts = Counter(zip((taken.queue for taken in batch), names, strict=True))
        for (queue, name), count in counts.items():
            self._observer.settled(queue, name, count, seconds)


def _delivery(taken: Taken) -> Delivery:
    if taken.fault:
        raise Undecodable(taken.fault)
    return Delivery(taken.queue, decode(taken.wire), taken.wire, taken.redelivered, taken.attempt)
