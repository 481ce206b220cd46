"""Who may do what: the role says which deeds, owner and readers of an account say whose mail."""

from __future__ import annotations

from typing import cast, get_args

import pytest
from sqlalchemy import Connection, create_mock_engine, func

from postroom.access import Actor, Deed, accounts_of, may, the_operator, user_as_actor
from postroom.account import Account
from postroom.accounts_file import AccountsFile
from postroom.accounts_plan import FieldChange, plan
from postroom.errors import Misconfigured
from postroom.store.accounts import Configuration
from postroom.store.schema import api_tokens, audit, outbox
from postroom.store.view import NotAllowed, View
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


FILE = AccountsFile(tuple(ACCOUNTS))
NOW_KNOWN = Configuration({}, users=tuple(USERS.values()), deny=("evil.example",))


def test_owners_and_readers_must_be_users_where_there_are_any_though_the_file_has_none() -> None:
    ghost = ACCOUNTS[0].model_copy(update={"readers": ("rita", "ghost")})
    file = AccountsFile((*ACCOUNTS, ghost))
    with pytest.raises(
        Misconfigured, match=r"^ops: readers.1: must be the name or address of a user; users are"
    ):
        plan(NOW_KNOWN, file, prune=False)
    assert not plan(NOW_KNOWN, FILE, prune=False).is_empty
    assert not plan(NOW_KNOWN, file, prune=True).is_empty
    assert not plan(Configuration({}), file, prune=False).is_empty


def test_a_plan_names_each_user_and_pattern_that_changes() -> None:
    root = USERS["root"].model_copy(update={"role": "agent"})
    file = AccountsFile((), users=(root, USERS["anna"], USERS["rita"]), deny=("worse.example",))
    users, deny = plan(NOW_KNOWN, file, prune=False).changes
    assert (users.is_section, users.fields) == (True, (FieldChange("root.role", "admin", None),))
    assert deny.fields == (
        FieldChange("worse.example", None, "denied"),
        FieldChange("evil.example", "denied", None),
    )


def test_a_query_that_cannot_be_filtered_is_refused() -> None:
    connection = create_mock_engine("sqlite://", lambda *_: None)
    view = View(cast(Connection, connection), user_as_actor(USERS["anna"], "as"), NOW_KNOWN)
    with pytest.raises(ValueError, match="no column account"):
        view.select(outbox.c.seq)
    with pytest.raises(ValueError, match="no column account"):
        view.select(audit.c.id, api_tokens.c.id)
    with pytest.raises(ValueError, match="needs a table's column"):
        view.select(func.count())
    with pytest.raises(NotAllowed, match="anna may not do that: webhooks are for users"):
        view.require("webhooks")
