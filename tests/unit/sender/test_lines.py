"""Who may use how many connections of an account."""

from __future__ import annotations

from postroom_sender.lines import Lines
from tests.unit.sender.commands import account


def test_an_account_has_as_many_lines_as_it_says() -> None:
    lines, releases = Lines(), account(smtp={"host": "mail.example.com", "max_connections": 2})
    first = lines.take(releases, "transactional", 0)
    assert first is not None
    assert lines.take(releases, "transactional", 0) is not None
    assert lines.take(releases, "transactional", 0) is None
    lines.give_back(first)
    assert lines.take(releases, "transactional", 0) is not None


def test_bulk_leaves_a_line_to_other_mail() -> None:
    lines, releases = Lines(), account(smtp={"host": "mail.example.com", "max_connections": 2})
    assert lines.take(releases, "bulk", 0) is not None
    assert lines.take(releases, "bulk", 0) is None
    assert lines.take(releases, "transactional", 0) is not None


def test_nobody_waits_for_lines_that_were_all_let_go() -> None:
    lines, releases = Lines(), account(smtp={"host": "mail.example.com", "max_connections": 1})
    line = lines.take(releases, "bulk", 0)
    assert line is not None
    lines.let_go(line)
    assert lines.take(releases, "transactional", 3600) is None
    assert lines.take(account(name="other"), "transactional", 0) is not None
