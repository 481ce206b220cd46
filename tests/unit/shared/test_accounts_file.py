"""A wrong accounts file is refused with the line, the field and what is allowed."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from postroom.account import Account
from postroom.account_oauth import OAuth
from postroom.account_servers import Imap, Smtp, SystemSmtp
from postroom.accounts_file import AccountsFileError, parse_accounts, read_accounts
from postroom.store.accounts import document

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
    found, faults = parse_accounts(GOOD.encode())
    ops, plain = found.accounts
    assert faults == ()
    assert ops.smtp is not None and ops.imap is not None and plain.smtp is not None
    assert (ops.address, ops.reply_address) == ("Ops@example.com", "Ops@example.com")
    assert (ops.smtp.port, ops.imap.port, plain.smtp.port) == (465, 143, 25)
    assert (ops.imap.user, ops.imap.password) == ("ops", "env:OPS_PASSWORD")
    assert (ops.imap.interval_s, ops.imap.since) == (120, datetime.date(2026, 1, 31))
    assert ops.deny == ("evil.example", "spam@shop.example")
    assert (ops.enabled, ops.after_processing, ops.verify_certificate) == (True, "mark_read", True)
    assert (ops.type, ops.receive, ops.send, plain.receive, plain.send) == (
        "smtp-imap",
        True,
        True,
        False,
        True,
    )
    assert (ops.imap.folder, ops.imap.count, plain.owner, plain.readers) == ("INBOX", 30, "", ())
    assert plain.smtp.host == "::1"


ALL_KINDS = """\
system_smtp:
  host: relay.example.com
  user: relay
  password: stored
  accounts: [news, alerts]
accounts:
  - name: news
    address: news@example.com
    use_system_smtp: true
    owner: press
    readers: [anna, bert]
  - name: office
    type: outlook
    address: office@example.com
    oauth: {client_id: abc, tenant: example.com}
  - name: google
    type: gmail
    address: google@example.com
    oauth: {client_id: abc, client_secret: stored}
    send: false
  - name: other
    type: oauth2
    address: other@example.com
    oauth: {client_id: abc, token_url: https://id.example/token, device_url: https://id.example/device}
    imap: {host: imap.example.com, sent_folder: Gesendet}
    smtp: {host: smtp.example.com, user: relay, password: stored}
    confidential: true
  - name: app
    type: outlook
    address: app@example.com
    oauth: {client_id: abc, client_secret: stored, tenant: example.com, grant: client-credentials}
"""


def test_every_type_of_account_has_its_servers_and_its_way_to_sign_in() -> None:
    found, faults = parse_accounts(ALL_KINDS.encode())
    assert faults == ()
    news, office, google, other, app = found.accounts
    assert found.system_smtp is not None and found.system_smtp.password == "stored:system_smtp/password"
    assert (news.smtp, news.send, news.receive, news.readers) == (None, True, False, ("anna", "bert"))
    live = news.effective(found.system_smtp)
    assert live.smtp is not None and (live.smtp.host, live.smtp.port) == ("relay.example.com", 465)

    assert office.imap is not None and office.smtp is not None
    assert (office.imap.host, office.imap.port, office.imap.user) == (
        "outlook.office365.com",
        993,
        "office@example.com",
    )
    assert (office.smtp.host, office.smtp.port, office.smtp.security) == (
        "smtp.office365.com",
        587,
        "starttls",
    )
    assert office.uses_oauth(office.imap) and office.uses_oauth(office.smtp)
    assert office.provider is not None and office.provider.grant == "device"
    assert office.provider.token_url == "https://login.microsoftonline.com/example.com/oauth2/v2.0/token"

    assert google.imap is not None and google.provider is not None
    assert (google.imap.host, google.send, google.provider.grant) == ("imap.gmail.com", False, "browser")
    assert google.secret_references() == {"oauth.client_secret": "stored:google/oauth.client_secret"}

    # A password beside OAuth 2: that server is signed in to with the password.
    assert other.imap is not None and other.smtp is not None
    assert (other.uses_oauth(other.imap), other.uses_oauth(other.smtp)) == (True, False)
    assert app.provider is not None
    assert app.provider.scopes == ("https://outlook.office365.com/.default",)


def test_what_is_kept_of_an_account_is_the_same_account_again() -> None:
    for content in (GOOD, ALL_KINDS):
        for account in parse_accounts(content.encode())[0].accounts:
            assert Account.model_validate(document(account)) == account


def test_a_byte_order_mark_and_windows_line_ends_are_no_fault() -> None:
    assert faults_of(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode()) == []


ALL_OF_ACCOUNT = (
    "address, after_processing, approvers, ca_file, campaign, confidential, dedicated, deny, enabled, "
    "footer, from_name, imap, log, move_to, name, oauth, owner, plus_addressing, proof, readers, receive, "
    "reply_address, reply_to, retention, send, sent_copies, signature, smtp, thread_within, type, uncertain, "
    "unsubscribe, use_system_smtp, verify_certificate, verp"
)
ALL_OF_IMAP = (
    "auth, authserv_id, count, folder, host, interval, max_connections, messages, password, "
    "per_sender_count, port, security, sent_folder, since, user, watch_sent"
)
URL = "must be a URL that begins with https:// (http:// on this machine only), without a user"
REFERENCE = "a secret is given by reference: env:NAME, file:/path or stored"
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
            ["3: accounts[0].address: must be a mail address: name@domain"],
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
            ["14: accounts[0].deny[0]: must be an address (name@domain) or a domain (shop.example)"],
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
            GOOD + "    receive: true\n",
            ["18: accounts[1]: receive is on, so imap must be given, with its host: or set receive: false"],
        ),
        (
            wrong('    smtp: {host: "::1", security: none}\n', "    send: true\n    imap: {host: x}\n"),
            [
                "18: accounts[1]: send is on, so smtp must be given (or use_system_smtp: true): "
                "or set send: false"
            ],
        ),
        (GOOD + "    receive: often\n", ["21: accounts[1].receive: must be true or false"]),
        (
            GOOD + "    use_system_smtp: true\n",
            ["18: accounts[1]: smtp and use_system_smtp exclude one another: take one of them away"],
        ),
        (
            GOOD + "  - {name: x, address: x@y.example, use_system_smtp: true}\n",
            [
                "21: accounts[2].use_system_smtp: there is no system_smtp section: "
                "add one with the server's host"
            ],
        ),
        (
            "system_smtp: {host: relay.example, accounts: [a, b]}\n"
            "accounts: [{name: x, address: x@y.example, use_system_smtp: true}]",
            ["2: accounts[0].use_system_smtp: system_smtp.accounts does not allow x: add it there, or …"],
        ),
        (
            "system_smtp: {host: relay.example, security: none}\n"
            "accounts: [{name: x, address: x@y.example, use_system_smtp: true, confidential: true}]",
            ["2: accounts[0].use_system_smtp: confidential accounts need TLS: set system_smtp.security to …"],
        ),
        (GOOD + "system_smtp: relay\n", ["21: system_smtp: must be a section with settings"]),
        (
            GOOD + "system_smtp: {server: relay}\n",
            [
                "21: system_smtp.host: is missing",
                "21: system_smtp.server: is not a setting; allowed here: accounts, auth, files_sent_…",
            ],
        ),
        (
            GOOD + "    type: exchange\n",
            ["21: accounts[1].type: must be one of 'smtp-imap', 'outlook', 'gmail' or 'oauth2'"],
        ),
        (GOOD + "    type: [gmail]\n", ["21: accounts[1].type: must be one of 'smtp-imap', 'outlook', …"]),
        (
            GOOD + "    type: gmail\n",
            [
                "18: accounts[1]: type: gmail needs an oauth section with client_id "
                "(for passwords it is type: smtp-imap)"
            ],
        ),
        (
            GOOD + "    oauth: {client_id: x}\n",
            ["18: accounts[1]: oauth needs type: outlook, gmail or oauth2"],
        ),
        (GOOD + "    oauth: {}\n    type: gmail\n", ["21: accounts[1].oauth.client_id: is missing"]),
        (
            GOOD
            + "    type: gmail\n    oauth: {client_id: x, grant: client-credentials, client_secret: env:S}\n",
            ["18: accounts[1]: oauth.grant: client-credentials is not possible with gmail: use browser"],
        ),
        (
            GOOD + "    type: gmail\n    oauth: {client_id: x, grant: device}\n",
            ["18: accounts[1]: oauth.grant: device is not possible with gmail: use browser"],
        ),
        (
            GOOD
            + "    type: outlook\n    oauth: {client_id: x, grant: client-credentials, tenant: a.example}\n",
            ["18: accounts[1]: oauth.client_secret must be given for grant: client-credentials"],
        ),
        (
            GOOD + "    type: outlook\n"
            "    oauth: {client_id: x, client_secret: stored, grant: client-credentials}\n",
            ["18: accounts[1]: oauth.tenant must be your directory's id or domain for grant: …"],
        ),
        (
            GOOD + "    type: outlook\n    oauth: {client_id: x, client_secret: Pa55word}\n",
            [f"22: accounts[1].oauth.client_secret: {REFERENCE}"],
        ),
        (
            GOOD + "    type: oauth2\n    oauth: {client_id: x, device_url: https://id.example/d}\n",
            ["18: accounts[1]: oauth.token_url must be given for type: oauth2"],
        ),
        (
            GOOD + "    type: oauth2\n    oauth: {client_id: x, token_url: https://id.example/t}\n",
            ["18: accounts[1]: oauth.authorize_url must be given for grant: browser, or device_url for …"],
        ),
        (
            GOOD + "    type: oauth2\n    oauth: {client_id: x, token_url: http://id.example/t}\n",
            [f"22: accounts[1].oauth.token_url: {URL}"],
        ),
        (
            GOOD + "    type: oauth2\n    oauth: {client_id: x, token_url: 'https://a:b@id.example/t'}\n",
            [f"22: accounts[1].oauth.token_url: {URL}"],
        ),
        (
            GOOD + "    type: oauth2\n    oauth: {client_id: x, token_url: 'https://id.example:x/t'}\n",
            [f"22: accounts[1].oauth.token_url: {URL}"],
        ),
        (wrong("user: ops", "auth: ntlm"), ["7: accounts[0].smtp.auth: must be one of 'auto', 'plain', …"]),
        (wrong("security: starttls", "auth: none"), ["11: accounts[0].imap.auth: must be one of 'auto', …"]),
        (
            wrong("user: ops", "user: ops\n      auth: none"),
            ["5: accounts[0].smtp: auth is none, so user and password are of no use: take them away, or …"],
        ),
        (
            wrong("security: none}", "security: none, auth: cram-md5}"),
            ["20: accounts[1].smtp: auth: cram-md5 needs user and password"],
        ),
        (
            wrong("user: ops", "user: ops\n      auth: xoauth2"),
            ["2: accounts[0]: smtp.auth: xoauth2 needs an oauth section"],
        ),
        (
            GOOD + "    confidential: true\n",
            ["18: accounts[1]: confidential accounts need TLS: set smtp.security to tls or starttls"],
        ),
        (
            wrong("    deny: |", "    confidential: true\n    verify_certificate: false\n    deny: |"),
            ["2: accounts[0]: confidential accounts need verified certificates: take verify_certificate: …"],
        ),
        (GOOD + "    readers: {anna: yes}\n", ["21: accounts[1].readers: must be a list"]),
        (
            GOOD + '    owner: "a\\nb"\n',
            ["21: accounts[1].owner: must be one line without control characters"],
        ),
        (
            GOOD + "    reply_to: nobody\n",
            ["21: accounts[1].reply_to: must be a mail address: name@domain"],
        ),
        (
            GOOD.replace(
                "      host: mail.example.com\n", "      host: mail.example.com\n      rate: often\n"
            ),
            [
                "7: accounts[0].smtp.rate: must be a number and a duration such as 30 per 1m, …",
            ],
        ),
        (
            GOOD.replace(
                "      host: mail.example.com\n", "      host: mail.example.com\n      rate: 0 per 1m\n"
            ),
            [
                "7: accounts[0].smtp.rate: must be a number and a duration such as 30 per 1m, …",
            ],
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
    found, _ = parse_accounts(
        (wrong("user: ops", "user: ops\n      port: 587") + "    verify_certificate: false\n").encode()
    )
    ops, plain = found.accounts
    assert ops.warnings() == (
        "smtp.port 587 is the usual port for security starttls, not tls: "
        "set security: starttls or another port",
    )
    assert plain.warnings() == (
        "smtp.security is none: passwords travel readable; use tls or starttls",
        "verify_certificate is off: anybody on the way can read along; set ca_file instead",
    )


def _fields() -> list[tuple[str, str]]:
    sections: dict[str, type[BaseModel]] = {
        "": Account,
        "imap": Imap,
        "smtp": Smtp,
        "oauth": OAuth,
        "system_smtp": SystemSmtp,
    }
    return [
        (section, field.alias or name)
        for section, model in sections.items()
        for name, field in model.model_fields.items()
    ]


@pytest.mark.parametrize(("section", "field"), _fields())
@pytest.mark.parametrize("value", ["Pa55-Wörd!x\n", ["Pa55-Wörd!x"], {"Pa55-Wörd!x": "Pa55-Wörd!x"}])
def test_a_password_in_any_field_is_not_repeated(section: str, field: str, value: object) -> None:
    account: dict[str, Any] = {
        "name": "ops",
        "type": "oauth2",
        "address": "ops@corp.example",
        "imap": {"host": "imap.example"},
        "smtp": {"host": "smtp.example"},
        "oauth": {
            "client_id": "x",
            "token_url": "https://id.example/t",
            "device_url": "https://id.example/d",
        },
    }
    document: dict[str, Any] = {"accounts": [account], "system_smtp": {"host": "relay.example"}}
    target = document["system_smtp"] if section == "system_smtp" else account[section] if section else account
    target[field] = value
    faults = parse_accounts(yaml.safe_dump(document, allow_unicode=True).encode())[1]
    assert not any("Pa55" in fault.sentence for fault in faults), faults
