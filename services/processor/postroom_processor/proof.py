"""Whether a mail with a proven token is proven well enough to decide: levels and what was found (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from postroom.proof_level import LEVELS, ProofLevel
from postroom_processor.signatures import Signatures


@dataclass(frozen=True)
class Findings:
    """What vouches for the sender's domain.

    `server`: the DMARC result of our own mail server, None without a usable one; `signatures`: what we
    verified ourselves, None if nobody looked; `carriers` and `fields`: where the token stands.
    """

    server: str | None
    signatures: Signatures | None
    carriers: frozenset[str]
    fields: Mapping[str, tuple[bytes, ...]]


def weakness(level: ProofLevel, findings: Findings) -> str | None:
    """What the mail lacks for the level, as a sentence; None if nothing. The sender is another rule's."""
    if not LEVELS[level].domain or findings.server == "pass":
        return None
    # A server that says no has seen more than we can: the envelope, the addresses, the domain's policy.
    if findings.server in ("fail", "reject", "quarantine"):
        return f"our mail server found dmarc={findings.server}"
    signatures = findings.signatures
    if signatures is None:
        return "nothing vouches for the sender's domain"
    if signatures.vouch_for(findings.carriers, findings.fields):
        return None
    if any(each.result == "pass" for each in signatures.found):
        return "the sender's domain signed the mail, but not the place where the reply token stands"
    return f"nothing vouches for the sender's domain: {signatures.summary}"


def wants_signatures(level: ProofLevel, server: str | None) -> bool:
    """Whether to look at the signatures: where the level needs the domain and the server said nothing."""
    return LEVELS[level].domain and server in (None, "none", "temperror", "permerror", "bestguesspass")
