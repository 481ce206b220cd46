"""Lists of people who get a mail each: read from CSV, all checked before the first is sent (pure)."""

import csv
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from postroom.amount import amount
from postroom.errors import Permanent
from postroom.messages import RESERVED_VALUES
from postroom.suppression import key_of
from postroom.templates.images import asked
from postroom.templates.rendering import Rendered, TemplateFault, render
from postroom.templates.template import Template

MAX_RECIPIENTS = 1_000_000
MAX_LIST_BYTES = 512 * 1024 * 1024
MAX_VALUE_CHARS = 20_000
_ADDRESS_COLUMNS = ("email", "e-mail", "mail", "address", "recipient", "to")
_VALUE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
_DELIMITERS = ",;\t"
_SHOWN_CHARS = 60
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x85\u2028\u2029]")
_UNFIT = re.compile(r"[\r\0\ud800-\udfff]")
_NO_HEADER = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class NoList(Permanent):
    """A list cannot be read at all; the sentence says why, and what is expected."""


@dataclass(frozen=True)
class Row:
    """A recipient as the list has it; `line` is from 1."""

    line: int
    recipient: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Fault:
    """What is wrong with a line."""

    line: int
    sentence: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.sentence}"


def read_list(content: bytes) -> Iterator[Row | Fault]:
    """The lines of a list as CSV (RFC 4180): the first names the columns, `email` and values.

    Commas, semicolons or tabs part the cells. An empty cell is no value, and empty lines are none.

    Raises:
        NoList: it is not UTF-8, or its first line names no such columns.
    """
    if len(content) > MAX_LIST_BYTES:
        raise NoList(f"the list is larger than {MAX_LIST_BYTES:,} bytes: send it in parts")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise NoList(f"line {line}: the list is not UTF-8 text: save it as CSV UTF-8") from None
    head = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=head.count)
    lines = (match.group() for match in _LINE.finditer(text))
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    names = _names(next(_cells(reader), None))
    yield from _rows(reader, names)


def _cells(reader: Any) -> Iterator[tuple[int, list[str]]]:
    """Each record with the line that it begins in."""
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise NoList(f"line {line}: the list is no CSV: {error}") from None
        if any(cell.strip() for cell in cells):
            yield line, cells


def _names(head: tuple[int, list[str]] | None) -> list[str]:
    """The columns' names; that of the address becomes `email`."""
    if head is None:
        raise NoList("the list is empty: its first line must name the columns, such as email,name")
    names = [cell.strip() for cell in head[1]]
    column = next((name for each in _ADDRESS_COLUMNS for name in names if name.lower() == each), None)
    if column is None:
        raise NoList(
            f"line {head[0]}: no column is called email: the first line must name the columns, "
            "such as email,name"
        )
    for name in names:
        if name != column and (not _VALUE_NAME.fullmatch(name) or name in RESERVED_VALUES):
            why = "is what Postroom gives every template" if name in RESERVED_VALUES else "cannot be a name"
            raise NoList(
                f"line {head[0]}: the column {name[:_SHOWN_CHARS]!r} {why}: letters, digits and _ are allowed"
            )
    if len(set(names)) != len(names):
        raise NoList(f"line {head[0]}: two columns have the same name")
    return ["" if name == column else name for name in names]


def _rows(reader: Any, names: Sequence[str]) -> Iterator[Row | Fault]:
    for line, cells in _cells(reader):
        if len(cells) != len(names):
            yield Fault(
                line,
                f"has {amount(len(cells), 'cell')}, and the first line names {amount(len(names), 'column')}",
            )
            continue
        by_name = dict(zip(names, cells, strict=True))
        recipient = by_name.pop("").strip()
        yield Row(line, recipient, {name: cell for name, cell in by_name.items() if cell.strip()})


@dataclass
class Check:
    """Checks the rows of one list, one after the other, and knows them again.

    `given`: what the template is given besides the row's values; `images`: the ids of those that go with each
    mail to be shown by its HTML part, in lower case.
    """

    template: Template
    given: Mapping[str, Any]
    images: frozenset[str] = frozenset()
    seen: dict[bytes, int] = field(default_factory=dict)
    count: int = 0
    _hash: Any = field(default_factory=hashlib.sha256)

    def fault_of(self, row: Row | Fault) -> Fault | None:
        """What is wrong with the next row; None if its mail can be written and goes to nobody before."""
        if isinstance(row, Fault):
            return row
        sentence = self._sentence(row)
        if sentence is not None:
            return Fault(row.line, sentence)
        self.count += 1
        told = json.dumps([row.recipient, row.values], sort_keys=True, separators=(",", ":"))
        self._hash.update(told.encode(errors="surrogatepass") + b"\n")
        return None

    @property
    def digest(self) -> str:
        """Of all rows that are right, in order."""
        return str(self._hash.hexdigest())

    def _sentence(self, row: Row) -> str | None:
        try:
            key = key_digest(row.recipient)
        except ValueError as error:
            return str(error)
        if key in self.seen:
            return f"{row.recipient} is in line {self.seen[key]} already"
        if self.count >= MAX_RECIPIENTS:
            return f"a list has at most {MAX_RECIPIENTS:,} recipients: send it in parts"
        sentence = _bad_value(row.values) or self._unwritable(row)
        if sentence is None:
            self.seen[key] = row.line
        return sentence

    def _unwritable(self, row: Row) -> str | None:
        try:
            made = render(self.template, {**row.values, **self.given, "recipient": row.recipient})
        except TemplateFault as fault:
            return str(fault)
        why = _no_mail(made, self.images)
        return f"template {self.template.name}, {why}" if why else None


def key_digest(recipient: str) -> bytes:
    """By what recipients are told apart: the same for all spellings of an address. Raises ValueError."""
    return hashlib.sha256(key_of(recipient).encode()).digest()[:12]


def send_id_of(bulk_id: str, recipient: str) -> str:
    """The idempotency key of a recipient's mail: the same for all spellings of the address."""
    return f"{bulk_id}:{key_digest(recipient).hex()}"


def order_digest(account: str, template: str, about: Mapping[str, Any], rows: str) -> str:
    """Tells one order from another; `rows` is the digest of its list."""
    told = json.dumps([account, template, about, rows], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()


def right_rows(rows: Iterable[Row | Fault], wrong: frozenset[int]) -> Iterator[Row]:
    """The rows without those whose lines are wrong."""
    return (row for row in rows if isinstance(row, Row) and row.line not in wrong)


def _no_mail(made: Rendered, images: frozenset[str]) -> str | None:
    """What the sender would refuse: here it is one line of a list, there a mail that failed."""
    if _NO_HEADER.search(made.subject):
        return "subject: it has a line break or a control character"
    for part, words in (("text", made.text), ("html", made.html or "")):
        if _UNFIT.search(words.replace("\r\n", "\n")):
            return f"{part}: it holds a bare CR, a NUL or half a character"
    if made.html is None:
        return f"html: there is none to show the image {min(images)}" if images else None
    missing = sorted(asked(made.html) - images)
    return f"html: it shows cid:{missing[0]}, and no attachment has this content_id" if missing else None


def _bad_value(values: Mapping[str, Any]) -> str | None:
    for name, value in values.items():
        if isinstance(value, str) and len(value) > MAX_VALUE_CHARS:
            return f"{name}: is longer than {MAX_VALUE_CHARS:,} characters"
        if isinstance(value, str) and _CONTROL.search(value.replace("\r\n", "\n")):
            return f"{name}: holds a control character"
    return None
