"""Where the console writes: colours on a terminal only, and no cut lines in a file."""

import io
import sys
import unicodedata

from rich.console import Console

FILE_WIDTH = 110
_JOINERS = "\u200c\u200d"
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_NOT_JOINED = frozenset({*_JOINERS, _REPLACEMENT})
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters and marks by their category, and yet nothing to see: fillers, the empty Braille cell."""
_FIRST_JOINED = "\u0600"
"""Before the scripts (Arabic, those of India) and the emoji that joiners and variants are for."""
MAX_MARKS = 4
"""Marks above and below one letter: with more they run over the lines around."""


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
    characters and characters of no meaning become U+FFFD; a tab becomes a space. Joiners stay where the
    scripts and emoji are that need them, and a letter keeps `MAX_MARKS` marks.
    """
    if text.isascii() and text.isprintable():
        return text
    found: list[str] = []
    marks = 0
    for letter in text:
        is_mark = unicodedata.category(letter) in ("Mn", "Me")
        marks = marks + 1 if is_mark else 0
        if marks <= MAX_MARKS:
            found.append(_safe_letter(letter, found[-1] if found else ""))
    return "".join(found)


def _safe_letter(letter: str, before: str) -> str:
    if letter in _JOINERS or _is_variant(letter):
        return letter if before >= _FIRST_JOINED and before not in _NOT_JOINED else ""
    if letter == "\n" or (letter.isprintable() and letter not in _INVISIBLE):
        return letter
    if letter == "\t" or unicodedata.category(letter) == "Zs":
        return " "
    return _REPLACEMENT


def _is_variant(letter: str) -> bool:
    return "\ufe00" <= letter <= "\ufe0f" or "\U000e0100" <= letter <= "\U000e01ef"
