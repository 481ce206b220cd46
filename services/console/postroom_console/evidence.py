"""`postroom evidence …`: what was recorded of a request's decisions, as a bundle that anybody can verify."""

import os
import re
import secrets
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import click
from rich.table import Table
from rich.text import Text
from sqlalchemy import Connection, Row, select

from postroom.amount import amount
from postroom.clock import utc_now
from postroom.document import json_document
from postroom.errors import Misconfigured
from postroom.evidence import bundle
from postroom.evidence.canonical import parse
from postroom.evidence.chain import Entry
from postroom.evidence.verification import Finding, verify_chain
from postroom.evidence.verification import verify as verify_bundle
from postroom.settings import read_settings
from postroom.store import evidence as stored
from postroom.store.schema import approvals
from postroom.store.schema import evidence as recorded
from postroom_console.faults import FAILED, OK
from postroom_console.registry import opened
from postroom_console.terminal import make_console

_HEX = re.compile(r"[0-9a-f]{64}")
_UNFIT = re.compile(r"[^A-Za-z0-9._-]")
_LABELS = {True: ("ok", "green"), False: ("WRONG", "bold red"), None: ("note", "dim")}
_DECIDED = ("state", "decision", "decided_by", "round", "content_hash")

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


class Hashes(click.ParamType[tuple[str, ...]]):
    """64 hex digits, or a file with one such line or more."""

    name = "hex|file"

    def convert(
        self, value: object, param: click.Parameter | None, context: click.Context | None
    ) -> tuple[str, ...]:
        """The hashes or keys, in lower case."""
        text = str(value).strip()
        if not _HEX.fullmatch(text.lower()):
            try:
                text = Path(text).read_text("ascii")
            except (OSError, ValueError):
                self.fail(f"{text[:100]!r}: expected 64 hex digits, or a file with them", param, context)
        found = tuple(text.lower().split())
        if not found or not all(map(_HEX.fullmatch, found)):
            self.fail(f"{str(value)[:100]!r}: expected 64 hex digits a line", param, context)
        return found


trusted_keys = click.option(
    "--public-key",
    "keys",
    type=Hashes(),
    multiple=True,
    help="Who may have signed: what `evidence key` printed, or a file with it; may be repeated.",
)


@click.group("evidence")
def evidence() -> None:
    """Show, export and verify what was recorded of decisions: mails, checks, signatures."""


@evidence.command("list")
@click.argument("approval_id", metavar="APPROVAL")
@as_json
def list_entries(approval_id: str, as_json: bool) -> None:
    """List what was recorded of an approval, oldest first. Exit code 2 if nothing was."""
    rows = [_listed(entry) for entry in _read(approval_id)]
    if as_json:
        click.echo(json_document(rows))
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("NO", "WHAT", "WHEN", "MAIL", "HASH"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(_plain(str(value or "")) for value in row.values()))
    make_console().print(table)


@evidence.command("export")
@click.argument("approval_id", metavar="APPROVAL")
@click.option("-o", "--output", help="The file; - is standard output. Default: APPROVAL.evidence.zip.")
def export(approval_id: str, output: str | None) -> None:
    """Write all evidence of an approval to one file, raw mails included, and verify it.

    Exit codes: 0 written and right, 1 written and not right, 2 there is no evidence of this approval.
    """
    entries = _read(approval_id)
    try:
        data = bundle.write(entries)
    except ValueError as error:
        raise Misconfigured("evidence", f"{approval_id}: {error}") from error
    if output == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        path = Path(output or f"{_UNFIT.sub('_', approval_id)}.evidence.zip")
        write_private(path, data)
        there = amount(len(entries), "entry", "entries")
        click.echo(f"{path}: {there}, the newest has the hash {_plain(entries[-1].digest)}")
    faults = [each for each in verify_bundle(data) if each.ok is False]
    _print(faults, stderr=True)
    click.get_current_context().exit(FAILED if faults else OK)


@evidence.command("verify")
@click.argument("file", type=click.File("rb"))
@trusted_keys
@click.option(
    "--kept",
    type=Hashes(),
    multiple=True,
    help="A hash that was noted earlier and that the chain must have; may be repeated.",
)
@as_json
def verify(
    file: BinaryIO, keys: Sequence[Sequence[str]], kept: Sequence[Sequence[str]], as_json: bool
) -> None:
    """Verify a file that `export` wrote; needs no settings, no store and no network.

    Without --public-key it is not looked at who signed. Exit codes: 0 all is right, 1 something is not.
    """
    _finish(verify_bundle(file.read(), _flat(keys), _flat(kept)), as_json)


@evidence.command("check")
@trusted_keys
@as_json
def check(keys: Sequence[Sequence[str]], as_json: bool) -> None:
    """Verify all evidence in the store, and that requests stand as it says.

    Exit codes: 0 all is right, 1 something is not: each fault is named with its approval.
    """
    findings: list[Finding] = []
    settings = read_settings()
    with opened(settings) as store, store.read() as connection:
        ids = list(stored.approval_ids(connection))
        for approval_id in ids:
            found = _checked(connection, approval_id, _flat(keys))
            findings += [Finding(False, f"{approval_id}: {each.text}") for each in found if each.ok is False]
        findings += _unrecorded(connection, settings.evidence_days)
    findings.append(Finding(None, f"{amount(len(ids), 'approval has', 'approvals have')} evidence"))
    _finish(findings, as_json)


@evidence.command("key")
def key() -> None:
    """Print the public keys that sign evidence, the one in use first. Run it where the processor runs."""
    for public in read_settings().read_evidence_keys().public:
        click.echo(public)


def _read(approval_id: str) -> list[Entry]:
    with opened(read_settings()) as store, store.read() as connection:
        entries = stored.read_entries(connection, approval_id)
    if not entries:
        raise Misconfigured("approval", f"there is no evidence of an approval {approval_id!r}")
    return entries


def _listed(entry: Entry) -> dict[str, Any]:
    document = _document(entry)
    mail = document.get("mail")
    return {
        "sequence": entry.sequence,
        "kind": document.get("kind", "unreadable"),
        "at": document.get("at"),
        "mail": mail.get("id") if isinstance(mail, Mapping) else None,
        "sha256": entry.digest,
    }


def _document(entry: Entry) -> Mapping[str, Any]:
    try:
        document = parse(entry.document)
    except ValueError:
        return {}
    return document if isinstance(document, Mapping) else {}


def _checked(connection: Connection, approval_id: str, keys: Sequence[str]) -> list[Finding]:
    """What is found about a chain in the store, and whether the request stands as its end says."""
    entries = stored.read_entries(connection, approval_id)
    request = connection.execute(select(approvals).where(approvals.c.id == approval_id)).one_or_none()
    return [*verify_chain(entries, keys), *_standing(request, _document(entries[-1]))]


def _standing(request: Row[Any] | None, newest: Mapping[str, Any]) -> Iterable[Finding]:
    told = newest.get("request")
    if request is None or not isinstance(told, Mapping):
        return
    for name in _DECIDED:
        stands, was = request._mapping[name], told.get(name)
        if stands != was:
            yield Finding(False, f"its {name} is {stands!r} in the store, and {was!r} was recorded")


def _unrecorded(connection: Connection, kept_days: int | None) -> Iterable[Finding]:
    """Requests that ended without evidence: before there was any, or it was removed, or they are forged."""
    # What is older than evidence is kept has none by right.
    since = utc_now() - timedelta(days=kept_days) if kept_days else datetime(2000, 1, 1, tzinfo=UTC)
    ended = connection.execute(
        select(approvals.c.id, approvals.c.state)
        .where(approvals.c.state != "pending", approvals.c.decided_at >= since)
        .where(approvals.c.id.not_in(select(recorded.c.approval_id)))
        .order_by(approvals.c.id)
    )
    return [Finding(False, f"{row.id}: it is {row.state}, and there is no evidence") for row in ended]


def write_private(path: Path, data: bytes) -> None:
    """Write a file for its owner's eyes, whole or not at all."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise Misconfigured("output", f"{path} cannot be written: {error.strerror}") from error


def _flat(values: Sequence[Sequence[str]]) -> list[str]:
    return [each for value in values for each in value]


def _finish(findings: Sequence[Finding], as_json: bool) -> None:
    faults = sum(each.ok is False for each in findings)
    if as_json:
        rows = [{"ok": each.ok, "text": each.text} for each in findings]
        click.echo(json_document({"ok": not faults, "findings": rows}))
    else:
        _print(findings)
        click.echo(
            "all is right"
            if not faults
            else f"{amount(len(findings), 'finding')}, of which {amount(faults, 'is', 'are')} wrong"
        )
    click.get_current_context().exit(FAILED if faults else OK)


def _print(findings: Iterable[Finding], *, stderr: bool = False) -> None:
    console = make_console(stderr=stderr)
    for each in findings:
        label, style = _LABELS[each.ok]
        line = Text(f"{label:<6}", style=style).append(_plain(each.text), style="default")
        console.print(line, soft_wrap=True)


def _plain(text: str) -> str:
    """A text of unknown origin without what a terminal obeys."""
    return "".join(each if each.isprintable() else "�" for each in text)
