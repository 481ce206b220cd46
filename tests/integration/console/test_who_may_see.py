"""Who neither owns nor reads an account gets nothing of it: every command, as every kind of person (C9).

Each command runs in two worlds that differ in one thing: in one of them the account has mail. To outsiders
both say the same, byte for byte, so neither a count nor an error tells that there is anything.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from postroom_console.app import main
from tests.integration.console.world_of_users import INSIDERS, NOBODIES, OUTSIDERS, SECRET, World
from tests.servers.postgresql import Postgresql


@dataclass(frozen=True)
class Case:
    """A command's arguments; words in capitals are ids of the account, `OWN_…` those of the account `other`.

    Attributes:
        arguments: Beside the command.
        shows: Whether people of the account are shown something of it.
        writes: Whether it changes something; its owner does it once, at the end.
        admin: Whether it is for admins only.
        hostile: Whether it mixes two accounts, so that it works for nobody.
    """

    arguments: str = ""
    shows: bool = False
    writes: bool = False
    admin: bool = False
    hostile: bool = False


READS, SEES_NOTHING = Case(shows=True), Case()
TEMPLATES = str(Path(__file__).parents[3] / "docs/examples/templates")
CASES: Mapping[str, Sequence[Case]] = {
    "inbox list": (
        READS,
        Case("--unknown --json", shows=True),
        Case("--account ops", shows=True),
        Case("--contact CONTACT"),
        Case("--limit 1 --json"),
    ),
    "inbox show": (Case("CONVERSATION", shows=True), Case("CONVERSATION --json", shows=True)),
    "inbox search": (Case("zebra", shows=True), Case("zebra --account ops --json", shows=True)),
    "inbox pair": (
        Case("CONVERSATION CONTACT", writes=True),
        Case("OWN_CONVERSATION CONTACT", hostile=True),
        Case("OWN_CONVERSATION OWN_CONTACT --message MESSAGE", hostile=True),
    ),
    "inbox add-contact": (
        Case("CONVERSATION --name N --message MESSAGE --json"),
        Case("OWN_CONVERSATION --message MESSAGE", hostile=True),
    ),
    "inbox block": (
        Case("CONVERSATION --json", writes=True),
        Case("OWN_CONVERSATION --message MESSAGE", hostile=True),
    ),
    "inbox delete": (
        Case("OWN_CONVERSATION --message MESSAGE", hostile=True),
        Case("CONVERSATION --json", writes=True),
    ),
    "audit undo": (Case("DEED --json", writes=True), Case("DONE", hostile=True)),
    "contacts list": (READS, Case("--account ops --json", shows=True)),
    "contacts show": (Case("CONTACT", shows=True), Case("CONTACT --json", shows=True)),
    "contacts add": (
        Case("new@x.example --account ops --json", writes=True),
        Case("known@horse.example --account ops --json"),
    ),
    "contacts export": (Case("zoe@zebra.example --to NEW --json"), Case("CONTACT --to NEW")),
    "contacts erase": (Case("zoe@zebra.example --yes --json"), Case("CONTACT --yes --json", writes=True)),
    "sends list": (
        READS,
        Case("--account ops --json", shows=True),
        Case("--state uncertain --json", shows=True),
        Case("--recipient zoe@zebra.example"),
        Case("--limit 1 --json"),
    ),
    "sends show": (Case("SEND", shows=True), Case("RECORD --json", shows=True), Case("SEND --copy NEW")),
    "sends log": (
        Case("EML --account ops --event e --json", writes=True),
        Case("EML --account other --contact CONTACT", hostile=True),
        Case("EML --account other --conversation CONVERSATION", hostile=True),
    ),
    "sends resolve": (
        Case("SEND OWN_SEND sent", hostile=True),
        Case("--bulk BULK resend --yes", hostile=True),
        Case("--bulk BULK sent --json", writes=True),
        Case("SEND sent", writes=True),
        Case("RECORD resend", hostile=True),
    ),
    "send": (
        Case("--account ops --to x@x.example --subject s --text t --id new --json", writes=True),
        Case("--account ops --bulk NEW", hostile=True),
    ),
    "bulk list": (READS, Case("--account ops --json", shows=True)),
    "bulk show": (Case("BULK", shows=True), Case("BULK --json", shows=True)),
    "bulk pause": (Case("BULK", writes=True),),
    "bulk resume": (Case("BULK", writes=True),),
    "bulk cancel": (Case("BULK", writes=True),),
    "suppressions list": (
        READS,
        Case("--account ops --json", shows=True),
        Case("--address gone@shared.example --reason manual", shows=True),
    ),
    "suppressions add": (
        Case("x@x.example --account ops", writes=True),
        Case("y@y.example --reason why", admin=True),
        Case("--tag pu7777777777777777777777777777777y", hostile=True),
    ),
    "suppressions remove": (
        Case("gone@shared.example --account ops", writes=True),
        Case("gone@shared.example", hostile=True),
    ),
    "deny list": (READS, Case("--account ops --json", shows=True)),
    "deny add": (Case("x.example --account ops", writes=True), Case("y.example --reason why", admin=True)),
    "deny remove": (
        Case("shared.example --account ops", writes=True),
        Case("shared.example --account other"),
        Case("shared.example", hostile=True),
    ),
    "deny check": (Case("a@shared.example", shows=True), Case("a@shared.example --account ops", shows=True)),
    "dead list": (READS, Case("--account ops --json", shows=True), Case("--mails --limit 1")),
    "dead show": (Case("HELD", shows=True), Case("HELD --json", shows=True)),
    "dead replay": (Case("HELD --json", writes=True), Case("--mails --json")),
    "dead drop": (Case("QUARANTINED --reason why", writes=True), Case("--mails --reason why --yes")),
    "users list": (SEES_NOTHING,),
    "users show": (Case("anna"), Case("rita@corp.example --json")),
    "tokens create": (Case("mia --json", admin=True),),
    "tokens list": (SEES_NOTHING, Case("anna --json")),
    "tokens revoke": (Case("0123456789abcdef", hostile=True),),
    "audit list": (READS, Case("--account ops --json", shows=True), Case("--actor anna --before DEED")),
    "webhooks list": (Case("--json", admin=True),),
    "webhooks show": (Case("nowhere", hostile=True),),
    "webhooks test": (Case("nowhere", hostile=True),),
    "webhooks replay": (Case("nowhere --all", hostile=True),),
    "audit show": (Case("DONE", shows=True), Case("DEED --json", shows=True)),
    "templates apply": (Case(TEMPLATES, admin=True), Case(f"{TEMPLATES} --dry-run", admin=True)),
    "templates list": (SEES_NOTHING, Case("--json")),
    "templates show": (Case("nowhere", hostile=True),),
    "templates lint": (Case("nowhere", hostile=True),),
    "templates preview": (
        Case("nowhere --to NEW", hostile=True),
        Case("nowhere --account ops", hostile=True),
    ),
}
WITHOUT_USERS = (
    *(
        "accounts",
        "apply",
        "approvals",
        "attach",
        "config",
        "demo",
        "evidence",
        "fetcher",
        "migrate",
        "notifier",
    ),
    *("processor", "secrets", "sender", "topology", "up"),
)
"""Groups of whoever has the shell and the settings: they act for no user, and show nothing of the inbox."""


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("postgresql"))])
def make_world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Makes a world in a database of its own."""
    with ExitStack() as ending:

        def make(name: str, *, with_mail: bool = True) -> World:
            url = f"sqlite:///{tmp_path}/{name}.sqlite3"
            if request.param == "postgresql":
                server: Postgresql = request.getfixturevalue("postgresql")
                url = ending.enter_context(server.database(request.getfixturevalue("postgresql_template")))
            world = World(url, tmp_path / name, name)
            world.fill(with_mail=with_mail)
            return world

        yield make


def commands(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command by its whole name."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


def all_cases() -> Iterator[tuple[str, Case]]:
    """Every case with its command."""
    return ((name, case) for name, cases in CASES.items() for case in cases)


def assert_nothing_written(folder: Path) -> None:
    """No exported file has anything of the account in it."""
    for path in folder.glob("*.zip"):
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                assert SECRET.encode() not in member.encode() + archive.read(member), (path, member)


def test_every_command_says_who_acts_and_has_its_cases_here_or_is_known_to_need_no_user() -> None:
    found = dict(commands(main))
    assert set(CASES) == {name for name in found if name.split()[0] not in WITHOUT_USERS}
    acting = {name for name, command in found.items() if any(each.name == "who" for each in command.params)}
    assert acting == set(CASES)


def test_nobody_gets_what_is_not_theirs(make_world: Callable[..., World]) -> None:
    full, bare = make_world("ops"), make_world("nil", with_mail=False)
    # Contacts and deeds of `other` have ids of their own in each; those of `ops` are only in one.
    bare.ids = {**full.ids, **bare.ids}
    before = full.rows("ops")
    for name, case in all_cases():
        for kind in OUTSIDERS:
            wanted = full.words(f"{name} {case.arguments}")
            said, empty = full.run(kind, wanted), bare.run(kind, bare.words(f"{name} {case.arguments}"))
            assert said.plain() == empty.plain(nil="ops"), (kind, wanted)
            assert SECRET not in said.text, (kind, wanted)
            is_refused = (case.writes and not case.admin) or case.hostile or (case.admin and kind != "root")
            assert said.exit_code == 2 or not is_refused, (kind, wanted, said)
            assert said.exit_code == 0 or kind != "root" or not case.admin, (wanted, said)
    assert full.rows("ops") == before
    assert_nothing_written(full.folder)


def test_who_is_nobody_is_told_so_and_nothing_else_by_every_command(
    make_world: Callable[..., World],
) -> None:
    full = make_world("ops")
    before = full.rows()
    for kind in NOBODIES:
        told = {full.run(kind, full.words(f"{name} {case.arguments}")) for name, (case, *_) in CASES.items()}
        (said,) = told
        assert said.exit_code == 2
        assert said.text.count("\n") == 1
    assert full.rows() == before


def test_the_owner_and_readers_see_it_and_the_operator_where_there_are_no_users(
    make_world: Callable[..., World],
) -> None:
    full = make_world("ops")
    reads = [(name, case) for name, case in all_cases() if case.shows]
    for kind in INSIDERS:
        for name, case in reads:
            assert_shown(full, kind, name, case)
    with full.without_users():
        for name, case in reads:
            assert_shown(full, "operator", name, case)
    for name, case in all_cases():
        if case.writes:
            said = full.run("anna", full.words(f"{name} {case.arguments}"))
            assert said.exit_code == 0, (name, case, said)


def assert_shown(world: World, kind: str, name: str, case: Case) -> None:
    """People of the account are shown something of it."""
    said = world.run(kind, world.words(f"{name} {case.arguments}"))
    assert (said.exit_code, SECRET in said.text) == (0, True), (kind, name, case, said)
