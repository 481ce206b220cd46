"""A wrong accounts file is refused with the line, the field and what is allowed."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from postroom.accounts_file import AccountsFileError, parse_accounts, read_accounts

GOOD = """\
accounts:
  - name: ops
    address: Ops@Example.com
    from_name: Operations
    smtp:
      host: mail.example.com
      user: ops
      password: env:OPS_PASSWORD
    imap:
      host: imap.example.com
      security: starttls
      interval: 2m
      since: 2026-01-31
    deny: |
      # nobody wants these
      Evil.example
      spam@shop.example
  - name: plain
    address: plain@example.com
    smtp: {host: "::1", security: none}
"""


def wrong(old: str, new: str) -> str:
    """The good file with one thing replaced."""
    assert GOOD.count(old) == 1, old
    return GOOD.replace(old, new)


def faults_of(content: str | bytes) -> list[str]:
    """Each fault as `line: field: sentence`."""
    raw = content if isinstance(content, bytes) else content.encode()
    return [f"{fault.line}: {fault.field}: {fault.sentence}" for fault in parse_accounts(raw)[1]]


def test_a_good_file_is_read_with_its_defaults() -> None:
    (ops, plain), faults = parse_accounts(GOOD.encode())
    assert faults == ()
    assert ops.smtp is not None and ops.imap is not None and plain.smtp is not None
    assert (ops.address, ops.reply_address) == ("Ops@example.com", "Ops@example.com")
    assert (ops.smtp.port, ops.imap.port, plain.smtp.port) == (465, 143, 25)
    assert (ops.imap.user, ops.imap.password) == ("ops", "env:OPS_PASSWORD")
    assert (ops.imap.interval_s, ops.imap.since) == (120, datetime.date(2026, 1, 31))
    assert ops.deny == ("evil.example", "spam@shop.example")
    assert (ops.enabled, ops.after_processing, ops.verify_certificate) == (True, "mark_read", True)
    assert plain.smtp.host == "::1"


def test_a_byte_order_mark_and_windows_line_ends_are_no_fault() -> None:
    assert faults_of(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode()) == []


ALL_OF_ACCOUNT = (
    "address, after_processing, approvers, ca_file, dedicated, deny, enabled, from_name, imap, move_to, "
    "name, reply_address, smtp, verify_certificate"
)
ALL_OF_IMAP = "count, folder, host, interval, messages, password, port, security, since, user"
REFERENCE = "a secret is given by reference: env:NAME or file:/path"
TEXT = "must be a text: put it in quotes if it looks like something else"
DELETE = (
    "after_processing: delete would delete every mail of the mailbox; if it is only used for Postroom, "
    "say so with dedicated: true, else use mark_read or move"
)
HOST = "must be a host name or an IP address, without a port"
QUOTE_IT = "not allowed here: put it in quotes if it is meant as it is"


@pytest.mark.parametrize(
    ("content", "faults"),
    [
        ("", ["1: the file: must have the key `accounts` with a list of accounts"]),
        ("# nothing\n", ["1: the file: must have the key `accounts` with a list of accounts"]),
        ("- name: ops\n", ["1: the file: must have the key `accounts` with a list of accounts"]),
        ("just words", ["1: the file: must have the key `accounts` with a list of accounts"]),
        ("{}", ["1: accounts: must be a list with at least one account"]),
        ("\naccounts: []", ["2: accounts: must be a list with at least one account"]),
        ("accounts: {name: ops}", ["1: accounts: must be a list with at least one account"]),
        ("accounts:\n", ["1: accounts: has no value: give one or leave the line out"]),
        ("accounts: [ops]", ["1: accounts[0]: must be a section with settings"]),
        ("\nacounts: []", ["2: acounts: is not a setting; allowed here: accounts"]),
        (GOOD + "version: 1\n", ["21: version: is not a setting; allowed here: accounts"]),
        (b"accounts:\n  - name: \xff\xfe\n", ["2: the file: is not UTF-8 text"]),
        (
            "accounts:\n  - name: a\x00b\n",
            ["2: the file: has a control character, which YAML does not allow"],
        ),
        (
            wrong("    address: Ops", "\taddress: Ops"),
            ["3: the file: is no YAML: lines are indented with spaces, not with tabs"],
        ),
        (
            wrong("      host: mail.example.com", "    host: mail.example.com"),
            [
                "7: the file: is no YAML: a name with a colon does not fit here: look at the indentation, "
                "and put a value that has a colon in quotes"
            ],
        ),
        ("accounts: [", ["1: the file: is no YAML: while parsing a flow node …"]),
        (
            GOOD + "---\n" + GOOD,
            ["21: the file: is no YAML: there must be one document only, without a line `---` between"],
        ),
        ("[" * 5_000, ["1: the file: is nested too deeply"]),
        ("#" * 4_194_305, ["1: the file: is larger than 4194304 bytes"]),
        (
            wrong("user: ops", "user: &user ops"),
            [f"7: the file: a value that begins with & is an anchor, which is {QUOTE_IT}"],
        ),
        (
            wrong("user: ops", "user: *user"),
            [f"7: the file: a value that begins with * is an alias, which is {QUOTE_IT}"],
        ),
        (
            "a: &a [x, x]\nb: [*a, *a]\naccounts: []",
            [f"1: the file: a value that begins with & is an anchor, which is {QUOTE_IT}"],
        ),
        (
            wrong("user: ops", "user: !!python/object/apply:os.system [ls]"),
            [f"7: the file: a value that begins with ! is a tag, which is {QUOTE_IT}"],
        ),
        (
            wrong("      user: ops", "      ? [a]\n      : ops"),
            ["7: accounts[0].smtp: a name was expected before the colon"],
        ),
        (
            wrong("      user: ops", "      user: ops\n      user: eve"),
            ["8: accounts[0].smtp.user: is given twice, first in line 7"],
        ),
        (
            wrong("name: plain", "name: ops"),
            ["18: accounts[1].name: is the name of the account in line 2 too"],
        ),
        (wrong("  - name: ops\n    address", "  - address"), ["2: accounts[0].name: is missing"]),
        (
            wrong("name: ops", "name: Ops Team"),
            ["2: accounts[0].name: must be 1 to 63 of the characters a-z, 0-9 and -, and not begin with -"],
        ),
        (wrong("name: ops", "name: 12"), [f"2: accounts[0].name: {TEXT}"]),
        (wrong("name: ops", "name: no"), [f"2: accounts[0].name: {TEXT}"]),
        (wrong("name: ops", "name:"), ["2: accounts[0].name: has no value: give one or leave the line out"]),
        (
            wrong("address: Ops@Example.com", "address: Ops"),
            ["3: accounts[0].address: 'Ops' is not a mail address: expected name@domain"],
        ),
        (
            wrong("from_name: Operations", r'from_name: "a\nBcc: x@y.example"'),
            ["4: accounts[0].from_name: must be one line without control characters"],
        ),
        (
            wrong("from_name:", "form_name:"),
            [f"4: accounts[0].form_name: is not a setting; allowed here: {ALL_OF_ACCOUNT}"],
        ),
        (
            wrong("interval: 2m", "intervall: 2m"),
            [f"12: accounts[0].imap.intervall: is not a setting; allowed here: {ALL_OF_IMAP}"],
        ),
        (
            wrong("host: mail.example.com", "host: mail.example.com:465"),
            [f"6: accounts[0].smtp.host: {HOST}"],
        ),
        (
            wrong("host: mail.example.com", r'host: "mail\n.example.com"'),
            [f"6: accounts[0].smtp.host: {HOST}"],
        ),
        (wrong("host: mail.example.com", "host: https://mail"), [f"6: accounts[0].smtp.host: {HOST}"]),
        (wrong("      host: mail.example.com\n", ""), ["5: accounts[0].smtp.host: is missing"]),
        (wrong("user: ops", "port: abc"), ["7: accounts[0].smtp.port: must be a whole number"]),
        (wrong("user: ops", "port: 70000"), ["7: accounts[0].smtp.port: must be at most 65535"]),
        (wrong("user: ops", "port: 0"), ["7: accounts[0].smtp.port: must be at least 1"]),
        (wrong("user: ops", "port: 1.5"), ["7: accounts[0].smtp.port: must be a whole number"]),
        (wrong("user: ops", "port: [1]"), ["7: accounts[0].smtp.port: must be a whole number"]),
        (wrong("user: ops", "user: 42"), [f"7: accounts[0].smtp.user: {TEXT}"]),
        (
            wrong("user: ops", r'user: "a\r\nb"'),
            ["7: accounts[0].smtp.user: must be 1 to 320 characters without control characters"],
        ),
        (wrong("env:OPS_PASSWORD", "hunter2"), [f"8: accounts[0].smtp.password: {REFERENCE}"]),
        (wrong("env:OPS_PASSWORD", "'env:'"), [f"8: accounts[0].smtp.password: {REFERENCE}"]),
        (
            wrong("security: starttls", "security: ssl"),
            ["11: accounts[0].imap.security: must be one of 'tls', 'starttls' or 'none'"],
        ),
        (
            wrong("security: starttls", "security: [tls]"),
            ["11: accounts[0].imap.security: must be one of 'tls', 'starttls' or 'none'"],
        ),
        (
            wrong("interval: 2m", "interval: soon"),
            ["12: accounts[0].imap.interval: must be a duration such as 30s, 5m, 1h or 2d"],
        ),
        (wrong("interval: 2m", "interval: 0s"), ["12: accounts[0].imap.interval: must be at least 1"]),
        (wrong("interval: 2m", "interval: 2d"), ["12: accounts[0].imap.interval: must be at most 86400"]),
        (wrong("interval: 2m", "count: 0"), ["12: accounts[0].imap.count: must be at least 1"]),
        (
            wrong("since: 2026-01-31", "since: 2026"),
            ["13: accounts[0].imap.since: must be now, beginning or a date such as 2026-01-31"],
        ),
        (wrong("since: 2026-01-31", "since: 2026-13-31"), ["13: accounts[0].imap.since: is no valid date"]),
        (
            wrong("since: 2026-01-31", "since: 2026-01-31 10:00:00"),
            ["13: accounts[0].imap.since: must be now, beginning or a date such as 2026-01-31"],
        ),
        (
            wrong("since: 2026-01-31", r'folder: "a\r\nb"'),
            ["13: accounts[0].imap.folder: must be one line without control characters"],
        ),
        (
            wrong("      Evil.example", "      Evil example"),
            ["14: accounts[0].deny[0]: must be an address (name@domain) or a domain"],
        ),
        (GOOD + "   enabled: true\n", ["21: the file: is no YAML: this line does not fit the ones above: …"]),
        (GOOD + "    enabled: maybe\n", ["21: accounts[1].enabled: must be true or false"]),
        (GOOD + "    imap: nobody\n", ["21: accounts[1].imap: must be a section with settings"]),
        (GOOD + "    deny: {x: y}\n", ["21: accounts[1].deny: must be a list"]),
        (
            GOOD + "    after_processing: burn\n",
            ["21: accounts[1].after_processing: must be one of 'keep', 'mark_read', 'delete' or 'move'"],
        ),
        (GOOD + "    after_processing: delete\n", [f"18: accounts[1]: {DELETE}"]),
        (
            GOOD + "    after_processing: move\n",
            ["18: accounts[1]: move_to must name a folder when after_processing is move"],
        ),
        (
            wrong("    deny: |", "    move_to: INBOX\n    deny: |"),
            ["2: accounts[0]: move_to must not be the folder that is read"],
        ),
        (
            wrong('    smtp: {host: "::1", security: none}\n', ""),
            [
                "18: accounts[1]: smtp or imap must be given, or both: "
                "an account that does neither is of no use"
            ],
        ),
        (
            GOOD + "    imap: {host: x.example}\n",
            ["18: accounts[1]: imap.user and imap.password must be given (or the same under smtp)"],
        ),
        (
            wrong("security: none}", "user: x}"),
            ["18: accounts[1]: smtp.user and smtp.password must be given both or not at all"],
        ),
        (
            wrong("name: ops", "name: Ops").replace("interval: 2m", "count: many"),
            [
                "2: accounts[0].name: must be 1 to 63 of the characters a-z, 0-9 and -, and not begin with -",
                "12: accounts[0].imap.count: must be a whole number",
            ],
        ),
    ],
)
def test_a_wrong_file_is_refused_with_line_field_and_what_is_allowed(
    content: str | bytes, faults: list[str]
) -> None:
    found = faults_of(content)
    assert [one[: len(other.rstrip("…"))] for one, other in zip(found, faults, strict=True)] == [
        fault.rstrip("…") for fault in faults
    ]


@pytest.mark.parametrize(
    "password",
    [
        "Pa55word",
        "*Pa55word",
        "&Pa55word x",
        "!Pa55word x",
        "!Pa55!word x",
        "'Pa55word",
        '"Pa55word\\q"',
        "%Pa55word",
        "@Pa55word",
        "[Pa55word",
        "{Pa55word: x",
        "!!int Pa55word",
        "!!timestamp Pa55word",
        "- Pa55word",
        "Pa55word: x",
        "|Pa55word",
        "{Pa55word: 1, Pa55word: 2}",
    ],
)
def test_a_password_in_the_wrong_place_is_not_repeated(password: str) -> None:
    for content in (
        wrong("env:OPS_PASSWORD", password),
        wrong("Operations", password),
        wrong("2m", password),
        wrong("starttls", password),
        wrong("imap.example.com", password),
    ):
        faults = [fault for fault in parse_accounts(content.encode())[1] if "Pa55word" not in fault.field]
        assert not any("Pa55" in fault.sentence for fault in faults)
    assert parse_accounts(wrong("env:OPS_PASSWORD", password).encode())[1]


def test_the_error_has_a_line_for_each_fault(tmp_path: Path) -> None:
    path = tmp_path / "accounts.yaml"
    path.write_text(wrong("name: ops", "name: Ops").replace("interval: 2m", "count: many"))
    with pytest.raises(AccountsFileError) as refusal:
        read_accounts(path)
    first, second = str(refusal.value).splitlines()
    assert first.startswith(f"{path}:2: accounts[0].name: must be")
    assert second == f"{path}:12: accounts[0].imap.count: must be a whole number"
    assert refusal.value.reason_code == "accounts_file"


def test_a_file_that_cannot_be_read_is_said_to_be(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none.yaml", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(AccountsFileError, match=rf":1: the file: cannot be read: {reason}$"):
            read_accounts(path)


def test_what_is_allowed_and_unwise_is_said_with_the_fix() -> None:
    (ops, plain), _ = parse_accounts(
        (wrong("user: ops", "user: ops\n      port: 587") + "    verify_certificate: false\n").encode()
    )
    assert ops.warnings() == (
        "smtp.port 587 is the usual port for security starttls, not tls: "
        "set security: starttls or another port",
    )
    assert plain.warnings() == (
        "smtp.security is none: passwords travel readable; use tls or starttls",
        "verify_certificate is off: anybody on the way can read along; set ca_file instead",
    )
