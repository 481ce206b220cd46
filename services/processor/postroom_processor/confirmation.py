"""A clear reply whose proof is too weak, and the question whether it is the approver's (pure).

The question goes to the registered address, with a token of its own that is bound to what the first mail
said: whoever answers it reads that mailbox. What it confirms is that mail and that choice, nothing else.
"""

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import datetime

from postroom.reply_token import TokenClaim, token_ref

_PURPOSE = "postroom confirmation 1"


@dataclass(frozen=True)
class FirstReply:
    """The mail that waits for confirmation: what it said, and who was asked whether it is theirs.

    `voter` is a registered address; `answer` says how it was answered, None while it waits.
    """

    mail_id: str
    sha256: str
    choice: str
    comment: str
    voter: str
    asked_at: datetime
    answer: str | None = None


@dataclass(frozen=True)
class Question:
    """What is asked: the claim of the token with its reference, that of the token before, the first mail."""

    claim: TokenClaim
    token_ref: str
    asked_ref: str
    first: FirstReply


def confirmation_claim(asked: TokenClaim, mail_id: str, choice: str, voter: str) -> TokenClaim:
    """The claim of the token that confirms a mail: another one for every mail, choice and voter."""
    bound = json.dumps([_PURPOSE, asked.content_hash, mail_id, choice, voter], ensure_ascii=False)
    return replace(asked, content_hash=hashlib.sha256(bound.encode()).hexdigest())


def question(asked: TokenClaim, first: FirstReply) -> Question:
    """The question about a first mail that answered the request with that claim."""
    claim = confirmation_claim(asked, first.mail_id, first.choice, first.voter)
    return Question(claim, token_ref(claim), token_ref(asked), first)
