"""Carries out `webhook.test`: one signed event now, and what came of it as `webhook.tested`."""

from collections.abc import Sequence
from typing import Any

from postroom.accounts_watch import Accounts
from postroom.broker.publisher import Publisher, outgoing
from postroom.broker.verdict import Ack, DeadLetter, Delivery, Verdict
from postroom.clock import Clock
from postroom.envelope import envelop
from postroom.errors import Misconfigured
from postroom.messages import WebhookTest, WebhookTested, derive_id
from postroom.store.webhook_states import State
from postroom.webhook import Webhook
from postroom_notifier.delivering import Mail
from postroom_notifier.outcome import Result, judged
from postroom_notifier.posting import NoAnswer
from postroom_notifier.request import SOURCE, test_request
from postroom_notifier.standing import Standings


class Testing:
    """The handler of the notifier's commands. Threads may share it.

    A test that is delivered again is posted again, as the same event: receivers know repeats by their id.
    """

    __test__ = False  # pytest takes classes of this name for tests

    def __init__(
        self,
        accounts: Accounts,
        mail: Mail,
        standings: Standings,
        publisher: Publisher,
        shards: int,
        clock: Clock,
    ) -> None:
        self._accounts = accounts
        self._mail = mail
        self._standings = standings
        self._publisher = publisher
        self._shards = shards
        self._clock = clock

    def __call__(self, deliveries: Sequence[Delivery]) -> Sequence[Verdict]:
        """One verdict for each delivery."""
        return [self._carry_out(delivery) for delivery in deliveries]

    def _carry_out(self, delivery: Delivery) -> Verdict:
        envelope = delivery.envelope
        if not isinstance(envelope.message, WebhookTest):
            return DeadLetter(f"{envelope.type} does not belong in {delivery.queue}")
        # The store may know what this process has not noticed yet: the command may follow a change at once.
        self._accounts.refresh()
        name = envelope.message.webhook
        webhook = next((each for each in self._accounts.webhooks if each.name == name), None)
        event_id = derive_id(envelope.id, "event")
        told: dict[str, Any] = {"webhook": name, "command_id": envelope.id, "event_id": event_id}
        event = WebhookTested(**told, **self._tried(webhook, event_id))
        own_id = derive_id(WebhookTested.TYPE, envelope.id)
        answer = envelop(event, source=SOURCE, now=self._clock(), message_id=own_id, cause=envelope)
        self._publisher.publish([outgoing(answer, self._shards)])
        return Ack()

    def _tried(self, webhook: Webhook | None, event_id: str) -> dict[str, Any]:
        if webhook is None:
            return {"ok": False, "detail": "there is no such webhook"}
        try:
            answer = self._mail.post(webhook, test_request(webhook.name, event_id, self._clock()))
        except (NoAnswer, Misconfigured) as error:
            return {"ok": False, "detail": str(error)}
        outcome = judged(answer.status, None, self._clock())
        ok = outcome.result is Result.DELIVERED
        detail = f"it answers {answer.status}" if ok else outcome.reason
        if ok and self._standings.of(webhook.name).disabled_at is not None:
            self._standings.decide(webhook.name, State.enabled)
            detail += ", and is enabled again"
        return {
            "ok": ok,
            "detail": detail,
            "address": answer.address,
            "status": answer.status,
            "duration_ms": answer.seconds * 1000,
            "answer": answer.body.decode("utf-8", "replace"),
        }
