"""A mail of ours as a message of a conversation (pure)."""

from postroom.addresses import fold_case
from postroom.inbox.entry import Entry, Source, clean, clean_line, correspondents_of, own_message_id
from postroom.inbox.subject import MAX_CHARS, without_token
from postroom.messages import ApprovalMail, ConfirmMail, HelpMail, LogDepth
from postroom.record import depth
from postroom_sender.job import Task

MAX_KEPT_BYTES = 1024 * 1024
"""Of raw mail in the store; what went out with larger files is in the folder for sent mail."""


def entry_of(task: Task) -> Entry:
    """The message that the mail is.

    What a request was sent with proves who may decide, so neither its token nor its raw mail is kept. Text
    and raw mail are kept where the log option says `full`, and no raw mail that files made large.
    """
    command, account, mail = task.job.command, task.account, task.mail
    content = command.content
    asked = content if isinstance(content, ApprovalMail | HelpMail | ConfirmMail) else None
    answered = getattr(content, "in_reply_to", "").strip().removeprefix("<").removesuffix(">")
    return Entry(
        id=message_id_of(task),
        account=account.name,
        direction="out",
        at=command.written_at,
        author=fold_case(account.address),
        author_name=account.from_name,
        correspondents=correspondents_of(command.recipients, (account.address, account.reply_address)),
        recipients=", ".join(command.recipients),
        subject=clean_line(mail.subject, MAX_CHARS),
        text=_text(task),
        outcome="send",
        message_id=mail.message_id.strip("<>"),
        references=(answered,) if answered else (),
        approval=(asked.approval_id, command.recipient) if asked else None,
        send_id=command.id,
        source=Source(len(mail.content), mail.content) if kept_depth(task) == "full" else None,
        confidential=account.confidential,
    )


def kept_depth(task: Task) -> LogDepth:
    """How much of the mail is kept, for its record as for its conversation."""
    command, account = task.job.command, task.account
    wanted = depth(command.log, account.log, confidential=account.confidential)
    if wanted == "full" and (_is_asked(task) or len(task.mail.content) > MAX_KEPT_BYTES):
        return "headers"
    return wanted


def message_id_of(task: Task) -> str:
    """The id of the mail as a message of its conversation."""
    return own_message_id(task.account.name, task.mail.message_id, task.job.content_sha256 or "")


def _is_asked(task: Task) -> bool:
    return isinstance(task.job.command.content, ApprovalMail | HelpMail | ConfirmMail)


def _text(task: Task) -> str:
    """What people read in the conversation: nothing, where no bodies are to be kept."""
    command, account = task.job.command, task.account
    if depth(command.log, account.log, confidential=account.confidential) != "full":
        return ""
    return clean(without_token(task.mail.text) if _is_asked(task) else task.mail.text).strip()
