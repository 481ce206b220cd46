"""The tests' own servers: each starts, answers, and is gone afterwards, whatever ends the run."""

from __future__ import annotations

import os
import signal
import smtplib
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import imapclient
import pika
import psycopg
import pytest

from tests.servers.aiosmtpd import Behaviour
from tests.servers.cyrus import Cyrus
from tests.servers.dovecot import Account, Dovecot
from tests.servers.missing import Missing, NotFound
from tests.servers.nodes import Nodes
from tests.servers.postgresql import Postgresql
from tests.servers.process import Command, Process, accepts, free_port
from tests.servers.rabbitmq import RabbitMq, Vhost
from tests.servers.search import Recipe, Server, search
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
MAIL = b"From: a@example.net\r\nSubject: hello\r\n\r\n.a line with a dot\r\n"
ONE_TEST = """
import pytest

@pytest.mark.needs("rabbitmq")
def test_with_a_marker() -> None:
    pass

def test_with_a_fixture_only(rabbitmq: object) -> None:
    pass

def test_without_a_server() -> None:
    pass
"""
HANGING_TEST = """
import os, pathlib, signal
from tests.servers.nodes import Nodes

def test_that_does_not_end(nodes: Nodes) -> None:
    folders = [str(getattr(nodes, server)().folder) for server in {servers!r}]
    pathlib.Path({told!r}).write_text("\\n".join(folders))
    signal.pause()
"""
FORKING_SERVER = """
import os, signal, sys, time
for _ in range(2):
    if os.fork() == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", os.getpid(), flush=True)
time.sleep(600)
"""

DECLARED_S = 5.0


@pytest.mark.needs("rabbitmq")
def test_a_virtual_host_is_there_for_one_test_only(rabbitmq: RabbitMq) -> None:
    with rabbitmq.vhost() as vhost:
        connection = pika.BlockingConnection(pika.URLParameters(vhost.url))
        connection.channel().queue_declare("q", durable=True, arguments={"x-queue-type": "quorum"})
        assert [queue["name"] for queue in rabbitmq.api("GET", f"queues/{vhost.name}")] == ["q"]
        connection.close()
    assert vhost.name not in {other["name"] for other in rabbitmq.api("GET", "vhosts")}


@pytest.mark.needs("rabbitmq")
def test_the_virtual_host_of_the_fixture_takes_connections(rabbitmq_vhost: Vhost) -> None:
    pika.BlockingConnection(pika.URLParameters(rabbitmq_vhost.url)).close()


@pytest.mark.needs("rabbitmq")
def test_a_private_node_keeps_a_persistent_message_through_kill_9(nodes: Nodes) -> None:
    node = nodes.rabbitmq()
    with pika.BlockingConnection(pika.URLParameters(node.url)) as connection:
        channel = connection.channel()
        channel.queue_declare("q", durable=True)
        channel.confirm_delivery()
        channel.basic_publish("", "q", b"kept", pika.BasicProperties(delivery_mode=2))
    # The node writes declarations to disk up to two seconds later; only then is the queue there again.
    declared = time.monotonic()
    wait_until(lambda: time.monotonic() - declared > DECLARED_S, 10, "the declaration to be on disk")
    node.kill9()
    node.start()
    with pika.BlockingConnection(pika.URLParameters(node.url)) as connection:
        assert connection.channel().basic_get("q", auto_ack=True)[2] == b"kept"


@pytest.mark.needs("postgresql")
def test_a_database_is_there_for_one_test_only(postgresql: Postgresql) -> None:
    with postgresql.database() as url:
        plain = url.replace("+psycopg", "")
        connection = psycopg.connect(plain)
        connection.execute("CREATE TABLE t (n int)")
        connection.commit()
    with suppress(psycopg.Error):
        connection.close()
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(plain)


@pytest.mark.needs("postgresql")
def test_a_private_database_server_keeps_its_data_through_kill_9(nodes: Nodes) -> None:
    node = nodes.postgresql()
    node.server.execute("CREATE TABLE t (n int)")
    node.kill9()
    assert not node.running
    node.start()
    node.server.execute("SELECT n FROM t")


@pytest.mark.needs("dovecot")
def test_dovecot_takes_mail_by_lmtp_and_by_append(dovecot: Dovecot) -> None:
    account = dovecot.account()
    dovecot.deliver(account.user, MAIL, MAIL)
    dovecot.append(account.user, "Sent", [MAIL], flags=["\\Seen"])
    delivered = dovecot.mails(account.user)
    assert len(delivered) == 2
    assert all(mail.endswith(MAIL) for mail in delivered.values())
    assert list(dovecot.mails(account.user, "Sent").values()) == [MAIL]
    assert list(dovecot.flags(account.user, "Sent").values()) == [{"\\Seen"}]
    assert dovecot.folders(account.user) == ["INBOX", "Sent", "Trash"]


@pytest.mark.needs("dovecot")
@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
def test_dovecot_is_reached_with_each_security(
    dovecot: Dovecot, dovecot_account: Account, security: str
) -> None:
    context = dovecot.client_context()
    port = dovecot.tls_port if security == "tls" else dovecot.port
    with imapclient.IMAPClient(
        "localhost" if security == "tls" else "127.0.0.1",
        port=port,
        ssl=security == "tls",
        ssl_context=context,
    ) as client:
        if security == "starttls":
            client.starttls(context)
        client.login(dovecot_account.user, dovecot_account.password)
        assert client.select_folder("INBOX")[b"EXISTS"] == 0


@pytest.mark.needs("dovecot")
def test_dovecot_refuses_a_wrong_password_and_takes_a_changed_one(dovecot: Dovecot) -> None:
    account = dovecot.account(password="first")
    with (
        imapclient.IMAPClient(dovecot.host, port=dovecot.port, ssl=False) as client,
        pytest.raises(imapclient.exceptions.LoginError),
    ):
        client.login(account.user, "second")
    dovecot.account(account.user, "second")


@pytest.mark.needs("dovecot")
@pytest.mark.parametrize("mail_format", ["sdbox", "maildir"])
def test_a_private_dovecot_restarts_and_changes_uidvalidity(nodes: Nodes, mail_format: str) -> None:
    node = nodes.dovecot(mail_format=mail_format)
    user = node.server.account().user
    node.server.deliver(user, MAIL)
    node.restart()
    node.set_uidvalidity(user, "INBOX", 4711)
    with node.server.client(user) as client:
        assert client.select_folder("INBOX")[b"UIDVALIDITY"] == 4711
    assert len(node.server.mails(user)) == 1


@pytest.mark.needs("cyrus")
def test_cyrus_takes_mail_by_lmtp_and_by_append(cyrus: Cyrus) -> None:
    account = cyrus.account()
    cyrus.deliver(account.user, MAIL, MAIL)
    cyrus.append(account.user, "Sent", [MAIL], flags=["\\Seen"])
    delivered = cyrus.mails(account.user)
    assert len(delivered) == 2
    assert all(mail.endswith(b".a line with a dot\r\n") for mail in delivered.values())
    assert list(cyrus.mails(account.user, "Sent").values()) == [MAIL]
    assert list(cyrus.flags(account.user, "Sent").values()) == [{"\\Seen"}]
    assert cyrus.folders(account.user) == ["INBOX", "Sent", "Trash"]


@pytest.mark.needs("cyrus")
@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
def test_cyrus_is_reached_with_each_security(cyrus: Cyrus, cyrus_account: Account, security: str) -> None:
    context = cyrus.client_context()
    port = cyrus.tls_port if security == "tls" else cyrus.port
    with imapclient.IMAPClient(cyrus.host, port=port, ssl=security == "tls", ssl_context=context) as client:
        if security == "starttls":
            client.starttls(context)
        client.login(cyrus_account.user, cyrus_account.password)
        assert client.select_folder("INBOX")[b"EXISTS"] == 0


@pytest.mark.needs("cyrus")
def test_cyrus_tells_an_idler_of_a_mail_and_moves_and_expunges_by_uid(
    cyrus: Cyrus, cyrus_account: Account
) -> None:
    user = cyrus_account.user
    with cyrus.client(user) as client:
        client.select_folder("INBOX")
        client.idle()
        cyrus.deliver(user, MAIL, MAIL, MAIL)
        told = wait_until(lambda: client.idle_check(timeout=10), 10, "news in IDLE")
        assert any(kind == b"EXISTS" for _count, kind in told)
        client.idle_done()
        client.move([1], "Trash")
        client.add_flags([2, 3], ["\\Deleted"])
        client.uid_expunge("3")
        assert client.search() == [2]
    assert len(cyrus.mails(user, "Trash")) == 1


@pytest.mark.needs("cyrus")
def test_cyrus_refuses_a_wrong_password_and_takes_a_changed_one(cyrus: Cyrus) -> None:
    account = cyrus.account(password="first")
    assert not cyrus.logs_in(Account(account.user, "second"))
    cyrus.account(account.user, 'the "second\\ one')


@pytest.mark.needs("cyrus")
def test_a_private_cyrus_keeps_its_mail_through_kill_9(nodes: Nodes) -> None:
    node = nodes.cyrus()
    user = node.server.account().user
    node.server.deliver(user, MAIL)
    node.kill9()
    assert not node.running
    node.start()
    assert len(node.server.mails(user)) == 1


@pytest.mark.needs("postfix")
def test_a_sink_counts_and_keeps_mails(nodes: Nodes) -> None:
    sink = nodes.smtp_sink()
    with smtplib.SMTP(sink.host, sink.port) as client:
        client.sendmail("from@example.org", ["a@example.net", "b@example.net"], MAIL)
    (mail,) = sink.wait_for(1)
    assert (mail.sender, mail.recipients) == ("from@example.org", ("a@example.net", "b@example.net"))
    assert mail.content == MAIL.replace(b"\r\n", b"\n")


@pytest.mark.needs("postfix")
def test_a_sink_refuses_as_it_is_told(nodes: Nodes) -> None:
    sink = nodes.smtp_sink("-f", "RCPT", "-B", "550 5.1.1 unknown", keep=False)
    with (
        smtplib.SMTP(sink.host, sink.port) as client,
        pytest.raises(smtplib.SMTPRecipientsRefused, match=r"5\.1\.1 unknown"),
    ):
        client.sendmail("from@example.org", ["a@example.net"], MAIL)
    assert sink.count() == 0


def test_pymap_is_always_there(nodes: Nodes) -> None:
    pymap = nodes.pymap()
    with imapclient.IMAPClient(pymap.host, port=pymap.port, ssl=False) as client:
        client.login(pymap.user, pymap.password)
        client.append("INBOX", MAIL)
        assert client.select_folder("INBOX")[b"EXISTS"] == 1


def test_aiosmtpd_keeps_what_it_takes_and_refuses_what_it_is_told(nodes: Nodes) -> None:
    server = nodes.smtp_server(
        Behaviour(refused={"no@example.net": "550 5.1.1 unknown"}, login=("me", "a password"))
    )
    with smtplib.SMTP(server.host, server.port, timeout=10) as client:
        with pytest.raises(smtplib.SMTPSenderRefused, match="Authentication required"):
            client.sendmail("me@example.org", ["a@example.net"], MAIL)
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.login("me", "a wrong password")
        client.login("me", "a password")
        refused = client.sendmail("me@example.org", ["a@example.net", "no@example.net"], MAIL)
    (mail,) = server.wait_for(1)
    assert list(refused) == ["no@example.net"]
    assert (mail.recipients, mail.content) == (("a@example.net",), MAIL)


def test_processes_that_detach_themselves_are_ended_with_their_server(tmp_path: Path) -> None:
    process = Process(Command([sys.executable, "-c", FORKING_SERVER], tmp_path, grace_s=1))
    process.wait_ready(lambda: process.log_tail().count("ready") == 4, 10, "four processes")
    pids = [int(line.split()[1]) for line in process.log_tail().splitlines()]
    process.stop()
    assert not [pid for pid in pids if _alive(pid)]


@pytest.mark.needs("postgresql", "dovecot", "cyrus")
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_killed_run_leaves_no_server_behind(tmp_path: Path, end: signal.Signals) -> None:
    servers = ("postgresql", "dovecot", "cyrus", "pymap")
    with _hanging_run(tmp_path, *servers) as (run, folders):
        processes = {server: _processes_of(folder) for server, folder in zip(servers, folders, strict=True)}
        assert all(len(found) >= 2 or server == "pymap" for server, found in processes.items()), processes
        run.send_signal(end)
        run.wait(timeout=30)
        for server, folder in zip(servers, folders, strict=True):
            wait_until(lambda pids=processes[server]: not any(map(_alive, pids)), 20, f"{server} to be gone")  # type: ignore[misc]
            wait_until(lambda folder=folder: not folder.exists(), 20, f"{server}'s folder to be gone")  # type: ignore[misc]
        wait_until(lambda: not folders[0].parent.exists(), 20, "the run's folder to be gone")


@pytest.mark.needs("rabbitmq")
def test_a_killed_run_leaves_no_broker_behind(tmp_path: Path) -> None:
    with _hanging_run(tmp_path, "rabbitmq") as (run, (folder,)):
        processes = _processes_of(folder)
        assert len(processes) >= 2
        run.kill()
        run.wait(timeout=30)
        wait_until(lambda: not [pid for pid in processes if _alive(pid)], 30, "the broker to be gone")
        wait_until(lambda: not folder.exists(), 20, "the broker's folder to be gone")


@pytest.mark.parametrize(("ci", "status"), [({}, 0), ({"CI": "true"}, 1)])
def test_a_missing_server_is_named_with_the_tests_that_did_not_run(
    tmp_path: Path, ci: dict[str, str], status: int
) -> None:
    environment = _environment() | {"POSTROOM_TEST_WITHOUT": "rabbitmq", **ci}
    done = subprocess.run(
        _pytest(tmp_path, ONE_TEST), cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == status, done.stdout + done.stderr
    summary = done.stdout.partition("missing servers")[2]
    assert "rabbitmq is not to be had:" in summary
    assert "left out by POSTROOM_TEST_WITHOUT" in summary
    assert "tests that did not run: 2" in summary
    assert "::test_with_a_marker" in summary
    assert "::test_with_a_fixture_only" in summary
    assert "1 passed, 2 skipped" in done.stdout


@pytest.mark.parametrize(
    ("there", "way"),
    [
        ({"url", "programs", "container", "packages"}, "url"),
        ({"programs", "container", "packages"}, "programs"),
        ({"container", "packages"}, "container"),
        ({"packages"}, "programs"),
    ],
)
def test_a_server_is_looked_for_in_order(tmp_path: Path, there: set[str], way: str) -> None:
    world = _World(there)
    start = search("a-server", world.recipe(), world, tmp_path)
    assert start().handle == way


def test_every_step_that_failed_gives_its_reason(tmp_path: Path) -> None:
    world = _World(set())
    with pytest.raises(NotFound) as failure:
        search("a-server", world.recipe(), world, tmp_path)
    assert failure.value.reasons == (
        ("URL in the environment", "no url"),
        ("programs on this machine", "no programs"),
        ("container", "no container"),
        ("Debian packages", "no packages"),
    )


class _World:
    """A machine on which only some of the ways to a server are there."""

    def __init__(self, there: set[str]) -> None:
        self._there = set(there)

    def recipe(self) -> Recipe:
        return Recipe(
            present=lambda: self._need("programs"),
            start=lambda _folder: Server("programs"),
            borrow=lambda: self._need("url"),
            container=lambda _folder: Server(self._need("container")),
        )

    def install(self) -> None:
        self._need("packages")
        self._there.add("programs")

    def _need(self, what: str) -> str:
        if what not in self._there:
            raise Missing(f"no {what}")
        return what


def test_a_port_that_was_free_takes_no_connection() -> None:
    assert not accepts(free_port())


@contextmanager
def _hanging_run(tmp_path: Path, *servers: str) -> Iterator[tuple[subprocess.Popen[str], list[Path]]]:
    """A pytest run that has started these servers and hangs; with the servers' folders."""
    told = tmp_path / "folders"
    source = HANGING_TEST.format(servers=servers, told=str(told))
    log = tmp_path / "log"
    with (
        log.open("w") as output,
        subprocess.Popen(
            _pytest(tmp_path, source),
            cwd=ROOT,
            env=_environment(),
            stdout=output,
            stderr=output,
            text=True,
            # A shell's background job ignores SIGINT, and so would this run.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        ) as run,
    ):
        try:
            wait_until(lambda: told.exists() and told.read_text(), 90, f"{servers} in the run")
            yield run, [Path(line) for line in told.read_text().splitlines()]
        except AssertionError as error:
            error.add_note(log.read_text())
            raise
        finally:
            run.kill()


def _pytest(tmp_path: Path, source: str) -> list[str]:
    """A pytest command that runs this one file with the project's servers and settings."""
    file = tmp_path / "test_one.py"
    file.write_text(source)
    options = ["-p", "tests.conftest", "-p", "no:cacheprovider", "-c", "pyproject.toml"]
    return [sys.executable, "-m", "pytest", *options, "--rootdir", str(ROOT), str(file)]


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "CI"}


def _processes_of(folder: Path) -> list[int]:
    """The processes that name the server's folder in their command, and their parents: the watchdog too."""
    found = set()
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if os.fsencode(folder) in command.read_bytes():
                parent = command.with_name("stat").read_text().rpartition(")")[2].split()[1]
                found |= {int(command.parent.name), int(parent)}
    return sorted(found)


def _alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()
