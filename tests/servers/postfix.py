"""Postfix for the tests: its smtp-sink, a server that counts, keeps, delays or refuses mail; and a whole one.

Options that refuse, drop or delay, as `smtp-sink(1)` has them: `-r RCPT -b "450 …"` and
`-f RCPT -B "550 …"` refuse a command for now and for good; `-q .` drops the connection after the
final dot, `-Q MAIL` says 421 and drops, `-q CONNECT` never greets; `-W .:700` answers the final dot
700 s late. A sink is always a test's own, so no URL leads to one.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.servers.node import Node
from tests.servers.process import Command, Process, accepts, free_port
from tests.servers.search import Recipe, Server, program
from tests.waiting import wait_until

MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/postfix.log
maillog_file_prefixes = /
myhostname = mx.example.net
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
disable_dns_lookups = yes
default_transport = error:5.4.4 there is no such domain here
transport_maps = inline:{{ {{ {domain} = lmtp:inet:127.0.0.1:{lmtp_port} }} }}
"""
MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
"""

SINK_USER = "nobody"
START_TIMEOUT_S = 10.0
BACKLOG = "256"


@dataclass(frozen=True)
class KeptMail:
    """A mail as it came in: the envelope, and the content with the line ends of a file (LF)."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes


class SmtpSink(Node):
    """A sink with these options; with `keep` it writes down each mail that comes in."""

    def __init__(self, folder: Path, *options: str, keep: bool = True) -> None:
        super().__init__(folder)
        self.host = "127.0.0.1"
        self.port = free_port()
        self._options = options
        self._keep = keep
        self._kept = folder / "kept"
        self._kept.mkdir(parents=True)
        if os.geteuid() == 0:
            shutil.chown(self._kept, SINK_USER)

    def count(self) -> int:
        """How many mails were taken, by the sink's own counter."""
        counters = re.findall(rb"mesg=(\d+)", self.folder.joinpath("server.log").read_bytes())
        return int(counters[-1]) if counters else 0

    def mails(self) -> list[KeptMail]:
        """The mails that were kept, in the order in which they came in.

        A mail whose final dot has not come is among them, as far as it goes.
        """
        files = sorted(self._kept.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        return [_parsed(file.read_bytes()) for file in files]

    def wait_for(self, count: int, timeout_s: float = 30.0) -> list[KeptMail]:
        """Wait until that many mails were taken; those that were kept."""
        wait_until(lambda: self.count() >= count, timeout_s, f"{count} mails, there are {self.count()}")
        return self.mails()

    def _launch(self) -> Process:
        arguments = [str(program("smtp-sink")), "-c", *self._options]
        if self._keep:
            arguments += ["-d", f"{self._kept}/%M."]
        if os.geteuid() == 0:
            arguments += ["-u", SINK_USER]
        arguments += [f"{self.host}:{self.port}", BACKLOG]
        process = Process(Command(arguments, self.folder))
        process.wait_ready(lambda: accepts(self.port), START_TIMEOUT_S, "smtp-sink to take connections")
        return process


class PostfixNode(Node):
    """A whole Postfix: it hands the mail of one domain to an LMTP server, and returns all other mail."""

    def __init__(self, folder: Path, domain: str, lmtp_port: int) -> None:
        super().__init__(folder)
        self.host = "127.0.0.1"
        self.port = free_port()
        self._configuration = folder / "conf"
        for name in ("conf", "queue", "data"):
            (folder / name).mkdir(parents=True)
        shutil.chown(folder / "data", "postfix")
        main = MAIN.format(folder=folder, domain=domain, lmtp_port=lmtp_port)
        (self._configuration / "main.cf").write_text(main)
        (self._configuration / "master.cf").write_text(MASTER.format(port=self.port))

    def _launch(self) -> Process:
        # Makes the folders of the queue.
        check = [str(program("postfix")), "-c", str(self._configuration), "check"]
        subprocess.run(check, check=True, capture_output=True)
        master = str(program("/usr/lib*/postfix/sbin/master"))
        command = Command([master, "-c", str(self._configuration), "-d"], self.folder, log_name="postfix.log")
        process = Process(command)
        process.wait_ready(lambda: accepts(self.port), START_TIMEOUT_S, "Postfix to take connections")
        return process


def _parsed(dump: bytes) -> KeptMail:
    """Read a dump file: envelope lines, a Received header of three lines, the mail, a line end."""
    senders = re.findall(rb"^X-Mail-Args: <?([^>\s]*)>?", dump, re.MULTILINE)
    head, _, rest = dump.partition(b"\nReceived: ")
    recipients = re.findall(rb"^X-Rcpt-Args: <?([^>\s]*)>?", head, re.MULTILINE)
    content = re.sub(rb"\A[^\n]*\n(?:[ \t][^\n]*\n)*", b"", rest, count=1)
    return KeptMail(
        sender=senders[0].decode() if senders else "",
        recipients=tuple(recipient.decode() for recipient in recipients),
        content=content.removesuffix(b"\n"),
    )


def present() -> None:
    """Say nothing if smtp-sink is on this machine.

    Raises:
        Missing: It is not.
    """
    program("smtp-sink")


RECIPE = Recipe(present, lambda _folder: Server(None))
