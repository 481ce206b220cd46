"""Dovecot for the tests: IMAP with and without TLS, LMTP for delivery, accounts made on the fly.

| variable | what it holds |
|---|---|
| `POSTROOM_TEST_DOVECOT_URL` | `imap://host:port/?imaps=PORT&lmtp=PORT&users=FOLDER&ca=FILE` |

`users` is the folder of passwd-file files, one per account, that the server reads; `ca` is the
PEM file of the authority that signed its certificate.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from tests.servers.certificates import Authority
from tests.servers.imap_access import Account as Account
from tests.servers.imap_access import ImapAccess
from tests.servers.missing import Missing
from tests.servers.node import Node
from tests.servers.process import Command, Process, accepts, free_port, greets
from tests.servers.search import Recipe, Server, from_environment, program
from tests.waiting import wait_until

URL_VARIABLE = "POSTROOM_TEST_DOVECOT_URL"
START_TIMEOUT_S = 20.0
MAIL_USER = "nobody"
CONFIGURATION = """\
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
protocols = imap lmtp
listen = 127.0.0.1
first_valid_uid = 1
disable_plaintext_auth = no
auth_failure_delay = 0
auth_mechanisms = plain login{token_mechanisms}
mail_location = {mail_format}:{folder}/mail/%u
mail_max_userip_connections = 100
recipient_delimiter = +
ssl = yes
ssl_cert = <{folder}/tls/server.pem
ssl_key = <{folder}/tls/server.key
{token_passdb}passdb {{
  driver = passwd-file
  args = scheme=PLAIN {folder}/users/%u
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={folder}/mail/%u
}}
service imap-login {{
  chroot =
  service_count = 0
  process_min_avail = 1
  inet_listener imap {{
    port = {imap_port}
  }}
  inet_listener imaps {{
    port = {imaps_port}
    ssl = yes
  }}
}}
service imap {{
  process_limit = 1024
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp_port}
  }}
}}
service anvil {{
  chroot =
  # Else each wrong password makes the next log-in slower.
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Sent {{
    auto = subscribe
    special_use = \\Sent
  }}
  mailbox Trash {{
    auto = subscribe
    special_use = \\Trash
  }}
}}
"""

# doc.dovecot.org/2.3/configuration_manual/authentication/oauth2: the token is asked about at the
# authorization server, and has to be the user's.
TOKEN_PASSDB = """\
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {folder}/oauth2.conf
}}
"""
TOKEN_SETTINGS = """\
introspection_mode = post
introspection_url = {introspection_url}
username_attribute = username
active_attribute = active
active_value = true
timeout_msecs = 5000
"""


class Dovecot(ImapAccess):
    """A reachable Dovecot."""

    def account(self, user: str | None = None, password: str = "a right password") -> Account:
        """Make an account, by default one with a new name, that can log in at once.

        An account that is there already gets this password.
        """
        account = Account(user or f"user-{uuid4().hex[:12]}@example.org", password)
        entry = self.users / f".{account.user}.new"
        entry.write_text(f"{account.user}:{{PLAIN}}{password}::::::\n")
        entry.rename(self.users / account.user)
        # Dovecot looks at a changed file once a second.
        wait_until(lambda: self.logs_in(account), 5, f"the log-in of {account.user}")
        return account

    def password(self, user: str) -> str:
        """The password of an account that was made."""
        return (self.users / user).read_text().partition("{PLAIN}")[2].partition(":")[0]


class DovecotNode(Node):
    """A private Dovecot; `mail_format` is `sdbox` or `maildir`.

    With `introspection_url` (RFC 7662) it also takes OAuth 2 tokens, by XOAUTH2 and OAUTHBEARER.
    """

    def __init__(self, folder: Path, *, mail_format: str = "sdbox", introspection_url: str = "") -> None:
        super().__init__(folder)
        self._port, self._tls_port, self._lmtp_port = (free_port() for _ in range(3))
        self._write_configuration(mail_format, introspection_url)

    @property
    def server(self) -> Dovecot:
        """The handle with the server's ports."""
        return Dovecot(
            host="127.0.0.1",
            port=self._port,
            tls_port=self._tls_port,
            lmtp_port=self._lmtp_port,
            users=self.folder / "users",
            ca_file=self.folder / "tls" / "ca.pem",
        )

    def set_uidvalidity(self, user: str, folder: str, uidvalidity: int) -> None:
        """Give a folder another UIDVALIDITY, as restoring a mailbox does."""
        self.doveadm("mailbox", "update", "-u", user, "--uid-validity", str(uidvalidity), folder)

    def doveadm(self, *arguments: str) -> str:
        """Run `doveadm` on this server; what it printed."""
        done = subprocess.run(
            [str(program("doveadm")), "-c", str(self._configuration), *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"doveadm {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    @property
    def _configuration(self) -> Path:
        return self.folder / "dovecot.conf"

    def _write_configuration(self, mail_format: str, introspection_url: str) -> None:
        for name in ("users", "mail", "state"):
            (self.folder / name).mkdir(parents=True)
        shutil.chown(self.folder / "mail", MAIL_USER)
        Authority.create(self.folder / "tls").issue("server")
        self._configuration.write_text(
            CONFIGURATION.format(
                folder=self.folder,
                mail_format=mail_format,
                token_mechanisms=" xoauth2 oauthbearer" if introspection_url else "",
                token_passdb=TOKEN_PASSDB.format(folder=self.folder) if introspection_url else "",
                imap_port=self._port,
                imaps_port=self._tls_port,
                lmtp_port=self._lmtp_port,
            )
        )
        if introspection_url:
            settings = TOKEN_SETTINGS.format(introspection_url=introspection_url)
            (self.folder / "oauth2.conf").write_text(settings)

    def _launch(self) -> Process:
        arguments = [str(program("dovecot")), "-F", "-c", str(self._configuration)]
        process = Process(Command(arguments, self.folder, log_name="dovecot.log"))
        process.wait_ready(self._ready, START_TIMEOUT_S, "Dovecot to greet")
        return process

    def _ready(self) -> bool:
        return greets(self._port, b"* OK") and accepts(self._lmtp_port)


def present() -> None:
    """Say nothing if the programs are on this machine and can be used.

    Raises:
        Missing: Why not.
    """
    program("dovecot")
    for protocol in ("imap", "lmtp"):
        program(f"/usr/lib*/dovecot/{protocol}", f"/usr/lib*/*/dovecot/{protocol}")
    program("openssl")
    if os.geteuid() != 0:
        raise Missing("Dovecot is started by root only")


def _start(folder: Path) -> Server:
    node = DovecotNode(folder)
    node.start()
    return Server(node.server, node.close)


def _borrow() -> Dovecot:
    parts = urlsplit(from_environment(URL_VARIABLE))
    more = {name: values[0] for name, values in parse_qs(parts.query).items()}
    absent = {"imaps", "lmtp", "users", "ca"} - more.keys()
    if absent:
        raise Missing(f"{URL_VARIABLE} does not say {', '.join(sorted(absent))}")
    return Dovecot(
        host=parts.hostname or "127.0.0.1",
        port=parts.port or 143,
        tls_port=int(more["imaps"]),
        lmtp_port=int(more["lmtp"]),
        users=Path(more["users"]),
        ca_file=Path(more["ca"]),
    )


RECIPE = Recipe(present, _start, borrow=_borrow)
