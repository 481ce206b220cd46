"""Reads the accounts file: YAML in, `Account`s out, every fault with its line and field.

The document is composed to nodes and converted here rather than loaded, since only nodes know their
lines, show a key that is given twice, and let aliases (and with them a YAML bomb) be refused before they are
expanded. No value is ever repeated in a fault: it may be a password in the wrong place.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from yaml.reader import ReaderError

from postroom.account import Account
from postroom.account_oauth import OAuth
from postroom.account_servers import Imap, Smtp, SystemSmtp
from postroom.errors import Misconfigured
from postroom.fault import sentence
from postroom.secret_reference import STORED, stored

MAX_FILE_BYTES = 4 * 1024 * 1024
_FieldPath = tuple[str | int, ...]
_Model = TypeVar("_Model", Account, SystemSmtp)


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
    """What an accounts file says."""

    accounts: tuple[Account, ...]
    system_smtp: SystemSmtp | None = None


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
    accounts = {
        index: account
        for index, entry in enumerate(entries)
        if (account := _checked(Account, entry, ("accounts", index), lines, faults)) is not None
    }
    system_smtp = None
    if "system_smtp" in document:
        section = named_secret(document["system_smtp"])
        system_smtp = _checked(SystemSmtp, section, ("system_smtp",), lines, faults)
    faults += _twice(entries, lines)
    if not faults:
        faults += _unfitting(accounts, system_smtp, lines)
    return AccountsFile(tuple(accounts.values()), system_smtp), tuple(faults)


def named_secret(section: object) -> object:
    """The `system_smtp` section with `stored` alone standing for its own password."""
    if isinstance(section, dict) and section.get("password") == STORED:
        return {**section, "password": stored("system_smtp", "password")}
    return section


def _checked(
    model: type[_Model], value: object, path: _FieldPath, lines: Mapping[_FieldPath, int], faults: list[Fault]
) -> _Model | None:
    """The model of the value, or None with its faults added."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        faults += [
            _fault(path, details, lines) for details in error.errors() if not _is_echo(details, path, lines)
        ]
    return None


def _unfitting(
    accounts: Mapping[int, Account], system: SystemSmtp | None, lines: Mapping[_FieldPath, int]
) -> Iterator[Fault]:
    """What does not go together between an account and the sections that are for all."""
    for index, account in accounts.items():
        wrong = unfitting(account, system)
        if wrong:
            path = ("accounts", index, "use_system_smtp")
            yield Fault(lines[path], _written(path), wrong)


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
    unknown = [key for key in document if key not in ("accounts", "system_smtp")]
    if unknown:
        raise _FaultFound(
            lines[(unknown[0],)], unknown[0], "is not a setting; allowed here: accounts, system_smtp"
        )
    entries = document.get("accounts")
    if not isinstance(entries, list) or not entries:
        line = lines.get(("accounts",), 1)
        raise _FaultFound(line, "accounts", "must be a list with at least one account")
    return entries


def _twice(entries: Sequence[object], lines: Mapping[_FieldPath, int]) -> Iterator[Fault]:
    first: dict[str, int] = {}
    for index, entry in enumerate(entries):
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str):
            continue
        line = lines[("accounts", index, "name")]
        if name in first:
            where = f"line {first[name]}"
            yield Fault(line, f"accounts[{index}].name", f"is the name of the account in {where} too")
        first.setdefault(name, line)


def _is_echo(details: ErrorDetails, prefix: _FieldPath, lines: Mapping[_FieldPath, int]) -> bool:
    """Whether the fault only repeats another: of a default taken from a faulty field."""
    loc = details["loc"]
    defaults = (("reply_address",), ("imap", "user"), ("imap", "password"), ("smtp", "user"))
    return loc in defaults and (*prefix, *loc) not in lines


def _fault(prefix: _FieldPath, details: ErrorDetails, lines: Mapping[_FieldPath, int]) -> Fault:
    path = (*prefix, *details["loc"])
    known = next(path[:length] for length in range(len(path), -1, -1) if path[:length] in lines)
    return Fault(lines[known], _written(path), _sentence(details, path))


_PATTERNS = {
    "name": "must be 1 to 63 of the characters a-z, 0-9 and -, and not begin with -",
    "user": "must be 1 to 320 characters without control characters",
}
_ADDRESSES = ("address", "reply_address", "reply_to")


def _sentence(details: ErrorDetails, path: _FieldPath) -> str:
    kind, field = details["type"], str(path[-1])
    if kind == "extra_forbidden":
        return f"is not a setting; allowed here: {', '.join(_allowed(path))}"
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
}


def _allowed(path: _FieldPath) -> list[str]:
    model = _SECTIONS.get(path[-2], Account)
    return sorted(field.alias or name for name, field in model.model_fields.items())


def _written(path: Sequence[Any]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "the file"
