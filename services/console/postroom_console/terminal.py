"""Where the console writes: colours on a terminal only, and no cut lines in a file."""

import io
import sys

from rich.console import Console

FILE_WIDTH = 110


def make_console(*, stderr: bool = False) -> Console:
    """A console on standard output (or error)."""
    stream = sys.stderr if stderr else sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        # A mail may hold what the terminal's encoding does not have.
        stream.reconfigure(errors="replace")
    width = None if stream.isatty() else FILE_WIDTH
    return Console(file=stream, width=width, highlight=False, emoji=False, markup=False)
