"""Reads the accounts file: YAML in, `Account`s out, every fault with its line and field.

The document is composed to nodes and converted here rather than loaded, since only nodes know their
lines, show a key that is given twice, and let aliases (and with them a YAML bomb) be refused before they are
expanded. No value is ever repeated in a fault: it may be a password in the wrong place.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails
from yaml.reader import ReaderError

from postroom.access import strangers
from postroom.account import Account
from postroom.account_oauth import OAuth
from postroom.account_servers import Imap, Smtp, SystemSmtp
from postroom.errors import Misconfigured
from postroom.fault import sentence
from postroom.secret_reference import STORED, stored
from postroom.sections import SECTIONS
from postroom.user import User
from postroom.webhook import Webhook

MAX_FILE_BYTES = 4 * 1024 * 1024
_FieldPath = tuple[str | int, ...]
_ACCOUNT = TypeAdapter(Account)


@dataclass(frozen=True)
class Fault:
    """One thing wrong with the file: where (line from 1, field) and what is allowed."""

    line: int
    field: str
    sentence: str


class AccountsFileError(Misconfigured):
    """The accounts file cannot be used; the text has one line per fault."""

    def __init__(self, path: Path, faults: Sequence[Fault]) -> None:
        lines = [f"{path}:{fault.line}: {fault.field}: {fault.sentence}" for fault in faults]
        super().__init__("accounts_file", "\n".join(lines))
        self.faults = tuple(faults)


@dataclass(frozen=True)
class AccountsFile:
    """What an accounts file says; None: it has no such section."""

    accounts: tuple[Account, ...]
    system_smtp: SystemSmtp | None = None
    users: tuple[User, ...] | None = None
    deny: tuple[str, ...] | None = None
    webhooks: tuple[Webhook, ...] | None = None


def read_accounts(path: Path) -> AccountsFile:
    """The accounts in the file, in its order.

    Raises:
        AccountsFileError: the file is missing, no YAML, or has a wrong setting.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        fault = Fault(1, "the file", f"cannot be read: {error.strerror}")
        raise AccountsFileError(path, [fault]) from error
    found, faults = parse_accounts(content)
    if faults:
        raise AccountsFileError(path, faults)
    return found


def parse_accounts(content: bytes) -> tuple[AccountsFile, tuple[Fault, ...]]:
    """What a file's content says, and what is wrong with it (pure)."""
    lines: dict[_FieldPath, int] = {}
    try:
        document = _document(content, lines)
        entries = _entries(document, lines)
    except _FaultFound as found:
        return AccountsFile(()), (found.fault,)
    assert isinstance(document, dict)
    faults: list[Fault] = []
    accounts = [
        _checked(_ACCOUNT, entry, ("accounts", index), lines, faults) for index, entry in enumerate(entries)
    ]
    sections = {
        name: _checked(adapter, named_secret(document[name]), (name,), lines, faults)
        for name, adapter in SECTIONS.items()
        if name in document
    }
    for section, key in _UNIQUE:
        faults += _twice(section, key, document.get(section), lines)
    if faults:
        return AccountsFile(()), tuple(faults)
    file = AccountsFile(tuple(accounts), **sections)
    return file, tuple(_unfitting(file, lines))


def named_secret(section: object) -> object:
    """The `system_smtp` section with `stored` alone standing for its own password."""
    if isinstance(section, dict) and section.get("password") == STORED:
        return {**section, "password": stored("system_smtp", "password")}
    return section


def _checked(
    kind: TypeAdapter[Any],
    value: object,
    path: _FieldPath,
    lines: Mapping[_FieldPath, int],
    faults: list[Fault],
) -> Any:
    """What the value says, or None with its faults added."""
    try:
        return kind.validate_python(value)
    except ValidationError as error:
        faults += [
            _fault(path, details, lines) for details in error.errors() if not _is_echo(details, path, lines)
        ]
    return None


def _unfitting(file: AccountsFile, lines: Mapping[_FieldPath, int]) -> Iterator[Fault]:
    """What does not go together between accounts and the sections that are for all."""
    for path, wrong in (*_without_smtp(file), *_strangers(file), *_unknown_accounts(file)):
        yield Fault(_line(path, lines), _written(path), wrong)


def _without_smtp(file: AccountsFile) -> Iterator[tuple[_FieldPath, str]]:
    for index, account in enumerate(file.accounts):
        wrong = unfitting(account, file.system_smtp)
        if wrong:
            yield ("accounts", index, "use_system_smtp"), wrong


def _strangers(file: AccountsFile) -> Iterator[tuple[_FieldPath, str]]:
    for index, account in enumerate(file.accounts):
        for field, wrong in strangers(account, file.users or ()):
            yield ("accounts", index, *field), wrong


def _unknown_accounts(file: AccountsFile) -> Iterator[tuple[_FieldPath, str]]:
    names = {account.name for account in file.accounts}
    for index, webhook in enumerate(file.webhooks or ()):
        for place, name in enumerate(() if webhook.accounts == "all" else webhook.accounts):
            if name not in names:
                path = ("webhooks", index, "accounts", place)
                yield path, "must be the name of an account in this file; or say accounts: all"


def _line(path: _FieldPath, lines: Mapping[_FieldPath, int]) -> int:
    """The line of the field, or of what it is in."""
    return next(lines[path[:length]] for length in range(len(path), -1, -1) if path[:length] in lines)


def unfitting(account: Account, system: SystemSmtp | None) -> str | None:
    """Why an account that wants to use the system's SMTP cannot; None if there is nothing wrong (pure)."""
    if not account.use_system_smtp:
        return None
    if system is None:
        return "there is no system_smtp section: add one with the server's host"
    if not system.allows(account.name):
        return (
            f"system_smtp.accounts does not allow {account.name}: add it there, or give the account an smtp "
            "section"
        )
    if account.confidential and system.security == "none":
        return "confidential accounts need TLS: set system_smtp.security to tls or starttls"
    return None


class _FaultFound(Exception):
    def __init__(self, line: int, field: str, sentence: str) -> None:
        self.fault = Fault(line, field, sentence)


def _document(content: bytes, lines: dict[_FieldPath, int]) -> object:
    if len(content) > MAX_FILE_BYTES:
        raise _FaultFound(1, "the file", f"is larger than {MAX_FILE_BYTES} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _FaultFound(line, "the file", "is not UTF-8 text") from error
    try:
        node = _Loader(text).get_single_node()
        return _plain(node, (), lines) if node is not None else None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _FaultFound(line, "the file", "has a control character, which YAML does not allow") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _FaultFound(mark.line + 1 if mark else 1, "the file", _problem(error)) from None
    except RecursionError:
        raise _FaultFound(1, "the file", "is nested too deeply") from None


class _Loader(yaml.SafeLoader):
    """Refuses what an accounts file has no use for, before anything is made of it."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            raise _FaultFound(line, "the file", _MARKED.format("*", "is an alias, which is"))
        if event.anchor is not None:
            raise _FaultFound(line, "the file", _MARKED.format("&", "is an anchor, which is"))
        if event.tag is not None:
            raise _FaultFound(line, "the file", _MARKED.format("!", "is a tag, which is"))
        return super().compose_node(parent, index)


_MARKED = "a value that begins with {0} {1} not allowed here: put it in quotes if it is meant as it is"


_QUOTED_WORDS = re.compile(r"'[^'<>]{2,}'")
_PLAIN_WORDS = {
    "'\\t'": "lines are indented with spaces, not with tabs",
    "mapping values are not allowed here": "a name with a colon does not fit here: look at the indentation, "
    "and put a value that has a colon in quotes",
    "expected <block end>": "this line does not fit the ones above: look at the indentation",
    "single document": "there must be one document only, without a line `---` between",
}


def _problem(error: yaml.MarkedYAMLError) -> str:
    """What is wrong with the YAML, without the words of the file that PyYAML quotes."""
    said = " ".join(filter(None, (error.context, error.problem)))
    for words, plain in _PLAIN_WORDS.items():
        if words in said:
            return f"is no YAML: {plain}"
    return f"is no YAML: {_QUOTED_WORDS.sub('…', said)}"


def _plain(node: yaml.Node, path: _FieldPath, lines: dict[_FieldPath, int]) -> object:
    line = lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, lines)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(child, (*path, index), lines) for index, child in enumerate(node.value)]
    try:
        value: object = yaml.SafeLoader("").construct_object(node)
    except (yaml.YAMLError, ValueError, OverflowError):
        raise _FaultFound(line, _written(path), f"is no valid {_kind(node)}") from None
    if value is None:
        raise _FaultFound(line, _written(path), "has no value: give one or leave the line out")
    return value


def _kind(node: yaml.Node) -> str:
    return {"timestamp": "date", "int": "number", "float": "number"}.get(node.tag.rpartition(":")[2], "value")


def _mapping(node: yaml.MappingNode, path: _FieldPath, lines: dict[_FieldPath, int]) -> dict[str, object]:
    result: dict[str, object] = {}
    lines_of_keys: dict[str, int] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
        if key is None:
            raise _FaultFound(line, _written(path), "a name was expected before the colon")
        if key in result:
            first = lines_of_keys[key]
            raise _FaultFound(line, _written((*path, key)), f"is given twice, first in line {first}")
        result[key] = _plain(value_node, (*path, key), lines)
        lines[(*path, key)] = lines_of_keys[key] = line
    return result


def _entries(document: object, lines: Mapping[_FieldPath, int]) -> list[object]:
    if not isinstance(document, dict):
        raise _FaultFound(1, "the file", "must have the key `accounts` with a list of accounts")
    allowed = sorted(("accounts", *SECTIONS))
    unknown = [key for key in document if key not in allowed]
    if unknown:
        raise _FaultFound(
            lines[(unknown[0],)], unknown[0], f"is not a setting; allowed here: {', '.join(allowed)}"
        )
    entries = document.get("accounts")
    if not isinstance(entries, list) or not entries:
        line = lines.get(("accounts",), 1)
        raise _FaultFound(line, "accounts", "must be a list with at least one account")
    return entries


_UNIQUE = (("accounts", "name"), ("users", "name"), ("users", "address"), ("webhooks", "name"))


def _twice(section: str, key: str, entries: object, lines: Mapping[_FieldPath, int]) -> Iterator[Fault]:
    """Entries of a list with the same name or address."""
    first: dict[str, int] = {}
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        value = entry.get(key) if isinstance(entry, dict) else None
        if not isinstance(value, str):
            continue
        path = (section, index, key)
        if value.lower() in first:
            of = section.removesuffix("s")
            where = f"line {first[value.lower()]}"
            yield Fault(lines[path], _written(path), f"is the {key} of the {of} in {where} too")
        first.setdefault(value.lower(), lines[path])


def _is_echo(details: ErrorDetails, prefix: _FieldPath, lines: Mapping[_FieldPath, int]) -> bool:
    """Whether the fault only repeats another: of a default taken from a faulty field."""
    loc = details["loc"]
    defaults = (("reply_address",), ("imap", "user"), ("imap", "password"), ("smtp", "user"))
    return loc in defaults and (*prefix, *loc) not in lines


def _fault(prefix: _FieldPath, details: ErrorDetails, lines: Mapping[_FieldPath, int]) -> Fault:
    path = (*prefix, *details["loc"])
    return Fault(_line(path, lines), _written(path), _sentence(details, path))


_PATTERNS = {
    "name": "must be 1 to 63 of the characters a-z, 0-9 and -, and not begin with -",
    "user": "must be 1 to 320 characters without control characters",
}
_ADDRESSES = ("address", "reply_address", "reply_to")


def _sentence(details: ErrorDetails, path: _FieldPath) -> str:
    kind, field = details["type"], str(path[-1])
    if kind == "extra_forbidden":
        return f"is not a setting; allowed here: {', '.join(_allowed(path))}"
    if kind == "string_pattern_mismatch" and (path[0], field) == ("users", "name"):
        return "must be 1 to 63 of the characters a-z, 0-9, ., _ and -, and begin with a letter or digit"
    if kind == "string_pattern_mismatch" and field in _PATTERNS:
        return _PATTERNS[field]
    if kind == "value_error" and field in _ADDRESSES:
        # What is said of a wrong address elsewhere repeats it.
        return "must be a mail address: name@domain"
    return sentence(details)


_SECTIONS: Mapping[str | int, type[BaseModel]] = {
    "imap": Imap,
    "smtp": Smtp,
    "oauth": OAuth,
    "system_smtp": SystemSmtp,
    "users": User,
    "webhooks": Webhook,
}


def _allowed(path: _FieldPath) -> list[str]:
    model = _SECTIONS.get(path[-2]) or _SECTIONS.get(path[0], Account)
    return sorted(field.alias or name for name, field in model.model_fields.items())


def _written(path: Sequence[Any]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "the file"
