"""What is recorded of a change of a request, as a document (pure)."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from datetime import datetime
from typing import Any

from postroom.account import Account
from postroom.evidence.canonical import Document, Value, fingerprint
from postroom.evidence.chain import sha256_of
from postroom.reply_token import token_ref
from postroom_processor.follow_up import Handled

# What has no part in who may decide and how replies are read, and what is a secret or may be long.
_NO_POLICY = frozenset(
    {"smtp", "imap", "oauth", "footer", "from_name", "owner", "readers", "after_processing", "move_to"}
)
_LONG = 50  # of longer lists the hash is recorded: a deny list may have thousands of rows


@dataclass(frozen=True)
class Origin:
    """Which Postroom decided: its version, and the hash of the code that decides."""

    postroom: str
    code_sha256: str


@dataclass(frozen=True)
class Change:
    """A change of a request: what the event tells, the request and who was asked as they are stored after it.

    `kind` is the event's type without its first word, `event` its data as JSON. `request` and the
    `people` have the store's columns.
    """

    approval_id: str
    kind: str
    event: Document
    request: Mapping[str, Any]
    people: Sequence[Mapping[str, Any]]

    @property
    def account(self) -> str:
        """The account that the request belongs to."""
        return str(self.event.get("account"))

    @property
    def event_sha256(self) -> str:
        """By what an event that is told again is known."""
        return fingerprint({"kind": self.kind, "event": self.event})


def document_of(change: Change, policy: Document, handled: Handled | None, now: datetime) -> Document:
    """The document of a change. `policy`: `policy_of` its account; `handled`: the mail that led to it."""
    document: dict[str, Value] = {
        "kind": change.kind,
        "at": now.isoformat(),
        "event": change.event,
        "request": value_of({key: change.request[key] for key in change.request if _is_told(change, key)}),
        "approvers": value_of(change.people),
        "policy": policy,
    }
    if handled is not None:
        document |= _about_the_mail(handled)
    return document


def _is_told(change: Change, column: str) -> bool:
    """The text to decide about is recorded when it is asked; its hash stands in every document."""
    return column != "body" or change.kind in ("requested", "changed")


def policy_of(account: Account | None, origin: Origin) -> Document:
    """By which rules it was decided; `version` is the hash of the rest."""
    settings = account.model_dump(mode="json", exclude=set(_NO_POLICY)) if account else {}
    if account and account.imap:
        settings["authserv_id"] = account.imap.authserv_id
    policy: dict[str, Value] = {
        "postroom": origin.postroom,
        "code_sha256": origin.code_sha256,
        "account": {name: _shortened(value_of(each)) for name, each in settings.items()},
    }
    return {**policy, "version": fingerprint(policy)}


def value_of(value: object) -> Value:
    """Anything as canonical JSON can tell it; what it cannot tell is told as text."""
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): value_of(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [value_of(each) for each in value]
    if isinstance(value, set | frozenset):
        return sorted(str(each) for each in value)
    if is_dataclass(value) and not isinstance(value, type):
        return value_of(asdict(value))
    return str(value)


def _shortened(value: Value) -> Value:
    if isinstance(value, list) and len(value) > _LONG:
        return {"count": len(value), "sha256": fingerprint(value)}
    return value


def _about_the_mail(handled: Handled) -> dict[str, Value]:
    examined, outcome = handled.examined, handled.outcome
    received = examined.received
    return {
        "mail": {
            "id": handled.envelope.id,
            "sha256": sha256_of(examined.mail.raw),
            "size_bytes": len(examined.mail.raw),
            "account": received.account,
            "folder": received.folder,
            "uidvalidity": received.uidvalidity,
            "uid": received.uid,
            "arrived_at": received.arrived_at.isoformat(),
            "sender": examined.sender,
        },
        "token": _token(handled),
        "checks": {
            "asked": list(outcome.asked),
            "outcome": outcome.kind,
            "reason": outcome.reason,
            "automatic": examined.automatic,
            "header_problems": list(examined.mail.header_problems),
        },
        "authentication": {"dmarc": examined.dmarc, "signatures": value_of(examined.signatures)},
        "reading": _reading(handled),
    }


def _token(handled: Handled) -> Value:
    """The token that proved it; its text stands in the mail, and without the key it proves nothing new."""
    record = handled.outcome.record
    if record is None:
        return None
    ref = token_ref(record.claim)
    carried = handled.examined.carried
    # The token of a question whether a decision is theirs stands for another claim than the record's.
    found = next((each for each in carried if each.token.ref == ref), next(iter(carried), None))
    if found is None:
        return None
    return {
        "text": found.token.text,
        "ref": found.token.ref,
        "key_id": found.token.key_id,
        "carriers": sorted(found.carriers),
        "claim": value_of(record.claim),
    }


def _reading(handled: Handled) -> Value:
    """What was read as the reply's own text, and what was understood of it."""
    verdict = handled.outcome.verdict
    if verdict is None:
        return None
    text = handled.examined.own.text.encode(errors="replace")
    return {
        "own_text_sha256": hashlib.sha256(text).hexdigest(),
        "verdict": {"kind": type(verdict).__name__.lower(), **asdict(verdict)},
    }
