"""Verifies a bundle with nothing but its bytes: no store, no broker, no network (pure)."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from postroom.amount import amount
from postroom.evidence import bundle
from postroom.evidence.archive import pack, unpack
from postroom.evidence.canonical import Value, fingerprint, parse
from postroom.evidence.carrying import carries, is_from
from postroom.evidence.chain import NOTHING, Entry, digest_of, is_signed, sha256_of


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `ok` is None for what is to be known and is neither right nor wrong."""

    ok: bool | None
    text: str


def verify(data: bytes, trusted: Collection[str] = (), kept: Collection[str] = ()) -> list[Finding]:
    """What is found about a bundle: each thing that was looked at, in order. Never raises.

    Args:
        data: The bundle.
        trusted: The public keys that may have signed (hex); without any it is not looked at who signed.
        kept: Hashes that were noted earlier and that the chain must have.
    """
    try:
        members = unpack(data)
        entries = bundle.read(members)
    except ValueError as error:
        return [Finding(False, f"the bundle: {error}")]
    return [_whole(data, members), _derived(members, entries), *verify_chain(entries, trusted, kept)]


def verify_chain(
    entries: Sequence[Entry], trusted: Collection[str] = (), kept: Collection[str] = ()
) -> list[Finding]:
    """What is found about a chain, as `verify`."""
    found: list[Finding] = []
    before = NOTHING
    for number, entry in enumerate(entries, start=1):
        found += _entry(entry, number, before)
        before = entry.digest
    digests = {entry.digest for entry in entries}
    found += [
        Finding(digest in digests, f"the hash {digest} that was kept is {_in(digest in digests)} the chain")
        for digest in kept
    ]
    found.append(_signers(entries, trusted))
    found.append(
        Finding(None, f"the chain has {amount(len(entries), 'entry', 'entries')} and ends with {before}")
    )
    return found


def _whole(data: bytes, members: dict[str, bytes]) -> Finding:
    try:
        packed = pack(members)
    except ValueError:
        return Finding(False, "the file is not as it was written")
    if packed == data:
        return Finding(True, f"the file is byte for byte as it was written: {amount(len(data), 'byte')}")
    pairs = zip(packed, data, strict=False)
    position = next((at for at, (ours, its) in enumerate(pairs) if ours != its), min(len(packed), len(data)))
    return Finding(False, f"the file is not as it was written: it differs at byte {position}")


def _derived(members: dict[str, bytes], entries: Sequence[Entry]) -> Finding:
    expected = bundle.members_of(entries)
    wrong = [name for name in {**expected, **members} if expected.get(name) != members.get(name)]
    if not wrong and list(expected) != list(members):
        wrong = ["the order of its members"]
    if wrong:
        told = ", ".join(each if each.isprintable() else ascii(each) for each in wrong)
        return Finding(False, f"the bundle's members do not agree with each other: {told}")
    return Finding(True, f"the bundle has all its members and no other: {len(members)}")


def _entry(entry: Entry, number: int, before: str) -> Iterator[Finding]:
    try:
        document = parse(entry.document)
    except ValueError as error:
        yield Finding(False, f"entry {number}: its document: {error}")
        document = None
    told = document if isinstance(document, dict) else {}
    name = f"entry {number} ({told.get('kind', 'unreadable')}, {told.get('at', 'at no time')})"
    faults = [sentence for holds, sentence in _checks(entry, told, number, before) if not holds]
    yield from (Finding(False, f"{name}: {sentence}") for sentence in faults)
    if not faults:
        yield Finding(True, f"{name}: hash, signature and its place in the chain are right")
        yield from _about_the_mail(name, entry, told)


def _checks(entry: Entry, told: dict[str, Value], number: int, before: str) -> Iterator[tuple[bool, str]]:
    yield entry.sequence == number, f"it is numbered {entry.sequence}: entries are missing or out of order"
    yield entry.previous == before, "it does not follow the entry before it"
    yield _digest(entry) == entry.digest, "its document or its mail is not what was hashed"
    yield is_signed(entry.digest, entry.key, entry.signature), "its signature is not one of its key"
    named = (told.get("approval_id"), told.get("sequence"), told.get("key"))
    yield named == (entry.approval_id, number, entry.key), "its document belongs to another place or key"
    policy = told.get("policy")
    yield policy is None or _policy_version(policy), "its policy version is not that of the policy it names"
    mail = told.get("mail")
    mail_sha256 = mail.get("sha256") if isinstance(mail, dict) else NOTHING
    yield mail_sha256 == sha256_of(entry.mail), "its mail is missing, or not the one that its document names"


def _about_the_mail(name: str, entry: Entry, told: dict[str, Value]) -> Iterator[Finding]:
    """What the document says of the raw mail, looked up in it."""
    if entry.mail is None:
        return
    mail, token = told.get("mail"), told.get("token")
    sender = mail.get("sender") if isinstance(mail, dict) else None
    if isinstance(sender, str):
        yield Finding(is_from(entry.mail, sender), f"{name}: the raw mail's only From names {sender}")
    text = token.get("text") if isinstance(token, dict) else None
    if isinstance(text, str):
        yield Finding(carries(entry.mail, text), f"{name}: the raw mail carries the token {text}")


def _digest(entry: Entry) -> str:
    try:
        return digest_of(entry.previous, sha256_of(entry.mail), entry.document)
    except ValueError:
        return ""


def _policy_version(policy: Value) -> bool:
    if not isinstance(policy, dict):
        return False
    return policy.get("version") == fingerprint({key: policy[key] for key in policy if key != "version"})


def _signers(entries: Sequence[Entry], trusted: Collection[str]) -> Finding:
    keys = sorted({entry.key for entry in entries})
    told = ", ".join(keys)
    if not trusted:
        return Finding(
            None, f"signed with {told}: compare it with `postroom evidence key`, or give --public-key"
        )
    strange = sorted(set(keys) - set(trusted))
    if strange:
        return Finding(False, f"signed with a key that is not trusted: {', '.join(strange)}")
    return Finding(True, f"signed with a trusted key: {told}")


def _in(there: bool) -> str:
    return "in" if there else "not in"
