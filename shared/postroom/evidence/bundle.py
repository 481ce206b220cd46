"""The bundle: one file with all that is needed to verify the evidence of an approval (pure).

All but documents, mails and `chain.json` follows from these: whoever reads a bundle writes it anew and
compares.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import cast

from postroom.evidence.archive import pack
from postroom.evidence.canonical import Value, canonical, parse
from postroom.evidence.chain import Entry

_CHAIN, _MANIFEST, _KEYS, _README = "chain.json", "manifest.json", "keys.txt", "README.txt"
_FIELDS = ("digest", "key", "previous", "signature")
_TEXT = """\
Evidence of the approval {approval_id}
{line}

entries/NNNN.json   what was recorded at each change of the approval, oldest first (canonical JSON)
mails/NNNN.eml      the raw mail that the entry of this number is about, as it came
chain.json          per entry: hash of the one before, own hash, public key, signature
keys.txt            the public keys (Ed25519) that signed, one a line
manifest.json       the SHA-256 of each file

An entry's hash is SHA-256 over: the text "postroom evidence 1" and a zero byte, the 32 bytes of the hash
before (zeros in the first entry), the 32 bytes of the mail's SHA-256 (zeros without a mail), the bytes of the
.json file. Signed is that text, the zero byte, and the 32 bytes of the entry's hash.

To verify, without network:  postroom evidence verify FILE --public-key KEY
KEY is what `postroom evidence key` prints where Postroom runs. Without it, verifying shows that nothing was
changed since it was signed, but not by whom it was signed.

The mails are complete: keep this file as confidential as they are.
"""


def write(entries: Sequence[Entry]) -> bytes:
    """The bundle of a chain, which has one entry at least.

    Raises:
        ValueError: it is too large for one file.
    """
    return pack(members_of(entries))


def members_of(entries: Sequence[Entry]) -> dict[str, bytes]:
    """What is in the bundle of a chain, by name, in order."""
    approval_id = entries[0].approval_id
    members = {_README: _TEXT.format(approval_id=approval_id, line="=" * (26 + len(approval_id))).encode()}
    for entry in entries:
        members[_document(entry.sequence)] = entry.document
        if entry.mail is not None:
            members[_mail(entry.sequence)] = entry.mail
    members[_CHAIN] = canonical({"approval_id": approval_id, "entries": [_row(entry) for entry in entries]})
    members[_KEYS] = "".join(f"{key}\n" for key in dict.fromkeys(entry.key for entry in entries)).encode()
    hashes: dict[str, Value] = {
        name: hashlib.sha256(content).hexdigest() for name, content in members.items()
    }
    members[_MANIFEST] = canonical(hashes)
    return members


def read(members: Mapping[str, bytes]) -> list[Entry]:
    """The entries of a bundle, nothing of them verified.

    Raises:
        ValueError: what tells the entries is missing or malformed.
    """
    try:
        chain = parse(members[_CHAIN])
    except KeyError:
        raise ValueError(f"{_CHAIN} is missing") from None
    except ValueError as error:
        raise ValueError(f"{_CHAIN}: {error}") from error
    if not isinstance(chain, dict) or set(chain) != {"approval_id", "entries"}:
        raise ValueError(f"{_CHAIN} does not tell a chain")
    approval_id, rows = chain["approval_id"], chain["entries"]
    if not isinstance(approval_id, str) or not isinstance(rows, list) or not rows:
        raise ValueError(f"{_CHAIN} does not tell a chain")
    return [_entry(approval_id, row, members) for row in rows]


def _row(entry: Entry) -> dict[str, Value]:
    return {"sequence": entry.sequence, **{name: cast(str, getattr(entry, name)) for name in _FIELDS}}


def _entry(approval_id: str, row: Value, members: Mapping[str, bytes]) -> Entry:
    if not isinstance(row, dict) or set(row) != {"sequence", *_FIELDS}:
        raise ValueError(f"{_CHAIN} does not tell an entry's hashes")
    sequence, hashes = row["sequence"], {name: row[name] for name in _FIELDS}
    if type(sequence) is not int or not all(isinstance(each, str) for each in hashes.values()):
        raise ValueError(f"{_CHAIN} does not tell an entry's hashes")
    document = members.get(_document(sequence))
    if document is None:
        raise ValueError(f"{_document(sequence)} is missing")
    return Entry(
        approval_id=approval_id,
        sequence=sequence,
        document=document,
        mail=members.get(_mail(sequence)),
        **cast(dict[str, str], hashes),
    )


def _document(sequence: int) -> str:
    return f"entries/{sequence:04}.json"


def _mail(sequence: int) -> str:
    return f"mails/{sequence:04}.eml"
