"""Users, deny list and webhooks of the accounts file: wrong ones are refused with the line and the field."""

from __future__ import annotations

import pytest

from postroom.accounts_file import parse_accounts
from postroom.user import User, called
from postroom.webhook import Webhook

GOOD = """\
users:
  - name: anna
    address: Anna@Example.com
    role: admin
  - {name: ben.li, address: ben@example.com, enabled: false}
deny: |
  # nobody wants these
  Evil.example
webhooks:
  - name: tickets
    url: https://tickets.example.com/in
    events: [approval.*, mail.denied]
    secret: stored
    accounts: [ops]
accounts:
  - name: ops
    address: ops@example.com
    owner: anna
    readers: [BEN@example.com]
    smtp: {host: mail.example.com}
"""
FAMILIES = "account.*, approval.*, bulk.*, deny.*, mail.*, mailbox.*"


def wrong(old: str, new: str) -> str:
    """The good file with one thing replaced."""
    assert GOOD.count(old) == 1, old
    return GOOD.replace(old, new)


def _user(name: str, address: str, **more: object) -> User:
    return User.model_validate({"name": name, "address": address, **more})


def test_the_sections_for_all_accounts_are_read_with_their_defaults() -> None:
    found, faults = parse_accounts(GOOD.encode())
    assert faults == ()
    assert found.users == (
        _user("anna", "Anna@example.com", role="admin"),
        _user("ben.li", "ben@example.com", enabled=False),
    )
    assert found.deny == ("evil.example",)
    assert found.webhooks is not None
    (webhook,) = found.webhooks
    assert (webhook.secret, webhook.allow_private, webhook.enabled) == (
        "stored:webhook.tickets/secret",
        False,
        True,
    )


def test_a_section_that_is_not_there_is_another_thing_than_an_empty_one() -> None:
    accounts = GOOD[GOOD.index("accounts:\n  - name: ops") :]
    without, _ = parse_accounts(accounts.encode())
    assert (without.users, without.deny, without.webhooks) == (None, None, None)
    empty, faults = parse_accounts(f"users: []\ndeny: []\nwebhooks: []\n{accounts}".encode())
    assert (faults, empty.users, empty.deny, empty.webhooks) == ((), (), (), ())


def test_without_users_the_owner_and_the_readers_are_names_and_no_more() -> None:
    accounts = GOOD[GOOD.index("accounts:\n  - name: ops") :]
    assert parse_accounts(accounts.replace("anna", "the press office").encode())[1] == ()


@pytest.mark.parametrize(
    ("content", "faults"),
    [
        (wrong("name: ben.li", "name: anna"), ["5: users[1].name: is the name of the user in line 2 too"]),
        (
            wrong("ben@example.com,", "anna@EXAMPLE.com,"),
            ["5: users[1].address: is the address of the user in line 3 too"],
        ),
        (wrong("role: admin", "role: boss"), ["4: users[0].role: must be one of 'admin' or 'agent'"]),
        (
            wrong("role: admin", "rol: admin"),
            ["4: users[0].rol: is not a setting; allowed here: address, enabled, name, role, signature"],
        ),
        (
            wrong("name: anna", "name: Anna B"),
            [
                "2: users[0].name: must be 1 to 63 of the characters a-z, 0-9, ., _ and -, and begin with a "
                "letter or digit"
            ],
        ),
        (
            wrong("name: anna", "name: operator"),
            ["2: users[0].name: is what the person at the shell is called in the audit: choose another name"],
        ),
        (
            wrong("Anna@Example.com", "Anna"),
            ["3: users[0].address: must be a mail address: name@domain"],
        ),
        ("users: anna\n" + GOOD[GOOD.index("deny") :], ["1: users: must be a list"]),
        ("users: [anna]\n" + GOOD[GOOD.index("deny") :], ["1: users[0]: must be a section with settings"]),
        (
            wrong("owner: anna", "owner: carl"),
            ["18: accounts[0].owner: must be the name or address of a user; users are anna, ben.li"],
        ),
        (
            wrong("BEN@example.com", "carl@example.com, ben.li, dora"),
            [
                "19: accounts[0].readers[0]: must be the name or address of a user; users are anna, ben.li",
                "19: accounts[0].readers[2]: must be the name or address of a user; users are anna, ben.li",
            ],
        ),
        (
            wrong("Evil.example", "Evil example"),
            ["6: deny[0]: must be an address (name@domain) or a domain …"],
        ),
        (
            wrong("[approval.*, mail.denied]", "[aproval.decided]"),
            [
                "12: webhooks[0].events[0]: must be an event's type such as approval.decided, a family of "
                f"them ({FAMILIES}), or *"
            ],
        ),
        (
            wrong("mail.denied", "mail.received"),
            [
                "12: webhooks[0].events[1]: must be one of mail.accepted, mail.bounced, mail.deferred, "
                "mail.denied, …"
            ],
        ),
        (wrong("[approval.*, mail.denied]", "[]"), ["12: webhooks[0].events: must have at least 1 in it"]),
        (
            wrong("https://tickets", "http://tickets"),
            [
                "11: webhooks[0].url: must be a URL that begins with https:// (http:// on this machine "
                "only), without a user"
            ],
        ),
        (
            wrong("secret: stored", "secret: hunter2"),
            ["13: webhooks[0].secret: a secret is given by reference: env:NAME, file:/path or stored"],
        ),
        (
            wrong("accounts: [ops]", "accounts: [osp]"),
            [
                "14: webhooks[0].accounts[0]: must be the name of an account in this file; or say accounts: "
                "all"
            ],
        ),
        (
            GOOD.replace(
                "accounts:\n  - name: ops",
                "  - {name: tickets, url: 'https://x.example', events: ['*'], secret: env:S}\n"
                "accounts:\n  - name: ops",
            ),
            ["15: webhooks[1].name: is the name of the webhook in line 10 too"],
        ),
        (
            GOOD + "groups: []\n",
            ["21: groups: is not a setting; allowed here: accounts, deny, system_smtp, users, webhooks"],
        ),
    ],
)
def test_a_wrong_section_is_refused_with_its_line(content: str, faults: list[str]) -> None:
    found = [
        f"{fault.line}: {fault.field}: {fault.sentence}" for fault in parse_accounts(content.encode())[1]
    ]
    assert len(found) == len(faults), found
    for line, expected in zip(found, faults, strict=True):
        start, ellipsis, _ = expected.partition("…")
        assert line.startswith(start) if ellipsis else line == expected


def test_a_user_is_called_by_name_or_address_in_either_case_and_by_nothing_else() -> None:
    users = (_user("anna", "Anna@xn--bcher-kva.example"), _user("ann", "b@c.example"))
    for text in ("anna", " Anna ", "anna@BÜCHER.example", "ANNA@xn--bcher-kva.example."):
        assert called(users, text) == users[0]
    for text in ("", "@", "anna@", "anna@c.example", "nna", "anna+x@bücher.example"):
        assert called(users, text) is None


@pytest.mark.parametrize(
    ("events", "accounts", "wanted", "unwanted"),
    [
        (["*"], "all", [("mail.denied", "ops"), ("approval.refused", None)], [("mail.received", "ops")]),
        (["mail.*"], "all", [("mail.denied", "ops")], [("mailbox.done", "ops"), ("mail", "ops")]),
        (["mail.denied"], ["ops"], [("mail.denied", "ops")], [("mail.denied", "x"), ("mail.denied", None)]),
    ],
)
def test_a_webhook_wants_what_its_patterns_and_accounts_say(
    events: list[str],
    accounts: str | list[str],
    wanted: list[tuple[str, str | None]],
    unwanted: list[tuple[str, str | None]],
) -> None:
    given = {
        "name": "x",
        "url": "https://x.example",
        "secret": "env:S",
        "events": events,
        "accounts": accounts,
    }
    webhook = Webhook.model_validate(given)
    assert all(webhook.wants(*each) for each in wanted)
    assert not any(webhook.wants(*each) for each in unwanted)
    disabled = Webhook.model_validate({**given, "enabled": False})
    assert not any(disabled.wants(*each) for each in wanted)
