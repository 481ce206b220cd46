"""`postroom deny …`: whose mail is denied, for everybody and for an account (C1)."""

import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from postroom.clock import utc_now
from postroom.deny import FILE, DenyList, Rule, canonical_pattern, compile_patterns
from postroom.document import json_document
from postroom.errors import Misconfigured
from postroom.store import audit
from postroom.store import deny as stored
from postroom.store.schema import approvals, approvers
from postroom.store.view import View
from postroom_console.acting import Who, acting, doing, looking
from postroom_console.approvals import as_json
from postroom_console.faults import FAILED, OK
from postroom_console.mail_authors import judged_by
from postroom_console.registry import UnknownAccount
from postroom_console.terminal import make_console

MAX_TOLD = 20
MAX_UNDONE = 1000
"""Rules of one deed that can be undone: all of them stand in its row of the audit."""
MAX_LIST_BYTES = 64 * 1024 * 1024

for_account = click.option(
    "--account", metavar="NAME", help="Only for mail to this account. Default: for all accounts."
)


@click.group("deny")
def deny() -> None:
    """Say whose mail is denied: by address, or by domain with all below it.

    The accounts file has lists too (`deny`); what is added here goes beside them, from the next mail on.
    """


@deny.command("list")
@for_account
@acting
@as_json
def list_rules(account: str | None, who: Who, as_json: bool) -> None:
    """List the rules with where they come from; with --account those that are about its mail."""
    with looking(who) as view:
        only = _seen(view, account)
        rows = [row for row in _rows(view) if only is None or row["account"] in (None, only)]
    if as_json:
        click.echo(json_document(rows))
    elif rows:
        make_console().print(_table(rows))
    else:
        click.echo("no rules: nobody's mail is denied; see `postroom deny add`")


@deny.command("add")
@click.argument("patterns", metavar="ADDRESS|DOMAIN…", nargs=-1)
@click.option(
    "--file", "file", metavar="FILE", help="One per line, # begins a comment; - reads standard input."
)
@for_account
@click.option("--reason", default="", help="Why; one line, shown with the rule.")
@acting
@as_json
def add(
    patterns: tuple[str, ...], file: str | None, account: str | None, reason: str, who: Who, as_json: bool
) -> None:
    """Deny mail from addresses, or from domains and all below them, from the next mail on.

    All are added or none. Exit codes: 0 added or there already, 2 refused.
    """
    wanted = [*patterns, *(_lines(file) if file else ())]
    if not wanted:
        raise Misconfigured("deny", "nothing to deny: give an address or a domain, or --file")
    keys = _checked(wanted)
    with doing(who) as view:
        only = _of(view, account)
        now = utc_now()
        new = stored.add_all(
            view.connection, wanted, account=only, reason=_one_line(reason), by=view.actor.name, now=now
        )
        undo = {"kind": "deny.add", "patterns": list(new)}
        _record(view, "deny.add", only, new, undo, now)
        asked = _asked(view, DenyList.of((key, Rule(key)) for key in keys))
    if as_json:
        click.echo(json_document({"added": new, "account": only, "approvers": asked}))
        return
    told = f"{len(new)} added, {len(keys) - len(new)} there already" if len(keys) > 1 else _told(new)
    click.echo(told)
    for address in asked:
        click.echo(f"careful: {address} is asked for an approval, and the answer will be denied", err=True)


@deny.command("remove")
@click.argument("patterns", metavar="ADDRESS|DOMAIN…", nargs=-1, required=True)
@for_account
@acting
def remove(patterns: tuple[str, ...], account: str | None, who: Who) -> None:
    """Deny them no longer; any spelling of a rule is that rule. Exit code 2 if one of them is not there."""
    with doing(who) as view:
        only = _of(view, account)
        rules = []
        for pattern in patterns:
            rule = stored.found(view.connection, pattern, account=only)
            if rule is None:
                raise Misconfigured("deny", _not_there(view, pattern, only))
            stored.remove(view.connection, pattern, account=only)
            rules.append({"pattern": rule.pattern, "reason": rule.reason})
        _record(view, "deny.remove", only, patterns, {"kind": "deny.remove", "rules": rules}, utc_now())
    click.echo(f"{len(patterns)} removed" if len(patterns) > 1 else "removed")


@deny.command("check")
@click.argument("address", metavar="ADDRESS", required=False)
@click.option("--mail", metavar="FILE.eml", help="Check the mail's author instead; - reads standard input.")
@for_account
@acting
@as_json
def check(address: str | None, mail: str | None, account: str | None, who: Who, as_json: bool) -> None:
    """Say whether mail from an address is denied, by which rule, and where that comes from.

    Exit codes: 0 denied, 1 not denied, 2 refused.
    """
    if (address is None) == (mail is None):
        raise Misconfigured("deny", "give an address, or a mail with --mail")
    addresses = judged_by(mail) if mail is not None else [_an_address(address or "")]
    with looking(who) as view:
        only = _seen(view, account)
        found = [
            {"address": each, **row}
            for row in _rows(view, everybody=True)
            if only is None or row["account"] in (None, only)
            for each in addresses
            if DenyList({row["key"]: Rule(row["pattern"])}).covers(each)
        ]
    if as_json:
        click.echo(json_document({"addresses": addresses, "denied_by": found}))
    else:
        make_console().print(_verdict(addresses, found))
    click.get_current_context().exit(OK if found else FAILED)


def _verdict(addresses: Sequence[str], found: Sequence[dict[str, Any]]) -> str:
    if not found:
        return (
            f"not denied: {', '.join(map(_shown, addresses)) or 'the mail has no author that can be found'}"
        )
    return "\n".join(f"{_shown(each['address'])}: denied by {_where(each)}" for each in found)


def _where(row: dict[str, Any]) -> str:
    rule = Rule(_shown(row["pattern"]), row["account"], row["origin"])
    return rule.told + (f": {row['reason']}" if row["reason"] else "")


def _rows(view: View, *, everybody: bool = False) -> Iterator[dict[str, Any]]:
    """The rules that the actor may see; `everybody`: those for all accounts too, whatever their role."""
    if everybody or view.may("deny"):
        yield from _of_file(view.configuration.deny, None)
    for name in sorted(view.accounts):
        yield from _of_file(view.configuration.accounts[name].deny, name)
    for rule in stored.rules(view.connection, accounts=sorted(view.accounts)):
        if rule.account is not None or everybody or view.may("deny"):
            yield {
                "pattern": rule.pattern,
                "account": rule.account,
                "origin": rule.added_by,
                "reason": rule.reason,
                "added_at": rule.added_at,
                "key": rule.key,
            }


def _of_file(patterns: Sequence[str], account: str | None) -> Iterator[dict[str, Any]]:
    about = {"account": account, "origin": FILE, "reason": "", "added_at": None}
    for key, rule in compile_patterns(patterns, account).by_key.items():
        yield {"pattern": rule.pattern, **about, "key": key}


def _seen(view: View, account: str | None) -> str | None:
    if account is not None and account not in view.accounts:
        raise UnknownAccount(account, sorted(view.accounts))
    return account


def _of(view: View, account: str | None) -> str | None:
    """Whose list is changed: the account's, if the actor sees it, or everybody's, if that is their deed."""
    if account is None:
        view.require("deny")
    return _seen(view, account)


def _checked(patterns: Sequence[str]) -> set[str]:
    keys, faults = set(), []
    for pattern in patterns:
        try:
            keys.add(canonical_pattern(pattern))
        except ValueError as error:
            faults.append(str(error))
    if faults:
        more = [f"and {len(faults) - MAX_TOLD} more"] if len(faults) > MAX_TOLD else []
        raise Misconfigured("deny", "\n".join([*faults[:MAX_TOLD], *more]))
    return keys


def _an_address(text: str) -> str:
    """An address or a domain to look for; raises Misconfigured for what is neither."""
    try:
        canonical_pattern(text)
    except ValueError as error:
        raise Misconfigured("deny", str(error).replace("cannot be denied", "cannot be checked")) from None
    return text.strip().removeprefix("@")


def _lines(file: str) -> list[str]:
    try:
        content = sys.stdin.buffer.read(MAX_LIST_BYTES + 1) if file == "-" else _content(Path(file))
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise Misconfigured("--file", f"{file} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError:
        raise Misconfigured("--file", f"{file} is not UTF-8 text") from None
    if len(content) > MAX_LIST_BYTES:
        raise Misconfigured("--file", f"{file} is larger than {MAX_LIST_BYTES // 1024 // 1024} MiB")
    return [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_LIST_BYTES + 1)


def _record(
    view: View,
    action: str,
    account: str | None,
    patterns: Sequence[str],
    undo: dict[str, Any],
    now: datetime,
) -> None:
    way_back = undo if len(patterns) <= MAX_UNDONE else None
    audit.record_rules(view.connection, view.actor, action, account, patterns, way_back, now)


def _asked(view: View, new: DenyList) -> list[str]:
    """The approvers of pending requests, of accounts that the actor sees, whom the rules cover."""
    query = (
        view.select(approvals.c.id)
        .where(approvals.c.state == "pending")
        .with_only_columns(approvers.c.address)
        .join(approvers, approvers.c.approval_id == approvals.c.id)
        .distinct()
    )
    return sorted(each for each in view.connection.execute(query).scalars() if new.covers(each))


def _not_there(view: View, pattern: str, account: str | None) -> str:
    key = canonical_pattern(pattern)
    rows = [row for row in _rows(view) if row["key"] == key]
    if any(row["account"] == account and row["origin"] == FILE for row in rows):
        return f"{pattern} is denied by the accounts file: take it out there and run `postroom apply`"
    others = sorted(row["account"] or "all accounts" for row in rows)
    there = f"; there is one of {', '.join(others)}" if others else "; see `postroom deny list`"
    return f"there is no rule {pattern} {f'of {account}' if account else 'for all accounts'}{there}"


def _told(new: Sequence[str]) -> str:
    return "added" if new else "there already"


def _one_line(text: str) -> str:
    return " ".join(_shown(text).split())[:500]


def _shown(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text)


def _table(rows: Sequence[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("DENIED", "FOR", "FROM", "SINCE", "REASON"):
        table.add_column(column, overflow="fold")
    for row in rows:
        since = row["added_at"].astimezone().strftime("%Y-%m-%d %H:%M") if row["added_at"] else ""
        table.add_row(
            _shown(row["pattern"]), row["account"] or "all", row["origin"], since, _shown(row["reason"])
        )
    return table
