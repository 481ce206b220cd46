"""Where the console writes: colours on a terminal only, and no cut lines in a file."""

import io
import sys
import unicodedata

from rich.console import Console

FILE_WIDTH = 110
_KEPT = "\n\u200c\u200d"
"""Line feeds, and the joiners that some scripts and emoji are written with."""


def make_console(*, stderr: bool = False) -> Console:
    """A console on standard output (or error)."""
    stream = sys.stderr if stderr else sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        # A mail may hold what the terminal's encoding does not have.
        stream.reconfigure(errors="replace")
    width = None if stream.isatty() else FILE_WIDTH
    return Console(file=stream, width=width, highlight=False, emoji=False, markup=False)


def safe(text: str) -> str:
    """A stranger's text for a terminal: nothing that steers it, turns letters around or is invisible.

    Control characters (C0 and C1), formatting characters (overrides of direction among them), halves of
    characters and characters of no meaning become U+FFFD; a tab becomes a space.
    """
    return "".join(_safe_letter(letter) for letter in text)


def _safe_letter(letter: str) -> str:
    if letter.isprintable() or letter in _KEPT:
        return letter
    if letter == "\t" or unicodedata.category(letter) == "Zs":
        return " "
    return "\N{REPLACEMENT CHARACTER}"
