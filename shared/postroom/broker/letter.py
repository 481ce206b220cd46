"""A dead letter: what its headers say of it, and the message as it goes back to its queue (pure)."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from postroom.broker.failure import (
    BROKERS_OWN,
    DEAD_AT,
    DUE_AT,
    FIRST_FAILED_AT,
    MAX_REASON_CHARS,
    QUEUE,
    REASON,
)
from postroom.broker.reception import ATTEMPT, DELIVERY_COUNT
from postroom.envelope import PREFIX, RFC822, Wire, decode
from postroom.errors import Undecodable
from postroom.messages import Message

REPLAYS = "x-postroom-replays"
EARLIER_ATTEMPTS = "x-postroom-earlier-attempts"
"""Of a message that was replayed: how often it was tried before that."""
EARLIER_FAILURE = "x-postroom-earlier-first-failed-at"
"""Of a message that was replayed: when it failed first of all."""

_PLAIN_ID = re.compile(r"[!-~]{1,64}")
_TYPE = re.compile(r"postroom\.([a-z_]{1,40}\.[a-z_]{1,40})\.v[0-9]{1,6}")
_ACCOUNT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_UNREASONED = "no reason was recorded: the broker itself put it here"
_BROKERS_REASONS = {
    "delivery_limit": "the broker gave it out too often: whoever handled it died, or never answered",
    "maxlen": "its queue was full: the oldest message had to go",
}
_SET_BY_REPLAY = frozenset(
    {REASON, QUEUE, DEAD_AT, DUE_AT, ATTEMPT, REPLAYS, EARLIER_ATTEMPTS, FIRST_FAILED_AT, EARLIER_FAILURE}
)


@dataclass(frozen=True)
class Letter:
    """What is known of a message in the quarantine of a queue; all of it may be a stranger's invention.

    Attributes:
        queue: The work queue that it comes from and goes back to.
        id: What people call it: its message id, or a digest of that if nobody could type it.
        type: Such as `mail.received`; empty if it cannot be told.
        account: Whose it is; None if it cannot be told.
        reason: Why it is here, on one line.
        dead_at: Since when; None if nothing says so.
        first_failed_at: When it could not be handled for the first time.
        tried: How often it was tried, before replays too.
        replays: How often it was replayed.
        message: What it says; None if it does not follow the contract.
        wire: The message itself.
    """

    queue: str
    id: str
    type: str
    account: str | None
    reason: str
    dead_at: datetime | None
    first_failed_at: datetime | None
    tried: int
    replays: int
    message: Message | None = field(repr=False)
    wire: Wire = field(repr=False)

    @property
    def since(self) -> datetime | None:
        """Since when it waits, as well as that is known."""
        return self.dead_at or self.first_failed_at

    @property
    def is_mail(self) -> bool:
        """Whether its body is a mail."""
        return self.wire.content_type.partition(";")[0].strip().lower() == RFC822


def read_letter(wire: Wire, queue: str) -> Letter:
    """What a message in the quarantine of `queue` says of itself; nothing raises, whatever it is."""
    headers = wire.headers
    message = _decoded(wire)
    moved_why, moved_at = _moved_by_broker(headers) or ("", None)
    return Letter(
        queue=queue,
        id=letter_id(wire.message_id),
        type=_type(headers),
        account=_account(headers, message),
        reason=moved_why or _line(headers.get(REASON)) or _UNREASONED,
        dead_at=_moment(headers.get(DEAD_AT)) or moved_at,
        first_failed_at=_moment(headers.get(EARLIER_FAILURE)) or _moment(headers.get(FIRST_FAILED_AT)),
        tried=_number(headers.get(ATTEMPT), 1) + _number(headers.get(EARLIER_ATTEMPTS), 0),
        replays=_number(headers.get(REPLAYS), 0),
        message=message,
        wire=wire,
    )


def letter_id(message_id: str) -> str:
    """What people call a message of this id."""
    if _PLAIN_ID.fullmatch(message_id):
        return message_id
    return f"sha256-{message_key(message_id)}"


def message_key(message_id: str) -> str:
    """A message id as a key in the store, however long it is and whatever is in it: 32 hex digits."""
    return hashlib.sha256(message_id.encode(errors="surrogatepass")).hexdigest()[:32]


def revived(letter: Letter) -> Wire:
    """The same message as new: it goes through everything again, with all of its attempts and its time."""
    headers = _kept(letter.wire.headers)
    headers[REPLAYS] = letter.replays + 1
    headers[EARLIER_ATTEMPTS] = letter.tried
    if letter.first_failed_at:
        headers[EARLIER_FAILURE] = letter.first_failed_at.isoformat()
    return replace(letter.wire, headers=headers)


def renewed(letter: Letter) -> Wire:
    """The same dead letter without the broker's count of how often it was looked at."""
    headers = _kept(letter.wire.headers)
    headers |= {name: letter.wire.headers[name] for name in _SET_BY_REPLAY if name in letter.wire.headers}
    headers[REASON] = letter.reason
    if letter.dead_at:
        headers[DEAD_AT] = letter.dead_at.isoformat()
    return replace(letter.wire, headers=headers)


def times_looked_at(headers: object) -> int:
    """How often the broker has given out the message with these headers and got it back."""
    return _number(headers.get(DELIVERY_COUNT), 0) if isinstance(headers, Mapping) else 0


def _kept(headers: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in headers.items()
        if name not in BROKERS_OWN and name not in _SET_BY_REPLAY
    }


def _decoded(wire: Wire) -> Message | None:
    try:
        return decode(wire).message
    except Undecodable:
        return None
    except Exception:
        return None  # whatever a stranger published: that it cannot be read is all there is to know


def _type(headers: Mapping[str, Any]) -> str:
    match = _TYPE.fullmatch(str(headers.get(f"{PREFIX}type")))
    return match.group(1) if match else ""


def _account(headers: Mapping[str, Any], message: Message | None) -> str | None:
    named = getattr(message, "account", None) if message else headers.get(f"{PREFIX}account")
    return named if isinstance(named, str) and _ACCOUNT.fullmatch(named) else None


def _moved_by_broker(headers: Mapping[str, Any]) -> tuple[str, datetime | None] | None:
    """Why and when the broker itself put it here; None if a service did (RabbitMQ, "x-death")."""
    deaths = headers.get("x-death")
    if DEAD_AT in headers or not isinstance(deaths, list) or not deaths:
        return None
    newest = deaths[0]
    reason = _BROKERS_REASONS.get(str(newest.get("reason"))) if isinstance(newest, Mapping) else None
    if reason is None:
        return None
    at = newest.get("time")
    return reason, at.replace(tzinfo=UTC) if isinstance(at, datetime) else None


def _moment(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(value))
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _line(value: object) -> str:
    return " ".join(value.split())[:MAX_REASON_CHARS] if isinstance(value, str) else ""


def _number(value: object, default: int) -> int:
    return value if isinstance(value, int) and 0 < value < 2**31 else default
