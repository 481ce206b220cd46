"""A mail as a message of a conversation, before it has one (pure)."""

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Literal

from postroom.addresses import fold_case
from postroom.inbox.subject import subject_core
from postroom.messages import derive_id

Direction = Literal["in", "out"]
MAX_TEXT_CHARS = 20_000
"""Of one message; what is longer is whole in the raw mail."""
MAX_PREVIEW_CHARS = 200
MAX_NAME_CHARS = 200
MAX_REFERENCES = 30
"""Of one mail, the nearest first: no more are looked up."""
MAX_REMEMBERED = 3
"""Of the ids that a mail refers to, so many lead to its conversation as well as its own."""
MAX_CORRESPONDENTS = 20
_ID_CHARS = 16


@dataclass(frozen=True)
class Source:
    """The raw mail: its bytes, or where it lies in the spool."""

    size_bytes: int
    content: bytes | None = None
    dataref: str | None = None
    truncated: bool = False


@dataclass(frozen=True)
class Entry:
    """A mail that is to join a conversation.

    Attributes:
        id: Of the message; the same for the same mail, however often it comes.
        account: Whose conversation it is.
        direction: `in`: it came to the account; `out`: it went out from it.
        at: When it arrived or was written.
        author: The one address it is from (`fold_case`); None where From cannot be read strictly.
        author_name: What stands beside the address; of an unreadable From all of it.
        correspondents: Who it is exchanged with: the author, or the recipients.
        recipients: To whom, as text.
        subject: As it is shown.
        text: As it is shown; `MAX_TEXT_CHARS` at most.
        outcome: What became of it (`mails.outcome`); `send` for a mail of ours.
        message_id: Of the mail, without angle brackets. Strangers choose it: it leads to a conversation, and
            is no reason to drop anything.
        references: The Message-IDs that it refers to, the nearest first.
        approval: The request it is a proven part of, and the approver.
        mail_id: Of the mail on the server.
        send_id: Of a mail of ours.
        is_copy: It lies in the folder for sent mail and is one of ours, which may be there already.
        source: The raw mail, if it is kept.
        confidential: Nothing of its text goes into previews or can be searched for.
    """

    id: str
    account: str
    direction: Direction
    at: datetime
    author: str | None
    correspondents: tuple[str, ...]
    subject: str
    text: str
    outcome: str
    author_name: str = ""
    recipients: str = ""
    message_id: str | None = None
    references: tuple[str, ...] = ()
    approval: tuple[str, str] | None = None
    mail_id: str | None = None
    send_id: str | None = None
    is_copy: bool = False
    source: Source | None = None
    confidential: bool = False

    @cached_property
    def strong_keys(self) -> tuple[str, ...]:
        """What leads to its conversation whatever the time, the surest first."""
        referred = (
            self._key(kind, each) for each in self.references[:MAX_REFERENCES] for kind in ("id", "ref")
        )
        return (*self._request_key, *referred)

    @cached_property
    def id_key(self) -> str | None:
        """Leads to the first mail that bore its Message-ID."""
        return self._key("id", self.message_id) if self.message_id else None

    @cached_property
    def awaited_key(self) -> str | None:
        """Leads to the conversation of mails that referred to it before it came."""
        return self._key("ref", self.message_id) if self.message_id else None

    @cached_property
    def weak_keys(self) -> tuple[str, ...]:
        """What leads to its conversation within a time: the subject with each of the correspondents.

        Mails about a request have none: two requests of one name are two conversations.
        """
        core = subject_core(self.subject) if self.approval is None else ""
        if not core:
            return ()
        return tuple(self._key("subject", core, fold_case(each)) for each in self.correspondents)

    @cached_property
    def own_keys(self) -> tuple[str, ...]:
        """The strong keys that lead to its conversation from now on."""
        referred = (self._key("ref", each) for each in self.references[:MAX_REMEMBERED])
        own = (self.id_key,) if self.id_key else ()
        return tuple(dict.fromkeys((*self._request_key, *own, *referred)))

    @property
    def _request_key(self) -> tuple[str, ...]:
        return () if self.approval is None else (self._key("approval", *map(fold_case, self.approval)),)

    @property
    def approval_id(self) -> str | None:
        """The request that it is a proven part of."""
        return self.approval[0] if self.approval else None

    @property
    def preview(self) -> str:
        """The beginning of the text on one line."""
        return (
            ""
            if self.confidential
            else " ".join(self.text[: 3 * MAX_PREVIEW_CHARS].split())[:MAX_PREVIEW_CHARS]
        )

    @property
    def searched(self) -> str:
        """What a search looks at."""
        about = (self.subject, self.author or "", self.author_name, self.recipients)
        return search_form("\n".join((*about, "" if self.confidential else self.text)))

    def _key(self, kind: str, *parts: str) -> str:
        whole = "\0".join((self.account, kind, *parts))
        return hashlib.sha256(whole.encode(errors="surrogatepass")).hexdigest()[: 2 * _ID_CHARS]


def conversation_id(entry: Entry) -> str:
    """The id of the conversation that begins with this message."""
    return short_id("conversation", entry.account, entry.id)


def short_id(*parts: str) -> str:
    """An id of 16 hex digits, the same for the same parts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:_ID_CHARS]


def own_message_id(account: str, message_id: str, content_sha256: str) -> str:
    """The id of a message that we sent: known by Message-ID in brackets and body (`own_mail`)."""
    return derive_id("own mail", account, message_id, content_sha256)


def correspondents_of(addresses: Sequence[str], own: Sequence[str]) -> tuple[str, ...]:
    """The addresses in one form, each once and without the account's own."""
    ours = {fold_case(each) for each in own}
    return tuple(each for each in dict.fromkeys(map(fold_case, addresses)) if each not in ours)[
        :MAX_CORRESPONDENTS
    ]


def clean(text: str, max_chars: int = MAX_TEXT_CHARS) -> str:
    r"""A stranger's text as the store can hold it: no controls but \n and \t, no half characters."""
    text = text[: 2 * max_chars].replace("\r\n", "\n").replace("\r", "\n")
    if not (text.isascii() and text.isprintable()):
        text = text.encode("utf-8", "replace").decode().translate(_CONTROLS)
    return text[:max_chars]


def clean_line(text: str, max_chars: int) -> str:
    """The same on one line."""
    return " ".join(clean(text, 2 * max_chars).split())[:max_chars]


def search_form(text: str) -> str:
    """A text as searches compare it: compatibility forms, case and blanks do not matter."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return " ".join(text.casefold().split())


_CONTROLS = {
    **dict.fromkeys([*range(9), 11, 12, *range(14, 32), *range(127, 160)], " "),
    0x2028: "\n",
    0x2029: "\n",
}
