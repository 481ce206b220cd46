"""Where a page ended, as text to go on from: opaque, and of use for the same query alone (pure)."""

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime

_CHECK_BYTES = 6
_MAX_CHARS = 400


@dataclass(frozen=True)
class Position:
    """The last row of a page: its time, and its id among those of the same time."""

    at: datetime
    id: str


def encode(position: Position, query: str) -> str:
    """The cursor after this row of the query."""
    body = json.dumps([position.at.isoformat(), position.id]).encode()
    return base64.urlsafe_b64encode(_check(body, query) + body).decode().rstrip("=")


def decode(cursor: str, query: str) -> Position:
    """The row that the cursor stands after.

    Raises:
        ValueError: it is none, or one of another query.
    """
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        body = raw[_CHECK_BYTES:]
        if len(cursor) > _MAX_CHARS or raw[:_CHECK_BYTES] != _check(body, query):
            raise ValueError
        at, row_id = json.loads(body)
        return Position(datetime.fromisoformat(at), str(row_id))
    except (binascii.Error, ValueError, TypeError):
        raise ValueError(
            "no page ended there: take the cursor that the same query gave, or leave it out to begin anew"
        ) from None


def _check(body: bytes, query: str) -> bytes:
    return hashlib.sha256(body + b"\0" + query.encode(errors="surrogatepass")).digest()[:_CHECK_BYTES]
