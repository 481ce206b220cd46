"""The demo's round trip: request, mail, two replies, help mail, decision, the mailbox afterwards."""

import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

from rich.text import Text

from postroom.client import Client
from postroom.clock import utc_now
from postroom.envelope import Envelope
from postroom.messages import ApprovalDecided, ApprovalEvent, ApprovalUnclear
from postroom.settings import Settings
from postroom.subscription import Listening, Subscription, subscribe
from postroom_console.mail_server import FiledMail, MailServer, hand_in
from postroom_console.page import Page
from postroom_console.person import Person, parse, readable

NAME = ACCOUNT = "demo"
ADDRESS = "approvals@example.com"
ANNA = Person("Anna Berg", "anna@example.com")
BEN = Person("Ben Okoro", "ben@example.com")
SUBJECT = "Release 4.2.0 to production?"
BODY = """\
47 changes since 4.1.3, all tests are green.
The database migration takes two minutes; the shop is read-only meanwhile."""
UNCLEAR = "LGTM, but who watches the migration?"
CLEAR = "Approved\n\nI watch the migration myself, at ten."
COMMENT = "I watch the migration myself, at ten."
DECISION_S = 60.0
TIDY_S = 15.0
HELP_LINES = 16

_ACCOUNTS = """\
accounts:
  - name: {name}
    address: {address}
    from_name: Release Desk
    smtp: {{host: 127.0.0.1, port: {smtp_port}, security: none}}
    imap:
      host: 127.0.0.1
      port: {imap_port}
      security: none
      user: {address}
      password: env:{password_variable}
      since: beginning
      interval: 10s
    after_processing: move
    move_to: Processed
"""

T = TypeVar("T", bound=ApprovalEvent)


def write_accounts(path: Path, server: MailServer, password_variable: str) -> None:
    """The accounts file of the demo."""
    path.write_text(
        _ACCOUNTS.format(
            name=ACCOUNT,
            address=ADDRESS,
            smtp_port=server.smtp_port,
            imap_port=server.imap_port,
            password_variable=password_variable,
        )
    )


@dataclass(frozen=True)
class Told:
    """How the round trip ended."""

    decided: ApprovalDecided
    right: bool


class Story:
    """Plays the round trip on running services and tells it as it happens."""

    def __init__(self, page: Page, server: MailServer, settings: Settings) -> None:
        self._page = page
        self._server = server
        self._settings = settings
        self._id = f"release-4.2.0-{secrets.token_hex(2)}"
        self._deadline = time.monotonic() + DECISION_S

    def play(self) -> Told:
        """The whole of it.

        Raises:
            TimeoutError: A step did not happen in time; says which.
        """
        broker = self._settings.broker
        with (
            Client(broker, shards=self._settings.shards, name=NAME) as client,
            subscribe(broker, NAME, Listening(["approval.#"])) as events,
        ):
            self._ask(client)
            asked = self._server.wait_for(BEN.address, 1, self._left_s())
            self._page.step("mail", f"Ben and Anna get one each; this is Ben's, as {BEN.address} reads it:")
            self._page.box(*shown(asked.content))
            self._reply(BEN, UNCLEAR)
            self._hear_unclear(events)
            self._reply(ANNA, CLEAR)
            decided = self._hear_decided(events)
        self._show_mailbox()
        return Told(decided, (decided.decision, decided.comment.strip()) == ("approve", COMMENT))

    def _ask(self, client: Client) -> None:
        self._page.step("request", f"a program asks: “{SUBJECT}”")
        self._page.more(Text(f"id {self._id}, approvers {ANNA.address} and {BEN.address}", style="dim"))
        client.request(
            id=self._id,
            account=ACCOUNT,
            approvers=[ANNA.address, BEN.address],
            subject=SUBJECT,
            body=BODY,
            requester="the deployment pipeline",
        )
        self._page.step("accepted", "recorded; the mails are on their way")

    def _reply(self, person: Person, text: str) -> None:
        asked = self._server.wait_for(person.address, 1, self._left_s())
        mail = person.reply(asked.content, text, utc_now())
        recipient = parse(mail.as_bytes())["To"].addresses[0].addr_spec
        hand_in(self._server.smtp_port, person.address, recipient, mail)
        own, _, comment = text.partition("\n\n")
        self._page.step("reply", f"{person.name.split()[0]} replies: “{own}”")
        if comment:
            self._page.more(f"and below that: “{comment}”")

    def _hear_unclear(self, events: Subscription) -> None:
        unclear = self._hear(events, ApprovalUnclear)
        told = _event(unclear, f"no decision ({unclear.message.reason_code})")
        self._page.step("event", told, style="yellow")
        helping = self._server.wait_for(BEN.address, 2, self._left_s())
        self._page.step("help mail", "Ben is asked to write it differently:")
        self._page.box(*shown(helping.content, HELP_LINES))

    def _hear_decided(self, events: Subscription) -> ApprovalDecided:
        heard = self._hear(events, ApprovalDecided)
        decided = heard.message
        told = _event(heard, f"{decided.decision} by {decided.approver}")
        self._page.step("event", told, style="green bold")
        self._page.more(Text(f"comment: {decided.comment.strip()}"))
        return decided

    def _hear(self, events: Subscription, kind: type[T]) -> Envelope[T]:
        for envelope in events.until(self._deadline):
            if isinstance(envelope.message, kind) and envelope.message.approval_id == self._id:
                return cast(Envelope[T], envelope)
        raise TimeoutError(f"the event {kind.TYPE} did not come within {DECISION_S:.0f} s of the request")

    def _show_mailbox(self) -> None:
        deadline = time.monotonic() + TIDY_S
        while any(mail.folder == "INBOX" for mail in self._server.mailbox()):
            if time.monotonic() > deadline:
                raise TimeoutError("the handled replies were not moved out of the INBOX")
            time.sleep(0.05)
        filed = self._server.mailbox()
        self._page.step("mailbox", "IMAP shows an empty INBOX; what is handled was moved:")
        for mail in filed:
            self._page.more(_listed(mail))

    def _left_s(self) -> float:
        return max(0.1, self._deadline - time.monotonic())


def shown(content: bytes, lines: int | None = None) -> tuple[str, str]:
    """A mail's subject and its text for a box, or the first so many lines of it."""
    mail = parse(content)
    heads = "\n".join(f"{name}: {_shortened(str(mail[name]))}" for name in ("From", "To", "Reply-To"))
    text = readable(content).splitlines()
    cut = text if lines is None or len(text) <= lines else [*text[:lines], "…"]
    return str(mail["Subject"]), "\n".join([heads, "", *cut])


def _shortened(text: str, longest: int = 70) -> str:
    return text if len(text) <= longest else f"{text[: longest - 15]}…{text[-14:]}"


def _event(envelope: Envelope[T], told: str) -> Text:
    return Text.assemble(told, "  ", (envelope.type, "dim"))


def _listed(mail: FiledMail) -> Text:
    where = (f"{mail.folder} {mail.uid}", "bold")
    return Text.assemble(where, f"  {mail.sender}  {mail.subject}  ", (" ".join(mail.flags), "dim"))
