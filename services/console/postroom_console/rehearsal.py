"""The pipeline with a mail server of its own: for `postroom demo`, and `postroom up` without accounts."""

from rich.text import Text

from postroom.accounts_file import read_accounts
from postroom.settings import Settings
from postroom_console.applying import carry_out
from postroom_console.imap_server import PASSWORD_VARIABLE
from postroom_console.mail_server import MailServer
from postroom_console.page import Page
from postroom_console.ports import LOOPBACK
from postroom_console.registry import opened
from postroom_console.service_log import LogFile
from postroom_console.stack import Stack
from postroom_console.story import ADDRESS, Story, Told, write_accounts

LOG_NAME = "services.log"


class Rehearsal:
    """Mail server and services, with a page that tells what happens; services log into a file."""

    def __init__(self, settings: Settings, page: Page) -> None:
        self.page = page
        self.settings = settings
        self.log = LogFile(settings.data_dir.absolute() / LOG_NAME)
        self.server = MailServer(ADDRESS, self.log.write, self._note)
        self._accounts = settings.data_dir / "demo-accounts.yaml"
        environment = {PASSWORD_VARIABLE: self.server.password}
        self.stack = Stack(settings, environment, self.log.write, self._note)

    def start(self) -> None:
        """Start everything and say where it is.

        Raises:
            Misconfigured: Somebody else's run in the data folder goes on.
            Transient, TimeoutError: Something does not come up.
        """
        self.stack.claim()
        self.log.open()
        self.server.start()
        write_accounts(self._accounts, self.server, PASSWORD_VARIABLE)
        imap, smtp = self.server.imap_port, self.server.smtp_port
        self.page.step(
            "mail server", f"pymap (IMAP) on {LOOPBACK}:{imap}, aiosmtpd (SMTP) on {LOOPBACK}:{smtp}"
        )
        self.stack.prepare()
        self._apply_accounts()
        self.stack.start()
        self.stack.wait_ready()
        where = ", ".join(f"{name} :{url.rpartition(':')[2]}" for name, url in self.stack.urls.items())
        self.page.step("services", f"four processes, ready: {where}")

    def play(self) -> Told:
        """The round trip."""
        return Story(self.page, self.server, self.settings).play()

    def stop(self) -> None:
        """End everything in order."""
        self.stack.stop()
        self.server.stop()
        self.log.close()

    def kill(self) -> None:
        """End everything at once."""
        self.stack.kill()
        self.server.kill()

    def explain(self, error: Exception) -> None:
        """Say what went wrong, with the end of the services' log."""
        self.page.step("failed", Text(str(error), style="red"), style="red bold")
        self.page.more(f"the services' log, {self.log.path}, ends with:")
        for line in self.log.tail():
            self.page.line(Text(f"    {line}", style="dim"))

    def _apply_accounts(self) -> None:
        """The demo's account, and no other: the one of an earlier run had other ports."""
        with opened(self.settings) as store:
            carry_out(self.settings, store, read_accounts(self._accounts), prune=True)

    def _note(self, name: str, sentence: str) -> None:
        self.log.write(name, sentence)
        self.page.step("restart", Text(f"{name} {sentence}", style="yellow"), style="yellow")
