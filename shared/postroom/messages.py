"""Every message that crosses a process boundary, as frozen models (pure).

Commands are imperative and have one consumer each; events are past tense and have any number. `MESSAGES` maps
each type name to its model: a new message is a new class here and nothing else. The wire format is in
`postroom.envelope`, the queues in `postroom.topology`, the generated contract in `docs/reference`.
"""

import hashlib
import re
import uuid
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    model_validator,
)

from postroom.addresses import MAX_ADDRESS_BYTES, Address, same_address, same_person
from postroom.amount import amount
from postroom.proof_level import ProofLevel

Lane = Literal["replies", "inbox"]
SendLane = Literal["transactional", "bulk"]
LogDepth = Literal["full", "headers", "nothing"]
FolderRole = Literal["inbox", "sent"]
DEFAULT_CHOICES = ("approve", "reject")
MAX_APPROVERS = 50
MAX_CC = 50
MAX_REMINDERS = 50
MAX_BODY_CHARS = 100_000
MAX_QUOTED_CHARS = 2000
MAX_ATTACHMENTS = 50
MAX_BULK_INSIDE = 5000
MAX_DENY_PATTERNS = 1000
RESERVED_VALUES = frozenset({"signature", "recipient", "sender", "unsubscribe"})
"""What every template is given, beside the values of the message."""
MEDIA_TYPE_PATTERN = r"^[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*$"  # RFC 6838 section 4.2
_YEARS = (1970, 9998)
_UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x85\u2028\u2029]")


def _one_line(text: str) -> str:
    if _UNSAFE.search(text) or "\n" in text or "\t" in text:
        raise ValueError("must be one line without control characters")
    return text


def _plain_text(text: str) -> str:
    text = text.replace("\r\n", "\n")
    if _UNSAFE.search(text):
        raise ValueError("must not contain control characters (tab and line feed are allowed)")
    return text


def _quoted(text: object) -> object:
    r"""What a stranger wrote, made harmless: no control characters but \n and \t, no half characters."""
    if not isinstance(text, str):
        return text
    whole = text.replace("\r\n", "\n").encode("utf-8", "replace").decode()
    return _UNSAFE.sub(" ", whole)[:MAX_BODY_CHARS]


def _quoted_line(text: object) -> object:
    if isinstance(text, str) and len(text) <= MAX_QUOTED_CHARS and text.isascii() and text.isprintable():
        return " ".join(text.split())
    clean = _quoted(text)
    return " ".join(clean.split())[:MAX_QUOTED_CHARS] if isinstance(clean, str) else clean


def _file_name(text: str) -> str:
    """A name, and no path: some mail programs would follow it."""
    _one_line(text)
    if "/" in text or "\\" in text or text.strip(" .") != text or text.strip() != text:
        raise ValueError("must be the name of a file: no / or \\, no dot or space at its ends")
    return text


def _https(text: str) -> str:
    """A URL that may stand in List-Unsubscribe (RFC 2369, RFC 8058 section 3.1)."""
    if not re.fullmatch(r"https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:[/?][!#-;=?-~]*)?", text):
        raise ValueError("must be a URL that begins with https://, in printable ASCII")
    return text


def _utc(moment: datetime) -> datetime:
    if not _YEARS[0] <= moment.year <= _YEARS[1]:
        raise ValueError(f"must be a time in the years {_YEARS[0]} to {_YEARS[1]}")
    return moment.astimezone(UTC)


Line = Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(_one_line)]
ShortLine = Annotated[str, StringConstraints(max_length=500), AfterValidator(_one_line)]
Text = Annotated[
    str, StringConstraints(max_length=MAX_BODY_CHARS), AfterValidator(_plain_text)
]  # Quoted from mails and servers: cleaned and cut rather than refused, or a stranger could make us fail.
Quoted = Annotated[str, BeforeValidator(_quoted)]
QuotedLine = Annotated[str, BeforeValidator(_quoted_line)]
UtcTime = Annotated[AwareDatetime, AfterValidator(_utc)]

AccountName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
ApprovalId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$")]
Choice = Annotated[str, StringConstraints(pattern=r"^[^\W\d_][\w-]{0,31}$")]
BulkId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
TemplateName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
ValueName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,62}$")]
Folder = Annotated[str, StringConstraints(min_length=1, max_length=1000), AfterValidator(_one_line)]
# What it says is judged by whoever keeps the lists, who can answer.
DenyPattern = Annotated[str, StringConstraints(max_length=2 * MAX_ADDRESS_BYTES), AfterValidator(_one_line)]
EventName = Annotated[str, StringConstraints(max_length=100), AfterValidator(_one_line)]
InboxId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Uid = Annotated[int, Field(ge=1, le=4_294_967_295)]
Seconds = Annotated[int, Field(ge=0)]
# Of what is planned within a request: not so often that it is a flood, nor later than any deadline.
PlannedSeconds = Annotated[int, Field(ge=60, le=366 * 86_400)]


def _rule(value: object) -> object:
    """A bare number is as good as a model, also in digits: `2` and `"2"` for `{"at_least": 2}`."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 3:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_APPROVERS:
        return {"at_least": value}
    if isinstance(value, str | int | float) and value not in ("any", "all"):
        raise ValueError('must be "any", "all" or how many must agree, such as 2 or {"at_least": 2}')
    return value


class Message(BaseModel):
    """A command or an event. Subclasses set `TYPE`; `VERSION` grows when a field changes its meaning."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    TYPE: ClassVar[str]
    VERSION: ClassVar[int] = 1


class Command(Message):
    """An order to one service."""


class Event(Message):
    """A fact, published to whoever listens."""


# Commands to the processor


class AtLeast(BaseModel):
    """The rule that so many votes for one choice decide."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    at_least: Annotated[int, Field(ge=1, le=MAX_APPROVERS)]


Rule = Annotated[Literal["any", "all"] | AtLeast, BeforeValidator(_rule)]


class Escalation(BaseModel):
    """Who is asked too if a request is still pending after so long; the first ones may still decide."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    after_s: PlannedSeconds
    to: Annotated[tuple[Address, ...], Field(min_length=1, max_length=MAX_APPROVERS)]


class ApprovalRequest(Command):
    """Ask people by mail; the answer comes as `approval.decided`.

    `rule`: `any` (the first approver who decides, decides), `all`, or at least so many. `id` is the
    requester's own and makes a repeat harmless: the same id with the same content is the same request. With
    other content a pending request is changed: former mails and votes are void and everybody is asked afresh.
    `comment_required`: the choices that count only with a comment. `delegates`: who may decide in the place
    of an approver. Reminders go to those who have not answered, `remind_after_s` each or `remind_every_s`.
    """

    TYPE: ClassVar[str] = "approval.request"

    id: ApprovalId
    account: AccountName
    approvers: Annotated[tuple[Address, ...], Field(min_length=1, max_length=MAX_APPROVERS)]
    subject: Line
    body: Text = ""
    choices: Annotated[tuple[Choice, ...], Field(min_length=2, max_length=10)] = DEFAULT_CHOICES
    requester: ShortLine = ""
    deadline: UtcTime | None = None
    rule: Rule = "any"
    comment_required: Annotated[tuple[Choice, ...], Field(max_length=10)] = ()
    remind_after_s: Annotated[tuple[PlannedSeconds, ...], Field(max_length=MAX_REMINDERS)] = ()
    remind_every_s: PlannedSeconds | None = None
    remind_at_most: Annotated[int, Field(ge=1, le=MAX_REMINDERS)] = 10
    escalate: Escalation | None = None
    delegates: Annotated[dict[Address, Address], Field(max_length=MAX_APPROVERS)] = Field(
        default_factory=dict
    )
    proof: ProofLevel | None = None

    def model_post_init(self, _context: Any) -> None:
        """Refuse what contradicts itself: the same person or choice twice, a rule nobody can fulfil."""
        for check in _REQUEST_CHECKS:
            check(self)


def _nobody_twice(request: ApprovalRequest) -> None:
    people = [(approver, "approvers") for approver in request.approvers]
    people += [(delegate, "delegates") for delegate in request.delegates.values()]
    people += [(each, "escalate.to") for each in (request.escalate.to if request.escalate else ())]
    for index, (person, field) in enumerate(people):
        if any(same_address(person, other) for other, _ in people[:index]):
            raise ValueError(f"{field}: {person} is listed twice")
        twin = next((other for other, _ in people[:index] if same_person(person, other)), None)
        if twin is not None:
            raise ValueError(f"{field}: {person} and {twin} are one mailbox, and one person has one vote")


def _no_choice_twice(request: ApprovalRequest) -> None:
    if len({choice.casefold() for choice in request.choices}) != len(request.choices):
        raise ValueError("choices: one of them is listed twice")


def _known_choices(request: ApprovalRequest) -> None:
    known = {choice.casefold() for choice in request.choices}
    for choice in request.comment_required:
        if choice.casefold() not in known:
            raise ValueError(f"comment_required: {choice} is not one of the choices")


def _enough_people(request: ApprovalRequest) -> None:
    if isinstance(request.rule, AtLeast) and request.rule.at_least > len(request.approvers):
        raise ValueError(
            f"rule: {amount(request.rule.at_least, 'vote is', 'votes are')} needed, "
            f"of {amount(len(request.approvers), 'approver')}"
        )


def _known_delegators(request: ApprovalRequest) -> None:
    for approver in request.delegates:
        if not any(same_address(approver, each) for each in request.approvers):
            raise ValueError(f"delegates: {approver} is not one of the approvers")


def _one_kind_of_reminders(request: ApprovalRequest) -> None:
    if request.remind_after_s and request.remind_every_s is not None:
        raise ValueError("remind_every_s: give this or remind_after_s, not both")


_REQUEST_CHECKS = (
    _nobody_twice,
    _no_choice_twice,
    _known_choices,
    _enough_people,
    _known_delegators,
    _one_kind_of_reminders,
)


class ApprovalCancel(Command):
    """Withdraw a pending request; replies that come later decide nothing."""

    TYPE: ClassVar[str] = "approval.cancel"

    id: ApprovalId
    reason: ShortLine = ""


class ApprovalDelegate(Command):
    """Let somebody else decide a pending request in an approver's place; they have one vote together.

    Both are told by mail. Who may be asked is the account's setting `approvers`, for delegates as for others.
    """

    TYPE: ClassVar[str] = "approval.delegate"

    id: ApprovalId
    approver: Address
    to: Address
    reason: ShortLine = ""


class ApprovalQuery(Command):
    """Ask how requests stand; `approval.states` goes to the queue `reply_to`. No ids: the newest `limit`."""

    TYPE: ClassVar[str] = "approval.query"

    reply_to: Annotated[str, StringConstraints(pattern=r"^postroom\.client\.[A-Za-z0-9._-]{1,150}$")]
    ids: Annotated[tuple[ApprovalId, ...], Field(max_length=1000)] = ()
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class DenyCommand(Command):
    """What every command about deny rules has.

    `patterns` are addresses, or domains with all below them; `account`: only about its mail; None: about
    everybody's. All are carried out or none; the answer is `deny.changed` or `deny.refused`.
    """

    account: AccountName | None = None
    patterns: Annotated[tuple[DenyPattern, ...], Field(min_length=1, max_length=MAX_DENY_PATTERNS)]


class DenyAdd(DenyCommand):
    """Deny mail from these from the next mail on; `reason` is shown with the rules."""

    TYPE: ClassVar[str] = "deny.add"

    reason: ShortLine = ""


class DenyRemove(DenyCommand):
    """Deny them no longer, in whatever spelling. Rules of the accounts file stay."""

    TYPE: ClassVar[str] = "deny.remove"


# Commands to the sender


class ApprovalMail(BaseModel):
    """What the sender needs to write an approval mail. The token carries the identity."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["approval"] = "approval"
    approval_id: ApprovalId
    subject: Line
    body: Text
    choices: tuple[Choice, ...]
    requester: ShortLine
    deadline: UtcTime | None
    reply_token: str
    # 0: the first mail about it; else the how manieth reminder.
    reminder: Annotated[int, Field(ge=0)] = 0
    # In whose place the recipient decides.
    stands_for: Address | None = None
    # The others have not answered: the recipient is asked as well.
    escalated: bool = False
    # The request was asked before, with another content.
    changed: bool = False
    # The choices that count only with a comment.
    comment_required: tuple[Choice, ...] = ()


class HelpMail(BaseModel):
    """The answer to an unclear reply: what was understood, and what to write instead."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["help"] = "help"
    approval_id: ApprovalId
    subject: Line
    choices: tuple[Choice, ...]
    understood: Quoted
    reply_token: str
    in_reply_to: ShortLine = ""
    # Why it was unclear, as in `approval.unclear`.
    reason_code: ShortLine = ""


class ConfirmMail(BaseModel):
    """The question to an approver's registered address whether a decision is theirs; it has its own token."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["confirm"] = "confirm"
    approval_id: ApprovalId
    subject: Line
    choice: Choice
    choices: tuple[Choice, ...]
    comment: Quoted
    sender: QuotedLine
    deadline: UtcTime
    reply_token: str


class PlainMail(BaseModel):
    """A mail as a program wrote it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["plain"] = "plain"
    subject: Line
    text: Text
    html: Text | None = None
    in_reply_to: ShortLine = ""


class TemplateMail(BaseModel):
    """A mail made from a template. None: the default one of the account, or of all accounts.

    `values`: what the template's names stand for. A name that the template uses and that is not here is an
    error, and the mail is not sent.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["template"] = "template"
    template: TemplateName | None = None
    values: Annotated[dict[ValueName, JsonValue], Field(max_length=200)] = Field(default_factory=dict)
    in_reply_to: ShortLine = ""

    @model_validator(mode="after")
    def _no_reserved_value(self) -> "TemplateMail":
        taken = sorted(RESERVED_VALUES.intersection(self.values))
        if taken:
            raise ValueError(f"values: {taken[0]} is what Postroom gives every template; use another name")
        return self


class Attachment(BaseModel):
    """A file that goes with a mail; its content lies in the spool.

    With `content_id` it is an image that the HTML part shows: `<img src="cid:...">`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    dataref: Annotated[str, StringConstraints(pattern=r"^spool:sha256:[0-9a-f]{64}$")]
    filename: Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_file_name)]
    media_type: Annotated[str, StringConstraints(max_length=127, pattern=MEDIA_TYPE_PATTERN)] = (
        "application/octet-stream"
    )
    content_id: Annotated[str, StringConstraints(max_length=100, pattern=r"^[A-Za-z0-9._-]*$")] = ""

    @model_validator(mode="after")
    def _whole(self) -> "Attachment":
        if self.media_type.startswith(("multipart/", "message/")):
            raise ValueError(
                "media_type: must not be multipart/... or message/...: those are mails of their own"
            )
        if self.content_id and not self.media_type.startswith("image/"):
            raise ValueError("content_id: only images are shown in the mail; leave it out for other files")
        return self


MailContent = Annotated[
    ApprovalMail | HelpMail | ConfirmMail | PlainMail | TemplateMail, Field(discriminator="kind")
]


class MailSend(Command):
    """Send one mail. `id` is the idempotency key: the same id is never mailed twice to anybody.

    `cc`: who else gets it, and is named in it; what becomes of each recipient is told by an event of its own.
    `account`: may be left empty for a mail made from a template that names one. `signed_by`: the user (name
    or address) whose signature stands in it; without one it is the account's. `unsubscribe`: where one click
    ends such mails (RFC 8058); mails of the lane `bulk` without it name an address to write to.

    For its record: `event`, what it was sent for in the program's words; `contact_id` and `conversation_id`,
    where people look for it (default: as address and conversation lead there); `log`, how much of it is
    kept, where that is not what the account says. `bulk_id`: of which bulk it is a part.
    """

    TYPE: ClassVar[str] = "mail.send"

    id: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9._:-]+$")]
    account: AccountName | Literal[""] = ""
    recipient: Address
    cc: Annotated[tuple[Address, ...], Field(max_length=MAX_CC)] = ()
    content: MailContent
    lane: SendLane = "transactional"
    written_at: UtcTime
    attachments: Annotated[tuple[Attachment, ...], Field(max_length=MAX_ATTACHMENTS)] = ()
    signed_by: ShortLine = ""
    unsubscribe: Annotated[str, StringConstraints(max_length=800), AfterValidator(_https)] | None = None
    event: EventName = ""
    contact_id: InboxId | None = None
    conversation_id: InboxId | None = None
    log: LogDepth | None = None
    bulk_id: BulkId | Literal[""] = ""

    @model_validator(mode="after")
    def _fitting(self) -> "MailSend":
        if not self.account and not isinstance(self.content, TemplateMail):
            raise ValueError("account: is missing; only a template can name it instead")
        if self.attachments and not isinstance(self.content, PlainMail | TemplateMail):
            raise ValueError("attachments: a mail about a request has none")
        if self.cc and not isinstance(self.content, PlainMail | TemplateMail):
            raise ValueError("cc: a mail about a request goes to one person alone")
        for index, person in enumerate(self.recipients):
            if any(same_address(person, other) for other in self.recipients[:index]):
                raise ValueError(f"cc: {person} is listed twice")
        shown = [each.content_id.lower() for each in self.attachments if each.content_id]
        if len(set(shown)) != len(shown):
            raise ValueError("attachments: a content_id is given twice")
        return self

    @property
    def recipients(self) -> tuple[str, ...]:
        """Who gets the mail: the one in To first."""
        return (self.recipient, *self.cc)


class BulkRecipient(BaseModel):
    """Who gets a mail of a bulk, and what the template's names stand for in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    recipient: ShortLine
    values: Annotated[dict[ValueName, JsonValue], Field(max_length=200)] = Field(default_factory=dict)


class BulkSend(Command):
    """Send one mail each to many people. `id` is the idempotency key: a repeat mails nobody twice.

    `recipients`, or `dataref`: a list as CSV in the spool, whose first line names the columns: `email`, and
    values of the template. All are checked before the first mail is sent; if one is wrong none is sent, or
    with `skip_invalid` those are left out. The answer is `bulk.accepted` or `bulk.refused`.
    """

    TYPE: ClassVar[str] = "bulk.send"

    id: BulkId
    account: AccountName
    template: TemplateName | None = None
    recipients: Annotated[tuple[BulkRecipient, ...], Field(max_length=MAX_BULK_INSIDE)] = ()
    dataref: Annotated[str, StringConstraints(pattern=r"^spool:sha256:[0-9a-f]{64}$")] | None = None
    skip_invalid: bool = False
    attachments: Annotated[tuple[Attachment, ...], Field(max_length=MAX_ATTACHMENTS)] = ()
    signed_by: ShortLine = ""
    event: EventName = ""

    @model_validator(mode="after")
    def _one_list(self) -> "BulkSend":
        if bool(self.recipients) == (self.dataref is not None):
            raise ValueError("recipients: give either these or a dataref")
        return self


# Commands to the fetcher


class MailboxCommand(Command):
    """What all orders about mails in a folder have: where they are (UIDVALIDITY: RFC 9051, 2.3.1.1)."""

    account: AccountName
    folder: Folder
    uidvalidity: Uid
    uids: Annotated[tuple[Uid, ...], Field(min_length=1, max_length=10_000)]


class MailboxMarkRead(MailboxCommand):
    r"""Set the flag \Seen."""

    TYPE: ClassVar[str] = "mailbox.mark_read"


class MailboxDelete(MailboxCommand):
    """Delete exactly these mails (UID EXPUNGE), and none that somebody else marked."""

    TYPE: ClassVar[str] = "mailbox.delete"


class MailboxMove(MailboxCommand):
    """Move to another folder, which is created where it is missing."""

    TYPE: ClassVar[str] = "mailbox.move"

    target: Folder


class MailboxAppend(Command):
    """File a mail (from the spool) in a folder, unless its Message-ID is there already.

    `folder` None: the one for sent mail.
    """

    TYPE: ClassVar[str] = "mailbox.append"

    account: AccountName
    folder: Folder | None = None
    message_id: Line
    dataref: Line
    flags: tuple[Line, ...] = ("\\Seen",)


class MailboxFind(Command):
    """Look for a Message-ID in a folder (None: the one for sent mail); the answer is `mailbox.done`."""

    TYPE: ClassVar[str] = "mailbox.find"

    account: AccountName
    folder: Folder | None = None
    message_id: Line


class AccountTest(Command):
    """Try one side of an account stage by stage, where the service runs; the answer is `account.tested`.

    `candidate`: settings, as in the accounts file, of an account that is not there yet or is to be changed;
    secrets are references there as well.
    """

    TYPE: ClassVar[str] = "account.test"

    account: AccountName
    side: Literal["imap", "smtp"] = "imap"
    candidate: dict[str, JsonValue] | None = None


class AccountFolders(Command):
    """List the folders of an account."""

    TYPE: ClassVar[str] = "account.folders"

    account: AccountName


class AccountFetchNow(Command):
    """Look for new mail at once instead of at the next interval."""

    TYPE: ClassVar[str] = "account.fetch_now"

    account: AccountName


class WebhookTest(Command):
    """Post a test event to a webhook now; the answer is `webhook.tested`."""

    TYPE: ClassVar[str] = "webhook.test"

    webhook: AccountName


# Events about mail


class MailReceived(Event):
    """A mail was found. Its bytes (RFC 5322) are the body on the wire; large ones lie in the spool.

    The fields travel as CloudEvents extension attributes, so that the body is the mail and nothing else.
    `role`: whether it lay in the folder that is processed or in the one for sent mail, whose mails are the
    account's owner's own: they are looked at and never acted on.
    """

    TYPE: ClassVar[str] = "mail.received"

    account: AccountName
    folder: Folder
    role: FolderRole = "inbox"
    uidvalidity: Uid
    uid: Uid
    size_bytes: Annotated[int, Field(ge=0)]
    sha256: Sha256
    arrived_at: UtcTime
    lane: Lane
    truncated: bool = False
    content: bytes | None = Field(default=None, repr=False)
    dataref: str | None = None

    def model_post_init(self, _context: Any) -> None:
        """The mail is either inside or in the spool."""
        if (self.content is None) == (self.dataref is None):
            raise ValueError("content: exactly one of the body and dataref must be given")


class MailEvent(Event):
    """What every event about a received mail has. `mail_id` is the id of its `mail.received`."""

    account: AccountName
    mail_id: str
    sha256: Sha256
    sender: QuotedLine | None
    reason: QuotedLine


class MailAccepted(MailEvent):
    """A mail passed all checks and is no reply to a request.

    `text`: what it says, 20,000 characters at most. Of confidential accounts subject and text stay empty.
    """

    TYPE: ClassVar[str] = "mail.accepted"

    conversation_id: QuotedLine = ""
    subject: QuotedLine = ""
    text: Quoted = ""


class MailDenied(MailEvent):
    """A mail came from an address on a deny list; `reason` names the rule."""

    TYPE: ClassVar[str] = "mail.denied"


class MailDeferred(MailEvent):
    """A mail is over a limit of its account and waits; `until`: when its turn is, as it seems."""

    TYPE: ClassVar[str] = "mail.deferred"

    until: UtcTime


class MailIgnored(MailEvent):
    """A mail asks for nothing: written by a program, sent by ourselves, or late; it is recorded."""

    TYPE: ClassVar[str] = "mail.ignored"


class MailSentElsewhere(MailEvent):
    """A mail lay in the folder for sent mail that Postroom did not send: its owner wrote it elsewhere."""

    TYPE: ClassVar[str] = "mail.sent_elsewhere"


class MailHeld(MailEvent):
    """A mail waits for a person to look at it."""

    TYPE: ClassVar[str] = "mail.held"


class MailQuarantined(MailEvent):
    """A mail contradicts itself or could not be read; nothing was done with it."""

    TYPE: ClassVar[str] = "mail.quarantined"


class SendEvent(Event):
    """What every event about a sent mail has. `send_id` is the id of its `mail.send`.

    `account` is empty where the order named none and no template did either.
    """

    account: AccountName | Literal[""]
    send_id: str
    recipient: Address
    message_id: str


class MailSent(SendEvent):
    """The mail server took the mail: it answered 250 after the final dot."""

    TYPE: ClassVar[str] = "mail.sent"

    attempts: Annotated[int, Field(ge=1)]


class MailFailed(SendEvent):
    """The mail will not be sent: refused for good, or its time is over."""

    TYPE: ClassVar[str] = "mail.failed"

    attempts: Annotated[int, Field(ge=1)]
    reason_code: str
    reason: QuotedLine


class MailUncertain(SendEvent):
    """The connection ended after the final dot and before the answer: it may have been sent or not."""

    TYPE: ClassVar[str] = "mail.uncertain"

    reason: QuotedLine


class MailBounced(SendEvent):
    """A mail came back, or was complained about; proven by a tag that only the mail itself carried.

    `kind`: for good (`hard`), for a reason that may pass (`soft`), or reported as spam (`complaint`: it did
    arrive). `status`: as the other server says it (RFC 3463). `suppressed`: whether the address gets no
    further mail.
    """

    TYPE: ClassVar[str] = "mail.bounced"

    reason_code: str
    reason: QuotedLine
    kind: Literal["hard", "soft", "complaint"] = "hard"
    status: QuotedLine = ""
    suppressed: bool = False


class BulkAccepted(Event):
    """A list is checked and recorded, and its mails are on the way. `skipped`: lines left out as wrong."""

    TYPE: ClassVar[str] = "bulk.accepted"

    account: AccountName
    bulk_id: BulkId
    recipients: Annotated[int, Field(ge=0)]
    skipped: Annotated[int, Field(ge=0)] = 0


class BulkFault(BaseModel):
    """What is wrong with a line of a list. `line`: from 1; of recipients in the message their number."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    line: Annotated[int, Field(ge=0)]
    reason: QuotedLine


class BulkRefused(Event):
    """A list was not accepted, and nobody got a mail. `faults`: the first of them; `wrong`: how many."""

    TYPE: ClassVar[str] = "bulk.refused"

    account: AccountName
    bulk_id: BulkId
    field: str
    reason: QuotedLine
    wrong: Annotated[int, Field(ge=0)] = 0
    faults: tuple[BulkFault, ...] = ()


class BulkEnded(Event):
    """No mail of a bulk is on the way any more; how many became what at that time."""

    TYPE: ClassVar[str] = "bulk.ended"

    account: AccountName
    bulk_id: BulkId
    sent: Annotated[int, Field(ge=0)]
    failed: Annotated[int, Field(ge=0)]
    uncertain: Annotated[int, Field(ge=0)]
    suppressed: Annotated[int, Field(ge=0)]
    bounced: Annotated[int, Field(ge=0)] = 0
    skipped: Annotated[int, Field(ge=0)] = 0


class MailboxDone(Event):
    """What became of a command about a mailbox. UIDs that are gone are a result, not an error.

    `changed`: UIDs that were left alone, since they hold another mail than the one that was handed on, or one
    that never was. `found`: whether the Message-ID that was looked for is there (was there already).
    `folder` is empty if the mailbox has none of the kind that was asked for.
    """

    TYPE: ClassVar[str] = "mailbox.done"

    account: AccountName
    command_id: str
    action: str
    folder: Folder | Literal[""]
    uidvalidity: Uid | None = None
    done: tuple[Uid, ...] = ()
    vanished: tuple[Uid, ...] = ()
    changed: tuple[Uid, ...] = ()
    refused: QuotedLine = ""
    found: bool | None = None


class FolderInfo(BaseModel):
    """One folder of an account with its SPECIAL-USE attributes (RFC 6154)."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: Quoted
    attributes: tuple[QuotedLine, ...]


class TestStage(BaseModel):
    """One stage of a test. `detail`: what was found, or what went wrong; `advice`: what to do about it."""

    __test__: ClassVar[bool] = False  # pytest takes classes of this name for tests
    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    result: Literal["ok", "failed", "skipped"]
    duration_ms: Annotated[float, Field(ge=0)] = 0.0
    reason_code: str = ""
    detail: QuotedLine = ""
    advice: QuotedLine = ""


class AccountTested(Event):
    """What a test of one side of an account found, stage by stage; `ok` if none failed."""

    TYPE: ClassVar[str] = "account.tested"

    account: AccountName
    side: Literal["imap", "smtp"]
    command_id: str
    ok: bool
    stages: tuple[TestStage, ...]


class AccountFoldersListed(Event):
    """The folders of an account, and which one is for sent mail by which rule."""

    TYPE: ClassVar[str] = "account.folders_listed"

    account: AccountName
    command_id: str
    folders: tuple[FolderInfo, ...]
    sent_folder: str | None
    sent_rule: str


# Events about approvals


class ApprovalEvent(Event):
    """What every event about a request has."""

    account: AccountName
    approval_id: ApprovalId


class ApprovalRequested(ApprovalEvent):
    """The request is recorded and its mails are on the way."""

    TYPE: ClassVar[str] = "approval.requested"

    approvers: tuple[Address, ...]
    subject: Line
    deadline: UtcTime


class ApprovalRefused(Event):
    """The request was not accepted; `field` is the one that must change."""

    TYPE: ClassVar[str] = "approval.refused"

    approval_id: str
    field: str
    reason: QuotedLine


class ApprovalVote(BaseModel):
    """The vote of one approver; `stands_for`: in whose place."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    approver: Address
    choice: Choice
    comment: Quoted
    mail_id: str
    voted_at: UtcTime
    stands_for: Address | None = None


class ApprovalDecided(ApprovalEvent):
    """A person decided. `mail_id` and `sha256` are those of the reply that says so.

    Where several votes were needed, that is the last of them, and `votes` are all. Where
    it confirmed an earlier mail, `first_mail_id` is the id of that one.
    """

    TYPE: ClassVar[str] = "approval.decided"

    decision: Choice
    approver: Address
    comment: Quoted
    mail_id: str
    sha256: Sha256
    decided_at: UtcTime
    votes: tuple[ApprovalVote, ...] = ()
    first_mail_id: str | None = None


class ApprovalVoted(ApprovalEvent):
    """An approver voted, and it is not decided yet; `waiting_for`: whose votes are not in."""

    TYPE: ClassVar[str] = "approval.voted"

    choice: Choice
    approver: Address
    comment: Quoted
    mail_id: str
    sha256: Sha256
    voted_at: UtcTime
    waiting_for: tuple[Address, ...] = ()


class ApprovalUndecided(ApprovalEvent):
    """The votes differ so that no choice can get enough of them any more: the request has ended."""

    TYPE: ClassVar[str] = "approval.undecided"

    mail_id: str
    sha256: Sha256
    ended_at: UtcTime
    votes: tuple[ApprovalVote, ...]


class ApprovalChanged(ApprovalEvent):
    """The request was asked again with other content: former replies and votes are void."""

    TYPE: ClassVar[str] = "approval.changed"

    round: Annotated[int, Field(ge=2)]
    changed_at: UtcTime


class ApprovalDelegated(ApprovalEvent):
    """Somebody else was asked in an approver's place."""

    TYPE: ClassVar[str] = "approval.delegated"

    approver: Address
    to: Address
    reason: ShortLine = ""


class ApprovalEscalated(ApprovalEvent):
    """Nobody decided in the time given, and others were asked too."""

    TYPE: ClassVar[str] = "approval.escalated"

    to: tuple[Address, ...]


class ApprovalUnclear(ApprovalEvent):
    """A reply came that decides nothing; the approver was asked to write it differently."""

    TYPE: ClassVar[str] = "approval.unclear"

    approver: Address
    mail_id: str
    reason_code: str
    understood: Quoted


class ApprovalReminded(ApprovalEvent):
    """The approvers who have not answered were reminded."""

    TYPE: ClassVar[str] = "approval.reminded"

    approvers: tuple[Address, ...]
    number: Annotated[int, Field(ge=1)] = 1


class ApprovalExpired(ApprovalEvent):
    """The deadline passed without a decision."""

    TYPE: ClassVar[str] = "approval.expired"

    deadline: UtcTime


class ApprovalCancelled(ApprovalEvent):
    """The request was withdrawn."""

    TYPE: ClassVar[str] = "approval.cancelled"

    reason: ShortLine


class ApprovalNeedsConfirmation(ApprovalEvent):
    """A reply was clear and its proof too weak; the approver is asked to confirm."""

    TYPE: ClassVar[str] = "approval.needs_confirmation"

    approver: Address
    mail_id: str
    reason: QuotedLine


class ApprovalState(BaseModel):
    """How one request stands. `undelivered`: approvers whose mail the mail server refused for good.

    `votes` and `waiting_for` (who has not voted) are of the current round; `next_due`: what comes next if
    nobody answers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: ApprovalId
    account: AccountName
    subject: Line
    approvers: tuple[Address, ...]
    choices: tuple[Choice, ...]
    state: Literal["pending", "decided", "undecided", "expired", "cancelled"]
    decision: str | None
    decided_by: str | None
    comment: Quoted | None
    requested_at: UtcTime
    deadline: UtcTime
    decided_at: UtcTime | None
    undelivered: tuple[Address, ...] = ()
    round: Annotated[int, Field(ge=1)] = 1
    changed_at: UtcTime | None = None
    rule: Rule = "any"
    votes: tuple[ApprovalVote, ...] = ()
    waiting_for: tuple[Address, ...] = ()
    reminders: Annotated[int, Field(ge=0)] = 0
    reminded_at: UtcTime | None = None
    escalated_at: UtcTime | None = None
    next_due: Literal["reminder", "escalation", "expiry"] | None = None
    next_due_at: UtcTime | None = None


class ApprovalStates(Event):
    """The answer to `approval.query`, sent to its `reply_to`. Unknown ids are listed as such."""

    TYPE: ClassVar[str] = "approval.states"

    approvals: tuple[ApprovalState, ...]
    unknown: tuple[ApprovalId, ...] = ()


class DenyChanged(Event):
    """A command about deny rules was carried out; the rules that are new, and those that are gone.

    What was so already is in neither. `account`: whose mail they are about; None: everybody's.
    """

    TYPE: ClassVar[str] = "deny.changed"

    account: AccountName | None = None
    added: tuple[QuotedLine, ...] = ()
    removed: tuple[QuotedLine, ...] = ()


class DenyRefused(Event):
    """A command about deny rules was not carried out; `field` must change, such as `patterns[2]`."""

    TYPE: ClassVar[str] = "deny.refused"

    field: str
    reason: QuotedLine


class AccountStatusChanged(Event):
    """An account turned grey, green or red."""

    TYPE: ClassVar[str] = "account.status_changed"

    account: AccountName
    side: Literal["imap", "smtp"]
    colour: Literal["grey", "green", "red"]
    reason_code: str
    sentence: QuotedLine
    since: UtcTime
    next_try_at: UtcTime | None = None


class AccountsChanged(Event):
    """Accounts were added, changed or removed: every service looks into the store again."""

    TYPE: ClassVar[str] = "accounts.changed"

    names: tuple[AccountName, ...]
    revision: Annotated[int, Field(ge=0)]


class WebhookTested(Event):
    """What came of a test event. `status`: of the HTTP answer, if there was one; `answer`: how it begins."""

    TYPE: ClassVar[str] = "webhook.tested"

    webhook: AccountName
    command_id: str
    ok: bool
    detail: QuotedLine
    event_id: str = ""
    address: QuotedLine = ""
    status: int | None = None
    duration_ms: Annotated[float, Field(ge=0)] = 0.0
    answer: Quoted = ""


def _concrete(root: type[Message]) -> list[type[Message]]:
    found = [root] if "TYPE" in root.__dict__ else []
    return found + [each for child in root.__subclasses__() for each in _concrete(child)]


MESSAGES: dict[str, type[Message]] = {model.TYPE: model for model in _concrete(Message)}

_NAMESPACE = uuid.UUID("6f1f5f0e-3c0a-5d0b-9a56-0c2f8f5d8a11").bytes


def derive_id(cause: str, *parts: str | int) -> str:
    """The id of a message that follows from a cause: the same cause and parts give the same id."""
    name = "\x1f".join([cause, *map(str, parts)]).encode()
    # A UUID of version 5 (RFC 9562 section 5.5), made several times faster than by uuid5: each mail has many.
    found = hashlib.sha1(_NAMESPACE + name, usedforsecurity=False).hexdigest()
    variant = "89ab"[int(found[16], 16) & 3]
    return f"{found[:8]}-{found[8:12]}-5{found[13:16]}-{variant}{found[17:20]}-{found[20:32]}"


def mail_id(account: str, folder: str, uidvalidity: int, uid: int) -> str:
    """The id of a received mail, derived from where it lies."""
    return derive_id("mail", account, folder, uidvalidity, uid)


def utc_seconds(moment: datetime) -> datetime:
    """The moment without fractions of a second (what a mail header and a token can carry)."""
    return moment.replace(microsecond=0)
