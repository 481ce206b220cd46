"""Every table. The first paragraph of each says who writes it; times are UTC."""

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Dialect,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_Key = BigInteger().with_variant(Integer, "sqlite")


class Moment(TypeDecorator[datetime]):
    """An aware UTC time on both databases; SQLite keeps no offset, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """To UTC; refuses times without an offset."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without an offset does not go into the store")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Aware, in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# Any service: messages that a transaction decided to publish and that the broker has not confirmed yet.
outbox = Table(
    "outbox",
    metadata,
    Column("seq", _Key, primary_key=True, autoincrement=True),
    Column("service", String(32), nullable=False),
    Column("message_id", String(200), nullable=False, unique=True),
    Column("exchange", String(200), nullable=False),
    Column("routing_key", String(255), nullable=False),
    Column("must_route", Boolean, nullable=False),
    Column("headers", JSON, nullable=False),
    Column("content_type", String(100), nullable=False),
    Column("correlation_id", String(200)),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("due_at", Moment, nullable=False),
    Index(None, "service", "due_at"),
)

# Any service: ids of messages whose effect is in the store, so that a repeat has none.
inbox = Table(
    "inbox",
    metadata,
    Column("service", String(32), primary_key=True),
    Column("message_id", String(200), primary_key=True),
    Column("handled_at", Moment, nullable=False),
    Index(None, "handled_at"),
)

# Any service: redelivered messages that a worker has begun; more begins than ends means it kills its worker.
attempts = Table(
    "attempts",
    metadata,
    Column("queue", String(200), primary_key=True),
    Column("message_id", String(200), primary_key=True),
    Column("begun", Integer, nullable=False),
    Column("last_at", Moment, nullable=False),
)

# Fetcher: who may write to the cursors of a shard. The epoch grows with every change of hands.
shard_leases = Table(
    "shard_leases",
    metadata,
    Column("shard", Integer, primary_key=True),
    Column("holder", String(200)),
    Column("epoch", BigInteger, nullable=False),
    Column("expires_at", Moment, nullable=False),
)

# Fetcher: the fetchers that live, each until when if it is not heard of again; they share the shards evenly.
fetchers = Table(
    "fetchers",
    metadata,
    Column("holder", String(200), primary_key=True),
    Column("expires_at", Moment, nullable=False),
)

# Fetcher: up to which UID a folder has been handed on. Above `settled_uid` the UIDs in `gaps` had no mail
# yet; `marked_uid` was the highest UID given out at `marked_at`. The headers of the UIDs after
# `scanned_after_uid` up to `scanned_uid` were looked at for replies. `since_on`: older mail stays unread.
fetch_cursors = Table(
    "fetch_cursors",
    metadata,
    Column("account", String(63), primary_key=True),
    Column("folder", String(1000), primary_key=True),
    Column("uidvalidity", BigInteger, nullable=False),
    Column("last_uid", BigInteger, nullable=False),
    Column("settled_uid", BigInteger, nullable=False),
    Column("marked_uid", BigInteger, nullable=False),
    Column("marked_at", Moment),
    Column("gaps", Text, nullable=False),
    Column("scanned_after_uid", BigInteger, nullable=False),
    Column("scanned_uid", BigInteger, nullable=False),
    Column("since_on", Date),
    Column("epoch", BigInteger, nullable=False),
    Column("updated_at", Moment, nullable=False),
)

# Fetcher: each mail that was handed on, and what was done to it on the server by command.
fetch_ledger = Table(
    "fetch_ledger",
    metadata,
    Column("mail_id", String(36), primary_key=True),
    Column("account", String(63), nullable=False),
    Column("folder", String(1000), nullable=False),
    Column("uidvalidity", BigInteger, nullable=False),
    Column("uid", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("truncated", Boolean, nullable=False),
    # Of the header block as the server gave it: looked at again before a mail is removed.
    Column("header_sha256", String(64)),
    Column("arrived_at", Moment),
    Column("fetched_at", Moment, nullable=False),
    Column("action", String(20)),
    Column("acted_at", Moment),
    UniqueConstraint("account", "folder", "uidvalidity", "uid"),
    Index(None, "account", "sha256"),
)

# Fetcher: mails that the server lists and does not give; those set aside hold up their folder no more.
fetch_troubles = Table(
    "fetch_troubles",
    metadata,
    Column("account", String(63), primary_key=True),
    Column("folder", String(1000), primary_key=True),
    Column("uidvalidity", BigInteger, primary_key=True),
    Column("uid", BigInteger, primary_key=True),
    Column("tries", Integer, nullable=False),
    Column("reason_code", String(40), nullable=False),
    Column("sentence", Text, nullable=False),
    Column("first_at", Moment, nullable=False),
    Column("last_at", Moment, nullable=False),
    Column("set_aside_at", Moment),
    Column("next_try_at", Moment),
)

# Processor: the one outcome of each mail.
mails = Table(
    "mails",
    metadata,
    Column("mail_id", String(36), primary_key=True),
    Column("account", String(63), nullable=False),
    Column("folder", String(1000), nullable=False),
    Column("uidvalidity", BigInteger, nullable=False),
    Column("uid", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("arrived_at", Moment, nullable=False),
    Column("handled_at", Moment, nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("reason", Text, nullable=False),
    Column("sender", String(320)),
    Column("approval_id", String(100)),
    Column("correlation_id", String(200), nullable=False),
    Index(None, "account", "handled_at"),
    Index(None, "approval_id"),
    Index(None, "handled_at"),
)

# Processor: how much of an account's count limit a window has used.
windows = Table(
    "windows",
    metadata,
    Column("account", String(63), primary_key=True),
    Column("started_at", Moment, nullable=False),
    Column("used", Integer, nullable=False),
)

# Processor: requests and how they stand.
approvals = Table(
    "approvals",
    metadata,
    Column("id", String(100), primary_key=True),
    Column("account", String(63), nullable=False),
    Column("subject", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("choices", JSON, nullable=False),
    Column("requester", Text, nullable=False),
    Column("content_hash", String(64), nullable=False),
    Column("state", String(20), nullable=False),
    Column("decision", String(32)),
    Column("decided_by", String(320)),
    Column("comment", Text),
    Column("mail_id", String(36)),
    Column("requested_at", Moment, nullable=False),
    Column("deadline", Moment, nullable=False),
    Column("decided_at", Moment),
    Column("correlation_id", String(200), nullable=False),
    Column("traceparent", String(100)),
    # Grows when the same id is asked again about something else, which happened at `changed_at`.
    Column("round", Integer, nullable=False, server_default="1"),
    Column("changed_at", Moment),
    # `any`, `all` or the number of votes needed; and for which choices a comment is.
    Column("rule", String(10), nullable=False, server_default="any"),
    Column("comment_required", JSON, nullable=False, server_default="[]"),
    # When to remind, and when to ask whom else (`postroom_processor.lifecycle.Plan`), and what was done.
    Column("plan", JSON, nullable=False, server_default="{}"),
    Column("reminders", Integer, nullable=False, server_default="0"),
    Column("reminded_at", Moment),
    Column("escalated_at", Moment),
    # How well a reply must be proven (`postroom.proof_level`).
    Column("proof", String(30), nullable=False, server_default="token+from"),
    # The next of reminder, escalation and deadline.
    Column("due_at", Moment),
    Index(None, "state", "deadline"),
    Index(None, "state", "due_at"),
    Index(None, "requested_at"),
)

# Processor: the people asked, each with the record that their reply token points to.
approvers = Table(
    "approvers",
    metadata,
    Column("approval_id", String(100), primary_key=True),
    Column("address", String(320), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("token_ref", String(16), nullable=False, unique=True),
    Column("expires_at", Moment, nullable=False),
    Column("undelivered", Text),
    # `first`, `escalated` or `delegate`; and whose place a delegate takes.
    Column("role", String(10), nullable=False, server_default="first"),
    Column("stands_for", String(320)),
)

# Processor: the votes, one at most of an approver or of the delegate (`seat`: of the approver) and round.
approval_votes = Table(
    "approval_votes",
    metadata,
    Column("approval_id", String(100), primary_key=True),
    Column("round", Integer, primary_key=True),
    Column("seat", String(320), primary_key=True),
    Column("approver", String(320), nullable=False),
    Column("choice", String(32), nullable=False),
    Column("comment", Text, nullable=False),
    Column("mail_id", String(36), nullable=False),
    Column("voted_at", Moment, nullable=False),
    UniqueConstraint("approval_id", "round", "approver"),
)

# Processor: the tokens of requests as they were before they were changed: replies to them decide nothing.
former_tokens = Table(
    "former_tokens",
    metadata,
    Column("token_ref", String(16), primary_key=True),
    Column("approval_id", String(100), nullable=False),
    Column("address", String(320), nullable=False),
    Column("position", Integer, nullable=False),
    # What the token was made for: of the content, and until when.
    Column("content_hash", String(64), nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("voided_at", Moment, nullable=False),
    Index(None, "approval_id"),
)

# Processor: clear replies with too weak a proof, each until whoever reads the registered mailbox confirms it;
# one question at most a token and day (UTC).
confirmations = Table(
    "confirmations",
    metadata,
    Column("token_ref", String(16), primary_key=True),
    # The token that the reply bore, and the approver it was made for.
    Column("asked_ref", String(16), nullable=False),
    Column("approval_id", String(100), nullable=False),
    Column("address", String(320), nullable=False),
    Column("day", String(10), nullable=False),
    # The registered address that was asked: the approver's, or a delegate's.
    Column("voter", String(320), nullable=False),
    Column("choice", String(32), nullable=False),
    Column("comment", Text, nullable=False),
    Column("mail_id", String(36), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("asked_at", Moment, nullable=False),
    # Set when the answer came: `confirmed` or `contradicted`.
    Column("answer", String(20)),
    UniqueConstraint("asked_ref", "day"),
)

# Processor: what was recorded at each change of a request, chained and signed (`postroom.evidence.chain`).
evidence = Table(
    "evidence",
    metadata,
    Column("approval_id", String(100), primary_key=True),
    Column("sequence", Integer, primary_key=True),
    # Of the event that told the change: it is recorded once.
    Column("kind", String(40), nullable=False),
    Column("event_sha256", String(64), nullable=False),
    Column("recorded_at", Moment, nullable=False),
    Column("document", LargeBinary, nullable=False),
    # The raw mail, compressed with zlib.
    Column("mail", LargeBinary),
    Column("previous", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("key", String(64), nullable=False),
    Column("signature", String(128), nullable=False),
    Index(None, "recorded_at"),
)

# Processor: which approver got a help mail on which day (UTC), so that there is one at most.
help_mails = Table(
    "help_mails",
    metadata,
    Column("approval_id", String(100), primary_key=True),
    Column("address", String(320), primary_key=True),
    Column("day", String(10), primary_key=True),
)

# Processor: who was told on which day (UTC) that a reply changed nothing: once a request and person.
late_notices = Table(
    "late_notices",
    metadata,
    Column("approval_id", String(100), primary_key=True),
    Column("address", String(320), primary_key=True),
    Column("day", String(10), nullable=False),
    Index(None, "address", "day"),
)

# Sender: each mail and what became of it.
sends = Table(
    "sends",
    metadata,
    Column("send_id", String(200), primary_key=True),
    Column("account", String(63), nullable=False),
    Column("recipient", String(320), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("message_id", String(320), nullable=False),
    # Of the body: with the id it tells our mail again in the folder for sent mail.
    Column("content_sha256", String(64)),
    Column("state", String(20), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("code", Integer),
    Column("detail", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("correlation_id", String(200), nullable=False),
    Index(None, "account", "state"),
    Index(None, "message_id"),
    Index(None, "updated_at"),
)

# Fetcher (side imap) and sender (side smtp): how an account does.
account_status = Table(
    "account_status",
    metadata,
    Column("account", String(63), primary_key=True),
    Column("side", String(4), primary_key=True),
    Column("colour", String(5), nullable=False),
    Column("reason_code", String(50), nullable=False),
    Column("sentence", Text, nullable=False),
    Column("since", Moment, nullable=False),
    Column("next_try_at", Moment),
    Column("last_good_at", Moment),
    Column("failures", Integer, nullable=False),
    Column("back_off_s", Float, nullable=False),
    # Of the settings and secrets that it was found with: others are worth a new try.
    Column("settings_digest", String(64), nullable=False, server_default=""),
)

# Console: the accounts as `postroom apply` and `postroom accounts` left them; secrets are references.
accounts = Table(
    "accounts",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("document", JSON, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
)

# Console: the sections of the accounts file that are for all accounts, such as `system_smtp`.
sections = Table(
    "sections",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("document", JSON, nullable=False),
    Column("updated_at", Moment, nullable=False),
)

# Console: grows with every change of what is named, so that services see at a glance whether there was one.
revisions = Table(
    "revisions",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("number", BigInteger, nullable=False),
)

# Console: passwords, encrypted with the newest of the secret keys.
secrets = Table(
    "secrets",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("ciphertext", Text, nullable=False),
    Column("updated_at", Moment, nullable=False),
)

# Console (signing in), fetcher and sender (refreshing): the OAuth 2 tokens of an account, encrypted.
oauth_grants = Table(
    "oauth_grants",
    metadata,
    Column("account", String(63), primary_key=True),
    Column("ciphertext", Text, nullable=False),
    # Grows with every write: who refreshed with an older one has been overtaken.
    Column("version", BigInteger, nullable=False),
    Column("access_expires_at", Moment),
    Column("refresh_expires_at", Moment),
    Column("signed_in_at", Moment, nullable=False),
    Column("refreshed_at", Moment),
    # Who asks the provider at the moment, and until when nobody else does.
    Column("claimed_by", String(200)),
    Column("claimed_until", Moment),
    # Why the provider does not want the grant any more; the account's owner has to sign in again.
    Column("rejected", Text),
)
