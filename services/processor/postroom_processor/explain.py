"""Says how a mail is read, step by step: `python -m postroom_processor.explain [OPTIONS] FILE`.

Options are `--json`, `--choices A,B` and `--account NAME`; FILE may be `-` for standard input. Without an
account the mail alone is looked at. With one the store is asked for the account and for the requests behind
the mail's tokens, and the rules of `decide` are asked as the processor would, now. Nothing is written
anywhere, and no name server is asked: signatures are not checked here.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from postroom.account import Account
from postroom.accounts_watch import Accounts
from postroom.amount import amount
from postroom.clock import utc_now
from postroom.deny_lists import DenyLists
from postroom.document import json_document
from postroom.errors import Misconfigured, PostroomError
from postroom.messages import MailReceived
from postroom.reply_token import verify_token
from postroom.settings import Settings, read_settings
from postroom.store import Store
from postroom.store.migrate import check_schema
from postroom_processor import ledger
from postroom_processor.automatic import explained, seems_away
from postroom_processor.carriers import Carried
from postroom_processor.decide import Facts, Outcome, decide
from postroom_processor.examine import Denying, Examined, examine, own_deny_list
from postroom_processor.limits import Window
from postroom_processor.mail import with_body
from postroom_processor.reply_text import own_text
from postroom_processor.verdict import DEFAULT_CHOICES, Decided, stopping_words, trace_verdict

MAX_BYTES = 64 * 1024 * 1024
OK, FAILED, USAGE = 0, 1, 2
_SHOWN_CHARS = 500
_SHOWN_LINES = 200


@dataclass(frozen=True)
class Step:
    """One step of the reading and what it came to; `lines` are a stranger's words, made harmless."""

    name: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Asked:
    """What the store knows: the account, the facts as the rules get them, and the choices of the request."""

    account: Account
    facts: Facts
    denying: Denying = own_deny_list


def main(arguments: Sequence[str]) -> int:
    """Print the steps; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        content = _content(options.file)
        steps = explain(content, _choices(options.choices), _named(options.account, content))
    except (PostroomError, OSError) as error:
        sys.stderr.write(f"postroom: {harmless(str(error))}\n")
        return USAGE if isinstance(error, Misconfigured) else FAILED
    sys.stdout.write(_json(steps) if options.json else _text(steps))
    return OK


def explain(content: bytes, choices: tuple[str, ...] | None, asked: Asked | None) -> tuple[Step, ...]:
    """Every step of reading a mail, in order.

    Args:
        content: The mail.
        choices: What the request offers; None for those of the request, or the default ones.
        asked: What the store knows, if it was asked.
    """
    account = asked.account if asked else _nobody()
    denying = asked.denying if asked else own_deny_list
    examined = examine(_received(content, account.name), content, account, denying)
    # Nobody reads a denied mail but who asks why it is denied.
    examined = replace(examined, mail=with_body(examined.mail))
    outcome = decide(examined, asked.facts)[0] if asked else None
    if choices is None:
        choices = outcome.record.choices if outcome and outcome.record else DEFAULT_CHOICES
    return (
        _limits(examined),
        _structure(examined),
        _sender(examined),
        _program(examined),
        _tokens(examined, asked),
        _part(examined),
        _lines(examined),
        _words(examined),
        _verdict(examined, choices),
        *([_rules(outcome)] if outcome else [_unasked()]),
    )


def harmless(text: str) -> str:
    """A stranger's text for a terminal: what cannot be seen or steers the terminal is spelled out."""
    shown = "".join(char if char.isprintable() else _escaped(char) for char in text[:_SHOWN_CHARS])
    return shown + (" …" if len(text) > _SHOWN_CHARS else "")


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")


def _limits(examined: Examined) -> Step:
    problems = examined.mail.problems
    size = f"{amount(len(examined.mail.raw), 'byte')}, {amount(len(examined.mail.headers), 'header field')}"
    return _step("limits", size, *(problems or ("within all limits",)))


def _structure(examined: Examined) -> Step:
    return _step("structure", *(examined.mail.content_types or ("no part could be read",)))


def _sender(examined: Examined) -> Step:
    sender = examined.sender or "not exactly one sender that can be read"
    dmarc = f"our mail server's DMARC result: {examined.dmarc or 'none that can be trusted'}"
    denied = f"deny list: {examined.denied_by}" if examined.denied_by else "on no deny list that was asked"
    results = examined.mail.header_values("authentication-results")
    claims = (f"Authentication-Results (claimed by whoever wrote it): {value}" for value in results)
    return _step("sender", sender, denied, dmarc, *claims)


def _program(examined: Examined) -> Step:
    if examined.automatic:
        return _step("program", f"not written by a person: {explained(examined.mail, examined.automatic)}")
    return _step("program", "nothing says that a program wrote it")


def _tokens(examined: Examined, asked: Asked | None) -> Step:
    found = []
    for each in examined.carried:
        where = ", ".join(sorted(each.carriers))
        found.append(f"token {each.token.ref} with key {each.token.key_id} in {where}: {_proof(each, asked)}")
    return _step("tokens", *(found or ("none found",)))


def _proof(carried: Carried, asked: Asked | None) -> str:
    if asked is None:
        return "not checked: name the account to ask the store"
    record = asked.facts.records.get(carried.token.ref)
    if record is None:
        return "of no request in the store"
    made = verify_token(carried.token, record.claim, asked.facts.keys)
    about = f"{record.claim.approval_id}, {record.claim.approver}, {record.state}"
    return f"verified, for {about}" if made else f"does not verify, claims to be for {about}"


def _part(examined: Examined) -> Step:
    mail = examined.mail
    parts = {"text": mail.text, "HTML": mail.html}
    there = [
        f"{name} of {amount(len(content), 'character')}"
        for name, content in parts.items()
        if content is not None
    ]
    read = "the text part is read" if (mail.text or "").strip() else "the HTML part is read"
    return _step("part", *(there or ("no text at all",)), *([read] if there else []))


def _lines(examined: Examined) -> Step:
    own = own_text(examined.mail)
    notes = [f"{note.kind} [{note.rule}: {note.reason}] {note.text}" for note in own.notes[:_SHOWN_LINES]]
    more = len(own.notes) - _SHOWN_LINES
    rest = [f"and {amount(more, 'line')} more"] if more > 0 else []
    return _step("lines", *(notes or ("no line",)), *rest, *(f"doubt: {doubt}" for doubt in own.doubts))


def _words(examined: Examined) -> Step:
    found = stopping_words(own_text(examined.mail).text)
    return _step("words", *(f"{code}: {word}" for code, word in found) if found else ("none that stop",))


def _verdict(examined: Examined, choices: tuple[str, ...]) -> Step:
    own = own_text(examined.mail)
    verdict, rules = trace_verdict(own, choices)
    offered = f"offered: {', '.join(choices)}"
    passed = f"passed: {', '.join(rules[:-1])}" if rules[:-1] else "passed: none"
    if isinstance(verdict, Decided):
        comment = f"comment: {verdict.comment}" if verdict.comment else "no comment"
        return _step("verdict", offered, f"passed: {', '.join(rules)}", f"decides: {verdict.choice}", comment)
    away = ("it reads like an out-of-office reply",) if seems_away(own.text) else ()
    return _step(
        "verdict", offered, passed, f"stopped by: {rules[-1]}", f"unclear: {verdict.reason_code}", *away
    )


def _rules(outcome: Outcome) -> Step:
    *silent, answered = outcome.asked
    return _step(
        "rules",
        f"asked without an answer: {', '.join(silent) or 'none'}",
        f"answered: {answered}",
        f"{outcome.kind}: {outcome.reason}" if outcome.reason else outcome.kind,
    )


def _unasked() -> Step:
    return _step("rules", "not asked: name the account to ask the store and the rules")


def _step(name: str, *lines: str) -> Step:
    return Step(name, tuple(harmless(line) for line in lines))


def _text(steps: Sequence[Step]) -> str:
    return "".join(f"{step.name}\n" + "".join(f"  {line}\n" for line in step.lines) for step in steps)


def _json(steps: Sequence[Step]) -> str:
    return json_document([asdict(step) for step in steps]) + "\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="postroom approvals explain")
    parser.add_argument("file")
    parser.add_argument("--choices")
    parser.add_argument("--account")
    parser.add_argument("--json", action="store_true")
    return parser


def _content(name: str) -> bytes:
    if name == "-":
        content = sys.stdin.buffer.read(MAX_BYTES + 1)
    else:
        try:
            with Path(name).open("rb") as file:
                content = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise Misconfigured("FILE", f"{name} cannot be read: {error.strerror or error}") from error
    if len(content) > MAX_BYTES:
        raise Misconfigured("FILE", f"{name} is larger than {MAX_BYTES // 1024 // 1024} MiB: no mail is")
    if not content.strip():
        raise Misconfigured("FILE", f"{name} is empty: give a mail as it was received, headers and all")
    return content


def _choices(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    choices = tuple(dict.fromkeys(each.strip() for each in text.split(",") if each.strip()))
    if len(choices) < 2:
        raise Misconfigured("--choices", f"{text!r}: give two words or more with commas between: ship,hold")
    return choices


def _named(name: str | None, content: bytes) -> Asked | None:
    """What the store knows about the mail, if an account is named."""
    if name is None:
        return None
    settings = read_settings()
    store = Store(settings.store)
    try:
        check_schema(store)
        return _ask(store, settings, name, content)
    finally:
        store.close()


def _ask(store: Store, settings: Settings, name: str, content: bytes) -> Asked:
    accounts = Accounts(store)
    account = accounts.get(name)
    if account is None:
        raise Misconfigured("--account", f"there is no account {name!r}; see `postroom accounts list`")
    lists = DenyLists(store, accounts)
    lists.refresh()
    examined = examine(_received(content, name), content, account, lists.covering)
    now = utc_now()
    # Rows are locked as for a decision, which a transaction that only reads may not do; nothing is written.
    with store.write() as connection:
        records = ledger.token_records(connection, [token.ref for token in examined.tokens])
    window = Window(now, 3600, 1, 0)
    return Asked(account, Facts(now, settings.read_token_keys(), records, window), lists.covering)


def _nobody() -> Account:
    """An account without rules of its own, for a mail that is looked at alone."""
    return Account.model_validate(
        {"name": "nobody", "address": "nobody@localhost.example", "smtp": {"host": "localhost"}}
    )


def _received(content: bytes, account: str) -> MailReceived:
    return MailReceived(
        account=account,
        folder="INBOX",
        uidvalidity=1,
        uid=1,
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        arrived_at=utc_now(),
        lane="inbox",
        content=content,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
