"""What our own look at a mail's DKIM signatures found, and for whom they speak (pure).

A signature speaks for a From domain that is its `d=` or lies below it: who owns a zone owns what is below.
The other way round (signed by `mail.example.com`, From at `example.com`) DMARC needs the list of public
suffixes to tell it from `mine.github.io` signing for all of `github.io`; here it is not enough.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from postroom_processor.carriers import BODY

SignatureResult = Literal["pass", "fail", "temperror"]


@dataclass(frozen=True)
class Signature:
    """One signature by the domain: how many of each field it covers, and whether it holds, with the reason.

    `key` is the name of the key in the DNS.
    """

    domain: str
    key: str
    result: SignatureResult
    reason: str
    covered: Mapping[str, int]


@dataclass(frozen=True)
class Signatures:
    """The signatures that speak for the From domain. `arc` is what the ARC chain is worth (RFC 8617).

    A chain that holds says what forwarders say they saw. No forwarder is trusted here, so it decides nothing
    and is recorded for people.
    """

    found: tuple[Signature, ...]
    arc: str = "none"

    def vouch_for(self, carriers: frozenset[str], fields: Mapping[str, tuple[bytes, ...]]) -> bool:
        """Whether one of them holds and covers a place where the token stands.

        Else somebody could take a signed mail of the approver's about something else and put the token on it.
        """
        return any(each.result == "pass" and covers(each.covered, carriers, fields) for each in self.found)

    @property
    def summary(self) -> str:
        """The results in a few words, for people."""
        if not self.found:
            return "no DKIM signature speaks for the sender's domain"
        return "; ".join(f"DKIM of {each.domain}: {each.result} ({each.reason})" for each in self.found)


def speaks_for(signing_domain: str, from_domain: str) -> bool:
    """Whether a signature by the one is aligned with the other."""
    signer, sender = signing_domain.lower(), from_domain.lower()
    return "." in signer and (signer == sender or sender.endswith(f".{signer}"))


def claimed_coverage(values: Iterable[bytes], from_domain: str) -> tuple[Mapping[str, int] | None, ...]:
    """How many of each field the signatures say they cover that a server may have taken for the domain's.

    Nothing is verified: `values` are the fields DKIM-Signature as they stand. One that covers only the
    beginning of the text (`l=`) is None. Counted is every signer that shares the last two labels
    with the domain: more than DMARC aligns, never less.
    """
    family = from_domain.lower().split(".")[-2:]
    tags = (_tags(value) for value in values)
    return tuple(
        None if "l" in each else covered_fields(each.get("h", ""))
        for each in tags
        if each.get("d", "").lower().rstrip(".").split(".")[-2:] == family
    )


def covered_fields(names: str) -> Mapping[str, int]:
    """How many of each field a signature's `h=` names, in lower case."""
    return Counter(name.strip().lower() for name in names.split(":"))


def covers(
    covered: Mapping[str, int] | None, carriers: frozenset[str], fields: Mapping[str, tuple[bytes, ...]]
) -> bool:
    """Whether a signature covers a place where the token stands; the text it covers always.

    Every occurrence of the field must be signed: signing counts from the bottom, additions come on top. None
    covers nothing.
    """
    if covered is None:
        return False
    return BODY in carriers or any(0 < len(fields.get(name, ())) <= covered.get(name, 0) for name in carriers)


def _tags(value: bytes) -> dict[str, str]:
    pairs = (each.partition("=") for each in value.decode("latin-1").split(";"))
    return {"".join(name.split()): "".join(text.split()) for name, _, text in pairs}
