"""Posts events to webhooks: sign, ask, and draw the conclusions."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from postroom import metrics
from postroom.accounts_watch import Accounts
from postroom.broker.failure import FIRST_FAILED_AT
from postroom.broker.verdict import Ack, DeadLetter, Delivery, RetryIn, Verdict
from postroom.clock import Clock
from postroom.errors import Misconfigured
from postroom.secret import Secrets
from postroom.store.webhook_states import State
from postroom.webhook import Webhook
from postroom_notifier import signature
from postroom_notifier.outcome import Outcome, Result, judged, settled
from postroom_notifier.posting import Answer, NoAnswer, Posting, Request
from postroom_notifier.request import Posted, request
from postroom_notifier.standing import Standings

logger = logging.getLogger(__name__)

ASIDE_S = 1.0


class Mail:
    """Signs what is to be posted and posts it."""

    def __init__(self, posting: Posting, secrets: Secrets, clock: Clock) -> None:
        self._posting = posting
        self._secrets = secrets
        self._clock = clock

    def post(self, webhook: Webhook, posted: Posted) -> Answer:
        """The answer. Raises NoAnswer, Transient (no store) and Misconfigured (a secret is of no use)."""
        keys = [self._key(reference) for reference in webhook.secret_references().values()]
        signed = signature.headers(posted.id, posted.body, keys, self._clock())
        headers = {**posted.headers, **signed, "user-agent": "Postroom-Webhook"}
        return self._posting.post(Request(webhook.url, headers, posted.body, webhook.allow_private))

    def _key(self, reference: str) -> bytes:
        try:
            return signature.key_of(self._secrets.read(reference))
        except ValueError as error:
            raise Misconfigured("secret_malformed", f"the secret {reference}: {error}") from None


class Delivering:
    """The handler of one webhook's queue. Threads may share it.

    Args:
        name: The webhook, which may change or go while this runs.
        accounts: Where it is looked up, and whether an account is confidential.
        mail: Posts.
        standings: What is remembered about it.
        clock: Now.
    """

    def __init__(self, name: str, accounts: Accounts, mail: Mail, standings: Standings, clock: Clock) -> None:
        self._name = name
        self._accounts = accounts
        self._mail = mail
        self._standings = standings
        self._clock = clock

    def __call__(self, deliveries: Sequence[Delivery]) -> Sequence[Verdict]:
        """One verdict for each delivery."""
        return [self._deliver(delivery) for delivery in deliveries]

    def _deliver(self, delivery: Delivery) -> Verdict:
        webhook = next((each for each in self._accounts.webhooks if each.name == self._name), None)
        if webhook is None or not webhook.enabled:
            return RetryIn(ASIDE_S, "the webhook is switched off")
        message = delivery.envelope.message
        account = getattr(message, "account", None)
        if not webhook.wants(message.TYPE, account):
            # It did when this was published.
            return Ack()
        state = self._standings.of(self._name)
        if state.is_disabled(webhook.url):
            return RetryIn(ASIDE_S, f"the webhook is disabled: {state.disabled_why}")
        if (rest_s := state.rest_s(self._clock())) > 0:
            return RetryIn(rest_s, "the webhook asked to be left alone (Retry-After)")
        posted = request(delivery.envelope, delivery.wire, confidential=self._is_confidential(account))
        outcome = self._outcome(webhook, posted)
        return self._concluded(webhook, outcome, delivery)

    def _is_confidential(self, account: str | None) -> bool:
        known = self._accounts.get(account) if account else None
        # Nobody can say of an account that is no more.
        return account is not None and (known is None or known.confidential)

    def _outcome(self, webhook: Webhook, posted: Posted) -> Outcome:
        try:
            answer = self._mail.post(webhook, posted)
        except (NoAnswer, Misconfigured) as error:
            return Outcome(Result.RETRY, str(error))
        metrics.webhook_seconds.labels(webhook=self._name).observe(answer.seconds)
        return judged(answer.status, answer.retry_after, self._clock())

    def _concluded(self, webhook: Webhook, outcome: Outcome, delivery: Delivery) -> Verdict:
        now = self._clock()
        verdict = settled(outcome, delivery.attempt, _first_failed_at(delivery), now)
        result = "dead" if isinstance(verdict, DeadLetter) else outcome.result.value
        metrics.webhook_posts.labels(webhook=self._name, result=result).inc()
        if outcome.result is Result.DELIVERED:
            self._standings.note(self._name, partial(State.succeeded, now=now))
            return verdict
        if outcome.result is Result.DISABLED:
            self._standings.decide(
                self._name, partial(State.disabled, url=webhook.url, why=outcome.reason, now=now)
            )
        else:
            rests_until = now + timedelta(seconds=outcome.rest_s) if outcome.rest_s else None
            self._standings.note(
                self._name, partial(State.failed, why=outcome.reason, now=now, rests_until=rests_until)
            )
        logger.warning(
            "an event was not delivered",
            extra={
                "webhook": self._name,
                "event_id": delivery.envelope.id,
                "correlation_id": delivery.envelope.correlation_id,
                "attempt": delivery.attempt,
                "reason": outcome.reason,
                "result": result,
            },
        )
        return verdict


def _first_failed_at(delivery: Delivery) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(delivery.wire.headers.get(FIRST_FAILED_AT)))
    except ValueError:
        return None
    return moment if moment.tzinfo else None
