"""The scripted IMAP server: correct where no script says otherwise, strange exactly where one does."""

from __future__ import annotations

import hashlib
import imaplib
import resource
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import imapclient
import pytest
from imapclient.exceptions import LoginError

from tests.servers.certificates import Authority
from tests.servers.imap_script import (
    Answer,
    Close,
    Continue,
    Default,
    Drip,
    Expect,
    ExpectLine,
    ImapScript,
    Literal,
    Reset,
    Say,
    Serve,
    Stall,
    StartTls,
    Untagged,
    large_mail,
)
from tests.waiting import wait_until

MAIL = b"From: a@example.net\r\nSubject: hello\r\nMessage-ID: <one@example.net>\r\n\r\nThe text.\r\n"
GIGABYTE = 10**9
WINDOW_UIDS = 50_000
PART_BYTES = 256 * 1024
IDLERS = 300


@contextmanager
def _client(server: ImapScript, *, sign_in: bool = True) -> Iterator[imapclient.IMAPClient]:
    client = imapclient.IMAPClient(server.host, server.port, ssl=False, timeout=20)
    client._imap.debug = 0
    try:
        if sign_in:
            client.login(server.user, server.password)
        yield client
    finally:
        client.shutdown()


def _end_of(client: imapclient.IMAPClient) -> type[Exception]:
    """How the connection ends for a client that reads on."""
    try:
        while client.socket().recv(65536):
            pass
    except OSError as error:
        return type(error)
    return EOFError


def test_five_million_uids_are_searched_in_windows() -> None:
    with ImapScript() as server, _client(server) as client:
        server.inbox.fill(5_000_000)
        assert client.select_folder("INBOX", readonly=True)[b"UIDNEXT"] == 5_000_001
        server.inbox.set_flags(4_990_001, ["\\Seen"])
        found = client.search("UID 4950001:5000000 UNSEEN")
        assert (len(found), found[0], found[-1]) == (WINDOW_UIDS - 1, 4_950_001, 5_000_000)
        assert client.fetch([5_000_000], ["RFC822.SIZE"])[5_000_000][b"SEQ"] == 5_000_000


def test_a_part_of_a_gigabyte_is_that_part() -> None:
    mail = large_mail(GIGABYTE)
    with ImapScript() as server, _client(server) as client:
        uid = server.inbox.add(mail)
        client.select_folder("INBOX", readonly=True)
        assert client.fetch([uid], ["RFC822.SIZE"])[uid][b"RFC822.SIZE"] == GIGABYTE
        for offset in (0, GIGABYTE // 2, GIGABYTE - 10):
            part = client.fetch([uid], [f"BODY.PEEK[]<{offset}.{PART_BYTES}>"])[uid]
            data = part[f"BODY[]<{offset}>".encode()]
            assert data == mail.content.part(offset, offset + PART_BYTES)
            assert len(data) == min(PART_BYTES, GIGABYTE - offset)


def test_a_large_mail_made_in_parts_is_the_whole_one() -> None:
    content = large_mail(1_000_003).content
    whole = content.part(0, content.size_bytes)
    parts = b"".join(content.part(start, start + 7_777) for start in range(0, 1_000_003, 7_777))
    assert whole == parts
    assert hashlib.sha256(whole).hexdigest() == content.sha256()  # type: ignore[attr-defined]


def test_a_mail_is_appended_found_marked_moved_and_expunged() -> None:
    with ImapScript() as server, _client(server) as client:
        client.append("INBOX", MAIL, ["\\Flagged"])
        client.append("INBOX", MAIL.replace(b"one@", b"two@"))
        client.select_folder("INBOX")
        assert client.search(["HEADER", "Message-ID", "<two@example.net>"]) == [2]
        assert client.search(["OR", "FLAGGED", "NOT", "UNSEEN"]) == [1]
        client.add_flags([1], ["\\Deleted"], silent=True)
        client.uid_expunge("1")
        assert client.search() == [2]
        client.create_folder("Entwürfe")
        client.move([2], "Entwürfe")
        assert server.inbox.exists == 0
        assert server.mailbox.folder("Entwürfe").exists == 1
        assert client.select_folder("Entwürfe")[b"EXISTS"] == 1
        items = ["FLAGS", "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]", "BODY[TEXT]", "INTERNALDATE"]
        (answer,) = client.fetch([1], items).values()
        assert answer[b"BODY[HEADER.FIELDS (MESSAGE-ID)]"] == b"Message-ID: <two@example.net>\r\n\r\n"
        assert answer[b"BODY[TEXT]"] == b"The text.\r\n"
        assert client.search("SEEN") == [1]
        assert ((b"\\HasNoChildren", b"\\Sent"), b"/", "Sent") in client.list_folders()


def test_a_mail_of_a_reserved_uid_becomes_visible_later() -> None:
    with ImapScript() as server, _client(server) as client:
        late = server.inbox.reserve()
        server.inbox.add(MAIL)
        client.select_folder("INBOX", readonly=True)
        assert client.search() == [2]
        server.inbox.add(MAIL, uid=late)
        assert client.search() == [1, 2]


def test_an_idler_is_told_of_each_change() -> None:
    with ImapScript() as server, _client(server) as client:
        client.select_folder("INBOX")
        client.idle()
        wait_until(lambda: server.idlers() == 1, 10, "the client in IDLE")
        uid = server.inbox.add(MAIL)
        assert client.idle_check(timeout=10) == [(1, b"EXISTS")]
        server.inbox.remove(uid)
        assert client.idle_check(timeout=10) == [(1, b"EXPUNGE")]
        client.idle_done()
        assert server.commands("IDLE") == 1


def test_a_wrong_password_and_what_is_not_offered_are_refused() -> None:
    with ImapScript(without=["IDLE"]) as server, _client(server, sign_in=False) as client:
        with pytest.raises(LoginError):
            client.login(server.user, "another")
        client.plain_login(server.user, server.password)
        client.select_folder("INBOX")
        assert not client.has_capability("IDLE")
        with pytest.raises(imaplib.IMAP4.error):
            client.idle()


def test_a_rule_holds_so_often_and_then_the_server_is_itself_again() -> None:
    with ImapScript() as server:
        server.on("LOGIN", Answer("NO [UNAVAILABLE] later"), times=2)
        with _client(server, sign_in=False) as client:
            for _ in range(2):
                with pytest.raises(LoginError, match="later"):
                    client.login(server.user, server.password)
            client.login(server.user, server.password)


@pytest.mark.parametrize(("end", "kind"), [(Close(), EOFError), (Reset(), ConnectionResetError)])
def test_a_mail_is_broken_off_in_the_middle(end: Close | Reset, kind: type[Exception]) -> None:
    with ImapScript() as server:
        uid = server.inbox.add(large_mail(100_000))
        server.on("UID FETCH", Default(limit_bytes=500), end)
        with _client(server) as client:
            client.select_folder("INBOX")
            sent = server.record.sent_bytes
            client._imap.send(b"x UID FETCH %d BODY.PEEK[]\r\n" % uid)
            assert _end_of(client) is kind
            assert server.record.sent_bytes - sent == 500


def test_an_answer_is_falsified_on_its_way() -> None:
    with ImapScript() as server, _client(server) as client:
        server.inbox.fill(3)
        server.on("UID FETCH", Default(change=lambda piece: piece.replace(b"UID 2", b"UID 7")))
        client.select_folder("INBOX")
        assert sorted(client.fetch([1, 2, 3, 7], ["RFC822.SIZE"])) == [1, 3, 7]


def test_a_dialogue_is_played_as_it_is_written() -> None:
    with ImapScript() as server:
        server.inbox.add(MAIL)
        server.script(
            Say(b"* OK hi\r\n"),
            Expect(rb"CAPABILITY"),
            Untagged("CAPABILITY IMAP4rev1 AUTH=PLAIN"),
            Answer("OK done"),
            Expect(rb"AUTHENTICATE PLAIN"),
            Continue(""),
            ExpectLine(rb"[A-Za-z0-9+/=]+"),
            Answer("NO as you like"),
            Expect(rb"(?i)login .*"),
            Drip(b"* OK slowly\r\n", bytes_per_s=2_000),
            Answer("OK in"),
            Expect(rb'SELECT "?INBOX"?'),
            Untagged("1 EXISTS"),
            Answer("OK opened"),
            Expect(rb"UID FETCH 1 .*"),
            Say(b"* 1 FETCH (UID 1 BODY[] "),
            Literal(b"short", size_bytes=100_000_000),
            Close(),
        )
        with _client(server, sign_in=False) as client:
            with pytest.raises(LoginError):
                client.plain_login(server.user, server.password)
            client.login(server.user, server.password)
            client.select_folder("INBOX")
            with pytest.raises((imaplib.IMAP4.abort, OSError)):
                client.fetch([1], ["BODY.PEEK[]"])
        with _client(server) as client:
            assert client.select_folder("INBOX")[b"EXISTS"] == 1


def test_a_script_may_go_on_as_usual_with_a_user_who_is_signed_in() -> None:
    with ImapScript() as server:
        server.script(Untagged("PREAUTH [CAPABILITY IMAP4rev1] welcome"), Serve(server.user))
        with _client(server, sign_in=False) as client:
            assert client.select_folder("INBOX")[b"EXISTS"] == 0


def test_what_was_expected_in_vain_fails_the_test_with_the_dialogue() -> None:
    server = ImapScript()
    with (
        pytest.raises(AssertionError, match=r"(?s)expected b'LOGIN \.\*', got b'NOOP'.*S: '\* OK hi'"),
        server,
    ):
        server.script(Untagged("OK hi"), Expect(rb"LOGIN .*"))
        with socket.create_connection((server.host, server.port)) as raw:
            raw.sendall(b"a NOOP\r\n")
            assert raw.makefile("rb").read() == b"* OK hi\r\n"


def test_a_script_that_nobody_played_and_a_hook_that_fails_are_told() -> None:
    server = ImapScript()
    with pytest.raises(AssertionError, match=r"(?s)ZeroDivisionError.*not played: 1"), server:
        server.on("NOOP", lambda _command, _connection: [b"x" * (1 // 0)])
        with socket.create_connection((server.host, server.port)) as raw:
            raw.sendall(b"a NOOP\r\n")
            raw.makefile("rb").read()
        server.script(Stall())


def test_plain_text_is_injected_before_starttls(tmp_path: Path) -> None:
    authority = Authority.create(tmp_path)
    context = authority.issue("server").server_context()
    with ImapScript(starttls=context) as server:
        with _client(server, sign_in=False) as client:
            client.starttls(authority.client_context())
            client.login(server.user, server.password)
        server.on("STARTTLS", StartTls(context, before=b"* CAPABILITY INJECTED\r\n"))
        with _client(server, sign_in=False) as client:
            client.starttls(authority.client_context())
            assert "INJECTED" in server.transcript()
            assert not client.has_capability("INJECTED")


def test_hundreds_of_idlers_over_tls_are_told_of_their_mail(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 3 * IDLERS)), hard))
    authority = Authority.create(tmp_path)
    before_kb = _memory_kb()
    idlers: list[ssl.SSLSocket] = []
    with ImapScript(tls=authority.issue("server").server_context()) as server:
        server.inbox.fill(1_000_000)
        try:
            for _ in range(IDLERS):
                idlers.append(_idler(server, authority.client_context() if not idlers else idlers[0].context))
            wait_until(lambda: server.idlers() == IDLERS, 30, "all in IDLE")
            grown_kb = (_memory_kb() - before_kb) / IDLERS
            server.inbox.add(MAIL)
            told = 0
            for idler in idlers:
                told += idler.recv(4096) == b"* 1000001 EXISTS\r\n"
            assert told == IDLERS
        finally:
            for idler in idlers:
                idler.close()
        # Both ends of the connection.
        assert grown_kb < 150
        wait_until(lambda: server.record.open_connections == 0, 30, "all to be gone")


def _idler(server: ImapScript, context: ssl.SSLContext) -> ssl.SSLSocket:
    raw = socket.create_connection((server.host, server.port), timeout=20)
    idler = context.wrap_socket(raw, server_hostname=server.host)
    login = f'a LOGIN {server.user} "{server.password}"\r\n'.encode()
    received = b""
    idler.sendall(login + b"b EXAMINE INBOX\r\nc IDLE\r\n")
    while not received.endswith(b"+ idling\r\n"):
        received += idler.recv(65536)
    return idler


def _memory_kb() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])
