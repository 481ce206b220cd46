"""Tags that mails carry so that what comes back names them, and proves that it saw them (pure).

A tag is `pb` (in the envelope sender, and in a header for servers that lose it) or `pu` (where people write
to unsubscribe), and 32 lower-case base32 letters: one byte of key id, eight bytes that find the mail, and 11
bytes (88 bits) of HMAC-SHA-256 over kind and id of the mail. It fits before the @ behind 29 more characters
(RFC 5321 section 4.5.3.1.1). It is no reply token: those begin with `pr` and are longer.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from postroom.addresses import MAX_LOCAL_BYTES, with_tag
from postroom.reply_token import TokenKeys

Kind = Literal["bounce", "unsubscribe"]
FIELD = "X-Postroom-Tag"
_LETTERS: dict[Kind, str] = {"bounce": "b", "unsubscribe": "u"}
_KINDS: dict[str, Kind] = {letter: kind for kind, letter in _LETTERS.items()}
_TAG = re.compile(r"(?<![a-z0-9])p([bu])([a-z2-7]{32})(?![a-z0-9])", re.IGNORECASE | re.ASCII)
_REF_BYTES = 8
_MAC_BYTES = 11
MAX_FOUND = 20
"""A mail that comes back names one; of one with hundreds no more than this are looked at."""


@dataclass(frozen=True)
class MailTag:
    """A tag as found in a mail: well-formed, nothing proven. `ref` finds the mail."""

    kind: Kind
    key_id: int
    ref: str
    mac: bytes

    @property
    def text(self) -> str:
        """The tag as it is written."""
        raw = bytes([self.key_id]) + bytes.fromhex(self.ref) + self.mac
        return f"p{_LETTERS[self.kind]}{base64.b32encode(raw).decode().lower()}"


def ref_of(send_id: str) -> str:
    """What finds the mail of this id: 16 hex digits."""
    return hashlib.sha256(b"mail tag\0" + send_id.encode()).hexdigest()[: 2 * _REF_BYTES]


def make_tag(kind: Kind, send_id: str, keys: TokenKeys) -> str:
    """The tag of a mail, signed with the first key."""
    key = keys.signing
    return MailTag(kind, key.key_id, ref_of(send_id), _mac(key.secret, kind, key.key_id, send_id)).text


def find_tags(texts: Iterable[str]) -> tuple[MailTag, ...]:
    """The different tags in the texts, in order of appearance, `MAX_FOUND` at most."""
    found: dict[str, MailTag] = {}
    for match in (match for text in texts for match in _TAG.finditer(text)):
        raw = base64.b32decode(match[2].upper())
        tag = MailTag(_KINDS[match[1].lower()], raw[0], raw[1 : 1 + _REF_BYTES].hex(), raw[1 + _REF_BYTES :])
        found[tag.text] = tag
        if len(found) == MAX_FOUND:
            break
    return tuple(found.values())


def is_of(tag: MailTag, send_id: str, keys: TokenKeys) -> bool:
    """Whether we made the tag, for the mail of this id."""
    key = keys.find(tag.key_id)
    if key is None or tag.ref != ref_of(send_id):
        return False
    return hmac.compare_digest(tag.mac, _mac(key.secret, tag.kind, tag.key_id, send_id))


def tagged(address: str, tag: str) -> str | None:
    """The address with the tag; None where it would be longer than addresses may be."""
    with_it = with_tag(address, tag)
    return with_it if len(with_it.rpartition("@")[0].encode()) <= MAX_LOCAL_BYTES else None


def _mac(secret: bytes, kind: Kind, key_id: int, send_id: str) -> bytes:
    message = b"postroom mail tag 1\0" + _LETTERS[kind].encode() + bytes([key_id]) + send_id.encode()
    return hmac.digest(secret, message, "sha256")[:_MAC_BYTES]
