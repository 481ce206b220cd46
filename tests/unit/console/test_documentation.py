"""What the README and the guide show is true."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from postroom.accounts_file import parse_accounts
from postroom_console.app import main

ROOT = Path(__file__).parents[3]
PAGES = ("README.md", "docs/getting-started.md", "docs/accounts.md", "docs/users.md", "docs/operations.md")


@pytest.mark.parametrize("page", PAGES)
def test_the_accounts_files_shown_are_valid(page: str) -> None:
    blocks = re.findall(r"^( *)```yaml\n(.*?)^\1```$", (ROOT / page).read_text(), re.S | re.M)
    assert blocks
    for indent, block in blocks:
        text = re.sub(rf"^{indent}", "", block, flags=re.M)
        found, faults = parse_accounts(text.encode())
        assert faults == ()
        assert not any(account.warnings() for account in found.accounts)


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_shown_exist(page: str) -> None:
    text = (ROOT / page).read_text()
    groups = "approvals|topology|accounts|config|secrets|evidence|tokens|users|audit|inbox|contacts|deny"
    shown = set(re.findall(rf"postroom ({groups}) ([a-z]+(?:-[a-z]+)?)", text))
    assert shown
    for group, name in shown:
        commands = main.commands[group]
        assert isinstance(commands, click.Group)
        assert name in commands.commands


@pytest.mark.parametrize("page", PAGES)
def test_the_options_shown_exist(page: str) -> None:
    text = (ROOT / page).read_text().replace("\\\n", " ")
    request = main.commands["approvals"]
    assert isinstance(request, click.Group)
    known = {option for each in request.commands["request"].params for option in each.opts}
    for line in re.findall(r"postroom approvals request (.*)", text):
        assert set(re.findall(r"(?<!\S)--[a-z]+", line)) <= known


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    path = ROOT / page
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
        assert (path.parent / target).exists(), target
