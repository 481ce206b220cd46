"""Signs requests as Standard Webhooks has it: HMAC-SHA256 over id, time and body (pure)."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime

from postroom.amount import amount

PREFIX = "whsec_"
MIN_KEY_BYTES = 24


def key_of(secret: str) -> bytes:
    """The key in a secret: base64 after `whsec_`, else the secret's own bytes.

    Raises:
        ValueError: it is malformed or too short; the text does not repeat it.
    """
    try:
        text = secret.removeprefix(PREFIX)
        key = base64.b64decode(text, validate=True) if secret.startswith(PREFIX) else secret.encode()
    except binascii.Error:
        raise ValueError(f"what follows {PREFIX} is not base64") from None
    if len(key) < MIN_KEY_BYTES:
        raise ValueError(f"it has {amount(len(key), 'byte')}, and must have {MIN_KEY_BYTES} at least")
    return key


def headers(message_id: str, body: bytes, keys: Sequence[bytes], now: datetime) -> Mapping[str, str]:
    """The headers that prove who posts what, and when: one signature for each key."""
    timestamp = str(int(now.timestamp()))
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{_mac(key, signed)}" for key in keys),
    }


def _mac(key: bytes, signed: bytes) -> str:
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
