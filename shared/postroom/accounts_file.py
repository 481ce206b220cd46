"""Reads the accounts file: YAML in, `Account`s out, every fault with its line and field.

The document is composed to nodes and converted here rather than loaded, since only nodes know their
lines, show a key that is given twice, and let aliases (and with them a YAML bomb) be refused before they are expanded.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from postroom.account import Account, Imap, Smtp
from postroom.errors import Misconfigured

MAX_FILE_BYTES = 4 * 1024 * 1024
_FieldPath = tuple[str | int, ...]


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


def read_accounts(path: Path) -> tuple[Account, ...]:
    """The accounts in the file, in its order.

    Raises:
        AccountsFileError: the file is missing, no YAML, or has a wrong setting.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        fault = Fault(1, "the file", f"cannot be read: {error.strerror}")
        raise AccountsFileError(path, [fault]) from error
    accounts, faults = parse_accounts(content)
    if faults:
        raise AccountsFileError(path, faults)
    return accounts


def parse_accounts(content: bytes) -> tuple[tuple[Account, ...], tuple[Fault, ...]]:
    """The accounts in a file's content, and what is wrong with it (pure)."""
    lines: dict[_FieldPath, int] = {}
    try:
        document = _document(content, lines)
        entries = _entries(document)
    except _FaultFound as found:
        return (), (found.fault,)
    accounts, faults = [], []
    for index, entry in enumerate(entries):
        try:
            accounts.append(Account.model_validate(entry))
        except ValidationError as error:
            faults += [
                _fault(("accounts", index), details, lines)
                for details in error.errors()
                if not _is_echo(details, ("accounts", index), lines)
            ]
    faults += _twice(accounts, entries, lines)
    return tuple(accounts), tuple(faults)


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
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                raise _FaultFound(
                    event.start_mark.line + 1, f"*{event.anchor}", "aliases are not allowed here"
                )
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _FaultFound(mark.line + 1 if mark else 1, "the file", f"is no YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise _FaultFound(1, "the file", f"is no YAML: {str(error).splitlines()[0]}") from error
    except RecursionError as error:
        raise _FaultFound(1, "the file", "is nested too deeply") from error
    return _plain(node, (), lines) if node is not None else None


def _plain(node: yaml.Node, path: _FieldPath, lines: dict[_FieldPath, int]) -> object:
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, lines)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(child, (*path, index), lines) for index, child in enumerate(node.value)]
    try:
        return yaml.SafeLoader("").construct_object(node)
    except (yaml.YAMLError, ValueError) as error:
        raise _FaultFound(node.start_mark.line + 1, _written(path), f"cannot be read: {error}") from error


def _mapping(node: yaml.MappingNode, path: _FieldPath, lines: dict[_FieldPath, int]) -> dict[str, object]:
    result: dict[str, object] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
        if key is None:
            raise _FaultFound(line, _written(path), "a name was expected before the colon")
        if key in result:
            raise _FaultFound(line, _written((*path, key)), "is given twice")
        result[key] = _plain(value_node, (*path, key), lines)
        lines[(*path, key)] = line
    return result


def _entries(document: object) -> list[object]:
    if not isinstance(document, dict):
        raise _FaultFound(1, "the file", "must have the key `accounts` with a list of accounts")
    unknown = [key for key in document if key != "accounts"]
    if unknown:
        raise _FaultFound(1, unknown[0], "is not a setting; allowed here: accounts")
    entries = document.get("accounts")
    if not isinstance(entries, list) or not entries:
        raise _FaultFound(1, "accounts", "must be a list with at least one account")
    return entries


def _twice(
    accounts: Sequence[Account], entries: Sequence[object], lines: Mapping[_FieldPath, int]
) -> Iterator[Fault]:
    names = [entry.get("name") if isinstance(entry, dict) else None for entry in entries]
    for index, name in enumerate(names):
        if name is not None and name in names[:index]:
            path = ("accounts", index, "name")
            yield Fault(lines[path], _written(path), f"{name!r} is the name of another account too")


def _is_echo(details: ErrorDetails, prefix: _FieldPath, lines: Mapping[_FieldPath, int]) -> bool:
    """Whether the fault only repeats another: of a default taken from a faulty field, or of a union's branch."""
    loc = details["loc"]
    of_default = loc[-1:] == ("reply_address",) and (*prefix, *loc) not in lines
    return of_default or (details["type"] == "literal_error" and "since" in loc)


def _fault(prefix: _FieldPath, details: ErrorDetails, lines: Mapping[_FieldPath, int]) -> Fault:
    path = (*prefix, *_without_branches(details["loc"]))
    known = next(path[:length] for length in range(len(path), -1, -1) if path[:length] in lines)
    return Fault(lines[known], _written(path), _sentence(details))


def _without_branches(loc: tuple[str | int, ...]) -> _FieldPath:
    """The location without pydantic's names of union branches, such as `literal['now','beginning']`."""
    return tuple(part for part in loc if not (isinstance(part, str) and re.search(r"[\[\]]|^date$", part)))


_SENTENCES = {
    "missing": "is missing",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "string_type": "must be a text",
    "model_type": "must be a section with settings",
    "model_attributes_type": "must be a section with settings",
    "tuple_type": "must be a list",
    "literal_error": "must be one of {expected}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "date_from_datetime_parsing": "must be now, beginning or a date such as 2026-01-31",
}
_PATTERNS = {
    "host": "must be a host name or an IP address, without a port",
    "name": "must be 1 to 63 of the characters a-z, 0-9 and -, and not begin with -",
    "user": "must be 1 to 320 characters without control characters",
}


def _sentence(details: ErrorDetails) -> str:
    kind, field = details["type"], str(details["loc"][-1]) if details["loc"] else ""
    if kind == "extra_forbidden":
        return f"is not a setting; allowed here: {', '.join(_allowed(details['loc']))}"
    if kind == "string_pattern_mismatch" and field in _PATTERNS:
        return _PATTERNS[field]
    if kind in _SENTENCES:
        return _SENTENCES[kind].format(**details.get("ctx", {}))
    return details["msg"].removeprefix("Value error, ")


def _allowed(loc: tuple[str | int, ...]) -> list[str]:
    sections: dict[str | int, type[BaseModel]] = {"imap": Imap, "smtp": Smtp}
    model = sections.get(loc[-2], Account) if len(loc) > 1 else Account
    return sorted(field.alias or name for name, field in model.model_fields.items())


def _written(path: Sequence[Any]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "the file"
