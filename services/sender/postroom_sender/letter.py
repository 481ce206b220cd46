"""What an approval mail and a help mail say, before it is text or HTML (pure).

No line of a letter may read as a decision, in the mail and in any reply that quotes it: what strangers to us
wrote stands behind a label or in a quotation, and `guarded` marks a line that happens to begin with a choice.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote

from postroom.messages import ApprovalMail, ConfirmMail, HelpMail

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_LINK_SUBJECT_CHARS = 120
GUARD = "| "


@dataclass(frozen=True)
class Choice:
    """One of the words that decide, and the link that prepares a reply with it (RFC 6068)."""

    word: str
    link: str


@dataclass(frozen=True)
class Letter:
    """A mail's content in the order in which it is read.

    Attributes:
        label: Says what kind of mail it is; stands before the subject.
        subject: Of the request.
        facts: Labels with values.
        opening: Sentences before the quotation.
        quotation: What others wrote; may be empty.
        how_to: Sentences before the choices.
        choices: The words to choose from.
        advice: Sentences after the choices.
        footer: Where the mail comes from, and the reply token: replies quote it, so it comes back even where
            a mail server drops tags and a mail program drops references.
        account_footer: What the account writes under all its mails; may be empty.
        not_offered: Words that decide and are not among the choices of this letter.
    """

    label: str
    subject: str
    facts: tuple[tuple[str, str], ...]
    opening: tuple[str, ...]
    quotation: str
    how_to: tuple[str, ...]
    choices: tuple[Choice, ...]
    advice: tuple[str, ...]
    footer: tuple[str, ...]
    account_footer: str = ""
    not_offered: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """All words that decide: those to choose from, and those of the request that are not offered."""
        return (*(choice.word for choice in self.choices), *self.not_offered)


_HOW_TO = ("To decide, reply to this mail and begin with one of the words below.",)
_ADVICE = (
    "Put the word alone in the first line. A comment may follow below it.",
    "Only your own reply counts; please do not change its address.",
)


_UNCLEAR = (
    "Your reply came in, and it was not clear what you decide.",
    "Nothing was decided so far.",
)
_WHY_UNCLEAR: Mapping[str, tuple[str, ...]] = {
    "no-comment": (
        "Your reply came in. For this decision a comment is needed as well, so",
        "it does not count yet: please answer again, and write why below the word.",
    ),
    "unsure-visibility": (
        "Your reply came in, and its formatting leaves open what of it can be seen.",
        "Nothing was decided so far: please answer again, as plain text if you can.",
    ),
}


def subject_tag(token: str) -> str:
    """The token as it stands at the end of a subject."""
    return f"[{token}]"


def approval_letter(
    content: ApprovalMail, *, reply_address: str, from_address: str, account_footer: str = ""
) -> Letter:
    """The letter that asks for a decision. `reply_address` carries the token where it can."""
    facts = [
        ("Asked by", content.requester),
        ("Until", spelled(content.deadline)),
        ("Request", content.approval_id),
    ]
    return Letter(
        label="Reminder: decision needed" if content.reminder else "Decision needed",
        subject=content.subject,
        facts=tuple((label, value) for label, value in facts if value),
        opening=_why_asked(content),
        quotation=content.body.strip("\n"),
        how_to=_HOW_TO,
        choices=_choices(content.choices, content, reply_address),
        advice=(*_ADVICE, *_comment_advice(content)),
        footer=_footer(from_address, content.reply_token),
        account_footer=account_footer.strip("\n"),
    )


def _why_asked(content: ApprovalMail) -> tuple[str, ...]:
    """Why this person gets this mail, and now: nothing for the first mail to somebody who was named."""
    lines: list[str] = []
    if content.changed:
        lines += [
            "This request was changed. What was answered to earlier mails about it",
            "does not count any more; please answer this one.",
        ]
    if content.stands_for:
        lines += [f"You are asked in the place of {content.stands_for}.", "You have one vote together."]
    if content.escalated:
        lines += ["You are asked too, since it was not decided in the time given."]
    if content.reminder:
        lines += ["Your answer has not come in so far."]
    return tuple(lines)


def _comment_advice(content: ApprovalMail) -> tuple[str, ...]:
    words = " or ".join(f'"{choice}"' for choice in content.comment_required)
    return (f"Write why below the word {words}: without a comment it does not count.",) if words else ()


def help_letter(
    content: HelpMail, *, reply_address: str, from_address: str, account_footer: str = ""
) -> Letter:
    """The letter that answers an unclear reply."""
    read = ("This is what could be read of it:",) if content.understood.strip() else ()
    return Letter(
        label="Please answer again",
        subject=content.subject,
        facts=(("Request", content.approval_id),),
        opening=(*_WHY_UNCLEAR.get(content.reason_code, _UNCLEAR), *read),
        quotation=content.understood.strip("\n"),
        how_to=_HOW_TO,
        choices=_choices(content.choices, content, reply_address),
        advice=_ADVICE,
        footer=_footer(from_address, content.reply_token),
        account_footer=account_footer.strip("\n"),
    )


def confirm_letter(
    content: ConfirmMail, *, reply_address: str, from_address: str, account_footer: str = ""
) -> Letter:
    """The letter that asks whether a reply was the approver's own."""
    sender = f" that gives {content.sender} as its sender" if content.sender else ""
    return Letter(
        label="Please confirm",
        subject=content.subject,
        facts=(
            ("It says", f"“{content.choice}”"),
            ("Until", spelled(content.deadline)),
            ("Request", content.approval_id),
        ),
        opening=(
            f"A reply came in{sender}.",
            "It could not be proven that you wrote it, so nothing was decided so far.",
            *(("It has this comment:",) if content.comment.strip() else ()),
        ),
        quotation=content.comment.strip("\n"),
        how_to=("If you wrote it, reply to this mail with the same word again.",),
        choices=_choices((content.choice,), content, reply_address),
        advice=(
            "If you did not write it, do nothing, or tell your administrator: somebody has the mail to you.",
            "Put the word alone in the first line. Without your answer nothing is decided.",
        ),
        footer=_footer(from_address, content.reply_token),
        account_footer=account_footer.strip("\n"),
        not_offered=tuple(word for word in content.choices if word != content.choice),
    )


def spelled(moment: datetime | None) -> str:
    """A time as people write it, in UTC and in words that no country reads otherwise; empty for None."""
    if moment is None:
        return ""
    utc = moment.astimezone(UTC)
    day = f"{_DAYS[utc.weekday()]}, {utc.day} {_MONTHS[utc.month - 1]} {utc.year}"
    return f"{day}, {utc:%H:%M} UTC"


def guarded(text: str, words: tuple[str, ...]) -> str:
    """The text with a mark before each line that begins with one of the words; quoted lines have theirs."""
    return _guard(words).sub(GUARD, text)


@lru_cache(maxsize=256)
def _guard(words: tuple[str, ...]) -> re.Pattern[str]:
    choice = "|".join(re.escape(word) for word in words)
    return re.compile(rf"^(?!>)(?=(?:[^\w\n]|_)*(?:{choice}))", re.IGNORECASE | re.MULTILINE)


def _choices(
    words: tuple[str, ...], content: ApprovalMail | HelpMail | ConfirmMail, reply_address: str
) -> tuple[Choice, ...]:
    # "+" is encoded, since some programs read it as a blank (RFC 6068, section 5).
    local, _, domain = reply_address.rpartition("@")
    address = f"{quote(local, safe='')}@{quote(domain, safe='')}"
    # Such a mail is new and answers nothing: where the address cannot carry the token, its subject does.
    title = quote(f": {content.subject[:_LINK_SUBJECT_CHARS]} {subject_tag(content.reply_token)}", safe="")
    return tuple(
        Choice(
            word,
            f"mailto:{address}?subject={quote(word[:1].upper() + word[1:], safe='')}{title}"
            f"&body={quote(word, safe='')}",
        )
        for word in words
    )


def _footer(from_address: str, token: str) -> tuple[str, ...]:
    return (f"Written by a program (Postroom) for {from_address}.", f"Reference: {token}")
