"""`postroom topology apply|check|definitions`: the broker's exchanges and queues."""

import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import click
from pydantic import TypeAdapter, ValidationError
from rich.table import Table
from rich.text import Text

from postroom.amount import amount
from postroom.broker import declare, probe
from postroom.broker.definitions import RIGHTS, password_hash
from postroom.broker.definitions import definitions as make_definitions
from postroom.document import json_document
from postroom.errors import PostroomError
from postroom.event_queues import families
from postroom.secret import read_secret
from postroom.secret_reference import SecretReference
from postroom.settings import Settings, read_settings
from postroom.topology import Queue, Topology
from postroom.topology import topology as make_topology
from postroom_console.faults import FAILED
from postroom_console.registry import opened, read_configuration
from postroom_console.terminal import make_console

_VERDICTS = {True: ("ok", "green"), False: ("failed", "red bold"), None: ("skipped", "dim")}

FOLD_FROM = 4
NOTIFIERS = "start the notifier, which makes the queues of webhooks and campaigns"
_EMPTY_QUEUE = re.compile(r"queue postroom\.\S+: 0 messages$")

shards_option = click.option(
    "--shards", type=click.IntRange(1, 256), help="Fetcher shards; default: POSTROOM_SHARDS, else 4."
)


@click.group("topology")
def topology() -> None:
    """Make, check or export the broker's exchanges and queues."""


@topology.command("apply")
@shards_option
def apply(shards: int | None) -> None:
    """Declare everything that is missing; harmless to repeat."""
    settings = read_settings()
    applied = apply_topology(settings, _topology(settings, shards))
    policies = amount(applied.policies, "policy", "policies")
    click.echo(f"{amount(applied.exchanges, 'exchange')}, {amount(applied.queues, 'queue')}, {policies}")
    for sentence in applied.skipped:
        click.echo(f"skipped: {sentence}")


@topology.command("check")
@shards_option
@click.option("--all", "every", is_flag=True, help="Also list each queue that is as it should be.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
def check(shards: int | None, every: bool, as_json: bool) -> None:
    """Probe the broker stage by stage. Exit code 1 if a check failed."""
    settings = read_settings()
    wanted, unknown = _event_queues(settings)
    whole = _topology(settings, shards)
    checks = probe.probe(settings.broker, replace(whole, queues=(*whole.queues, *wanted)))
    checks = (*_advised(checks, wanted), *unknown)
    if as_json:
        click.echo(json_document([vars(each) for each in checks]))
    else:
        make_console().print(_table(checks if every else _folded(checks)))
    if any(each.ok is False for each in checks):
        click.get_current_context().exit(FAILED)


@topology.command("definitions")
@shards_option
@click.option("--vhost", default="/", show_default=True)
@click.option(
    "--user",
    "users",
    multiple=True,
    metavar="SERVICE=REFERENCE",
    help="A service's password by reference, as in `fetcher=file:/path` or `fetcher=env:NAME`; repeatable. "
    f"Services: {', '.join(RIGHTS)}. One without a password cannot log in.",
)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write into this file.")
def definitions(shards: int | None, vhost: str, users: tuple[str, ...], output: Path | None) -> None:
    """Print the definitions for import at RabbitMQ's start (`load_definitions`)."""
    settings = read_settings()
    wanted = _topology(settings, shards)
    hashes = _password_hashes(users)
    made = make_definitions(wanted, vhost, hashes, settings.event_queue_length)
    document = json_document(made)
    if output is None:
        click.echo(document)
    else:
        output.write_text(document + "\n")
        click.echo(f"wrote {output}: {amount(len(wanted.queues), 'queue')}, {amount(len(RIGHTS), 'user')}")


def apply_topology(settings: Settings, wanted: Topology) -> declare.Applied:
    """Declare the topology at the broker of the settings."""
    management = settings.broker_management_url
    return declare.apply(
        settings.broker,
        wanted,
        management_url=management.get_secret_value() if management else None,
        event_queue_length=settings.event_queue_length,
    )


def _password_hashes(users: Sequence[str]) -> dict[str, str]:
    hashes = {}
    for text in users:
        service, _, reference = text.partition("=")
        if service not in RIGHTS:
            raise click.BadParameter(f"{service!r} is no service: {', '.join(RIGHTS)}", param_hint="--user")
        try:
            TypeAdapter(SecretReference).validate_python(reference)
        except ValidationError:
            # The value itself may be a password: it is not repeated.
            raise click.BadParameter(
                f"{service}: the password is given by reference, env:NAME or file:/path", param_hint="--user"
            ) from None
        hashes[service] = password_hash(read_secret(reference), secrets.token_bytes(4))
    return hashes


def _topology(settings: Settings, shards: int | None) -> Topology:
    return make_topology(shards or settings.shards)


def _event_queues(settings: Settings) -> tuple[Sequence[Queue], Sequence[probe.Check]]:
    """The queues of webhooks and campaigns that the store asks for, or why they are not known."""
    try:
        with opened(settings) as store:
            configuration = read_configuration(store)
    except PostroomError as error:
        detail = f"the queues of webhooks and campaigns are not known: {error}"
        return (), (probe.skipped("event queues", detail),)
    found = families(configuration.accounts.values(), configuration.webhooks)
    return [queue for family in found for queue in family.queues()], ()


def _advised(checks: Sequence[probe.Check], of_notifier: Sequence[Queue]) -> Iterator[probe.Check]:
    """The notifier makes the queues of events, and not who applies the topology."""
    names = {f"queue {queue.name}" for queue in of_notifier}
    for each in checks:
        yield replace(each, advice=NOTIFIERS) if each.name in names and each.ok is False else each


def _folded(checks: Sequence[probe.Check]) -> Sequence[probe.Check]:
    """The checks with queues of which the same is to be said in one line."""
    alike: dict[tuple[bool | None, str, str], list[probe.Check]] = {}
    for each in checks:
        alike.setdefault(_said(each), []).append(each)
    shown = []
    for each in checks:
        group = alike[_said(each)]
        if len(group) < FOLD_FROM or not each.name.startswith("queue "):
            shown.append(each)
        elif each is group[0]:
            shown.append(_one(group))
    return shown


def _said(check: probe.Check) -> tuple[bool | None, str, str]:
    """What is said of the thing checked; of all queues that are as they should be and empty the same."""
    quiet = check.ok and _EMPTY_QUEUE.match(f"{check.name}: {check.detail}")
    return check.ok, "as they should be, and empty" if quiet else check.detail, check.advice


def _one(group: Sequence[probe.Check]) -> probe.Check:
    first = group[0]
    told = f"{amount(len(group), 'queue')}: {_said(first)[1]} (--all lists them)"
    return probe.Check("queues", first.ok, told, first.advice, sum(each.milliseconds for each in group))


def _table(checks: Sequence[probe.Check]) -> Table:
    table = Table.grid(padding=(0, 2))
    for each in checks:
        word, style = _VERDICTS[each.ok]
        told = Text(each.detail)
        if each.advice:
            told.append(f"\n→ {each.advice}", style="bold")
        table.add_row(Text(word, style=style), each.name, Text(f"{each.milliseconds:.1f} ms"), told)
    return table
