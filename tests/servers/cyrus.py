"""Cyrus for the tests: IMAP with and without TLS, LMTP for delivery, accounts made on the fly.

Its package would take the place of Dovecot's, so that of the IMAP daemon is only unpacked
(`tests.servers.debian`); the others are installed. Passwords are in a SASL database that is written anew for
each account. INBOX, Sent and Trash are made at the first log-in; Cyrus writes their attributes in lower case
(`\\sent`), which RFC 6154 allows.

There is no variable for a Cyrus elsewhere: accounts are made in its files.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path
from uuid import uuid4

from tests.servers.certificates import Authority
from tests.servers.debian import UNPACKED
from tests.servers.imap_access import Account, ImapAccess
from tests.servers.missing import Missing
from tests.servers.node import Node
from tests.servers.process import Command, Process, accepts, free_port, greets
from tests.servers.search import Recipe, Server, program
from tests.waiting import wait_until

START_TIMEOUT_S = 30.0
# A process that was just connected to may miss the stop signal and wait for its next connection.
STOP_GRACE_S = 1.0
SYSTEM_USER = "cyrus"
PROGRAMS = "/usr/lib/cyrus/bin"
CONFIGURATION = """\
configdirectory: {folder}/conf
partition-default: {folder}/mail
defaultpartition: default
proc_path: {folder}/conf/proc
mboxname_lockpath: {folder}/conf/lock
idlesocket: {folder}/conf/socket/idle
altnamespace: yes
unixhierarchysep: yes
virtdomains: userid
defaultdomain: localhost.invalid
allowplaintext: yes
failedloginpause: 0
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: {folder}/sasldb2
sasl_mech_list: PLAIN LOGIN
tls_server_cert: {folder}/tls/server.pem
tls_server_key: {folder}/tls/server.key
autocreate_quota: 0
autocreate_inbox_folders: Sent|Trash
autocreate_subscribe_folders: Sent|Trash
xlist-sent: Sent
xlist-trash: Trash
duplicatesuppression: no
expunge_mode: immediate
delete_mode: immediate
"""
# With prefork there is always a process that waits, so that a log-in need not wait for one.
SERVICES = """\
START {{
  recover cmd="{ctl_cyrusdb} -C {configuration} -r"
}}
DAEMON {{
  idled cmd="{idled} -d -C {configuration}"
}}
SERVICES {{
  imap cmd="{imapd} -C {configuration}" listen="127.0.0.1:{imap_port}" prefork=1 maxchild=1024
  imaps cmd="{imapd} -s -C {configuration}" listen="127.0.0.1:{imaps_port}" prefork=0 maxchild=1024
  lmtp cmd="{lmtpd} -a -C {configuration}" listen="127.0.0.1:{lmtp_port}" prefork=0 maxchild=100
}}
EVENTS {{
}}
"""


class Cyrus(ImapAccess):
    """A reachable Cyrus."""

    def account(self, user: str | None = None, password: str = "a right password") -> Account:
        """Make an account, by default one with a new name, that can log in at once.

        An account that is there already gets this password.
        """
        account = Account(user or f"user-{uuid4().hex[:12]}@example.org", password)
        (self.users / account.user).write_text(password)
        self._write_passwords()
        wait_until(lambda: self.logs_in(account), 10, f"the log-in of {account.user}")
        return account

    def password(self, user: str) -> str:
        """The password of an account that was made."""
        return (self.users / user).read_text()

    def _write_passwords(self) -> None:
        """Write the SASL database, and put it in place of the old one in one step."""
        entries = "".join(_entry(path.name, path.read_text()) for path in self.users.iterdir())
        new = self.users.with_name(f".sasldb2-{uuid4().hex}")
        subprocess.run(
            [str(_db_load()), "-T", "-t", "hash", str(new)], input=entries.encode(), check=True, timeout=30
        )
        new.rename(self.users.with_name("sasldb2"))


def _entry(user: str, password: str) -> str:
    """Key and value as `db_load` reads them; the key is user, realm and property, divided by NUL."""
    name, _at, realm = user.partition("@")
    key = b"\0".join(part.encode() for part in (name, realm, "userPassword"))
    return "".join(_escaped(text) + "\n" for text in (key, password.encode()))


def _escaped(text: bytes) -> str:
    return "".join(f"\\{byte:02x}" for byte in text)


class CyrusNode(Node):
    """A private Cyrus."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._ports = {name: free_port() for name in ("imap_port", "imaps_port", "lmtp_port")}
        self._write_configuration()

    @property
    def server(self) -> Cyrus:
        """The handle with the server's ports."""
        return Cyrus(
            host="127.0.0.1",
            port=self._ports["imap_port"],
            tls_port=self._ports["imaps_port"],
            lmtp_port=self._ports["lmtp_port"],
            users=self.folder / "users",
            ca_file=self.folder / "tls" / "ca.pem",
        )

    @property
    def _configuration(self) -> Path:
        return self.folder / "imapd.conf"

    @property
    def _services(self) -> Path:
        return self.folder / "cyrus.conf"

    def _write_configuration(self) -> None:
        for name in ("users", "conf/socket", "mail"):
            (self.folder / name).mkdir(parents=True)
        Authority.create(self.folder / "tls").issue("server")
        programs = {name: _program(name) for name in ("ctl_cyrusdb", "lmtpd", "imapd", "idled")}
        self._configuration.write_text(CONFIGURATION.format(folder=self.folder))
        services = SERVICES.format(configuration=self._configuration, **self._ports, **programs)
        self._services.write_text(services)
        for path in (self.folder, *self.folder.rglob("*")):
            shutil.chown(path, SYSTEM_USER)

    def _launch(self) -> Process:
        arguments = [str(_program("master")), "-C", str(self._configuration), "-M", str(self._services)]
        arguments += ["-p", str(self.folder / "conf" / "master.pid")]
        process = Process(Command(arguments, self.folder, user=SYSTEM_USER, grace_s=STOP_GRACE_S))
        process.wait_ready(self._ready, START_TIMEOUT_S, "Cyrus to greet")
        return process

    def _ready(self) -> bool:
        return greets(self._ports["imap_port"], b"* OK") and accepts(self._ports["lmtp_port"])


def _program(name: str) -> Path:
    return program(f"{UNPACKED}/cyrus-imapd{PROGRAMS}/{name}", f"{PROGRAMS}/{name}")


def _db_load() -> Path:
    return program("db5.3_load", "db_load")


def present() -> None:
    """Say nothing if the programs are on this machine and can be used.

    Raises:
        Missing: Why not.
    """
    for name in ("master", "ctl_cyrusdb", "lmtpd", "imapd", "idled"):
        _program(name)
    _db_load()
    program("openssl")
    if os.geteuid() != 0:
        raise Missing("Cyrus is started by root only")
    try:
        pwd.getpwnam(SYSTEM_USER)
    except KeyError as error:
        raise Missing(f"there is no user {SYSTEM_USER}") from error


def _start(folder: Path) -> Server:
    node = CyrusNode(folder)
    node.start()
    return Server(node.server, node.close)


RECIPE = Recipe(present, _start)
