"""Every table. The first paragraph of each says who writes it; times are UTC."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

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


# A row has several times, and a batch of rows the same ones.
@lru_cache(maxsize=1024)
def _as_text(value: datetime | None) -> str | None:
    if value is None:
        return None
    if value.tzinfo is None:
        raise ValueError("a time without an offset does not go into the store")
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


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

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], Any] | None:
        """As SQLAlchemy writes times on SQLite, several times faster: most rows have several of them."""
        return _as_text if dialect.name == "sqlite" else super().bind_processor(dialect)

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
    # Which sender hands it over, while it is `in_data`.
    Column("holder", String(200)),
    # Who ended a doubt: `found`, `bounce`, `policy`, or a person: `said sent`, `said resend`.
    Column("settled_by", String(20)),
    # Why it failed or came back, for machines.
    Column("reason_code", String(50)),
    # By what a mail that comes back names it (`postroom.mail_tag`).
    Column("ref", String(16)),
    Index(None, "account", "state"),
    Index(None, "message_id"),
    Index(None, "updated_at"),
    Index(None, "ref"),
)

# Sender: what became of each recipient of a mail that has several; of the others `sends` tells.
send_recipients = Table(
    "send_recipients",
    metadata,
    Column("send_id", String(200), primary_key=True),
    Column("recipient", String(320), primary_key=True),
    # 0 is the one in To.
    Column("position", Integer, nullable=False),
    Column("state", String(20), nullable=False),
    Column("code", Integer),
    Column("detail", Text, nullable=False),
    Column("updated_at", Moment, nullable=False),
)

# Sender: the senders that live; what one holds that is not heard of any more is in doubt.
senders = Table(
    "senders",
    metadata,
    Column("holder", String(200), primary_key=True),
    Column("beat_at", Moment, nullable=False),
)

# Sender: how many mails an account has handed over in the window that began at `started_at`, and until when
# its server asked to be left alone.
send_windows = Table(
    "send_windows",
    metadata,
    Column("account", String(63), primary_key=True),
    Column("started_at", Moment, nullable=False),
    Column("used", Integer, nullable=False),
    Column("paused_at", Moment),
    Column("paused_until", Moment),
    Column("pause_reason", Text, nullable=False, server_default=""),
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

# Access. Console: the API tokens of users; of the secret only the digest is kept. Revoked ones stay.
api_tokens = Table(
    "api_tokens",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("user", String(63), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("label", String(200), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("created_by", String(63), nullable=False),
    Column("expires_at", Moment),
    # To the minute: not every use is a write.
    Column("used_at", Moment),
    Column("revoked_at", Moment),
    Column("revoked_by", String(63)),
    Index(None, "user"),
)

# Access. Console: what people did, each in the transaction of the deed. `account`: whose mail it was about.
audit = Table(
    "audit",
    metadata,
    Column("seq", _Key, primary_key=True, autoincrement=True),
    # What people are shown: gaps between numbers would tell how much others did.
    Column("id", String(16), nullable=False, unique=True),
    Column("at", Moment, nullable=False),
    Column("actor", String(63), nullable=False),
    # `shell`, `as` (said so at the shell), `amqp` (a program), or the token's id.
    Column("via", String(30), nullable=False),
    Column("action", String(60), nullable=False),
    Column("account", String(63)),
    Column("target", Text, nullable=False),
    Column("detail", JSON, nullable=False),
    # How to undo it, if that can be done; and when it was.
    Column("undo", JSON),
    Column("undone_at", Moment),
    Index(None, "account", "at"),
    Index(None, "at"),
)

# Inbox

# Console (what people do), and who records mail that goes out: the people an account exchanges mail with.
contacts = Table(
    "contacts",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("account", String(63), nullable=False),
    Column("name", String(200), nullable=False),
    # `added` by a person, or `written`: the account wrote to them.
    Column("origin", String(10), nullable=False),
    Column("created_at", Moment, nullable=False),
    Index(None, "account", "created_at", "id"),
)

# The same: their addresses, in the form of `postroom.addresses.fold_case`.
contact_addresses = Table(
    "contact_addresses",
    metadata,
    Column("account", String(63), primary_key=True),
    Column("address", String(320), primary_key=True),
    Column("contact_id", String(16), nullable=False),
    Column("added_at", Moment, nullable=False),
    Index(None, "contact_id"),
)

# Processor (mail received), sender (mail of ours): the conversations. Whose contact it is with says the
# address in `correspondent`, the first message's; `contact_id` only where a person paired it without one.
conversations = Table(
    "conversations",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("account", String(63), nullable=False),
    Column("contact_id", String(16)),
    Column("correspondent", String(320)),
    Column("subject", Text, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("last_at", Moment, nullable=False),
    Index(None, "account", "last_at", "id"),
    Index(None, "account", "correspondent"),
)

# Processor and sender: their messages (`postroom.inbox.entry.Entry`).
conversation_messages = Table(
    "conversation_messages",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("account", String(63), nullable=False),
    Column("conversation_id", String(16), nullable=False),
    Column("direction", String(3), nullable=False),
    Column("author", String(320)),
    Column("author_name", String(200), nullable=False),
    Column("recipients", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("preview", Text, nullable=False),
    Column("text", Text, nullable=False),
    # Subject, people and text in the form of `postroom.inbox.entry.search_form`.
    Column("searched", Text, nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("at", Moment, nullable=False),
    # Of the mail on the server, and of what we sent.
    Column("mail_id", String(36)),
    Column("send_id", String(200)),
    # The request that it is a proven part of.
    Column("approval_id", String(100)),
    # When a person deleted it here.
    Column("hidden_at", Moment),
    Index(None, "conversation_id", "at"),
)

# Processor and sender: what leads to a conversation, as hashes of account, kind and value (`placing`).
conversation_keys = Table(
    "conversation_keys",
    metadata,
    Column("key", String(32), primary_key=True),
    Column("account", String(63), nullable=False),
    Column("conversation_id", String(16), nullable=False),
    Column("at", Moment, nullable=False),
    Index(None, "conversation_id"),
)

# Processor and sender: the raw mail of messages, compressed with zlib or as a reference into the spool.
message_sources = Table(
    "message_sources",
    metadata,
    Column("message_id", String(36), primary_key=True),
    Column("account", String(63), nullable=False),
    Column("content", LargeBinary),
    Column("dataref", String(80)),
    Column("size_bytes", BigInteger, nullable=False),
    Column("truncated", Boolean, nullable=False),
    Column("at", Moment, nullable=False),
    Index(None, "account", "at"),
    Index(None, "dataref"),
)

# Policies. Console (commands, the action *block*): whose mail is denied. `account`: whose mail it is about,
# empty for everybody's; `key`: the canonical form of the pattern (`postroom.deny`).
deny_rules = Table(
    "deny_rules",
    metadata,
    Column("account", String(63), primary_key=True),
    Column("key", String(1000), primary_key=True),
    Column("pattern", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("added_by", String(200), nullable=False),
    Column("added_at", Moment, nullable=False),
)

# Policies. Processor: the mails that wait in the broker for room, in the order in which they go. `until`:
# when they are looked at again; who is not heard of by `expires_at` keeps no place free.
deferred_mails = Table(
    "deferred_mails",
    metadata,
    Column("seq", _Key, primary_key=True, autoincrement=True),
    Column("mail_id", String(36), nullable=False, unique=True),
    Column("account", String(63), nullable=False),
    # As in `sender_windows`; `from:` alone if it cannot be read.
    Column("sender", String(320), nullable=False),
    Column("deferred_at", Moment, nullable=False),
    Column("until", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Index(None, "account", "seq"),
    Index(None, "expires_at"),
)

# Policies. Processor: how much a sender (`from:` and the canonical address) or an approver with a valid token
# (`by:` and the address) has used in the window of an account that began at `started_at`.
sender_windows = Table(
    "sender_windows",
    metadata,
    Column("account", String(63), primary_key=True),
    Column("sender", String(330), primary_key=True),
    Column("started_at", Moment, nullable=False),
    Column("used", Integer, nullable=False),
)

# Events. Notifier: how posting to a webhook goes. `rests_until`: it asked to be left alone (Retry-After).
# `disabled_url`: the URL that answered 410; another one in the settings is a new beginning.
webhook_states = Table(
    "webhook_states",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("last_success_at", Moment),
    Column("last_failure_at", Moment),
    Column("last_failure", Text, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("rests_until", Moment),
    Column("disabled_at", Moment),
    Column("disabled_url", Text),
    Column("disabled_why", Text, nullable=False),
)

# Events. Notifier: the queues of webhooks and campaigns that it has declared, each with what it may be bound
# to (exchange and routing key). `is_bound`: it is, to all of them and nothing else; `retired_at`: since when
# the accounts file does not ask for it any more.
event_queues = Table(
    "event_queues",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("bindings", JSON, nullable=False),
    Column("is_bound", Boolean, nullable=False),
    Column("retired_at", Moment),
)

# Sending. Console (`templates apply`): templates of mails, as `postroom.templates.template` has them.
templates = Table(
    "templates",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("document", JSON, nullable=False),
    Column("updated_at", Moment, nullable=False),
)

# Records. Sender (sends), processor (bounces), console (what was logged by hand): what went out and came
# back, with what is kept of it. The whole mail, if it is kept, lies in `message_sources` under `source_id`.
records = Table(
    "records",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("account", String(63), nullable=False),
    # `send`, `bounce` or `manual`.
    Column("kind", String(10), nullable=False),
    Column("event", String(100), nullable=False),
    Column("send_id", String(200)),
    Column("recipient", String(320), nullable=False),
    Column("subject", Text, nullable=False),
    Column("contact_id", String(16)),
    Column("conversation_id", String(16)),
    # `full`, `headers` or `nothing`; the headers are compressed with zlib.
    Column("log", String(10), nullable=False),
    Column("headers", LargeBinary),
    Column("source_id", String(36)),
    # Of the whole mail as it was composed first: sent again it must be the same.
    Column("sha256", String(64)),
    Column("size_bytes", BigInteger, nullable=False),
    Column("detail", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Index(None, "account", "at", "id"),
    Index(None, "send_id"),
    Index(None, "contact_id"),
    Index(None, "conversation_id"),
)

# Records. Sender: mails that may have been sent or not, until that is settled. `command` (as JSON) and
# `content` (the mail) are compressed with zlib; of confidential accounts neither is kept.
doubts = Table(
    "doubts",
    metadata,
    Column("send_id", String(200), primary_key=True),
    Column("account", String(63), nullable=False),
    Column("since", Moment, nullable=False),
    # How often the folder for sent mail was looked into, with which command last, and what came of it.
    Column("looks", Integer, nullable=False),
    Column("look_id", String(36)),
    Column("answer", Text, nullable=False),
    # Since when nobody but a person, a bounce or a late answer settles it.
    Column("parked_at", Moment),
    Column("command", LargeBinary),
    Column("content", LargeBinary),
    Index(None, "look_id"),
    Index(None, "since"),
)

# Records. Sender (orders), processor (what came of them): copies for the folder for sent mail.
sent_copies = Table(
    "sent_copies",
    metadata,
    Column("send_id", String(200), primary_key=True),
    Column("account", String(63), nullable=False),
    Column("message_id", String(320), nullable=False),
    # Empty where the content could not be laid into the spool.
    Column("dataref", String(80), nullable=False),
    # Of the last order: `mailbox.append`.
    Column("command_id", String(36), nullable=False),
    # `ordered`, `filed`, `there` (it was there before) or `refused`.
    Column("state", String(10), nullable=False),
    Column("detail", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    # When it is ordered again; None: it is not.
    Column("due_at", Moment),
    Column("updated_at", Moment, nullable=False),
    Index(None, "command_id"),
    Index(None, "due_at"),
    Index(None, "dataref"),
)

# Quarantine. Any service: the dead letters it put into a quarantine, each until somebody replays or drops it;
# `key`: of its message id (`postroom.broker.letter.message_key`), or `noticed` if the broker put it there.
dead_letters = Table(
    "dead_letters",
    metadata,
    Column("queue", String(200), primary_key=True),
    Column("key", String(32), primary_key=True),
    Column("dead_at", Moment, nullable=False),
)

# Bulk. Console and sender (`bulk.send`): lists of people who get a mail each. `digest`: of what was ordered.
bulks = Table(
    "bulks",
    metadata,
    Column("id", String(100), primary_key=True),
    Column("account", String(63), nullable=False),
    # Empty: the default template.
    Column("template", String(63), nullable=False),
    # `preparing` (its list is not whole yet), `sending`, `paused`, `cancelling`, `cancelled` or
    # `done`.
    Column("state", String(10), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("total", Integer, nullable=False),
    # How many lines of the list were left out, since they were wrong.
    Column("skipped", Integer, nullable=False),
    # What all its mails have: attachments, who signs.
    Column("about", JSON, nullable=False),
    Column("created_by", String(63), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("correlation_id", String(200), nullable=False),
    Index(None, "state"),
    Index(None, "account", "created_at"),
)

# Bulk. The same, and sender: each recipient of a bulk. `state`: `waiting`, `fed` (its mail is ordered) or
# `ended` with the outcome at that time; `sends` has the outcome as it is now.
bulk_recipients = Table(
    "bulk_recipients",
    metadata,
    Column("bulk_id", String(100), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("recipient", String(320), nullable=False),
    Column("send_id", String(200), nullable=False, unique=True),
    # Forgotten once it has ended.
    Column("values", JSON, nullable=False),
    Column("state", String(10), nullable=False),
    Column("outcome", String(20), nullable=False, server_default=""),
    Index(None, "bulk_id", "state", "position"),
)

# Suppression. Processor (bounces, complaints, unsubscribing) and console: addresses that get no mail from an
# account (empty: from any). `key`: `postroom.suppression.key_of`; `until`: None is for ever.
suppressions = Table(
    "suppressions",
    metadata,
    Column("account", String(63), primary_key=True),
    Column("key", String(320), primary_key=True),
    Column("reason", String(20), primary_key=True),
    Column("address", String(320), nullable=False),
    # The mail that came back, or who added it.
    Column("source", String(200), nullable=False),
    Column("detail", Text, nullable=False),
    Column("until", Moment),
    Column("created_at", Moment, nullable=False),
    Index(None, "key"),
)

# Suppression. Processor: mails that came back for a reason that may pass, to count them.
soft_bounces = Table(
    "soft_bounces",
    metadata,
    Column("send_id", String(200), primary_key=True),
    Column("account", String(63), nullable=False),
    Column("key", String(320), nullable=False),
    Column("at", Moment, nullable=False),
    Index(None, "account", "key", "at"),
    Index(None, "at"),
)

# Accounts that were removed, so that their mail is not there for whoever owns the next of their name.
# `people`: who owned and read it last.
former_accounts = Table(
    "former_accounts",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("people", JSON, nullable=False),
    Column("removed_at", Moment, nullable=False),
)
