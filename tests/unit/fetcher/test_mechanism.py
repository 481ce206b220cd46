"""Which mechanism is used to sign in."""

from __future__ import annotations

import pytest

from postroom.account_servers import ImapAuth
from postroom_fetcher.mechanism import choose, offered

BOTH = {"AUTH=PLAIN", "AUTH=XOAUTH2", "AUTH=OAUTHBEARER"}


@pytest.mark.parametrize(
    ("auth", "capabilities", "has_token", "expected"),
    [
        ("auto", BOTH, False, "plain"),
        ("auto", {"IMAP4REV1"}, False, "login"),
        ("auto", {"LOGINDISABLED"}, False, None),
        ("auto", {"LOGINDISABLED", "AUTH=PLAIN"}, False, "plain"),
        ("login", BOTH, False, "login"),
        ("plain", {"IMAP4REV1"}, False, None),
        ("auto", BOTH, True, "xoauth2"),
        ("auto", {"AUTH=OAUTHBEARER"}, True, "oauthbearer"),
        ("auto", {"AUTH=PLAIN"}, True, None),
        ("oauthbearer", BOTH, True, "oauthbearer"),
        ("xoauth2", {"AUTH=OAUTHBEARER"}, True, None),
    ],
)
def test_the_best_mechanism_that_is_offered_is_used_unless_the_account_names_one(
    auth: ImapAuth, capabilities: set[str], has_token: bool, expected: str | None
) -> None:
    assert choose(auth, capabilities, has_token=has_token) == expected


def test_what_is_offered_is_told() -> None:
    assert offered({"IMAP4REV1", "AUTH=XOAUTH2", "AUTH=PLAIN"}) == "LOGIN, PLAIN, XOAUTH2"
    assert offered({"LOGINDISABLED"}) == "nothing"
