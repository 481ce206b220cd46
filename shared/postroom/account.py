"""What an account is: a mailbox that Postroom reads, an address that it sends from, or both (pure)."""

import datetime
import ipaddress
import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from postroom.addresses import Address, normal_address, normal_domain
from postroom.messages import AccountName, Folder, ShortLine
from postroom.secret_reference import SecretReference

Security = Literal["tls", "starttls", "none"]
_DURATION = re.compile(r"([0-9]{1,9})\s*(s|m|h|d)")
_DURATION_FORM = "must be a duration such as 30s, 5m, 1h or 2d"
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _duration(value: object) -> object:
    if isinstance(value, str):
        match = _DURATION.fullmatch(value.strip())
        if match is None:
            raise ValueError(_DURATION_FORM)
        return int(match.group(1)) * _UNIT_S[match.group(2)]
    if isinstance(value, bool | float):
        raise ValueError(_DURATION_FORM)
    return value


def _lines(value: object) -> object:
    """A list, or a text with one entry per line; lines that begin with # are comments."""
    if isinstance(value, str):
        stripped = (line.strip() for line in value.splitlines())
        return [line for line in stripped if line and not line.startswith("#")]
    return value


def _pattern(value: object) -> object:
    """An address, or a domain (with or without @ before it): the domain in A-labels, all in lower case."""
    if not isinstance(value, str):
        return value
    local, _, domain = value.strip().rpartition("@")
    try:
        return (normal_address(value) if local else normal_domain(domain)).lower()
    except ValueError:
        raise ValueError("must be an address (name@domain) or a domain") from None


def _host(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        pass
    try:
        return normal_domain(text)
    except ValueError:
        raise ValueError("must be a host name or an IP address, without a port") from None


def _since(value: object) -> object:
    """`now`, `beginning` or a day; YAML has made a date of a day already."""
    is_day = isinstance(value, datetime.date) and not isinstance(value, datetime.datetime)
    if is_day or value in ("now", "beginning"):
        return value
    try:
        return datetime.date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError("must be now, beginning or a date such as 2026-01-31") from None


DurationS = Annotated[
    int, BeforeValidator(_duration), WithJsonSchema({"type": "string", "format": "duration"})
]
AddressPattern = Annotated[str, BeforeValidator(_pattern)]
AddressPatterns = Annotated[tuple[AddressPattern, ...], BeforeValidator(_lines)]
Host = Annotated[str, AfterValidator(_host)]
Since = Annotated[Literal["now", "beginning"] | datetime.date, BeforeValidator(_since)]
Port = Annotated[int, Field(ge=1, le=65535)]
User = Annotated[str, StringConstraints(min_length=1, max_length=320, pattern=r"^[^\x00-\x1f\x7f]+$")]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class _Server(_Section):
    """A server and how to sign in there. The port follows from the security where none is given."""

    PORTS: ClassVar[Mapping[str, int]]

    host: Host = Field(description="Host name or IP address.")
    security: Security = Field(
        "tls",
        description="`tls` from the first byte, `starttls` (never signed in without), or `none`.",
    )
    port: Port = Field(
        description="Default by security (`tls`, `starttls`, `none`): IMAP 993, 143, 143; SMTP 465, 587, 25."
    )
    user: User | None = Field(None, description="Who signs in. IMAP: default that of SMTP.")
    password: SecretReference | None = Field(
        None, description="A reference, `env:NAME` or `file:/path`. IMAP: default that of SMTP."
    )

    @model_validator(mode="before")
    @classmethod
    def _default_port(cls, data: Any) -> Any:
        if not isinstance(data, dict) or data.get("port") is not None:
            return data
        security = data.get("security", "tls")
        # A wrong security has its own fault; any valid port keeps this one from having another.
        return {**data, "port": cls.PORTS.get(security, 1) if isinstance(security, str) else 1}


class Imap(_Server):
    """Where the mailbox is, and what is read from it."""

    PORTS: ClassVar[Mapping[str, int]] = {"tls": 993, "starttls": 143, "none": 143}

    folder: Folder = Field("INBOX", description="The folder that is read.")
    messages: Literal["all", "unread"] = Field("all", description="Which of its mails.")
    since: Since = Field(
        "now",
        description="`now`: what comes after the account was first seen; `beginning`: everything; or a date.",
    )
    interval_s: Annotated[DurationS, Field(ge=1, le=86400)] = Field(
        300,
        alias="interval",
        description="The folder is looked at this often, also where the server pushes (IDLE): 1s to 1d.",
    )
    count: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        30, description="How many mails are processed in an interval; the rest waits for the next."
    )


class Smtp(_Server):
    """Where mail is handed in."""

    PORTS: ClassVar[Mapping[str, int]] = {"tls": 465, "starttls": 587, "none": 25}


class Account(_Section):
    """One account. With `imap` it receives, with `smtp` it sends."""

    name: AccountName = Field(description="What programs call it: a-z, 0-9 and -, 63 characters at most.")
    address: Address = Field(description="The address that its mail comes from.")
    from_name: ShortLine = Field("", description="The name beside the address.")
    enabled: bool = Field(True, description="Off: neither read nor sent from.")
    reply_address: Address = Field(
        description="Where replies go; a tag with the token is added. Default: `address`."
    )
    smtp: Smtp | None = Field(None, description="Given: the account sends.")
    imap: Imap | None = Field(None, description="Given: the account receives.")
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
    deny: AddressPatterns = Field(
        (), description="Addresses and domains (with all below them) whose mail is denied, one per line."
    )
    approvers: AddressPatterns = Field(
        (), description="If any: the addresses and domains that requests may name as approvers."
    )

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, data: Any) -> Any:
        """Sign-in for IMAP defaults to that of SMTP, the reply address to the address (A5)."""
        if not isinstance(data, dict):
            return data
        data = {"reply_address": data.get("address"), **data}
        imap, smtp = data.get("imap"), data.get("smtp")
        if isinstance(imap, dict) and isinstance(smtp, dict):
            inherited = {name: smtp[name] for name in ("user", "password") if name in smtp}
            data["imap"] = {**inherited, **imap}
        return data

    @model_validator(mode="after")
    def _combinations(self) -> "Account":
        if self.smtp is None and self.imap is None:
            raise ValueError("smtp or imap must be given, or both: an account that does neither is of no use")
        if self.after_processing == "move" and self.move_to is None:
            raise ValueError("move_to must name a folder when after_processing is move")
        if self.imap and self.move_to == self.imap.folder:
            raise ValueError("move_to must not be the folder that is read")
        if self.after_processing == "delete" and not self.dedicated:
            raise ValueError(
                "after_processing: delete would delete every mail of the mailbox; "
                "if it is only used for Postroom, say so with dedicated: true, else use mark_read or move"
            )
        if self.imap and (self.imap.user is None or self.imap.password is None):
            raise ValueError("imap.user and imap.password must be given (or the same under smtp)")
        if self.smtp and (self.smtp.user is None) != (self.smtp.password is None):
            raise ValueError("smtp.user and smtp.password must be given both or not at all")
        return self

    def warnings(self) -> tuple[str, ...]:
        """What is allowed and unwise, each with its fix."""
        found = []
        for side, server in (("imap", self.imap), ("smtp", self.smtp)):
            if server is None:
                continue
            if server.security == "none":
                found.append(f"{side}.security is none: passwords travel readable; use tls or starttls")
            expected = [name for name, port in server.PORTS.items() if port == server.port]
            if expected and server.security not in expected:
                found.append(
                    f"{side}.port {server.port} is the usual port for security {expected[0]}, "
                    f"not {server.security}: set security: {expected[0]} or another port"
                )
        if not self.verify_certificate:
            found.append("verify_certificate is off: anybody on the way can read along; set ca_file instead")
        return tuple(found)


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
