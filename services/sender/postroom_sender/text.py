"""A letter as plain text (pure). Lines are short, so that no mail program breaks them when it quotes them."""

import textwrap
from collections.abc import Iterator

from postroom_sender.letter import GUARD, Letter, guarded

WIDTH = 72
QUOTE = "> "


def as_text(letter: Letter) -> str:
    """The letter as lines that end in LF."""
    return guarded("\n".join(_lines(letter)) + "\n", letter.words)


def _lines(letter: Letter) -> Iterator[str]:
    yield from _labelled(letter.label, letter.subject)
    yield ""
    for label, value in letter.facts:
        yield from _labelled(label, value)
    yield from _block(letter.opening)
    if letter.quotation:
        yield ""
        yield from _quoted(letter.quotation)
    yield from _block(letter.how_to)
    yield ""
    yield from (f'    The word "{choice.word}"' for choice in letter.choices)
    yield from _block(letter.advice)
    yield ""
    yield "These links prepare the reply:"
    yield ""
    yield from (f'    Link for "{choice.word}": {choice.link}' for choice in letter.choices)
    yield from _block(letter.footer)
    if letter.account_footer:
        yield ""
        # Marked like a line that begins with a choice: whatever it says, it is not an answer.
        yield from _quoted(letter.account_footer, GUARD)


def _block(lines: tuple[str, ...]) -> Iterator[str]:
    if lines:
        yield ""
        yield from lines


def _labelled(label: str, value: str) -> Iterator[str]:
    """One line, or where the value is too long for it the value quoted below its label."""
    line = f"{label}: {value}"
    if len(line) <= WIDTH:
        yield line
    else:
        yield f"{label}:"
        yield from _quoted(value)


def _quoted(text: str, mark: str = QUOTE) -> Iterator[str]:
    for line in text.split("\n"):
        if len(line) <= WIDTH:
            yield mark + line if line else mark.rstrip()
        else:
            yield from (
                mark + piece
                for piece in textwrap.wrap(
                    line, WIDTH, break_long_words=False, break_on_hyphens=False, expand_tabs=False
                )
                or [""]
            )
