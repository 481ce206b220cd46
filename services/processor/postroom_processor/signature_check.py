"""Verifies a mail's own DKIM signatures (RFC 6376) and ARC chain (RFC 8617), with dkimpy and the DNS.

Everything is bounded: the size of the mail, how many signatures are tried, the length of their fields, runs
of blanks (dkimpy's patterns take quadratic time on them) and the time of all lookups for a mail together.
"""

import base64
import re
import time
from collections.abc import Callable
from dataclasses import replace

import dkim
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from postroom_processor.mail import Mail
from postroom_processor.resolver import LookupFailed, Resolver
from postroom_processor.signatures import Signature, SignatureResult, Signatures, covered_fields, speaks_for

MAX_MAIL_BYTES = 5_000_000
MAX_TRIED = 3
MAX_FIELD_BYTES = 8_000
LOOKUPS_S = 5.0
MIN_KEY_BITS = 1024
"""RFC 8301, section 3.2: shorter RSA keys prove nothing; the same section forbids SHA-1."""
_ALGORITHMS = frozenset({b"rsa-sha256", b"ed25519-sha256"})
_BLANK_RUN = re.compile(rb"[ \t\r\n]{200}|[ \t]{100}")
_FIELDS = ("dkim-signature", "arc-seal", "arc-message-signature", "arc-authentication-results")
_MAX_ARC_FIELDS = 30
_TESTING = re.compile(rb"(?:^|;)\s*t\s*=\s*(?:[a-z0-9]+\s*:\s*)*y\s*(?:[:;]|$)", re.IGNORECASE)
_DMARC = re.compile(rb"\s*v\s*=\s*DMARC1\s*(?:;|$)")
_STRICT = re.compile(rb";\s*adkim\s*=\s*s\s*(?:;|$)", re.IGNORECASE)
_MAX_ABOVE = 4
_TAG = re.compile(r"[A-Za-z0-9._-]{1,253}")


class SignatureCheck:
    """Verifies the signatures that speak for the From domain of a mail. Never raises."""

    def __init__(self, resolver: Resolver, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._resolver = resolver
        self._clock_s = clock_s

    def __call__(self, mail: Mail, from_domain: str) -> Signatures:
        """What the signatures of this domain, or of one above it, are worth."""
        if not _is_bounded(mail):
            return Signatures(())
        lookup = _Lookup(self._resolver, self._clock_s)
        found: list[Signature] = []
        for index, value in enumerate(mail.header_bytes("dkim-signature")):
            tags = _tags(value)
            if tags and len(found) < MAX_TRIED and speaks_for(_text(tags.get(b"d", b"")), from_domain):
                found.append(_aligned(_verified(mail, index, tags, lookup), from_domain, lookup))
        return Signatures(tuple(found), arc_result(mail, lookup))


class _Ed25519Key:
    """What dkimpy asks whether a signature holds, for which it would need another library."""

    def __init__(self, raw: bytes) -> None:
        self._key = Ed25519PublicKey.from_public_bytes(raw)
        self.holds = False

    def verify(self, digest: bytes, signature: bytes) -> None:
        """Note whether it does; RFC 8463, section 3: signed is the hash of the header."""
        try:
            self._key.verify(signature, digest)
        except InvalidSignature:
            return
        self.holds = True


class _Verifier(dkim.DKIM):  # type: ignore[misc]  # dkimpy has no types
    """dkimpy's verifier, with Ed25519 (RFC 8463)."""

    def verify_sig(
        self,
        sig: dict[bytes, bytes],
        include_headers: list[bytes],
        sig_header: tuple[bytes, bytes],
        dnsfunc: Callable[..., bytes | None],
    ) -> bool:
        """Whether the signature holds."""
        if sig[b"a"] != b"ed25519-sha256":
            return bool(super().verify_sig(sig, include_headers, sig_header, dnsfunc))
        record = dnsfunc(sig[b"s"] + b"._domainkey." + sig[b"d"] + b".", timeout=LOOKUPS_S)
        if record is None:
            return False
        self.pk, self.keysize, self.ktag, self.seqtlsrpt = _ed25519_key(record), 256, b"ed25519", False
        self.verify_sig_process(sig, include_headers, sig_header, dnsfunc)
        return self.pk.holds


def _ed25519_key(record: bytes) -> _Ed25519Key:
    """The key of a record (RFC 6376, section 3.6.1).

    Raises:
        dkim.KeyFormatError, ValueError: it has none, or one for something else.
    """
    tags = dkim.parse_tag_value(record)
    services = tags.get(b"s", b"*").replace(b" ", b"").split(b":")
    if tags.get(b"v", b"DKIM1") != b"DKIM1" or tags.get(b"k") != b"ed25519" or not tags.get(b"p"):
        raise dkim.KeyFormatError("its key is not of its algorithm, or revoked")
    if b"*" not in services and b"email" not in services:
        raise dkim.KeyFormatError("its key is not for mail")
    return _Ed25519Key(base64.b64decode(tags[b"p"]))


class _Lookup:
    """What dkimpy asks for keys, within the time of one mail; keeps whether the last answer was missing."""

    def __init__(self, resolver: Resolver, clock_s: Callable[[], float]) -> None:
        self._resolver = resolver
        self._clock_s = clock_s
        self._until_s = clock_s() + LOOKUPS_S
        self.failure = ""
        self.record = b""

    def __call__(self, name: bytes, timeout: float = LOOKUPS_S) -> bytes | None:
        left_s = min(timeout, self._until_s - self._clock_s())
        self.failure, self.record = "", b""
        if left_s <= 0:
            self.failure = "the lookups of keys took too long"
            return None
        try:
            self.record = self._resolver.txt(_text(name).rstrip("."), left_s) or b""
        except LookupFailed as error:
            self.failure = str(error)
        return self.record or None


def arc_result(mail: Mail, lookup: Callable[..., bytes | None]) -> str:
    """What the ARC chain is worth: `pass`, `fail` or `none`."""
    count = sum(len(mail.header_bytes(name)) for name in _FIELDS if name.startswith("arc-"))
    if count == 0:
        return "none"
    if count > _MAX_ARC_FIELDS:
        return "fail"
    try:
        result, _, _ = dkim.ARC(mail.raw, minkey=MIN_KEY_BITS).verify(dnsfunc=lookup)
    # A stranger's bytes: whatever dkimpy trips over is a chain that does not hold.
    except Exception:
        return "fail"
    return _text(result) if result else "fail"


def _verified(mail: Mail, index: int, tags: dict[bytes, bytes], lookup: _Lookup) -> Signature:
    domain, selector = _text(tags[b"d"]).lower(), _text(tags.get(b"s", b""))
    result, reason = _result(mail, index, tags, lookup)
    key = f"{selector}._domainkey.{domain}"
    return Signature(domain, key, result, reason, covered_fields(_text(tags.get(b"h", b""))))


def _aligned(signature: Signature, from_domain: str, lookup: _Lookup) -> Signature:
    """The signature, not holding where the sender's domain wants signers to be exactly itself (`adkim=s`)."""
    if signature.result != "pass" or signature.domain == from_domain.lower():
        return signature
    strict = _is_strict(from_domain, lookup)
    if lookup.failure:
        return replace(signature, result="temperror", reason=lookup.failure)
    if strict:
        return replace(
            signature, result="fail", reason=f"{from_domain} wants only its own signatures (adkim=s)"
        )
    return signature


def _is_strict(from_domain: str, lookup: _Lookup) -> bool:
    """Whether DMARC (RFC 7489, section 6.3) wants exact signers: the domain's record, else any above it.

    Which of those above is the organisation's, only a list of public suffixes tells: one is enough.
    """
    labels = from_domain.lower().split(".")
    domains = [".".join(labels[start:]) for start in range(len(labels) - 1)]
    for domain in (domains[0], *domains[1:][-_MAX_ABOVE:]):
        record = lookup(b"_dmarc." + domain.encode())
        if lookup.failure:
            return True
        if record is None or not _DMARC.match(record):
            continue
        if _STRICT.search(record):
            return True
        if domain == domains[0]:
            return False
    return False


def _result(mail: Mail, index: int, tags: dict[bytes, bytes], lookup: _Lookup) -> tuple[SignatureResult, str]:
    refusal = _refusal(tags)
    if refusal:
        return "fail", refusal
    try:
        holds = _Verifier(mail.raw, minkey=MIN_KEY_BITS).verify(index, dnsfunc=lookup)
    except dkim.DKIMException as error:
        return "fail", str(error)[:200]
    # A stranger's bytes: whatever else dkimpy trips over is a signature that does not hold.
    except Exception as error:
        return "fail", type(error).__name__
    if lookup.failure:
        return "temperror", lookup.failure
    if not holds:
        return "fail", "it does not match the mail" if lookup.record else "there is no such key"
    if _TESTING.search(lookup.record):
        return "fail", "its key is for testing"
    return "pass", "it matches the mail"


def _refusal(tags: dict[bytes, bytes]) -> str:
    """Why the signature is not even verified; empty if it is."""
    if not covered_fields(_text(tags.get(b"h", b""))).get("from"):
        return "it does not cover the sender"
    if tags.get(b"a", b"").lower() not in _ALGORITHMS:
        return "its algorithm is not allowed"
    if b"l" in tags:
        return "it covers only the beginning of the text"
    if not _TAG.fullmatch(_text(tags.get(b"s", b""))) or not _TAG.fullmatch(_text(tags[b"d"])):
        return "its key has no proper name"
    return ""


def _is_bounded(mail: Mail) -> bool:
    fields = [value for name in _FIELDS for value in mail.header_bytes(name)]
    return (
        mail.headers_complete
        and len(mail.raw) <= MAX_MAIL_BYTES
        and all(len(value) <= MAX_FIELD_BYTES for value in fields)
        and _BLANK_RUN.search(mail.raw) is None
    )


def _tags(value: bytes) -> dict[bytes, bytes] | None:
    """The tags of a signature (RFC 6376, section 3.2) as dkimpy reads them."""
    try:
        return dict(dkim.parse_tag_value(value))
    except dkim.InvalidTagValueList:
        return None


def _text(value: bytes) -> str:
    return value.decode("latin-1")
