"""Encrypts what lies in the store: Fernet (AES-128-CBC with HMAC-SHA256) of the `cryptography` package.

The name under which a secret is kept is part of what is encrypted: who can write to the store cannot put one
account's password in another one's place. Several keys may be in use; the first one encrypts.
"""

import hashlib
import hmac
import json
from collections.abc import Callable

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from postroom.errors import Misconfigured


def new_key() -> str:
    """A new random key."""
    return Fernet.generate_key().decode("ascii")


Keys = tuple[str, ...]


class SecretBox:
    """Seals and opens secrets with the keys, newest first (each 32 bytes in URL-safe base64).

    Args:
        keys: Those of now.
        read_again: Gives those of later, for what none of the keys opens: they may have been rotated.

    Raises:
        ValueError: a key is malformed, or there is none.
    """

    def __init__(self, keys: Keys, read_again: Callable[[], Keys] | None = None) -> None:
        self._read_again = read_again
        self._ring = _ring(keys)
        self._stamp_key = hashlib.sha256(b"postroom stamp\0" + keys[-1].encode()).digest()

    @property
    def count(self) -> int:
        """How many keys there are."""
        return len(self._ring)

    def seal(self, name: str, value: str) -> str:
        """The value encrypted, for this name only."""
        return self._ring[0].encrypt(json.dumps([name, value]).encode()).decode("ascii")

    def open(self, name: str, sealed: str) -> str:
        """The value.

        Raises:
            Misconfigured: none of the keys opens it, or it was sealed for another name.
        """
        try:
            found_name, value = json.loads(self._decrypt(sealed))
        except (InvalidToken, ValueError) as error:
            raise Misconfigured(
                "secret_key",
                f"the stored secret {name} cannot be decrypted: POSTROOM_SECRET_KEYS lacks the key that it "
                "was encrypted with",
            ) from error
        if found_name != name:
            raise Misconfigured(
                "secret_key", f"what is stored as the secret {name} was encrypted for another name"
            )
        return str(value)

    def is_newest(self, sealed: str) -> bool:
        """Whether it was sealed with the first key."""
        try:
            self._ring[0].decrypt(sealed)
        except InvalidToken:
            return False
        return True

    def stamp(self, value: str) -> str:
        """Tells one value from another to those who do not have the keys, and nothing else."""
        return hmac.new(self._stamp_key, value.encode(), hashlib.sha256).hexdigest()[:16]

    def _decrypt(self, sealed: str) -> bytes:
        try:
            return MultiFernet(self._ring).decrypt(sealed)
        except InvalidToken:
            if self._read_again is None:
                raise
            self._ring = _ring(self._read_again())
            return MultiFernet(self._ring).decrypt(sealed)


def _ring(keys: Keys) -> tuple[Fernet, ...]:
    if not keys:
        raise ValueError("no key given")
    return tuple(Fernet(key) for key in keys)
