"""Signatures are verified by ourselves, and only what they cover is believed."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import dkim
import pytest
import yaml
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from postroom_processor.mail import read_mail
from postroom_processor.resolver import KEPT_S, CachingResolver, LookupFailed
from postroom_processor.signature_check import LOOKUPS_S, SignatureCheck, arc_result
from postroom_processor.signatures import Signatures, speaks_for

SUITE = Path(__file__).resolve().parents[4] / "shared/data/authentication/arc/tests"
# The suite leaves the result of these open, since a seal that says `fail` ends the chain; RFC 8617, section
# 5.2 step 3, says what the chain is then worth: it has failed.
EXCEPTIONS = {"cv_fail_i1_as_cv_fail", "cv_fail_i2_as2_fail", "cv_fail_i2_as1_fail"}
KEY_NAME = "sel._domainkey.corp.com"
TEXT = (
    b"From: Boss <boss@corp.com>\r\nTo: release+tag@corp.example\r\nSubject: Re: Release\r\n"
    b"References: <1@corp.example>\r\n\r\nApprove\r\n"
)


@cache
def keys() -> tuple[bytes, bytes]:
    """A private key in PEM, and the record of the public one."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return private, b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)


@dataclass
class Records:
    """A DNS of a few records; counts what it is asked."""

    records: dict[str, bytes] = field(default_factory=lambda: {KEY_NAME: keys()[1]})
    asked: list[str] = field(default_factory=list)

    def txt(self, name: str, timeout_s: float) -> bytes | None:
        assert timeout_s > 0
        self.asked.append(name)
        if self.records.get(name) == b"broken":
            raise LookupFailed(name)
        return self.records.get(name)


def signed(text: bytes = TEXT, **changes: Any) -> bytes:
    settings: dict[str, Any] = {
        "selector": b"sel",
        "domain": b"corp.com",
        "privkey": keys()[0],
        "include_headers": [b"from", b"to", b"subject", b"references"],
    }
    header: bytes = dkim.sign(text, **{**settings, **changes})
    return header + text


def checked(raw: bytes, domain: str = "corp.com", records: Records | None = None) -> Signatures:
    return SignatureCheck(records or Records())(read_mail(raw), domain)


def vouches(raw: bytes, *carriers: str, domain: str = "corp.com", records: Records | None = None) -> bool:
    return checked(raw, domain, records).vouch_for(frozenset(carriers), read_mail(raw).fields)


@pytest.mark.parametrize("carrier", ["to", "references", "subject", "body"])
def test_a_signature_of_the_senders_domain_vouches_for_what_it_covers(carrier: str) -> None:
    assert vouches(signed(), carrier)


def test_a_signature_of_the_domain_above_vouches_as_well() -> None:
    assert vouches(signed(), "to", domain="mail.corp.com")


ED25519 = ed25519.Ed25519PrivateKey.from_private_bytes(b"d" * 32)
ED25519_RECORD = b"v=DKIM1; k=ed25519; p=" + base64.b64encode(ED25519.public_key().public_bytes_raw())
ALL = ("from", "to", "subject", "references")


def made(names: Sequence[str] = ALL, more: str = "", algorithm: str = "rsa-sha256") -> bytes:
    """A mail signed without dkimpy's help, which refuses to make what is wrong; c=simple/simple."""
    head, _, body = TEXT.partition(b"\r\n\r\n")
    lines = {line.partition(b":")[0].decode().lower(): line for line in head.split(b"\r\n")}
    body_hash = base64.b64encode(hashlib.sha256(body).digest()).decode()
    field = f"DKIM-Signature: v=1; a={algorithm}; c=simple/simple; d=corp.com; s=sel; {more}"
    field += f"h={':'.join(names)}; bh={body_hash}; b="
    data = b"\r\n".join([*(lines[name] for name in names), field.encode()])
    if algorithm == "ed25519-sha256":
        signature = ED25519.sign(hashlib.sha256(data).digest())  # RFC 8463, section 3
    else:
        key = serialization.load_pem_private_key(keys()[0], None)
        assert isinstance(key, rsa.RSAPrivateKey)
        signature = key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    return field.encode() + base64.b64encode(signature) + b"\r\n" + TEXT


def at(seconds: int) -> int:
    """A time as signatures have it, so many seconds from now."""
    return int(time.time()) + seconds


def test_a_signature_that_is_still_good_vouches() -> None:
    assert vouches(made(), "to")
    assert vouches(made(more=f"t={at(-60)}; x={at(600)}; "), "to")


def test_an_ed25519_signature_vouches_as_well() -> None:
    records = Records({KEY_NAME: ED25519_RECORD})
    assert vouches(made(algorithm="ed25519-sha256"), "to", records=records)
    changed = made(algorithm="ed25519-sha256").replace(b"Boss", b"Boot")
    assert not vouches(changed, "to", records=Records({KEY_NAME: ED25519_RECORD}))


@pytest.mark.parametrize(
    "record",
    [
        keys()[1],
        b"v=DKIM1; k=ed25519; p=",
        b"v=DKIM1; k=ed25519; p=" + base64.b64encode(b"x" * 31),
        b"v=DKIM1; k=ed25519; p=" + base64.b64encode(b"x" * 32),
        b"v=DKIM2; " + ED25519_RECORD[9:],
        ED25519_RECORD + b"; s=other",
        ED25519_RECORD + b"; t=y",
        b"broken",
    ],
)
def test_no_ed25519_signature_holds_with_another_key(record: bytes) -> None:
    assert not vouches(made(algorithm="ed25519-sha256"), "to", records=Records({KEY_NAME: record}))


def test_an_rsa_signature_does_not_hold_with_an_ed25519_key() -> None:
    assert not vouches(made(), "to", records=Records({KEY_NAME: ED25519_RECORD}))


# What the DNS says of DMARC, and whether a signature of corp.com speaks for From at a.mail.corp.com.
ALIGNMENTS: list[tuple[str, dict[str, bytes], bool]] = [
    ("no record", {}, True),
    ("relaxed", {"_dmarc.a.mail.corp.com": b"v=DMARC1; p=reject; adkim=r"}, True),
    ("strict", {"_dmarc.a.mail.corp.com": b"v=DMARC1;p=none;adkim=s"}, False),
    ("strict, in capitals", {"_dmarc.a.mail.corp.com": b"v=DMARC1; p=none; ADKIM = S ;"}, False),
    ("strict above", {"_dmarc.corp.com": b"v=DMARC1; p=none; adkim=s"}, False),
    ("strict between", {"_dmarc.mail.corp.com": b"v=DMARC1; p=none; adkim=s"}, False),
    (
        "relaxed, and strict above",
        {"_dmarc.a.mail.corp.com": b"v=DMARC1; p=none", "_dmarc.corp.com": b"v=DMARC1; p=none; adkim=s"},
        True,
    ),
    ("a record of something else", {"_dmarc.a.mail.corp.com": b"v=spf1 ; adkim=s"}, True),
    ("a DNS that does not answer", {"_dmarc.corp.com": b"broken"}, False),
]


@pytest.mark.parametrize(
    ("records", "vouching"), [row[1:] for row in ALIGNMENTS], ids=[row[0] for row in ALIGNMENTS]
)
def test_a_domain_above_speaks_only_where_dmarc_lets_it(records: dict[str, bytes], vouching: bool) -> None:
    known = Records({KEY_NAME: keys()[1], **records})
    assert vouches(signed(), "to", domain="a.mail.corp.com", records=known) is vouching


def test_dmarc_is_asked_of_few_domains_and_not_for_the_domains_own_signature() -> None:
    records = Records()
    checked(signed(), records=records)
    assert records.asked == [KEY_NAME]
    checked(signed(), domain="x." * 100 + "corp.com", records=records)
    assert len(records.asked) <= 7


WEAK: list[tuple[str, Callable[[], bytes]]] = [
    ("no signature", lambda: TEXT),
    ("another text", lambda: signed().replace(b"Approve", b"Reject!")),
    ("another sender", lambda: signed().replace(b"Boss", b"Boot")),
    ("a second To on top", lambda: b"To: release+token@corp.example\r\n" + signed()),
    ("a To that is not signed", lambda: signed(include_headers=[b"from", b"subject"])),
    ("another domain's signature", lambda: signed(domain=b"evil.org")),
    ("the signature of a domain below", lambda: signed(domain=b"sub.corp.com")),
    ("only the beginning of the text", lambda: signed(length=True)),
    ("an unsigned sender", lambda: made(ALL[1:])),
    ("a second From on top", lambda: b"From: eve@corp.com\r\n" + signed()),
    ("a time that is over", lambda: made(more=f"x={at(-100_000)}; ")),
    ("a time to come", lambda: made(more=f"t={at(100_000)}; ")),
    ("an old algorithm", lambda: signed().replace(b"a=rsa-sha256", b"a=rsa-sha1")),
    ("an unknown algorithm", lambda: signed().replace(b"a=rsa-sha256", b"a=none")),
    ("a tag twice", lambda: signed().replace(b"v=1;", b"v=1; d=corp.com;")),
    ("rubbish", lambda: b"DKIM-Signature: d=corp.com; =;\r\n" + TEXT),
    ("next to nothing", lambda: b"DKIM-Signature: d=corp.com\r\n" + TEXT),
    ("blanks that take for ever", lambda: signed(TEXT + b" " * 100_000 + b"x\r\n")),
    ("more than is read", lambda: signed(TEXT + b"x" * 5_000_000)),
    ("a header without end", lambda: b"X: y\r\n" * 5_000 + signed()),
]


@pytest.mark.parametrize("make", [row[1] for row in WEAK], ids=[row[0] for row in WEAK])
def test_nothing_vouches_for_a_mail_with(make: Callable[[], bytes]) -> None:
    assert not vouches(make(), "to")


KEYS: list[tuple[str, dict[str, bytes], str]] = [
    ("no key", {}, "fail"),
    ("another key", {KEY_NAME: b"v=DKIM1; p=" + base64.b64encode(b"x" * 300)}, "fail"),
    ("a revoked key", {KEY_NAME: b"v=DKIM1; p="}, "fail"),
    ("a key for testing", {KEY_NAME: keys()[1] + b"; t=y"}, "fail"),
    ("a key for testing and more", {KEY_NAME: keys()[1] + b"; t=s:y"}, "fail"),
    ("a DNS that does not answer", {KEY_NAME: b"broken"}, "temperror"),
]


@pytest.mark.parametrize(("records", "result"), [row[1:] for row in KEYS], ids=[row[0] for row in KEYS])
def test_no_signature_holds_with(records: dict[str, bytes], result: str) -> None:
    (signature,) = checked(signed(), records=Records(records)).found
    assert signature.result == result
    assert signature.key == KEY_NAME


def test_a_short_key_proves_nothing() -> None:
    (signature,) = checked(signed(), records=Records({KEY_NAME: b"v=DKIM1; p=" + SHORT_KEY})).found
    assert signature.result == "fail"


# An RSA key of 512 bits.
SHORT_KEY = (
    b"MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf9Cnzj4p4WGeKLs1Pt8QuKUpRKfFLfRYC9AIKjbJT"
    b"WIbS2YjGLJCnXBUCAwEAAQ=="
)


def test_a_mail_with_many_signatures_causes_few_lookups() -> None:
    header = signed()[: -len(TEXT)]
    records = Records()
    checked(header.replace(b"b=", b"b=AAAA") * 20 + TEXT, records=records)
    assert len(records.asked) <= 3


def test_lookups_stop_when_their_time_is_over() -> None:
    now = iter([0.0, LOOKUPS_S + 1])
    (signature,) = SignatureCheck(Records(), lambda: next(now))(read_mail(signed()), "corp.com").found
    assert (signature.result, signature.reason) == ("temperror", "the lookups of keys took too long")


def test_a_key_is_asked_for_once_and_again_when_it_is_old() -> None:
    records, now = Records(), [0.0]
    kept = CachingResolver(records, lambda: now[0])
    assert kept.txt(KEY_NAME, 1) == kept.txt(KEY_NAME.upper(), 1) == keys()[1]
    assert kept.txt("nobody.example", 1) is kept.txt("nobody.example", 1) is None
    assert len(records.asked) == 2
    now[0] = KEPT_S + 1
    assert kept.txt(KEY_NAME, 1) == keys()[1]
    assert len(records.asked) == 3


def test_a_failed_lookup_is_not_kept() -> None:
    records = Records({KEY_NAME: b"broken"})
    kept = CachingResolver(records)
    for _ in range(2):
        with pytest.raises(LookupFailed):
            kept.txt(KEY_NAME, 1)
    assert len(records.asked) == 2


@pytest.mark.parametrize(
    ("signer", "sender", "aligned"),
    [
        ("corp.com", "corp.com", True),
        ("Corp.Com", "corp.com", True),
        ("corp.com", "mail.corp.com", True),
        ("mail.corp.com", "corp.com", False),
        ("orp.com", "corp.com", False),
        ("com", "corp.com", False),
        ("corp.com.evil.org", "corp.com", False),
        ("", "corp.com", False),
    ],
)
def test_a_domain_speaks_for_itself_and_those_below(signer: str, sender: str, aligned: bool) -> None:
    assert speaks_for(signer, sender) is aligned


@pytest.mark.skipif(not SUITE.is_dir(), reason=f"{SUITE} is not here")
def test_arc_chains_are_worth_what_the_arc_suite_says() -> None:
    """171 cases of the suite's validation tests; an empty result there means that there is no chain."""
    seen, wrong = 0, set()
    text = (SUITE / "arc-draft-validation-tests.yml").read_text(encoding="utf-8")
    for scenario in yaml.safe_load_all(text):
        records = {name.lower(): value for name, value in (scenario.get("txt-records") or {}).items()}

        def lookup(name: bytes, timeout: float = 5, records: dict[str, str] = records) -> bytes | None:
            del timeout
            value = records.get(name.decode().rstrip(".").lower())
            return value.encode() if value else None

        for name, case in scenario["tests"].items():
            seen += 1
            raw = case["message"].replace("\n", "\r\n").encode()
            if arc_result(read_mail(raw), lookup) != (case["cv"] or "none").lower():
                wrong.add(name)
    assert (seen, wrong) == (171, EXCEPTIONS)
