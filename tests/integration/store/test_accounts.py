"""What is applied is what services read; nothing is applied by halves, and nothing twice."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from postroom.accounts_file import AccountsFile, parse_accounts
from postroom.accounts_plan import FieldChange, Plan, apply, plan
from postroom.accounts_watch import Accounts
from postroom.errors import Misconfigured
from postroom.secret import Secrets
from postroom.secret_box import SecretBox, new_key
from postroom.store import Store, former_accounts
from postroom.store import accounts as stored
from postroom.store import secrets as stored_secrets
from postroom.store.account_status import Report, record
from postroom.store.schema import account_status, accounts, contacts, secrets

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
FILE = """
accounts:
  - name: ops
    address: ops@corp.example
    imap: {host: imap.example, user: ops, password: stored, interval: 1m}
  - name: news
    address: news@corp.example
    use_system_smtp: true
system_smtp: {host: relay.example}
"""


def read_file(text: str) -> AccountsFile:
    found, faults = parse_accounts(text.encode())
    assert not faults, faults
    return found


def apply_file(store: Store, text: str, *, prune: bool = False) -> Plan:
    with store.write() as connection:
        planned = plan(stored.read(connection), read_file(text), prune=prune)
        apply(connection, planned, NOW)
    return planned


def revision(store: Store) -> int:
    with store.read() as connection:
        return stored.revision(connection)


def test_applying_a_file_twice_changes_nothing_the_second_time(store: Store) -> None:
    first = apply_file(store, FILE)
    assert [(each.name, each.kind) for each in first.changes] == [
        ("system_smtp", "added"),
        ("ops", "added"),
        ("news", "added"),
    ]
    before = revision(store)
    assert apply_file(store, FILE).is_empty
    assert revision(store) == before
    assert [each.name for each in Accounts(store).all()] == ["ops", "news"]


def test_a_plan_says_which_setting_changes_from_what_to_what(store: Store) -> None:
    apply_file(store, FILE)
    changed = apply_file(store, FILE.replace("interval: 1m", "folder: Orders"))
    (change,) = changed.changes
    assert (change.name, change.kind) == ("ops", "changed")
    assert change.fields == (
        FieldChange("imap.folder", None, "Orders"),
        FieldChange("imap.interval", 60, None),
    )


def test_what_the_file_does_not_have_stays_unless_it_is_pruned(store: Store) -> None:
    apply_file(store, FILE)
    smaller = "accounts: [{name: ops, address: ops@corp.example, smtp: {host: smtp.example}}]"
    left = apply_file(store, smaller)
    assert {each.name: each.kind for each in left.changes} == {
        "system_smtp": "left",
        "ops": "changed",
        "news": "left",
    }
    assert {each.name for each in Accounts(store).all()} == {"ops", "news"}
    pruned = apply_file(store, smaller, prune=True)
    assert {each.name: each.kind for each in pruned.changes} == {"system_smtp": "removed", "news": "removed"}
    assert [each.name for each in Accounts(store).all()] == ["ops"]


CLINIC = """
accounts: [{name: clinic, address: c@corp.example, use_system_smtp: true, confidential: true}]
system_smtp: {host: relay.example}
"""


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            "security: none",
            "clinic: .* stays .*, and confidential accounts need TLS: set system_smtp.security",
        ),
        ("accounts: [news]", "clinic: .* stays .*, and system_smtp.accounts does not allow clinic"),
    ],
)
def test_a_system_smtp_that_an_account_which_stays_cannot_use_is_refused(
    store: Store, changes: str, said: str
) -> None:
    apply_file(store, CLINIC)
    other = FILE.replace("{host: relay.example}", f"{{host: relay.example, {changes}}}")
    with pytest.raises(Misconfigured, match=said):
        apply_file(store, other)
    apply_file(store, other, prune=True)
    assert [each.name for each in Accounts(store).all()] == ["ops", "news"]


def test_an_account_whose_system_smtp_was_of_no_use_before_keeps_no_file_away(store: Store) -> None:
    apply_file(store, CLINIC)
    with store.write() as connection:
        stored.put_section(connection, "system_smtp", None, NOW)
    assert not apply_file(
        store, FILE.replace("{host: relay.example}", "{host: x.example, accounts: [news]}")
    ).is_empty


def test_the_order_of_the_file_is_the_order_of_the_accounts(store: Store) -> None:
    apply_file(store, FILE)
    head, ops, news = FILE.partition("\nsystem_smtp:")[0].split("  - name:")
    turned = f"{head}  - name:{news}\n  - name:{ops}system_smtp: {{host: relay.example}}\n"
    assert not apply_file(store, turned).is_empty
    assert [each.name for each in Accounts(store).all()] == ["news", "ops"]
    assert apply_file(store, turned).is_empty


def test_an_apply_that_fails_in_the_middle_has_changed_nothing(store: Store) -> None:
    apply_file(store, FILE)
    before = revision(store)
    with pytest.raises(RuntimeError), store.write() as connection:
        planned = plan(stored.read(connection), read_file(FILE.replace("1m", "2m")), prune=True)
        apply(connection, planned, NOW)
        raise RuntimeError("the console dies")
    assert revision(store) == before
    ops = Accounts(store).get("ops")
    assert ops is not None and ops.imap is not None and ops.imap.interval_s == 60


def test_a_removed_account_takes_its_secrets_and_its_status_along(store: Store) -> None:
    apply_file(store, FILE)
    box = SecretBox((new_key(),))
    with store.write() as connection:
        stored_secrets.write(connection, box, "ops/imap.password", "one", NOW)
        stored_secrets.write(connection, box, "ops2/imap.password", "two", NOW)
        record(connection, "ops", "imap", Report("green", "ok", ""), NOW)
        assert stored.remove(connection, "ops", NOW)
    with store.read() as connection:
        assert list(stored_secrets.names(connection)) == ["ops2/imap.password"]
        assert connection.execute(select(func.count()).select_from(account_status)).scalar() == 0


def test_a_record_that_is_not_understood_leaves_the_others_alone(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    apply_file(store, FILE)
    with store.write() as connection:
        connection.execute(
            update(accounts)
            .where(accounts.c.name == "ops")
            .values(document={"name": "ops", "address": "ops@corp.example", "wings": 2})
        )
        stored.bump(connection)
    assert [each.name for each in Accounts(store).all()] == ["news"]
    assert "an account's record is not understood" in caplog.text


def test_an_account_may_use_the_systems_smtp_only_as_long_as_there_is_one(store: Store) -> None:
    apply_file(store, FILE)
    watched = Accounts(store)
    news = watched.get("news")
    assert news is not None and news.smtp is not None and news.smtp.host == "relay.example"
    with store.write() as connection:
        stored.put_section(connection, "system_smtp", None, NOW)
        stored.bump(connection)
    assert watched.refresh()
    news = watched.get("news")
    assert news is not None and news.smtp is None and news.use_system_smtp


def test_a_changed_secret_makes_another_account_of_it_and_of_no_other(store: Store, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("one")
    apply_file(
        store,
        f"""
accounts:
  - {{name: a, address: a@x.example, imap: {{host: i.example, user: a, password: "file:{password}"}}}}
  - {{name: b, address: b@x.example, imap: {{host: i.example, user: b, password: stored}}}}
""",
    )
    box = SecretBox((new_key(),))
    watched = Accounts(store, Secrets(store, box))
    a, b = watched.all()
    assert not watched.refresh()
    password.write_text("other")
    assert watched.refresh()
    assert watched.get("a") != a and watched.get("b") == b
    with store.write() as connection:
        stored_secrets.write(connection, box, "b/imap.password", "one", NOW)
    a = watched.get("a")  # type: ignore[assignment]
    assert watched.refresh()
    assert watched.get("a") == a and watched.get("b") != b


def test_a_changed_secret_of_the_systems_smtp_changes_the_accounts_that_use_it(
    store: Store, tmp_path: Path
) -> None:
    password = tmp_path / "password"
    password.write_text("one")
    system = f'{{host: relay.example, user: relay, password: "file:{password}"}}'
    apply_file(store, FILE.replace("{host: relay.example}", system))
    watched = Accounts(store, Secrets(store, SecretBox((new_key(),))))
    ops, news = watched.all()
    password.write_text("other")
    assert watched.refresh()
    assert watched.get("ops") == ops and watched.get("news") != news


def test_a_stored_secret_is_read_back_and_lies_encrypted(store: Store) -> None:
    box = SecretBox((new_key(),))
    with store.write() as connection:
        stored_secrets.write(connection, box, "ops/smtp.password", "pässword", NOW)
    assert Secrets(store, box).read("stored:ops/smtp.password") == "pässword"
    with store.read() as connection:
        (row,) = connection.execute(select(secrets)).all()
    assert "pässword" not in row.ciphertext
    with pytest.raises(Misconfigured, match=r"set-secret ops imap\.password"):
        Secrets(store, box).read("stored:ops/imap.password")


def test_a_secret_put_in_the_place_of_another_is_not_used(store: Store) -> None:
    box = SecretBox((new_key(),))
    with store.write() as connection:
        stored_secrets.write(connection, box, "ops/smtp.password", "one", NOW)
        connection.execute(update(secrets).values(name="evil/smtp.password"))
    with pytest.raises(Misconfigured, match="encrypted for another name"):
        Secrets(store, box).read("stored:evil/smtp.password")


def test_rotation_encrypts_everything_with_the_newest_key(store: Store) -> None:
    old, new = new_key(), new_key()
    with store.write() as connection:
        for number in range(3):
            stored_secrets.write(connection, SecretBox((old,)), f"a{number}/smtp.password", "one", NOW)
    both = SecretBox((new, old))
    with store.write() as connection:
        assert stored_secrets.rotate(connection, both) == 3
        assert stored_secrets.rotate(connection, both) == 0
    assert Secrets(store, SecretBox((new,))).read("stored:a1/smtp.password") == "one"
    with pytest.raises(Misconfigured, match="lacks the key"):
        Secrets(store, SecretBox((old,))).read("stored:a1/smtp.password")


def test_a_status_tells_only_of_changes_of_colour_or_reason(store: Store) -> None:
    apply_file(store, FILE)
    red = Report("red", "auth_failed", "no", failures=1)
    with store.write() as connection:
        first = record(connection, "ops", "imap", red, NOW)
        again = record(connection, "ops", "imap", dataclasses.replace(red, failures=2), NOW)
        healed = record(connection, "ops", "imap", Report("green", "ok", "fine"), NOW)
    assert first is not None and first.colour == "red"
    assert again is None
    assert healed is not None and healed.colour == "green"


def test_mail_of_a_removed_account_is_not_for_whoever_owns_the_next_of_its_name(store: Store) -> None:
    def file(owner: str) -> str:
        users = "".join(
            f"  - {{name: {name}, address: {name}@corp.example}}\n" for name in ("ann", "ben", "eve")
        )
        people = f"owner: {owner}, readers: [ben]"
        account = f"{{name: ops, address: o@corp.example, smtp: {{host: h.example}}, {people}}}"
        return f"users:\n{users}accounts:\n  - {account}\n"

    apply_file(store, file("ann"))
    with store.write() as connection:
        connection.execute(
            contacts.insert(),
            [{"id": "c", "account": "ops", "name": "", "origin": "added", "created_at": NOW}],
        )
        stored.remove(connection, "ops", NOW)
    with pytest.raises(Misconfigured, match="was for ann, ben and would be shown to eve"):
        apply_file(store, file("eve"))
    apply_file(store, file("ANN@corp.example"))
    with store.write() as connection:
        stored.remove(connection, "ops", NOW)
        assert former_accounts.forget(connection, "ops")
    apply_file(store, file("eve"))
    with store.write() as connection:
        connection.execute(contacts.delete())
        stored.remove(connection, "ops", NOW)
    apply_file(store, file("ann"))
