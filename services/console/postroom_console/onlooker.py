"""Shows what happens on a running rehearsal: mails that people get, with a way to answer, and decisions."""

from rich.text import Text

from postroom.messages import ApprovalCancelled, ApprovalDecided, ApprovalExpired, ApprovalUnclear
from postroom.subscription import Listening, Subscription, subscribe
from postroom_console.mail_server import Mail
from postroom_console.person import parse
from postroom_console.ports import LOOPBACK
from postroom_console.rehearsal import Rehearsal
from postroom_console.story import shown

POLL_S = 0.25
_ENDINGS = (ApprovalCancelled, ApprovalExpired)


class Onlooker:
    """Watches from now on."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        self._server = rehearsal.server
        self._page = rehearsal.page
        self._broker = rehearsal.settings.broker
        self._seen = len(self._server.received(0, 0))

    def watch(self) -> None:
        """Show mails and events until interrupted."""
        with subscribe(self._broker, "onlooker", Listening(["approval.#"])) as events:
            while True:
                for mail in self._server.received(self._seen, POLL_S):
                    self._seen += 1
                    self._show(mail)
                self._tell(events)

    def _show(self, mail: Mail) -> None:
        parsed = parse(mail.content)
        reply_to = parsed["Reply-To"] or parsed["From"]
        address = reply_to.addresses[0].addr_spec
        self._page.step("mail", f"for {mail.recipient}")
        self._page.box(*shown(mail.content))
        self._page.more("answer it with:")
        self._page.line(
            Text(
                f"printf 'From: {mail.recipient}\\nTo: {address}\\nSubject: Re:\\n\\napprove\\n' | curl -s "
                f"smtp://{LOOPBACK}:{self._server.smtp_port} --mail-from {mail.recipient} "
                f"--mail-rcpt '{address}' -T -",
                style="bold",
            )
        )

    def _tell(self, events: Subscription) -> None:
        envelope = events.next(0.01)
        if envelope is None:
            return
        message = envelope.message
        if isinstance(message, ApprovalDecided):
            comment = f" “{message.comment.strip()}”" if message.comment.strip() else ""
            self._page.step(
                "event", f"{message.approval_id}: {message.decision} by {message.approver}{comment}"
            )
        elif isinstance(message, ApprovalUnclear):
            self._page.step("event", f"{message.approval_id}: unclear ({message.reason_code})")
        elif isinstance(message, _ENDINGS):
            self._page.step("event", f"{message.approval_id}: {message.TYPE.partition('.')[2]}")
