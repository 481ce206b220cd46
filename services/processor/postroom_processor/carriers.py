"""Where a mail carries reply tokens: the address it went to, the ids it answers, its subject, its text.

Any one suffices, since mail programs and providers lose some of them; the token proves itself wherever it
stands. Which fields carry it is kept: a signature vouches for a token only if it covers one of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from postroom.reply_token import ParsedToken, find_tokens
from postroom_processor.mail import RECIPIENT_FIELDS, Mail

THREAD_FIELDS = ("in-reply-to", "references")
BODY = "body"
MAX_BODY_CHARS = 300_000
"""Of the text and of the HTML: more than an approval mail, quoted and wrapped, can be long."""


@dataclass(frozen=True)
class Carried:
    """A token as found, nothing proven, and where: names of fields in lower case, or `body`."""

    token: ParsedToken
    carriers: frozenset[str]


def carried_tokens(mail: Mail, *, with_body: bool) -> tuple[Carried, ...]:
    """The different tokens that the mail carries, in order of appearance."""
    found: dict[str, Carried] = {}
    for carrier, texts in _places(mail, with_body=with_body):
        for token in find_tokens(texts):
            known = found.get(token.text)
            carriers = known.carriers if known else frozenset()
            found[token.text] = Carried(token, carriers | {carrier})
    return tuple(found.values())


def _places(mail: Mail, *, with_body: bool) -> Iterator[tuple[str, tuple[str, ...]]]:
    for name in sorted(RECIPIENT_FIELDS.intersection(mail.fields)):
        yield name, mail.header_values(name)
    for name in THREAD_FIELDS:
        yield name, mail.header_values(name)
    yield "subject", (mail.subject,)
    if with_body:
        yield BODY, ((mail.text or "")[:MAX_BODY_CHARS], (mail.html or "")[:MAX_BODY_CHARS])
