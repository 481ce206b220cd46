"""The servers of an account: where its mailbox is and where its mail is handed in (pure)."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from postroom.account_values import DurationS, Host, Port, Section, Since, User, lines
from postroom.messages import AccountName, Folder
from postroom.secret_reference import SecretReference
from postroom.send_rate import RateText

Security = Literal["tls", "starttls", "none"]
ImapAuth = Literal["auto", "plain", "login", "xoauth2", "oauthbearer"]
SmtpAuth = Literal["auto", "plain", "login", "cram-md5", "xoauth2", "oauthbearer", "none"]
TOKEN_MECHANISMS = ("xoauth2", "oauthbearer")
"""The mechanisms that take an OAuth 2 access token in a password's place."""


class Server(Section):
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
    user: User | None = Field(
        None, description="Who signs in. IMAP: default that of SMTP; with OAuth 2: default the address."
    )
    password: SecretReference | None = Field(
        None,
        description="A reference: `env:NAME`, `file:/path`, or `stored` (`postroom accounts set-secret`). "
        "IMAP: default that of SMTP.",
    )

    @model_validator(mode="before")
    @classmethod
    def _default_port(cls, data: Any) -> Any:
        if not isinstance(data, dict) or data.get("port") is not None:
            return data
        security = data.get("security", "tls")
        # A wrong security has its own fault; any valid port keeps this one from having another.
        return {**data, "port": cls.PORTS.get(security, 1) if isinstance(security, str) else 1}

    def warnings(self, side: str) -> tuple[str, ...]:
        """What is allowed and unwise, each with its fix."""
        found = []
        if self.security == "none":
            found.append(f"{side}.security is none: passwords travel readable; use tls or starttls")
        expected = [name for name, port in self.PORTS.items() if port == self.port]
        if expected and self.security not in expected:
            found.append(
                f"{side}.port {self.port} is the usual port for security {expected[0]}, "
                f"not {self.security}: set security: {expected[0]} or another port"
            )
        return tuple(found)


class Imap(Server):
    """Where the mailbox is, and what is read from it."""

    PORTS: ClassVar[Mapping[str, int]] = {"tls": 993, "starttls": 143, "none": 143}

    auth: ImapAuth = Field(
        "auto",
        description="How to sign in. `auto`: with the account's OAuth 2 sign-in if it has one and no "
        "password is given, else with the password in the best way that the server offers.",
    )
    folder: Folder = Field("INBOX", description="The folder that is read.")
    sent_folder: Folder | None = Field(
        None, description="The folder for sent mail. Default: found by SPECIAL-USE, else by its name."
    )
    watch_sent: bool = Field(
        True,
        description="Read the folder for sent mail as well, at every interval, so that what is sent from "
        "other programs joins its conversation.",
    )
    max_connections: Annotated[int, Field(ge=1, le=100)] = Field(
        3,
        description="How many connections there are to the mailbox at a time at most: one watches it, one "
        "carries out commands, one tests it.",
    )
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
    authserv_id: Host | None = Field(
        None,
        description="What the server that receives this mailbox's mail calls itself in "
        "`Authentication-Results` (RFC 8601), for `proof: token+from+dmarc`. Default: none, and no such "
        "header is believed.",
    )
    count: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        30, description="How many mails are processed in an interval; the rest waits for the next."
    )
    per_sender_count: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        None,
        description="How many mails of one sender are processed in an interval; more of them wait, and "
        "take nobody else's room. Default: no such limit.",
    )


class Smtp(Server):
    """Where mail is handed in."""

    PORTS: ClassVar[Mapping[str, int]] = {"tls": 465, "starttls": 587, "none": 25}

    auth: SmtpAuth = Field(
        "auto",
        description="How to sign in. `auto`: with the account's OAuth 2 sign-in if it has one and no "
        "password is given, else with the password, if any, in the best way that the server offers; `none`: "
        "not at all.",
    )
    max_connections: Annotated[int, Field(ge=1, le=50)] = Field(
        3,
        description="How many connections one sender has to the server at a time at most; so many mails are "
        "handed over at a time. One of them is kept from bulk mail, if there are two.",
    )
    mails_per_connection: Annotated[int, Field(ge=1, le=10_000)] = Field(
        100, description="After so many mails a connection is closed, and another opened."
    )
    rate: RateText | None = Field(
        None,
        description="How many mails are handed over in a window, over all senders: `30 per 1m`. More of them "
        "wait; bulk mail leaves a fifth of each window to other mail. Default: no such limit.",
    )
    files_sent_copies: bool | Literal["auto"] = Field(
        "auto",
        description="Whether the provider files what it sends in the account's folder for sent mail. `auto`: "
        "what is known of the host (Gmail and Microsoft 365 do).",
    )

    @model_validator(mode="after")
    def _combinations(self) -> "Smtp":
        if self.auth == "none" and (self.user or self.password):
            raise ValueError(
                "auth is none, so user and password are of no use: take them away, or set auth: auto"
            )
        if self.auth in ("plain", "login", "cram-md5") and not (self.user and self.password):
            raise ValueError(f"auth: {self.auth} needs user and password")
        return self


class SystemSmtp(Smtp):
    """The mail server that accounts with `use_system_smtp: true` hand their mail to."""

    accounts: Literal["all"] | Annotated[tuple[AccountName, ...], BeforeValidator(lines)] = Field(
        "all", description="`all`, or the names of the accounts that may use it."
    )

    def allows(self, account: str) -> bool:
        """Whether the account of that name may use it."""
        return self.accounts == "all" or account in self.accounts

    def smtp(self) -> Smtp:
        """The server as an account's own."""
        return Smtp.model_validate(self.model_dump(by_alias=True, exclude={"accounts"}))
