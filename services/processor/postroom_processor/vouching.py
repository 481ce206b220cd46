"""Looks at the signatures of the mails that need it, before anything is decided and outside transactions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from postroom.reply_token import TokenKeys, verify_token
from postroom_processor.decide import TokenRecord
from postroom_processor.examine import Examined
from postroom_processor.mail import Mail
from postroom_processor.proof import wants_signatures
from postroom_processor.signatures import Signatures


class Check(Protocol):
    """Verifies the signatures of a mail that speak for a domain."""

    def __call__(self, mail: Mail, from_domain: str, /) -> Signatures:
        """What they are worth."""


def vouched(
    mails: Sequence[Examined], records: Mapping[str, TokenRecord], keys: TokenKeys, check: Check
) -> list[Examined]:
    """The mails, with their signatures where a proven token's level needs them and the server was silent.

    Only such mails cause lookups: nobody without a token of ours can make us ask the DNS for anything.
    """
    return [
        replace(each, signatures=check(each.mail, each.sender.rpartition("@")[2]))
        if each.sender and _needs(each, records, keys)
        else each
        for each in mails
    ]


def _needs(examined: Examined, records: Mapping[str, TokenRecord], keys: TokenKeys) -> bool:
    return any(
        record.first is None
        and wants_signatures(record.proof, examined.dmarc)
        and record.answerer(examined.sender) is not None
        and verify_token(token, record.claim, keys)
        for token in examined.tokens
        if (record := records.get(token.ref)) is not None
    )
