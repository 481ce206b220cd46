"""The words of an HTML mail, quickly: for previews and searches, where nothing is decided by them (pure).

What a reply decides is read by `html_text`, which knows what is quoted and what is hidden and takes a hundred
times as long.
"""

import html
import re

MAX_SOURCE_CHARS = 100_000
_NAME = re.compile(r"/?([A-Za-z][A-Za-z0-9]{0,20})")
_NOT_SHOWN = frozenset({"script", "style", "head", "title", "template"})
_BREAKS = frozenset(
    {
        *("br", "p", "div", "tr", "li", "ul", "ol", "table", "blockquote", "pre", "hr", "section", "article"),
        *("h1", "h2", "h3", "h4", "h5", "h6", "dt", "dd", "header", "footer"),
    }
)
_CELLS = frozenset({"td", "th"})
_MANY_BREAKS = re.compile(r"\n\s*\n\s*")


def without_markup(source: str) -> str:
    """The text between the tags, a line for each block. Linear in the length of the source; never raises."""
    first, *pieces = source[:MAX_SOURCE_CHARS].split("<")
    last_end = max((index for index, piece in enumerate(pieces) if "-->" in piece), default=-1)
    found = [_words(first)]
    until = ""  # what ends the part that is not shown
    for index, piece in enumerate(pieces):
        if until and not _ends(piece, until):
            continue
        if not until and piece.startswith("!--") and "-->" not in piece and index < last_end:
            until = "-->"
            continue
        name, text = _tag(piece, "-->" if until == "-->" or piece.startswith("!--") else ">")
        until = f"/{name}" if name in _NOT_SHOWN else ""
        if not until:
            found.append(("\n" if name in _BREAKS else " " if name in _CELLS else "") + _words(text))
    lines = (" ".join(line.split()) for line in "".join(found).split("\n"))
    return _MANY_BREAKS.sub("\n\n", "\n".join(lines)).strip()


def _ends(piece: str, until: str) -> bool:
    return until in piece if until == "-->" else piece[: len(until)].lower() == until


def _tag(piece: str, end: str) -> tuple[str, str]:
    """The name of the tag that begins the piece, which stood after a `<`, and the text after it."""
    if not piece[:1].isalpha() and piece[:1] not in ("/", "!", "?") and end == ">":
        return "", f"<{piece}"
    mark, _, text = piece.partition(end)
    match = _NAME.match(mark)
    if match is None:
        return "", text
    name = match.group(1).lower()
    return ("" if mark.startswith("/") and name in _NOT_SHOWN else name), text


def _words(text: str) -> str:
    """The text of a piece: blanks are one, whatever they are (HTML, 13.2.5); entities are letters."""
    words = " ".join(text.split())
    if not words:
        return " " if text else ""
    before, after = " " if text[0].isspace() else "", " " if text[-1].isspace() else ""
    return before + (html.unescape(words) if "&" in words else words) + after
