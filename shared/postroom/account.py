"""What an account is: a mailbox that Postroom reads, an address that it sends from, or both (pure)."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PrivateAttr, model_validator

from postroom.account_oauth import PRESETS, AccountType, OAuth, Provider, provider
from postroom.account_retention import Retention
from postroom.account_servers import TOKEN_MECHANISMS, Imap, Server, Smtp, SystemSmtp
from postroom.account_unsubscribe import Unsubscribe
from postroom.account_values import AddressPatterns, DenyPatterns, DurationS, Section, lines
from postroom.addresses import Address
from postroom.messages import AccountName, Folder, Line, LogDepth, ShortLine, Text
from postroom.proof_level import ProofLevel
from postroom.secret_reference import STORED, stored

Side = Literal["imap", "smtp"]
_SECRET_FIELDS = (("smtp", "password"), ("imap", "password"), ("oauth", "client_secret"))


class Account(Section):
    """One account. With `imap` it receives, with `smtp` or `use_system_smtp` it sends."""

    name: AccountName = Field(description="What programs call it: a-z, 0-9 and -, 63 characters at most.")
    type: AccountType = Field(
        "smtp-imap",
        description="`smtp-imap`: servers and passwords of your own; `outlook` (Microsoft 365) and `gmail`: "
        "their servers, signed in with OAuth 2; `oauth2`: your servers, OAuth 2 of any provider.",
    )
    address: Address = Field(description="The address that its mail comes from.")
    from_name: ShortLine = Field("", description="The name beside the address.")
    owner: ShortLine = Field("", description="Who answers for the account: a user's name or address.")
    readers: Annotated[tuple[Line, ...], BeforeValidator(lines)] = Field(
        (), description="Who else may see its mail, one per line."
    )
    enabled: bool = Field(True, description="Off: neither read nor sent from.")
    receive: bool = Field(
        description="Whether its mailbox is read; needs `imap`. Default: whether there is an `imap` section."
    )
    send: bool = Field(
        description="Whether it sends; needs `smtp` or `use_system_smtp`. Default: whether it has one."
    )
    reply_address: Address = Field(
        description="Where replies to requests go; a tag with the token is added. Default: `address`."
    )
    plus_addressing: bool = Field(
        True,
        description="Off: the mail server does not deliver `name+tag@domain`, so replies go to the reply "
        "address as it is, and the token is in the subject, the references and the text alone.",
    )
    verp: bool = Field(
        description="Whether mails go out with a tag in the envelope sender (`address+tag`), so that a mail "
        "that comes back names the one it is about. Default: where the mailbox is read, with "
        "`plus_addressing` and `type: smtp-imap`. Off: bounces are known by what they repeat of the mail."
    )
    unsubscribe: Unsubscribe = Field(
        default_factory=lambda: Unsubscribe.model_validate({}),
        description="How the recipients of its bulk mail end it.",
    )
    proof: ProofLevel = Field(
        "token",
        description="How well a reply must be proven at least; a request may ask for more, never for less. "
        "What requests need that do not say: `token+from`, or this if it is more.",
    )
    reply_to: Address | None = Field(
        None, description="`Reply-To` of its other mails. Default: none, so that replies go to `address`."
    )
    smtp: Smtp | None = Field(None, description="The server that it sends through.")
    use_system_smtp: bool = Field(
        False, description="It sends through the server in `system_smtp`, which must allow that."
    )
    imap: Imap | None = Field(None, description="Its mailbox.")
    oauth: OAuth | None = Field(None, description="For the types `outlook`, `gmail` and `oauth2`.")
    after_processing: Literal["keep", "mark_read", "delete", "move"] = Field(
        "mark_read", description="What is done to a mail once its outcome is durable."
    )
    move_to: Folder | None = Field(None, description="The folder for `after_processing: move`.")
    dedicated: bool = Field(
        False, description="The mailbox is for Postroom alone; `after_processing: delete` needs this."
    )
    verify_certificate: bool = Field(True, description="Off: the servers' certificates are not looked at.")
    ca_file: str | None = Field(
        None, description="PEM file of the authorities to trust instead of the system's."
    )
    confidential: bool = Field(
        False,
        description="Protected data: TLS with a verified certificate is required on both sides, and what "
        "people wrote is kept out of events and logs.",
    )
    campaign: bool = Field(
        False,
        description="Its accepted mail also goes to a queue of its own, `postroom.campaign.<name>`.",
    )
    footer: Text = Field("", description="Text under every mail that the account sends.")
    signature: Text = Field(
        "", description="Text under its mails that no user signs; in templates it is `{{ signature }}`."
    )
    deny: DenyPatterns = Field(
        (), description="Addresses and domains (with all below them) whose mail is denied, one per line."
    )
    approvers: AddressPatterns = Field(
        (), description="If any: the addresses and domains that requests may name as approvers."
    )
    thread_within_s: Annotated[DurationS, Field(ge=0, le=365 * 86_400)] = Field(
        14 * 86_400,
        alias="thread_within",
        description="For how long after its last mail a conversation is joined by mail that refers to none "
        "and has its subject and its correspondent: 0s to 365d.",
    )
    log: LogDepth | None = Field(
        None,
        description="How much is kept of mail that it sends, where a program does not say: `full`, `headers` "
        "or `nothing` but that it was sent. Default: `full`; of confidential accounts `headers`, and never "
        "more.",
    )
    uncertain: Literal["auto", "resend", "park"] = Field(
        "auto",
        description="What is done with a mail that may have been sent or not, if it cannot be found out: "
        "`resend` (it may arrive twice), `park` (a person says), or `auto`: mails about requests are sent "
        "again, since two copies of them decide once, and all others are parked.",
    )
    sent_copies: bool | Literal["auto"] = Field(
        "auto",
        description="Whether mail that it sent is filed in its folder for sent mail, where its provider does "
        "not do so: `yes`, `no`, or `auto`: unless it is confidential. Needs `imap`.",
    )
    retention: Retention = Field(
        default_factory=lambda: Retention.model_validate({}), description="How long its mail is kept."
    )
    # What the secrets behind the references are now, as far as it can be told apart without telling them: an
    # account whose password changed is another account to those who compare.
    _secrets_stamp: str = PrivateAttr("")

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, data: Any) -> Any:
        """What follows from other settings where it is not given (A2, A5, A6)."""
        if not isinstance(data, dict):
            return data
        data = {"reply_address": data.get("address"), **data}
        _fill_preset(data)
        _name_stored_secrets(data)
        imap, smtp = data.get("imap"), data.get("smtp")
        if isinstance(imap, dict) and isinstance(smtp, dict) and "oauth" not in data:
            inherited = {name: smtp[name] for name in ("user", "password") if name in smtp}
            data["imap"] = {**inherited, **imap}
        data.setdefault("receive", imap is not None)
        data.setdefault("send", smtp is not None or data.get("use_system_smtp") is True)
        tags = data.get("plus_addressing", True) is True and data.get("type", "smtp-imap") == "smtp-imap"
        data.setdefault("verp", tags and data["receive"] is True)
        return data

    @model_validator(mode="after")
    def _combinations(self) -> "Account":
        for check in _CHECKS:
            fault = check(self)
            if fault:
                raise ValueError(fault)
        return self

    def uses_oauth(self, server: Server) -> bool:
        """Whether the sign-in at this server of the account is by OAuth 2."""
        auth = getattr(server, "auth", "auto")
        return auth in TOKEN_MECHANISMS or (
            auth == "auto" and self.oauth is not None and server.password is None
        )

    @property
    def provider(self) -> Provider | None:
        """Where the account gets its OAuth 2 tokens; None if it needs none."""
        return provider(self.type, self.oauth) if self.oauth else None

    def servers(self) -> Iterator[tuple[Side, Server]]:
        """The servers that are used, each with its side."""
        if self.imap is not None and self.receive:
            yield "imap", self.imap
        if self.smtp is not None and self.send:
            yield "smtp", self.smtp

    def secret_references(self) -> dict[str, str]:
        """The references to secrets by field, such as `smtp.password`."""
        found = {}
        for section, field in _SECRET_FIELDS:
            reference = getattr(getattr(self, section), field, None)
            if reference is not None:
                found[f"{section}.{field}"] = reference
        return found

    @property
    def secrets_stamp(self) -> str:
        """Tells one value of its secrets from the next; says nothing about the values."""
        return self._secrets_stamp

    def effective(self, system_smtp: SystemSmtp | None, secrets_stamp: str = "") -> "Account":
        """The account as services use it: without what is switched off, with the system's SMTP filled in."""
        system = system_smtp.smtp() if system_smtp and system_smtp.allows(self.name) else None
        smtp = system if self.use_system_smtp else self.smtp
        changes = {"imap": self.imap if self.receive else None, "smtp": smtp if self.send else None}
        live = self.model_copy(update=changes)
        live._secrets_stamp = secrets_stamp
        return live

    def warnings(self) -> tuple[str, ...]:
        """What is allowed and unwise, each with its fix."""
        found = [warning for side, server in self.servers() for warning in server.warnings(side)]
        if not self.verify_certificate:
            found.append("verify_certificate is off: anybody on the way can read along; set ca_file instead")
        return tuple(found)


def _fill_preset(data: dict[str, Any]) -> None:
    """The servers of outlook and gmail; with OAuth 2 the user is the address."""
    kind = data.get("type", "smtp-imap")
    preset = PRESETS.get(kind) if isinstance(kind, str) else None
    for side, switch in (("imap", "receive"), ("smtp", "send")):
        wanted = data.get(switch) is not False and not (
            side == "smtp" and data.get("use_system_smtp") is True
        )
        if preset is not None and wanted and data.get(side, {}) is not None:
            section = data.get(side, {})
            data[side] = {**getattr(preset, side), **section} if isinstance(section, dict) else section
        section = data.get(side)
        if (
            kind in ("outlook", "gmail", "oauth2")
            and isinstance(section, dict)
            and section.get("auth") != "none"
        ):
            data[side] = {"user": data.get("address"), **section}


def _name_stored_secrets(data: dict[str, Any]) -> None:
    """`stored` alone means this account's own secret of that field."""
    for section, field in _SECRET_FIELDS:
        found = data.get(section)
        if isinstance(found, dict) and found.get(field) == STORED:
            data[section] = {**found, field: stored(str(data.get("name")), f"{section}.{field}")}


# What must hold between settings: each says what is wrong and the fix, or nothing.


def _does_something(account: Account) -> str | None:
    if account.receive and account.imap is None:
        return "receive is on, so imap must be given, with its host: or set receive: false"
    if account.send and account.smtp is None and not account.use_system_smtp:
        return "send is on, so smtp must be given (or use_system_smtp: true): or set send: false"
    if not account.send and not account.receive:
        return "smtp or imap must be given, or both: an account that does neither is of no use"
    return None


def _one_smtp(account: Account) -> str | None:
    if account.use_system_smtp and account.smtp is not None:
        return "smtp and use_system_smtp exclude one another: take one of them away"
    return None


def _tidying(account: Account) -> str | None:
    if account.after_processing == "move" and account.move_to is None:
        return "move_to must name a folder when after_processing is move"
    if account.imap and account.move_to == account.imap.folder:
        return "move_to must not be the folder that is read"
    if account.after_processing == "delete" and not account.dedicated:
        return (
            "after_processing: delete would delete every mail of the mailbox; "
            "if it is only used for Postroom, say so with dedicated: true, else use mark_read or move"
        )
    return None


def _sign_in(account: Account) -> str | None:
    imap, smtp = account.imap, account.smtp
    for side, server in (("imap", imap), ("smtp", smtp)):
        if server is not None and server.auth in TOKEN_MECHANISMS and account.oauth is None:
            return f"{side}.auth: {server.auth} needs an oauth section"
    if imap and account.receive and not account.uses_oauth(imap) and not (imap.user and imap.password):
        return "imap.user and imap.password must be given (or the same under smtp)"
    if smtp and not account.uses_oauth(smtp) and (smtp.user is None) != (smtp.password is None):
        return "smtp.user and smtp.password must be given both or not at all"
    return None


def _oauth(account: Account) -> str | None:
    if account.type == "smtp-imap":
        return "oauth needs type: outlook, gmail or oauth2" if account.oauth else None
    if account.oauth is None:
        return (
            f"type: {account.type} needs an oauth section with client_id "
            "(for passwords it is type: smtp-imap)"
        )
    try:
        provider(account.type, account.oauth)
    except ValueError as error:
        return str(error)
    return None


def unprotected(account: Account) -> str | None:
    """Why a confidential account has no verified TLS to each of its servers; None if it has, or need not."""
    if not account.confidential:
        return None
    if not account.verify_certificate:
        return (
            "confidential accounts need verified certificates: take verify_certificate: false away, "
            "or set ca_file"
        )
    open_side = next((side for side, server in account.servers() if server.security == "none"), None)
    if open_side:
        section = "system_smtp" if open_side == "smtp" and account.use_system_smtp else open_side
        return f"confidential accounts need TLS: set {section}.security to tls or starttls"
    return None


def _bodies(account: Account) -> str | None:
    if account.confidential and account.log == "full":
        return "confidential accounts keep no bodies: set log: headers or log: nothing"
    return None


_CHECKS = (_does_something, _one_smtp, _tidying, _oauth, _sign_in, unprotected, _bodies)


def matches(patterns: tuple[str, ...], address: str) -> str | None:
    """The first pattern that covers the address (itself, its domain or a parent domain), or None."""
    address = address.lower()
    domain = address.rpartition("@")[2]
    return next(
        (
            pattern
            for pattern in patterns
            if pattern in (address, domain) or ("@" not in pattern and domain.endswith(f".{pattern}"))
        ),
        None,
    )
