"""What the demo shows: one line a step, each with its time since the last, and mails in boxes."""

import time

from rich.box import ROUNDED
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

LABEL_WIDTH = 11
TIME_WIDTH = 9
BOX_WIDTH = 84


class Page:
    """Writes to a console, top down."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last = time.monotonic()

    def step(self, label: str, told: str | Text, *, style: str = "bold") -> None:
        """One step, with the seconds since the last one."""
        now = time.monotonic()
        self._row(Text(f"{now - self._last:+.2f} s", style="cyan"), Text(label, style=style), told)
        self._last = now

    def more(self, told: str | Text) -> None:
        """More about the last step."""
        self._row("", "", told)

    def box(self, title: str, text: str) -> None:
        """A mail; lines that are too long (links) are cut."""
        content = Text(text, no_wrap=True, overflow="ellipsis")
        panel = Panel(content, title=Text(title), title_align="left", box=ROUNDED, width=self._box_width())
        self._row("", "", panel)

    def line(self, told: str | Text = "") -> None:
        """A line of its own, never broken: it may be a command to copy."""
        self._console.print(told if isinstance(told, Text) else Text(told), soft_wrap=True)

    def _row(self, when: str | Text, label: str | Text, told: object) -> None:
        grid = Table.grid(padding=(0, 2))
        grid.add_column(width=TIME_WIDTH, justify="right")
        grid.add_column(width=LABEL_WIDTH)
        grid.add_column(overflow="fold")
        grid.add_row(when, label, told)  # type: ignore[arg-type]
        self._console.print(grid)

    def _box_width(self) -> int:
        return min(BOX_WIDTH, max(40, self._console.width - TIME_WIDTH - LABEL_WIDTH - 4))
