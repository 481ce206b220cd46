"""The chain of an approval's evidence: each entry holds the hash of the one before, and is signed (pure).

Who can write to the store can neither change an entry nor make one up: he lacks the key. What he can do is to
remove the newest entries of a chain, or a whole one; that is noticed by whoever kept a later hash.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from postroom.evidence.canonical import Document, canonical

_DOMAIN = b"postroom evidence 1\0"
NOTHING = "0" * 64
"""What stands for the hash of the entry before the first one, and of the mail where there is none."""


@dataclass(frozen=True)
class Entry:
    """One entry. Hashes, key (Ed25519, public) and signature are lower-case hex.

    `document` is canonical JSON; `mail` the raw mail that it is about, None if there is none.
    """

    approval_id: str
    sequence: int
    document: bytes
    mail: bytes | None
    previous: str
    digest: str
    key: str
    signature: str


class SigningKeys:
    """The keys that entries are signed with: 32 secret bytes each; the first signs, the others did.

    Raises:
        ValueError: there is none, or one has another length.
    """

    def __init__(self, seeds: Sequence[bytes]) -> None:
        if not seeds:
            raise ValueError("no key given")
        self._keys = [Ed25519PrivateKey.from_private_bytes(seed) for seed in seeds]
        self.public = tuple(key.public_key().public_bytes_raw().hex() for key in self._keys)

    def __repr__(self) -> str:
        return f"SigningKeys(public={self.public})"

    def sign(self, digest: str) -> str:
        """The signature of an entry's hash with the first key."""
        return self._keys[0].sign(_DOMAIN + bytes.fromhex(digest)).hex()


@dataclass(frozen=True)
class Tail:
    """Where a chain ends: the number and the hash of its newest entry."""

    sequence: int = 0
    digest: str = NOTHING


def sha256_of(mail: bytes | None) -> str:
    """The hash of a raw mail; `NOTHING` where there is none."""
    return NOTHING if mail is None else hashlib.sha256(mail).hexdigest()


def digest_of(previous: str, mail_sha256: str, document: bytes) -> str:
    """The hash of an entry: over the hash of the one before, the mail's hash, and the document.

    Raises:
        ValueError: a hash is no hex.
    """
    parts = (_DOMAIN, bytes.fromhex(previous), bytes.fromhex(mail_sha256), document)
    return hashlib.sha256(b"".join(parts)).hexdigest()


def seal(approval_id: str, tail: Tail, document: Document, mail: bytes | None, keys: SigningKeys) -> Entry:
    """The entry after `tail`; what it belongs to and who signs it are made part of its document."""
    sequence, key = tail.sequence + 1, keys.public[0]
    written = canonical(
        {**document, "approval_id": approval_id, "sequence": sequence, "key": key, "version": 1}
    )
    digest = digest_of(tail.digest, sha256_of(mail), written)
    return Entry(approval_id, sequence, written, mail, tail.digest, digest, key, keys.sign(digest))


def is_signed(digest: str, key: str, signature: str) -> bool:
    """Whether the holder of the key signed the hash; False also for what is no hex."""
    try:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))
        public.verify(bytes.fromhex(signature), _DOMAIN + bytes.fromhex(digest))
    except (InvalidSignature, ValueError):
        return False
    return True
