"""Reply tokens: what proves that a reply answers this request by this approver (pure).

A token is `pr` and 40 lower-case base32 letters: one byte of key id, eight bytes of reference, and 16 bytes
(128 bits) of HMAC-SHA-256 over everything the token stands for. Lower case and letters only, since mail
servers fold case and phones rewrite punctuation. The reference finds the record; the HMAC proves that
whoever wrote the token had it from us and that approval, approver, content and expiry are unchanged.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from postroom.addresses import fold_case

# ASCII, since a long s or a Kelvin sign would otherwise count as letters of the other case.
TOKEN = re.compile(r"(?<![a-z0-9])pr([a-z2-7]{40})(?![a-z0-9])", re.IGNORECASE | re.ASCII)
_TOKEN_BYTES = re.compile(TOKEN.pattern.encode(), re.IGNORECASE)
_REF_BYTES = 8
_MAC_BYTES = 16
MAX_FOUND = 50
"""A mail of ours carries one token; of one with hundreds no more than this are looked at."""


@dataclass(frozen=True)
class TokenKey:
    """One signing key: `key_id` 0 to 255 and at least 32 secret bytes."""

    key_id: int
    secret: bytes

    def __repr__(self) -> str:
        return f"TokenKey(key_id={self.key_id})"


@dataclass(frozen=True)
class TokenKeys:
    """The keys in use; the first signs, all verify (so keys can be rotated)."""

    keys: tuple[TokenKey, ...]

    @property
    def signing(self) -> TokenKey:
        """The key that new tokens are made with."""
        return self.keys[0]

    def find(self, key_id: int) -> TokenKey | None:
        """The key of that id, or None when it was retired."""
        return next((key for key in self.keys if key.key_id == key_id), None)


@dataclass(frozen=True)
class TokenClaim:
    """What a token stands for; all of it goes into the HMAC."""

    approval_id: str
    approver: str
    content_hash: str
    expires_at: datetime


@dataclass(frozen=True)
class ParsedToken:
    """A token as found in a mail: well-formed, nothing proven."""

    key_id: int
    ref: str
    mac: bytes

    @property
    def text(self) -> str:
        """The token as it is written in mails."""
        raw = bytes([self.key_id]) + bytes.fromhex(self.ref) + self.mac
        return "pr" + base64.b32encode(raw).decode().lower()


def token_ref(claim: TokenClaim) -> str:
    """The reference of a claim: 16 hex digits, the same for the same claim."""
    return hashlib.sha256(b"ref" + _canonical(claim)).hexdigest()[: 2 * _REF_BYTES]


def make_token(claim: TokenClaim, keys: TokenKeys) -> str:
    """The token text for a claim, signed with the first key."""
    ref = token_ref(claim)
    key = keys.signing
    return ParsedToken(key.key_id, ref, _mac(key, ref, claim)).text


def parse_token(text: str) -> ParsedToken | None:
    """The token in the text if the text is exactly one, else None."""
    match = TOKEN.fullmatch(text)
    return _parsed(match.group(1)) if match else None


def find_tokens(texts: Iterable[str]) -> tuple[ParsedToken, ...]:
    """The different tokens in the texts, in order of appearance, `MAX_FOUND` at most."""
    found: dict[str, ParsedToken] = {}
    for match in (match for text in texts for match in TOKEN.finditer(text)):
        parsed = _parsed(match.group(1))
        found[parsed.text] = parsed
        if len(found) == MAX_FOUND:
            break
    return tuple(found.values())


def bears_token(header_block: bytes) -> bool:
    """Whether raw headers contain something that looks like a token (unproven; for ordering only)."""
    return _TOKEN_BYTES.search(header_block) is not None


def verify_token(token: ParsedToken, claim: TokenClaim, keys: TokenKeys) -> bool:
    """Whether the token was made by us for exactly this claim. Expiry is the caller's to look at."""
    key = keys.find(token.key_id)
    if key is None or token.ref != token_ref(claim):
        return False
    return hmac.compare_digest(token.mac, _mac(key, token.ref, claim))


def _parsed(base32: str) -> ParsedToken:
    raw = base64.b32decode(base32.upper())
    return ParsedToken(raw[0], raw[1 : 1 + _REF_BYTES].hex(), raw[1 + _REF_BYTES :])


def _mac(key: TokenKey, ref: str, claim: TokenClaim) -> bytes:
    message = b"postroom reply token 1\0" + bytes([key.key_id]) + ref.encode() + _canonical(claim)
    return hmac.new(key.secret, message, hashlib.sha256).digest()[:_MAC_BYTES]


def _canonical(claim: TokenClaim) -> bytes:
    """Length-prefixed fields, so that no two claims have the same bytes."""
    expires = str(int(claim.expires_at.timestamp()))
    fields = (claim.approval_id, fold_case(claim.approver), claim.content_hash, expires)
    return b"".join(len(data := field.encode()).to_bytes(4, "big") + data for field in fields)
