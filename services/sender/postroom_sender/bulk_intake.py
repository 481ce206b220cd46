"""Handles `bulk.send`: checks the list, records it, and answers."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from postroom import metrics
from postroom.accounts_watch import Accounts
from postroom.broker.publisher import outgoing
from postroom.broker.verdict import Ack, Delivery, Verdict
from postroom.bulk import MAX_LIST_BYTES, NoList, Row, read_list
from postroom.bulk_placing import Wish, WrongList, check, place, template_for
from postroom.clock import Clock
from postroom.envelope import envelop
from postroom.errors import Misconfigured, Permanent
from postroom.messages import BulkAccepted, BulkFault, BulkRefused, BulkSend, Event, derive_id
from postroom.spool import Spool
from postroom.store import Store, bulks, outbox
from postroom.store.outbox import OutboxRelay
from postroom_sender.recorder import SERVICE, SOURCE

MAX_TOLD = 100


class BulkIntake:
    """Takes orders to write to many. Threads may share it."""

    def __init__(
        self,
        store: Store,
        spool: Spool,
        accounts: Accounts,
        relay: OutboxRelay,
        shards: int,
        limit_bytes: int,
        clock: Clock,
    ) -> None:
        self._store = store
        self._spool = spool
        self._accounts = accounts
        self._relay = relay
        self._shards = shards
        self._limit_bytes = limit_bytes
        self._clock = clock

    def take(self, delivery: Delivery) -> Verdict:
        """Record the list, or refuse it; the answer is durable then. Raises Transient."""
        command = delivery.envelope.message
        assert isinstance(command, BulkSend)
        now = self._clock()
        self._answer(delivery, self._taken(delivery, command, now), now)
        return Ack()

    def _taken(self, delivery: Delivery, command: BulkSend, now: datetime) -> Event:
        account = self._accounts.get(command.account)
        if account is None or not account.enabled or not account.send:
            why = "there is no such account" if account is None else "the account does not send"
            return _refused(command, "account", why)
        fault = self._fault_of_files(command)
        if fault:
            return _refused(command, "attachments", fault)
        wish = Wish(
            command.id,
            account,
            command.template,
            _about(command),
            command.skip_invalid,
            correlation_id=delivery.envelope.correlation_id,
        )
        try:
            rows = self._rows(command)
            checked = check(wish, template_for(self._store, account, command.template), rows)
            with self._store.write() as connection:
                state = bulks.begin(connection, checked.order, now)
            if state == "preparing":
                place(self._store, checked, rows, now)
        except WrongList as wrong:
            faults = tuple(
                BulkFault(line=each.line, reason=each.sentence) for each in wrong.faults[:MAX_TOLD]
            )
            return _refused(command, "recipients", str(wrong), wrong.count, faults)
        except NoList as error:
            return _refused(command, "template" if "template" in str(error) else "recipients", str(error))
        except Misconfigured as error:
            return _refused(command, "id", str(error))
        except Permanent as error:
            return _refused(command, "dataref", str(error))
        order = checked.order
        return BulkAccepted(
            account=account.name, bulk_id=order.id, recipients=order.total, skipped=order.skipped
        )

    def _fault_of_files(self, command: BulkSend) -> str:
        """Why the files cannot go with each mail; empty: they can."""
        with self._store.read() as connection:
            if bulks.states(connection, [command.id]):
                # A repeat is answered as the first was, though the files may not be kept any more.
                return ""
        sizes: dict[str, int] = {}
        for each in command.attachments:
            try:
                with self._spool.reading(each.dataref) as (size_bytes, _):
                    sizes[each.dataref] = size_bytes
            except Permanent as error:
                return f"the file {each.filename}: {error}"
        if sum(sizes[each.dataref] for each in command.attachments) <= self._limit_bytes:
            return ""
        most = f"{self._limit_bytes:,} bytes (POSTROOM_ATTACHMENTS_LIMIT_BYTES)"
        return f"the files are larger than {most} together"

    def _rows(self, command: BulkSend) -> Callable[[], Iterator[Any]]:
        if command.dataref is None:
            people = tuple(
                Row(number, each.recipient.strip(), each.values)
                for number, each in enumerate(command.recipients, 1)
            )
            return lambda: iter(people)
        with self._spool.reading(command.dataref) as (size_bytes, parts):
            if size_bytes > MAX_LIST_BYTES:
                raise NoList(f"the list is larger than {MAX_LIST_BYTES:,} bytes: send it in parts")
            content = b"".join(parts)
        return lambda: read_list(content)

    def _answer(self, delivery: Delivery, event: Event, now: datetime) -> None:
        told = [
            outgoing(
                envelop(
                    event,
                    source=SOURCE,
                    now=now,
                    message_id=derive_id(event.TYPE, delivery.envelope.id),
                    cause=delivery.envelope,
                ),
                self._shards,
            )
        ]
        with self._store.write() as connection:
            outbox.add(connection, SERVICE, told, now)
        metrics.unheard.inc(self._relay.publish(told).unheard)


def _about(command: BulkSend) -> dict[str, Any]:
    """What all mails of the bulk have, as JSON."""
    told = command.model_dump(mode="json", include={"attachments", "signed_by", "event"})
    return {name: value for name, value in told.items() if value}


def _refused(
    command: BulkSend, field: str, reason: str, wrong: int = 0, faults: tuple[BulkFault, ...] = ()
) -> BulkRefused:
    return BulkRefused(
        account=command.account, bulk_id=command.id, field=field, reason=reason, wrong=wrong, faults=faults
    )
