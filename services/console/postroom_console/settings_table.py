"""Settings with type, default and meaning, for a terminal."""

import re
from collections.abc import Iterable, Iterator, Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from postroom.reference import Entry

Section = tuple[str, str, Sequence[Entry]]
"""Title, what is put before each name, and the settings."""
_LINK = re.compile(r"\[(\w+)\]\(#\w+\)")


def shown(sections: Iterable[Section], word: str) -> Group | None:
    """The settings that have the word in their name; None if none has."""
    parts = [part for section in sections for part in _section(section, word.lower())]
    return Group(*parts) if parts else None


def _section(section: Section, word: str) -> Iterator[Text | Table]:
    title, prefix, entries = section
    found = [entry for entry in entries if word in f"{prefix}{entry.name}".lower()]
    if not found:
        return
    yield Text(f"\n{title}", style="bold")
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for entry in found:
        told = Text(f"{plain(entry.kind)}; default: {plain(entry.default)}", style="cyan")
        grid.add_row(f"  {prefix}{entry.name}", told.append(f"\n{plain(entry.meaning)}", style="default"))
    yield grid


def plain(markdown: str) -> str:
    """The words without the marks."""
    return _LINK.sub(r"\1", markdown).replace("`", "")
