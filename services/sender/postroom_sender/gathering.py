"""Gathers what mails are written from: templates of the store, files of the spool, signatures of users."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from postroom.account import Account
from postroom.accounts_watch import Accounts
from postroom.errors import Permanent, Transient
from postroom.mail_tag import make_tag
from postroom.messages import Attachment, MailSend, TemplateMail
from postroom.reply_token import TokenKeys
from postroom.spool import Spool
from postroom.store import Store
from postroom.store import templates as stored
from postroom.templates.template import Template, default_of
from postroom.user import called
from postroom_sender.material import File, Material, Unwritable, signature_of

BATCH_BYTES = 64 * 1024 * 1024
"""Of files that one batch has in memory; mails beyond it wait for the next."""
MEBIBYTE = 1024 * 1024


@dataclass
class Stock:
    """What the mails of one batch are written from; for one use, in one thread."""

    accounts: Accounts
    spool: Spool
    limit_bytes: int
    keys: TokenKeys
    templates: Mapping[str, Template] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    _contents: dict[str, bytes] = field(default_factory=dict)
    _used_bytes: int = 0

    def addressed(self, command: MailSend) -> MailSend:
        """The order with its account: its own, or the one that its template names."""
        if command.account or not isinstance(command.content, TemplateMail):
            return command
        template = self._template(command)
        account = template.account if template is not None else None
        return command.model_copy(update={"account": account or ""})

    def unreadable_template(self, command: MailSend) -> str:
        """Why the template that the order names cannot be read, though it is there; empty: it can."""
        content = command.content
        name = content.template if isinstance(content, TemplateMail) else None
        return self.unreadable.get(name or "", "")

    def material(self, command: MailSend, account: Account) -> Material:
        """What the mail is written from.

        Raises:
            Unwritable: a file is missing, damaged or too large, or a user is not known.
            Transient: the spool does not answer, or this batch has as much as it can hold.
        """
        user = called(self.accounts.users, command.signed_by) if command.signed_by else None
        return Material(
            template=self._template(command),
            files=self._files(command.attachments),
            signature=signature_of(account, command.signed_by, user),
            bounce_tag=make_tag("bounce", command.id, self.keys),
            unsubscribe_tag=make_tag("unsubscribe", command.id, self.keys) if command.lane == "bulk" else "",
        )

    def _template(self, command: MailSend) -> Template | None:
        content = command.content
        if not isinstance(content, TemplateMail):
            return None
        if content.template is not None:
            return self.templates.get(content.template)
        return default_of(self.templates.values(), command.account or None)

    def _files(self, attachments: tuple[Attachment, ...]) -> tuple[File, ...]:
        files, size_bytes = [], 0
        for each in attachments:
            content = self._content(each, self.limit_bytes - size_bytes)
            size_bytes += len(content)
            files.append(File(each, content))
        # A mail alone in a batch goes, however large it may be.
        if self._used_bytes and self._used_bytes + size_bytes > BATCH_BYTES:
            raise Transient("mails with large files go one after the other")
        self._used_bytes += size_bytes
        return tuple(files)

    def _content(self, attachment: Attachment, room_bytes: int) -> bytes:
        known = self._contents.get(attachment.dataref)
        if known is not None and len(known) <= room_bytes:
            return known
        try:
            with self.spool.reading(attachment.dataref) as (size_bytes, parts):
                if size_bytes > room_bytes:
                    limit = f"{self.limit_bytes / MEBIBYTE:g} MiB (POSTROOM_ATTACHMENTS_LIMIT_BYTES)"
                    raise Unwritable("attachment", f"the files of the mail are larger than {limit} together")
                content = b"".join(parts)
        except Unwritable:
            raise
        except Permanent as error:
            raise Unwritable("attachment", f"the file {attachment.filename}: {error}") from error
        self._contents[attachment.dataref] = content
        return content


class Gathering:
    """Gives each batch its stock. Threads may share it."""

    def __init__(
        self, store: Store, spool: Spool, accounts: Accounts, limit_bytes: int, keys: TokenKeys
    ) -> None:
        self._keys = keys
        self._store = store
        self._spool = spool
        self._accounts = accounts
        self._limit_bytes = limit_bytes

    def stock(self, commands: Iterable[MailSend]) -> Stock:
        """What mails for these orders can be written from; templates are read only if one is asked for.

        Raises:
            Transient: the store does not answer.
        """
        found = stored.Stored({}, {})
        if any(isinstance(each.content, TemplateMail) for each in commands):
            with self._store.read() as connection:
                found = stored.read_all(connection)
        return Stock(
            self._accounts, self._spool, self._limit_bytes, self._keys, found.templates, found.unreadable
        )
