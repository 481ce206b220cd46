"""Tokens are found, expire and are revoked; a view shows its actor's rows and no others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, delete, func, select

from postroom.access import Actor, the_operator
from postroom.accounts_file import parse_accounts
from postroom.accounts_plan import apply, plan
from postroom.accounts_watch import Accounts
from postroom.store import Store, audit, tokens
from postroom.store import accounts as stored
from postroom.store.schema import api_tokens, sections
from postroom.store.schema import audit as audit_table
from postroom.store.view import View

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
FILE = """
accounts:
  - {name: ops, address: ops@corp.example, smtp: {host: x.example}, owner: anna, readers: [rita]}
  - {name: deny, address: deny@corp.example, smtp: {host: x.example}, owner: otto}
users:
  - {name: anna, address: anna@corp.example}
  - {name: rita, address: rita@corp.example}
  - {name: otto, address: otto@corp.example}
  - {name: root, address: root@corp.example, role: admin}
deny: [evil.example]
webhooks:
  - {name: tickets, url: "https://x.example", events: ["*"], secret: env:S}
"""


def apply_file(store: Store, text: str, *, prune: bool = False) -> dict[str, str]:
    """What changes, by name; sections have a section sign before theirs."""
    file, faults = parse_accounts(text.encode())
    assert not faults, faults
    with store.write() as connection:
        planned = plan(stored.read(connection), file, prune=prune)
        apply(connection, planned, NOW)
    return {f"{'§' if each.is_section else ''}{each.name}": each.kind for each in planned.changes}


@pytest.fixture
def applied(store: Store) -> Store:
    """A store with the accounts and users of the file."""
    apply_file(store, FILE)
    return store


def make(store: Store, user: str, *, lifetime: timedelta | None = None) -> tokens.NewToken:
    """A token made at NOW."""
    expires_at = NOW + lifetime if lifetime else None
    with store.write() as connection:
        return tokens.create(connection, user=user, label="", by="root", now=NOW, expires_at=expires_at)


def whose(store: Store, text: str, after: timedelta = timedelta()) -> str | None:
    """Whose token it is then."""
    with store.read() as connection:
        token = tokens.proven(connection, text, NOW + after)
    return token.user if token else None


def test_sections_are_planned_applied_and_handed_out_and_an_account_may_be_called_as_one(
    store: Store,
) -> None:
    added = {"§users": "added", "§deny": "added", "§webhooks": "added", "ops": "added", "deny": "added"}
    assert apply_file(store, FILE) == added
    assert apply_file(store, FILE) == {}
    watched = Accounts(store)
    assert [user.name for user in watched.users] == ["anna", "rita", "otto", "root"]
    assert (watched.deny, [each.name for each in watched.webhooks]) == (("evil.example",), ["tickets"])
    assert apply_file(store, FILE.replace("evil.example", "worse.example")) == {"§deny": "changed"}
    assert watched.refresh()
    assert watched.deny == ("worse.example",)
    without = FILE[: FILE.index("users:")]
    assert set(apply_file(store, without).values()) == {"left"}
    assert not watched.refresh()
    assert set(apply_file(store, without, prune=True).values()) == {"removed"}
    with store.read() as connection:
        assert connection.execute(select(func.count()).select_from(sections)).scalar() == 0
    assert [account.name for account in Accounts(store).all()] == ["ops", "deny"]


def test_a_token_is_its_users_until_it_expires_or_is_revoked(applied: Store) -> None:
    lasting, passing = make(applied, "anna"), make(applied, "rita", lifetime=timedelta(days=1))
    assert whose(applied, f" {lasting.text}\n", timedelta(days=10_000)) == "anna"
    assert whose(applied, passing.text, timedelta(days=1) - timedelta(seconds=1)) == "rita"
    assert whose(applied, passing.text, timedelta(days=1)) is None
    with applied.write() as connection:
        assert tokens.revoke(connection, lasting.id, "root", NOW)
        assert not tokens.revoke(connection, lasting.id, "root", NOW)
    assert whose(applied, lasting.text) is None


def test_no_other_text_is_a_token(applied: Store) -> None:
    one, other = make(applied, "anna"), make(applied, "rita")
    secret = other.text.rpartition("_")[2]
    for text in ("", "prt_", one.id, secret, f"prt_{one.id}_{secret[:43]}", one.text[:-1], f"{one.text}x"):
        assert whose(applied, text) is None
    flipped = one.text[:-1] + ("A" if one.text[-1] != "A" else "E")
    assert whose(applied, flipped) is None


def test_the_store_has_nothing_that_a_token_could_be_made_of(applied: Store) -> None:
    made = make(applied, "anna")
    with applied.read() as connection:
        (row,) = connection.execute(select(api_tokens))
    secret = made.text.removeprefix(f"prt_{made.id}_")
    assert len(secret) == 43
    assert secret not in repr(row)


def test_who_is_taken_out_of_the_file_loses_their_tokens_for_good(applied: Store) -> None:
    made, kept = make(applied, "rita"), make(applied, "anna")
    without = FILE.replace("  - {name: rita, address: rita@corp.example}\n", "")
    apply_file(applied, without.replace(", readers: [rita]", ""))
    apply_file(applied, FILE.replace("rita@corp.example", "another.rita@corp.example"))
    assert (whose(applied, made.text), whose(applied, kept.text)) == (None, "anna")


def view_of(connection: Connection, name: str, role: Any) -> View:
    """What they see."""
    actor = the_operator() if role == "operator" else Actor(name, role, "as")
    return View(connection, actor, stored.read(connection))


SEEN: dict[tuple[str, str], set[str | None]] = {
    ("anna", "agent"): {"ops"},
    ("rita", "agent"): {"ops"},
    ("otto", "agent"): {"deny"},
    ("root", "admin"): {None},
    ("ghost", "admin"): {None},
    ("", "operator"): {"ops", "deny", "gone", None},
}


def test_a_view_shows_and_counts_and_marks_its_actors_rows_alone(applied: Store) -> None:
    for (name, role), seen in SEEN.items():
        with applied.write() as connection:
            connection.execute(delete(audit_table))
            ids = {account: _recorded(connection, account) for account in ("ops", "deny", "gone", None)}
            view = view_of(connection, name, role)
            assert {row["account"] for row in audit.listed(view, limit=10)} == seen
            assert {row["account"] for row in audit.listed(view, limit=10, action="contact")} == seen
            counted = connection.execute(view.select(func.count(audit_table.c.seq))).scalar()
            assert counted == len(seen if role == "operator" else seen - {None})
            for account, row_id in ids.items():
                assert (audit.found(view, row_id) is not None) == (account in seen)
                assert bool(audit.listed(view, limit=9, before=row_id)) <= (account in seen)
                assert audit.mark_undone(view, row_id, NOW) == (account in seen)
                assert not audit.mark_undone(view, row_id, NOW)


def _recorded(connection: Connection, account: str | None) -> str:
    return audit.record(
        connection, the_operator(), "contact.add", account, "t", {}, undo={"do": "it"}, now=NOW
    )


def test_a_deed_that_cannot_be_undone_is_not_marked_so(applied: Store) -> None:
    with applied.write() as connection:
        row_id = audit.record(connection, the_operator(), "contacts.erase", "ops", "t", {})
        assert not audit.mark_undone(view_of(connection, "", "operator"), row_id, NOW)
