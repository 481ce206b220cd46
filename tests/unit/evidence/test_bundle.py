"""Evidence is spelled in one way, chained, signed, and a bundle of it shows every changed byte."""

from __future__ import annotations

import base64
import io
import random
import zipfile
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.evidence import bundle
from postroom.evidence.archive import pack, unpack
from postroom.evidence.canonical import Value, canonical, fingerprint, parse
from postroom.evidence.carrying import carries, is_from
from postroom.evidence.chain import Entry, SigningKeys, Tail, digest_of, seal, sha256_of
from postroom.evidence.verification import Finding, verify, verify_chain

KEYS = SigningKeys([b"s" * 32])
OTHERS = SigningKeys([b"o" * 32])
TOKEN = "pr" + "a" * 40
MAIL = f"From: Anna <anna@corp.example>\r\nTo: r+{TOKEN}@corp.example\r\n\r\nApprove\r\n".encode()
POLICY: dict[str, Value] = {"approvers": ["corp.example"], "code": "c0de"}
DECIDED: dict[str, Value] = {
    "kind": "decided",
    "at": "2026-03-02T12:00:00+00:00",
    "mail": {"sha256": sha256_of(MAIL), "sender": "anna@corp.example"},
    "token": {"text": TOKEN},
    "policy": {**POLICY, "version": fingerprint(POLICY)},
}
REQUESTED: dict[str, Value] = {"kind": "requested", "at": "2026-03-02T11:00:00+00:00", "subject": "Ä\u2028\0"}


def chain(keys: SigningKeys = KEYS) -> list[Entry]:
    first = seal("r-1", Tail(), REQUESTED, None, keys)
    second = seal("r-1", Tail(1, first.digest), DECIDED, MAIL, keys)
    third = seal("r-1", Tail(2, second.digest), {"kind": "told", "at": ""}, None, keys)
    return [first, second, third]


def faults(findings: list[Finding]) -> list[str]:
    return [each.text for each in findings if each.ok is False]


def bad(entries: list[Entry], **how: list[str]) -> str:
    found = faults(verify_chain(entries, **how))
    assert faults(verify(bundle.write(entries), **how)) == found
    return "\n".join(found)


VALUES: st.SearchStrategy[Value] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(VALUES)
def test_a_value_has_one_spelling_and_is_read_back_from_it(value: Value) -> None:
    assert parse(canonical(value)) == value
    assert canonical(parse(canonical(value))) == canonical(value)


@given(st.text(st.characters()))
def test_half_a_character_has_a_spelling_too(text: str) -> None:
    spelled = canonical({text: text})
    assert canonical(parse(spelled)) == spelled


def test_the_order_of_keys_does_not_matter() -> None:
    assert canonical({"b": 1, "a": [True, None, "ü"]}) == '{"a":[true,null,"ü"],"b":1}'.encode()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), b"x", {b"x": 1}, object(), [{"a": {1}}]])
def test_what_json_does_not_have_has_no_spelling(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        canonical(value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "data",
    [b'{"a": 1}', b'{"b":1,"a":2}', b'{"a":1,"a":1}', b"[1.00]", b'"\\u00fc"', b"[", b"\xff", b"[" * 9999],
)
def test_another_spelling_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="it is"):
        parse(data)


def test_a_bundle_that_nobody_touched_is_right() -> None:
    entries = chain()
    found = verify(bundle.write(entries), KEYS.public, [entries[1].digest])
    assert faults(found) == []
    told = "\n".join(each.text for each in found)
    assert f"carries the token {TOKEN}" in told
    assert "only From names anna@corp.example" in told
    assert entries[-1].digest in told


def test_a_bundle_is_a_zip_file_that_any_program_opens() -> None:
    with zipfile.ZipFile(io.BytesIO(bundle.write(chain()))) as file:
        assert file.testzip() is None
        assert file.read("mails/0002.eml") == MAIL
        assert "entries/0003.json" in file.namelist()


def test_every_changed_byte_of_a_bundle_is_noticed() -> None:
    data = bundle.write(chain())
    chance = random.Random(5)
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= chance.randrange(1, 256)
        assert faults(verify(bytes(changed))), f"byte {position} of {len(data)}"


def test_every_lost_or_added_byte_of_a_bundle_is_noticed() -> None:
    data = bundle.write(chain())
    for position in range(0, len(data), 7):
        assert faults(verify(data[:position]))
        assert faults(verify(data[:position] + data[position + 1 :]))
        assert faults(verify(data[:position] + b"\0" + data[position:]))
    assert faults(verify(data + b"\0"))


def test_a_changed_mail_is_named_by_its_entry() -> None:
    entries = chain()
    entries[1] = replace(entries[1], mail=MAIL.replace(b"Approve", b"Reject!"))
    assert "entry 2 (decided, 2026-03-02T12:00:00+00:00): its document or its mail is not what" in bad(
        entries
    )


def test_a_changed_document_is_named_by_its_entry() -> None:
    entries = chain()
    entries[0] = replace(entries[0], document=entries[0].document.replace(b"11:00", b"10:00"))
    assert "entry 1" in bad(entries)


def test_a_document_that_was_hashed_anew_is_not_signed() -> None:
    entries = chain()
    document = entries[2].document.replace(b"told", b"lied")
    digest = digest_of(entries[2].previous, sha256_of(None), document)
    entries[2] = replace(entries[2], document=document, digest=digest)
    assert bad(entries) == "entry 3 (lied, ): its signature is not one of its key"


@pytest.mark.parametrize("gone", [0, 1])
def test_a_missing_entry_is_noticed(gone: int) -> None:
    entries = chain()
    del entries[gone]
    assert "missing or out of order" in bad(entries)


def test_entries_in_another_order_are_noticed() -> None:
    one, two, three = chain()
    assert "missing or out of order" in bad([two, one, three])
    assert "does not follow" in bad([replace(two, sequence=1), replace(one, sequence=2), three])


def test_a_key_that_was_exchanged_is_noticed() -> None:
    entries = chain()
    entries[1] = replace(entries[1], key=OTHERS.public[0])
    assert "its signature is not one of its key" in bad(entries)
    assert "belongs to another place or key" in bad(entries)
    entries[1] = replace(entries[1], signature=OTHERS.sign(entries[1].digest))
    assert "belongs to another place or key" in bad(entries)


def test_the_missing_end_is_noticed_by_who_kept_its_hash() -> None:
    entries = chain()
    assert bad(entries[:2]) == ""
    assert "is not in the chain" in bad(entries[:2], kept=[entries[2].digest])


def test_a_chain_that_somebody_else_signed_is_noticed_by_who_knows_the_key() -> None:
    assert bad(chain(OTHERS)) == ""
    assert "not trusted" in bad(chain(OTHERS), trusted=list(KEYS.public))
    assert bad(chain(OTHERS), trusted=[*KEYS.public, *OTHERS.public]) == ""


def test_an_entry_of_another_approval_does_not_fit() -> None:
    entries = [replace(each, approval_id="r-2") for each in chain()]
    assert bad(entries).count("belongs to another place") == 3


def test_two_chains_cannot_be_mixed() -> None:
    entries = chain()
    other = seal("r-1", Tail(1, "ab" * 32), DECIDED, MAIL, KEYS)
    assert "does not follow" in bad([entries[0], other, entries[2]])


def test_a_policy_that_does_not_have_its_version_is_noticed() -> None:
    document = {**DECIDED, "policy": {**POLICY, "version": fingerprint({})}}
    assert "policy version" in bad([seal("r-1", Tail(), document, MAIL, KEYS)])


def test_a_mail_that_is_not_there_is_noticed() -> None:
    assert "its mail is missing" in bad([seal("r-1", Tail(), DECIDED, None, KEYS)])


def test_a_mail_that_does_not_say_what_its_entry_says_is_noticed() -> None:
    mail = MAIL.replace(b"anna", b"otto").replace(b"raaaa", b"rbbbb")
    document = {**DECIDED, "mail": {"sha256": sha256_of(mail), "sender": "anna@corp.example"}}
    found = bad([seal("r-1", Tail(), document, mail, KEYS)])
    assert "From names" in found
    assert "carries the token" in found


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x" * 100,
        pack({"chain.json": b"[]"}),
        pack({"x": b""}),
        b"PK\x03\x04",
        pack({"chain.json": b"{}"}),
    ],
)
def test_what_is_no_bundle_is_said_to_be_none(data: bytes) -> None:
    (finding,) = verify(data)
    assert finding.ok is False


@given(st.binary(max_size=300))
def test_nothing_that_is_verified_raises(data: bytes) -> None:
    assert faults(verify(data))
    assert faults(verify(pack({"chain.json": data})))


@given(st.dictionaries(st.text("abc/.", min_size=1), st.binary(), min_size=1))
def test_what_was_packed_is_unpacked(members: dict[str, bytes]) -> None:
    assert unpack(pack(members)) == members


ENCODED = base64.encodebytes(f"Please decide. {TOKEN}".encode() * 3)


@pytest.mark.parametrize(
    "mail",
    [
        MAIL,
        MAIL.upper(),
        b"References: <x@y>\r\n <" + TOKEN.encode()[:10] + b"\r\n " + TOKEN.encode()[10:] + b"@z>\r\n\r\n",
        b"Subject: =?utf-8?B?" + base64.b64encode(TOKEN.encode()) + b"?=\r\n\r\n",
        b"Content-Transfer-Encoding: base64\r\n\r\n" + ENCODED,
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
        + TOKEN[:9].encode()
        + b"=\r\n"
        + TOKEN[9:].encode(),
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + ENCODED
        + b"\r\n--b--\r\n",
    ],
)
def test_a_token_is_found_however_the_mail_is_encoded(mail: bytes) -> None:
    assert carries(mail, TOKEN)
    assert not carries(mail, "pr" + "b" * 40)


@pytest.mark.parametrize(
    ("mail", "found"),
    [
        (b"From: ANNA@corp.example\n\n", True),
        (b"To: x\r\nfrom:\r\n Anna\r\n <anna@corp.example>\r\n\r\nx", True),
        (b"From: anna@corp.example\nFrom: anna@corp.example\n\n", False),
        (b"To: x\n\nFrom: anna@corp.example\n", False),
        (b"From: joanna@corp.example\n\n", False),
        (b"From: anna@corp.example.evil.org\n\n", False),
        (b"", False),
    ],
)
def test_the_sender_is_looked_for_in_the_only_from(mail: bytes, found: bool) -> None:
    assert is_from(mail, "anna@corp.example") is found


def test_a_key_is_never_shown() -> None:
    assert "s" * 8 not in repr(KEYS)
    assert (b"s" * 32).hex() not in repr(KEYS)


@pytest.mark.parametrize("seeds", [[], [b"short"]])
def test_a_wrong_key_is_refused(seeds: list[bytes]) -> None:
    with pytest.raises(ValueError, match=r"key"):
        SigningKeys(seeds)
