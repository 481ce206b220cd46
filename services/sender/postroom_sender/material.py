"""What a mail is written from besides its order: its template, its files, a signature (pure)."""

from dataclasses import dataclass

from postroom.account import Account
from postroom.errors import Permanent
from postroom.messages import Attachment
from postroom.templates.template import Template
from postroom.user import User


class Unwritable(Permanent):
    """The mail cannot be written; `reason_code` is stable for machines, the sentence is for people."""

    def __init__(self, reason_code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason_code = reason_code


@dataclass(frozen=True)
class File:
    """An attachment with its content."""

    about: Attachment
    content: bytes


@dataclass(frozen=True)
class Material:
    """All that there is; `signature` is a user's or the account's, and may be empty.

    `bounce_tag` and `unsubscribe_tag` (`postroom.mail_tag`) prove that what comes back is about this mail.
    """

    template: Template | None = None
    files: tuple[File, ...] = ()
    signature: str = ""
    bounce_tag: str = ""
    unsubscribe_tag: str = ""


NOTHING = Material()


def signature_of(account: Account, signed_by: str, user: User | None) -> str:
    """The signature for a mail: that of the user in whose name it is written, else the account's.

    Raises:
        Unwritable: a user is named whom nobody knows.
    """
    if signed_by and user is None:
        raise Unwritable("unknown_user", f"signed_by: no user has the name or address {signed_by!r}")
    own = user.signature if user else ""
    return (own or account.signature).strip("\n")
