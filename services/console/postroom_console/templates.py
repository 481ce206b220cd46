"""`postroom templates …`: what mails are made from (D2)."""

import base64
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from postroom.account import Account
from postroom.clock import utc_now
from postroom.document import json_document
from postroom.errors import Misconfigured
from postroom.messages import RESERVED_VALUES
from postroom.store import audit
from postroom.store import templates as stored
from postroom.store.accounts import document
from postroom.store.templates import Stored
from postroom.store.view import View
from postroom.templates.folder import read_folder
from postroom.templates.lint import Finding, lint, variables
from postroom.templates.template import Template
from postroom_console.acting import Who, acting, doing, looking
from postroom_console.approvals import as_json
from postroom_console.faults import FAILED
from postroom_console.registry import UnknownAccount
from postroom_console.template_plan import TemplateChange, difference, planned, two_defaults
from postroom_console.terminal import make_console

PREVIEW = "postroom_sender.preview"
PREVIEW_TIMEOUT_S = 30.0
_SIGNS = {"added": "+", "changed": "~", "removed": "-", "left": "·"}
_WORDS = {
    "added": "is new",
    "changed": "changes",
    "removed": "is removed",
    "left": "is not in the folder, and stays (--prune removes it)",
}
_EXAMPLE: dict[str, Any] = {
    "name": "example",
    "address": "office@example.com",
    "from_name": "Example Ltd.",
    "smtp": {"host": "smtp.example.com"},
}
_folder = click.option(
    "--folder",
    type=click.Path(path_type=Path),
    help="Look at the templates in this folder instead of those that are in use.",
)


@click.group("templates")
def templates() -> None:
    """Templates of mails: a subject, a text and an HTML part, with values put in when a mail is sent.

    They lie in a folder of yours: NAME.yaml (subject, and where wanted account, default, sample) with
    NAME.txt, NAME.html or both beside it.
    """


@templates.command("apply")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@click.option("--prune", is_flag=True, help="Remove the templates that the folder does not have.")
@acting
def apply(folder: Path, dry_run: bool, prune: bool, who: Who) -> None:
    """Make the templates those of a folder, all or nothing; harmless to repeat.

    Mails that are sent from then on are made from them. Exit codes: 0 done, or nothing to do; 2 a template
    has an error, which is named, and nothing is changed.
    """
    wanted = read_folder(folder)
    found = {each.name: lint(each) for each in wanted}
    _tell_findings(found, err=True)
    if _errors(found):
        raise Misconfigured("templates", "nothing is changed: a template has an error")
    opening = looking(who, "templates") if dry_run else doing(who, "templates")
    with opening as view:
        current = stored.read(view.connection)
        changes = planned(current, wanted, prune=prune)
        _refuse(view, wanted, two_defaults(current, changes))
        if not dry_run:
            _carry_out(view, changes)
    _tell(changes, dry_run=dry_run)


@templates.command("list")
@acting
@as_json
def list_templates(who: Who, as_json: bool) -> None:
    """List the templates in use."""
    with looking(who) as view:
        there = stored.read_all(view.connection)
    found = there.templates
    for why in there.unreadable.values():
        click.echo(f"warning: {why}", err=True)
    if as_json:
        rows = [{"name": each.name, **each.document} for each in found.values()]
        click.echo(json_document(rows))
    elif found or there.unreadable:
        make_console().print(_table(found.values()))
    else:
        click.echo("no templates: see `postroom templates apply --help`")


@templates.command("show")
@click.argument("name")
@acting
@as_json
def show(name: str, who: Who, as_json: bool) -> None:
    """Show a template with the names that it needs values for."""
    with looking(who) as view:
        template = _named(stored.read_all(view.connection), name)
    used = set().union(*(variables(template, part) for part in ("subject", "text", "html")))
    needs = sorted(used - RESERVED_VALUES)
    if as_json:
        shown = {"name": name, **template.document, "variables": needs}
        click.echo(json_document(shown))
        return
    click.echo(f"subject: {template.subject}")
    click.echo(f"account: {template.account or 'as the order says'}")
    click.echo(f"default: {'yes' if template.is_default else 'no'}")
    click.echo(f"values:  {', '.join(needs) or 'none'}")
    for part in ("text", "html"):
        if source := getattr(template, part).rstrip():
            click.echo(f"\n--- {part} ---\n{source}")


@templates.command("lint")
@click.argument("names", metavar="[NAME…]", nargs=-1)
@_folder
@acting
@as_json
def lint_templates(names: tuple[str, ...], folder: Path | None, who: Who, as_json: bool) -> None:
    """Try templates with their sample values and say what is wrong or unwise about them.

    Exit codes: 0 no errors (there may be warnings), 1 errors, 2 refused.
    """
    known = _all(folder, who)
    found = {name: lint(_named(known, name)) for name in names or (*known.templates, *known.unreadable)}
    if as_json:
        rows = [{"template": name, **vars(each)} for name, all_ in found.items() for each in all_]
        click.echo(json_document(rows))
    else:
        _tell_findings(found)
        click.echo(f"{len(found)} looked at, {_errors(found)} errors, {_warnings(found)} warnings")
    if _errors(found):
        click.get_current_context().exit(FAILED)


@templates.command("preview")
@click.argument("name")
@_folder
@click.option("--account", metavar="NAME", help="As sent from this account. Default: the template's own.")
@click.option(
    "--to",
    "target",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="The folder for the files. Default: the current one.",
)
@acting
def preview(name: str, folder: Path | None, account: str | None, target: Path, who: Who) -> None:
    """Write the mail that a template makes of its sample values.

    NAME.eml is the mail; NAME.html is its HTML part, if it has one, for a browser.

    Nothing is sent. There are no previews of mail from confidential accounts.
    """
    template = _named(_all(folder, who), name)
    with looking(who) as view:
        sender = _account(view, account, template)
    made = _previewed(template, sender)
    files = {target / f"{name}.eml": base64.b64decode(made["mail"])}
    if made["html"] is not None:
        files[target / f"{name}.html"] = made["html"].encode()
    try:
        target.mkdir(parents=True, exist_ok=True)
        for path, content in files.items():
            path.write_bytes(content)
            click.echo(path)
    except OSError as error:
        raise Misconfigured("--to", f"{target} cannot be written: {error.strerror}") from error


def _previewed(template: Template, account: dict[str, Any]) -> dict[str, Any]:
    asked = json.dumps({"template": {"name": template.name, **template.document}, "account": account})
    try:
        done = subprocess.run(
            [sys.executable, "-m", PREVIEW],
            input=asked,
            capture_output=True,
            text=True,
            timeout=PREVIEW_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Misconfigured("templates", f"there was no mail within {PREVIEW_TIMEOUT_S:g} s") from None
    if done.returncode:
        raise Misconfigured("templates", done.stderr.strip() or "the mail could not be written")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _account(view: View, wanted: str | None, template: Template) -> dict[str, Any]:
    """The account that the preview is sent from; an example where there is none to be seen."""
    name = wanted or template.account
    if name in view.accounts:
        return document(view.configuration.accounts[str(name)])
    if wanted is not None:
        raise UnknownAccount(wanted, sorted(view.accounts))
    return document(Account.model_validate(_EXAMPLE))


def _all(folder: Path | None, who: Who) -> Stored:
    if folder is not None:
        return Stored({each.name: each for each in read_folder(folder)}, {})
    with looking(who) as view:
        return stored.read_all(view.connection)


def _named(found: Stored, name: str) -> Template:
    known = found.templates
    if name in found.unreadable:
        raise Misconfigured("templates", found.unreadable[name])
    if name not in known:
        there = f"there are {', '.join(known)}" if known else "there are none"
        raise Misconfigured("templates", f"there is no template {name!r}; {there}")
    return known[name]


def _refuse(view: View, wanted: Sequence[Template], wrong: str | None) -> None:
    if wrong:
        raise Misconfigured("templates", f"nothing is changed: {wrong}")
    for template in wanted:
        if template.account is not None and template.account not in view.configuration.accounts:
            raise Misconfigured(
                "templates", f"nothing is changed: {template.name}: there is no account {template.account!r}"
            )


def _carry_out(view: View, changes: Sequence[TemplateChange]) -> None:
    now = utc_now()
    stored.put(view.connection, [each.after for each in changes if each.after is not None], now)
    stored.remove(view.connection, [each.name for each in changes if each.kind == "removed"])
    done = {each.name: each.kind for each in changes if each.kind != "left"}
    if done:
        audit.record(view.connection, view.actor, "templates.apply", None, "templates", done, now=now)


def _tell(changes: Sequence[TemplateChange], *, dry_run: bool) -> None:
    for change in changes:
        click.echo(f"{_SIGNS[change.kind]} {change.name} {_WORDS[change.kind]}")
        for line in difference(change):
            click.echo(f"    {line}")
    counts = {kind: sum(each.kind == kind for each in changes) for kind in _WORDS if kind != "left"}
    told = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
    click.echo(
        (told or "nothing to change") + (" (nothing is changed: --dry-run)" if dry_run and told else "")
    )


def _tell_findings(found: Mapping[str, Sequence[Finding]], *, err: bool = False) -> None:
    for name, findings in found.items():
        for each in findings:
            click.echo(f"{each.level}: {name}, {each.part}: {each.sentence}", err=err)


def _errors(found: Mapping[str, Sequence[Finding]]) -> int:
    return sum(each.level == "error" for findings in found.values() for each in findings)


def _warnings(found: Mapping[str, Sequence[Finding]]) -> int:
    return sum(each.level == "warning" for findings in found.values() for each in findings)


def _table(found: Iterable[Template]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("NAME", "SUBJECT", "PARTS", "ACCOUNT", "DEFAULT"):
        table.add_column(column, overflow="fold")
    for each in found:
        parts = " ".join(part for part in ("text", "html") if getattr(each, part).strip())
        default = "yes" if each.is_default else ""
        table.add_row(each.name, Text(each.subject), parts, each.account or "", default)
    return table
