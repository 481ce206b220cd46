"""Who may do what: the role says which deeds, owner and readers of an account say whose mail."""

from __future__ import annotations

from typing import get_args

import pytest

from postroom.access import Actor, Deed, accounts_of, may, the_operator, user_as_actor
from postroom.account import Account
from postroom.user import User

SMTP = {"host": "mail.example.com"}
USERS = {
    name: User.model_validate({"name": name, "address": f"{name}@corp.example", "role": role})
    for name, role in (("root", "admin"), ("anna", "agent"), ("rita", "agent"))
}
ACCOUNTS = [
    Account.model_validate({"name": name, "address": "x@corp.example", "smtp": SMTP, **people})
    for name, people in (
        ("ops", {"owner": "anna", "readers": ["Rita@corp.example"]}),
        ("news", {"owner": "ANNA"}),
        ("boss", {"owner": "root"}),
        ("free", {}),
    )
]


@pytest.mark.parametrize(
    ("name", "accounts"), [("root", {"boss"}), ("anna", {"ops", "news"}), ("rita", {"ops"})]
)
def test_people_see_the_accounts_that_they_own_or_read_whatever_their_role(
    name: str, accounts: set[str]
) -> None:
    actor = user_as_actor(USERS[name], "as")
    assert accounts_of(actor, USERS[name], ACCOUNTS) == accounts


def test_the_operator_sees_every_account_and_nobody_else_does() -> None:
    assert accounts_of(the_operator(), None, ACCOUNTS) == {"ops", "news", "boss", "free"}
    assert accounts_of(Actor("ghost", "admin", "as"), None, ACCOUNTS) == frozenset()


@pytest.mark.parametrize("deed", get_args(Deed))
def test_agents_have_mail_and_nothing_besides(deed: Deed) -> None:
    assert may(the_operator(), deed)
    assert may(user_as_actor(USERS["root"], "as"), deed)
    assert may(user_as_actor(USERS["anna"], "as"), deed) == (deed == "mail")
