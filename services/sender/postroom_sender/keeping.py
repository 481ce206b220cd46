"""What is kept of a mail: its record, and what is needed while it is in doubt (pure)."""

from postroom.doubt import NewDoubt
from postroom.inbox.entry import clean_line
from postroom.inbox.subject import MAX_CHARS, without_token
from postroom.messages import LogDepth
from postroom.record import Record, header_block, send_record_id, sha256
from postroom_sender.entry import MAX_KEPT_BYTES, kept_depth, message_id_of
from postroom_sender.job import Job, Task
from postroom_sender.settling import REPEATABLE

TOO_LARGE = f"larger than {MAX_KEPT_BYTES // 1024} KiB: of the whole mail only the headers are kept"
ASKED = "what a request was sent with proves who may decide, and is not kept"


def record_of(task: Task, conversation_id: str | None) -> Record:
    """The record of a mail that is sent. Of mails about requests neither headers nor the mail are kept."""
    command, mail = task.job.command, task.mail
    log = kept_depth(task)
    is_asked = command.content.kind in REPEATABLE
    whole = mail.content
    return Record(
        id=send_record_id(command.id),
        account=task.account.name,
        kind="send",
        event=command.event,
        send_id=command.id,
        recipient=command.recipient,
        subject="" if log == "nothing" else without_token(clean_line(mail.subject, MAX_CHARS)),
        log=log,
        headers=header_block(whole) if log == "headers" and not is_asked else None,
        source_id=message_id_of(task) if log == "full" else None,
        sha256=sha256(whole),
        size_bytes=len(whole),
        contact_id=command.contact_id,
        conversation_id=command.conversation_id or conversation_id,
        detail=_why_less(task, log),
        at=command.written_at,
    )


def refused_record(job: Job) -> Record:
    """The record of a mail that could not be written."""
    command = job.command
    return Record(
        id=send_record_id(command.id),
        account=command.account,
        kind="send",
        event=command.event,
        send_id=command.id,
        recipient=command.recipient,
        log="nothing",
        contact_id=command.contact_id,
        conversation_id=command.conversation_id,
        at=command.written_at,
    )


def doubt_of(job: Job, task: Task | None, *, is_parked: bool) -> NewDoubt:
    """What is needed to send the mail again, and nothing of it where the account is confidential.

    Args:
        job: The mail's.
        task: With the mail as it is now; None if it cannot be written.
        is_parked: Whether nothing more is tried by itself.
    """
    is_secret = task is None or task.account.confidential
    content = task.mail.content if task is not None else b""
    return NewDoubt(
        send_id=job.send_id,
        account=job.command.account,
        command=None if is_secret else job.command.model_dump_json().encode(),
        content=None if is_secret else content,
        sha256=sha256(content),
        is_parked=is_parked,
    )


def _why_less(task: Task, log: LogDepth) -> str:
    if log != "headers":
        return ""
    if task.job.command.content.kind in REPEATABLE:
        return ASKED
    return TOO_LARGE if len(task.mail.content) > MAX_KEPT_BYTES else ""
