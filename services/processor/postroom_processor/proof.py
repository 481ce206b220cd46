"""Whether a mail with a proven token is proven well enough to decide: levels and what was found (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from postroom.proof_level import LEVELS, ProofLevel
from postroom_processor.authentication_results import REFUSALS
from postroom_processor.signatures import Signatures, covers

_NOT_COVERED = "the sender's domain signed the mail, but not the place where the reply token stands"


@dataclass(frozen=True)
class Findings:
    """What vouches for the sender's domain.

    `server`: the DMARC result of our own mail server, None without a usable one; `signatures`: what we
    verified ourselves, None if nobody looked; `carriers` and `fields`: where the token stands; `claimed`:
    what the signatures that the server may have relied on say they cover.
    """

    server: str | None
    signatures: Signatures | None
    carriers: frozenset[str]
    fields: Mapping[str, tuple[bytes, ...]]
    claimed: tuple[Mapping[str, int] | None, ...] = ()


def weakness(level: ProofLevel, findings: Findings) -> str | None:
    """What the mail lacks for the level, as a sentence; None if nothing. The sender is another rule's."""
    if not LEVELS[level].domain:
        return None
    if findings.server == "pass":
        return None if _is_covered(findings) else _NOT_COVERED
    # A server that says no has seen more than we can: the envelope, the addresses, the domain's policy.
    if findings.server in REFUSALS:
        return f"our mail server found dmarc={findings.server}"
    signatures = findings.signatures
    if signatures is None:
        return "nothing vouches for the sender's domain"
    if signatures.vouch_for(findings.carriers, findings.fields):
        return None
    if any(each.result == "pass" for each in signatures.found):
        return _NOT_COVERED
    return f"nothing vouches for the sender's domain: {signatures.summary}"


def _is_covered(findings: Findings) -> bool:
    """Whether the server's result cannot rest on an old signed mail that somebody put the token on.

    All signatures must cover the token: a stranger can add one that says so, and cannot remove the one that
    holds. Without any the server went by the way the mail took (SPF).
    """
    return all(covers(each, findings.carriers, findings.fields) for each in findings.claimed)


def wants_signatures(level: ProofLevel, server: str | None) -> bool:
    """Whether to look at the signatures: where the level needs the domain and the server said nothing."""
    return LEVELS[level].domain and server in (None, "none", "temperror", "permerror", "bestguesspass")
