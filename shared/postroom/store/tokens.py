"""API tokens: 256 random bits, shown once; the store has their digest.

A token is `prt_<id>_<secret>`: the id finds it (and revokes it), the secret proves it. The secret has more
bits than anybody can try, so a plain SHA-256 does; there is nothing to slow down as with passwords.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, insert, select, update

from postroom.store.schema import api_tokens

_FORM = re.compile(r"prt_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
_SECRET_BYTES = 32
_USED_PRECISION = timedelta(minutes=1)
APPLY = "apply"
"""Who revokes the tokens of users that are no longer in the accounts file."""


@dataclass(frozen=True)
class NewToken:
    """A token that was made just now; `text` is not to be had again."""

    id: str
    text: str


@dataclass(frozen=True)
class Proven:
    """A token that is of use: its id and its user's name. `stale`: its last use is not yet written."""

    id: str
    user: str
    stale: bool


def create(
    connection: Connection, *, user: str, label: str, by: str, now: datetime, expires_at: datetime | None
) -> NewToken:
    """Make a token for the user; None: it never expires."""
    token_id, secret = secrets.token_hex(8), secrets.token_urlsafe(_SECRET_BYTES)
    row = {
        "id": token_id,
        "user": user,
        "sha256": _digest(secret),
        "label": label,
        "created_at": now,
        "created_by": by,
        "expires_at": expires_at,
    }
    connection.execute(insert(api_tokens), [row])
    return NewToken(token_id, f"prt_{token_id}_{secret}")


def proven(connection: Connection, text: str, now: datetime) -> Proven | None:
    """Whose token it is; None if it is wrong, expired or revoked. Which of these is nobody's to know."""
    match = _FORM.fullmatch(text.strip())
    if match is None:
        return None
    query = select(api_tokens).where(api_tokens.c.id == match.group(1))
    found = connection.execute(query).mappings().first()
    row = dict(found) if found else None
    if row is None or not hmac.compare_digest(row["sha256"], _digest(match.group(2))):
        return None
    if state(row, now) != "valid":
        return None
    used_at = row["used_at"]
    return Proven(row["id"], row["user"], used_at is None or now - used_at >= _USED_PRECISION)


def note_use(connection: Connection, token_id: str, now: datetime) -> None:
    """The token was used."""
    connection.execute(update(api_tokens).where(api_tokens.c.id == token_id).values(used_at=now))


def listed(connection: Connection, user: str | None = None) -> list[dict[str, Any]]:
    """The tokens (of one user), newest first, without their digests."""
    columns = [column for column in api_tokens.c if column.name != "sha256"]
    query = select(*columns).order_by(api_tokens.c.created_at.desc(), api_tokens.c.id)
    if user is not None:
        query = query.where(api_tokens.c.user == user)
    return [dict(row) for row in connection.execute(query).mappings()]


def state(row: Mapping[str, Any], now: datetime) -> Literal["valid", "expired", "revoked"]:
    """How a listed token stands."""
    if row["revoked_at"] is not None:
        return "revoked"
    is_over = row["expires_at"] is not None and row["expires_at"] <= now
    return "expired" if is_over else "valid"


def revoke(connection: Connection, token_id: str, by: str, now: datetime) -> bool:
    """From now on the token is of no use; whether it was until now."""
    live = (api_tokens.c.id == token_id) & api_tokens.c.revoked_at.is_(None)
    changed = connection.execute(update(api_tokens).where(live).values(revoked_at=now, revoked_by=by))
    return changed.rowcount == 1


def revoke_of_others(connection: Connection, users: Collection[str], now: datetime) -> None:
    """Revoke the tokens of all who are not among these users."""
    others = api_tokens.c.user.not_in(users) & api_tokens.c.revoked_at.is_(None)
    connection.execute(update(api_tokens).where(others).values(revoked_at=now, revoked_by=APPLY))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
