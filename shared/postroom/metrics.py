"""Every metric of every service, in one place; `docs/reference/metrics.md` is generated from here."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

_AGE_BUCKETS_S = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 4 * 3600, 24 * 3600)
_DURATION_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

mail_age = Histogram(
    "postroom_mail_age_seconds",
    "Time from a mail's arrival in the mailbox until its outcome is durable.",
    ["outcome"],
    buckets=_AGE_BUCKETS_S,
    registry=REGISTRY,
)
mails_fetched = Counter(
    "postroom_mails_fetched_total",
    "Mails handed on to the processor, by lane.",
    ["lane"],
    registry=REGISTRY,
)
mails = Counter("postroom_mails_total", "Mails by outcome.", ["outcome"], registry=REGISTRY)
mails_limited = Counter(
    "postroom_mails_limited_total",
    "Mails whose body was not read because they reach a limit, by limit.",
    ["limit"],
    registry=REGISTRY,
)
returned = Counter(
    "postroom_returned_total",
    "Mails that came back, by what that means (hard, soft, arrived, complaint, unproven, …).",
    ["kind"],
    registry=REGISTRY,
)
sends = Counter(
    "postroom_sends_total", "Mails to be sent, by what became of them.", ["result"], registry=REGISTRY
)
uncertain = Gauge(
    "postroom_sends_uncertain",
    "Mails of which nobody knows whether they were sent; every sender says the same.",
    registry=REGISTRY,
)
uncertain_age = Gauge(
    "postroom_sends_uncertain_oldest_seconds",
    "For how long the oldest of the uncertain mails has been so; 0 if there is none.",
    registry=REGISTRY,
)
unfiled_copies = Gauge(
    "postroom_sent_copies_unfiled",
    "Copies of sent mail that are not in the folder for sent mail: ordered, or refused by the mailbox.",
    ["state"],
    registry=REGISTRY,
)
approvals = Counter(
    "postroom_approvals_total", "Approval requests by what became of them.", ["result"], registry=REGISTRY
)
messages = Counter(
    "postroom_messages_total", "Messages by queue and verdict.", ["queue", "verdict"], registry=REGISTRY
)
mails_waiting = Gauge(
    "postroom_mails_waiting",
    "Mails that are over a limit of their account and wait in the broker; every processor says the same.",
    ["account"],
    registry=REGISTRY,
)
stage_duration = Histogram(
    "postroom_stage_seconds",
    "Time that one batch took in a stage.",
    ["stage"],
    buckets=_DURATION_BUCKETS_S,
    registry=REGISTRY,
)
retries = Counter("postroom_retries_total", "Messages put back for later.", ["queue"], registry=REGISTRY)
dead_letters = Counter(
    "postroom_dead_letters_total", "Messages put into quarantine.", ["queue"], registry=REGISTRY
)
dead_letters_waiting = Gauge(
    "postroom_dead_letters_waiting",
    "Dead letters that wait for a person, by queue; every processor says the same.",
    ["queue"],
    registry=REGISTRY,
)
dead_letters_age = Gauge(
    "postroom_dead_letters_age_seconds",
    "Since when the oldest dead letter of a queue waits; 0 if there is none. Every processor says the same.",
    ["queue"],
    registry=REGISTRY,
)
reconnects = Counter(
    "postroom_broker_reconnects_total",
    "Connections to the broker that had to be made anew.",
    registry=REGISTRY,
)
unheard = Counter("postroom_events_unheard_total", "Events that nobody was subscribed to.", registry=REGISTRY)
outbox_age = Gauge(
    "postroom_outbox_age_seconds",
    "Age of the oldest message not yet confirmed by the broker.",
    registry=REGISTRY,
)
imap_connections = Gauge(
    "postroom_imap_connections", "Connections to IMAP servers that this fetcher has open.", registry=REGISTRY
)
imap_waiting = Gauge(
    "postroom_imap_connections_waiting",
    "Mailboxes and commands that wait for a connection, since as many as are allowed are open.",
    registry=REGISTRY,
)
mails_set_aside = Gauge(
    "postroom_mails_set_aside",
    "Mails that the server lists and does not give: set aside, and tried again now and then. "
    "`role` is that of the folder (inbox, sent).",
    ["account", "role"],
    registry=REGISTRY,
)
account_red = Gauge(
    "postroom_account_red",
    "1 if the account's side (imap, smtp) is red.",
    ["account", "side"],
    registry=REGISTRY,
)
account_last_good = Gauge(
    "postroom_account_last_good_timestamp_seconds",
    "When the account's side (imap, smtp) last worked, in seconds since 1970.",
    ["account", "side"],
    registry=REGISTRY,
)
account_warnings = Gauge(
    "postroom_account_warnings",
    "Settings of the account that are allowed and unwise, such as a certificate that is not verified.",
    ["account"],
    registry=REGISTRY,
)
oauth_access_expires = Gauge(
    "postroom_oauth_access_expires_timestamp_seconds",
    "When the OAuth 2 access token that the account uses expires (Unix time).",
    ["account"],
    registry=REGISTRY,
)
commands_done = Counter(
    "postroom_mailbox_commands_total",
    "Mails acted on in mailboxes, by action.",
    ["action"],
    registry=REGISTRY,
)
event_queue_messages = Gauge(
    "postroom_event_queue_messages",
    "Messages in the queues of a webhook or campaign (by the work queue's name), waiting or dead (in its "
    "quarantine); every notifier says the same.",
    ["queue", "state"],
    registry=REGISTRY,
)
webhook_posts = Counter(
    "postroom_webhook_posts_total",
    "Requests to webhooks, by what became of them: delivered, retry, dead or disabled.",
    ["webhook", "result"],
    registry=REGISTRY,
)
webhook_seconds = Histogram(
    "postroom_webhook_seconds",
    "Time that one request to a webhook took.",
    ["webhook"],
    buckets=_DURATION_BUCKETS_S,
    registry=REGISTRY,
)
webhook_disabled = Gauge(
    "postroom_webhook_disabled",
    "1 if the webhook asked for no more events (410).",
    ["webhook"],
    registry=REGISTRY,
)
shards_held = Gauge("postroom_shards_held", "Shards that this fetcher holds.", registry=REGISTRY)
loops = Gauge("postroom_loop_up", "1 while a loop of the service turns.", ["loop"], registry=REGISTRY)


class ConsumerMetrics:
    """The consumer's observer: what it takes and settles, as metrics."""

    def taken(self, queue: str, count: int) -> None:
        """Messages came from the broker."""

    def settled(self, queue: str, verdict: str, count: int, seconds: float) -> None:
        """A batch was handled: how many got this verdict, and how long it took."""
        messages.labels(queue=queue, verdict=verdict).inc(count)
        stage_duration.labels(stage=queue).observe(seconds)
        if verdict == "retry":
            retries.labels(queue=queue).inc(count)
        elif verdict == "dead":
            dead_letters.labels(queue=queue).inc(count)

    def undecodable(self, queue: str) -> None:
        """A message did not follow the contract and went to quarantine."""
        dead_letters.labels(queue=queue).inc()

    def reconnected(self) -> None:
        """The connection was made anew."""
        reconnects.inc()
