"""A mail of ours as a message of a conversation (pure)."""

from postroom.addresses import fold_case
from postroom.inbox.entry import Entry, Source, clean, clean_line, correspondents_of, own_message_id
from postroom.inbox.subject import MAX_CHARS, without_token
from postroom.messages import ApprovalMail, ConfirmMail, HelpMail, PlainMail, TemplateMail
from postroom_sender.job import Task

MAX_KEPT_BYTES = 1024 * 1024
"""Of raw mail in the store; what went out with larger files is in the folder for sent mail."""


def entry_of(task: Task) -> Entry:
    """The message that the mail is.

    What a request was sent with proves who may decide, so neither its token nor its raw mail is kept. Of
    confidential accounts neither text nor raw mail is, and no raw mail that files made large.
    """
    command, account, mail = task.job.command, task.account, task.mail
    content = command.content
    asked = content if isinstance(content, ApprovalMail | HelpMail | ConfirmMail) else None
    answered = getattr(content, "in_reply_to", "").strip().removeprefix("<").removesuffix(">")
    return Entry(
        id=own_message_id(account.name, mail.message_id, task.job.content_sha256 or ""),
        account=account.name,
        direction="out",
        at=command.written_at,
        author=fold_case(account.address),
        author_name=account.from_name,
        correspondents=correspondents_of(command.recipients, (account.address, account.reply_address)),
        recipients=", ".join(command.recipients),
        subject=clean_line(mail.subject, MAX_CHARS),
        text="" if account.confidential else clean(without_token(mail.text) if asked else mail.text).strip(),
        outcome="send",
        message_id=mail.message_id.strip("<>"),
        references=(answered,) if answered else (),
        approval=(asked.approval_id, command.recipient) if asked else None,
        send_id=command.id,
        source=Source(len(mail.content), mail.content) if _may_be_kept(task) else None,
        confidential=account.confidential,
    )


def _may_be_kept(task: Task) -> bool:
    own_words = isinstance(task.job.command.content, PlainMail | TemplateMail)
    return own_words and not task.account.confidential and len(task.mail.content) <= MAX_KEPT_BYTES
