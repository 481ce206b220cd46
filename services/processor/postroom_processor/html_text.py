"""The text of an HTML mail, line by line, with what its markup says about each line.

The standard library's ``html.parser`` is not used: unclosed comments or tags cost it quadratic time
(5 s for 80 kB of ``<!--``, 42 s for 60 kB of ``<a``, Python 3.11). This reader is linear: the first
construct that is never closed ends the reading, and says so.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from postroom_processor.html_style import (
    BLACK,
    EMPTY_SHEET,
    UNKNOWN,
    WHITE,
    Colour,
    Look,
    Sheet,
    are_alike,
    look_of,
    read_sheet,
    said_colour,
)


@dataclass(frozen=True)
class MarkedLine:
    """A line of text and, where markup tells, what it is: quote, history, attribution, signature or ''."""

    text: str
    kind: str = ""


@dataclass(frozen=True)
class HtmlText:
    """What an HTML mail says.

    Attributes:
        lines: Its lines.
        doubts: Codes of what makes reading them unsafe.
        unsure: Whether nobody can tell from the markup what of it is seen. With a text part that says the
            same this does no harm.
    """

    lines: tuple[MarkedLine, ...]
    doubts: tuple[str, ...]
    unsure: bool = False


_TAG_NAME = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9:_-]{0,40})")
_TAG_REST = re.compile(r"""(?:[^>"']++|"[^"]*+"|'[^']*+')*+>""")
_ATTRIBUTE = re.compile(r"""([^\s"'<>/=]++)(?:\s*+=\s*+(?:"([^"]*)"|'([^']*)'|([^\s>"']++)))?""")
_QUOTE = re.compile("[\"']")
_WORD = re.compile(r"\w")
_LONGEST_PICTURE_CHARS = 8
_BLANKS = re.compile(r"[ \t\r\n\f]+")

_NO_TEXT = frozenset({"head", "script", "style", "title"})
# Some programs show what stands in these, others do not.
_UNSURE_TEXT = frozenset(
    {"template", "object", "svg", "math", "select", "audio", "video", "canvas"}
    | {
        "datalist",
        "meter",
        "progress",
        "noframes",
        "noembed",
        "rp",
        "slot",
        "applet",
        "plaintext",
    }
)
_UNSURE_RAW_TEXT = frozenset({"textarea", "xmp", "iframe"})
_OFF = frozenset({"hidden", "popover"})
_UNLESS_OPEN = frozenset({"details", "dialog"})
_RAW_TEXT = frozenset({"script", "style", "title", "textarea", "xmp", "iframe"})
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}
)
_BLOCK = frozenset(
    {
        *("address", "article", "blockquote", "body", "center", "dd", "div", "dl", "dt", "fieldset"),
        *("footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "html", "li"),
        *("main", "ol", "p", "pre", "section", "table", "tbody", "tr", "ul"),
    }
)
_SPACED = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "table", "blockquote"})
_STRUCK = frozenset({"s", "del", "strike"})

# What an element's class, id or data-marker says: (pattern, kind). First match counts.
_MARKS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"gmail_attr|moz-cite-prefix|\breply-intro\b|protonmail_quote_head"), "attribution"),
    (re.compile(r"gmail_signature|signature_block|\b(?:x_)*signature\b"), "signature"),
    (re.compile(r"applemailsignature|linebreakatbegin"), "signature"),
    (re.compile(r"yahoo_quoted|protonmail_quote|zmail_extra|moz-forward-container"), "quote"),
    (re.compile(r"tutanota_quote|gmail_quote_attribution|outlookmessageheader|__quoted_text__"), "quote"),
    (re.compile(r"\b(?:x_)*mail-editor-reference-message-container\b"), "quote"),
)
# From such an element on, everything is history (Outlook).
_HISTORY = re.compile(r"\b(?:x_)*(?:appendonsend|divrplyfwdmsg|stopspelling)\b")


@dataclass(frozen=True)
class _Element:
    name: str
    kind: str = ""
    hidden: bool = False
    struck: bool = False
    reordered: bool = False
    silent: bool = False
    unsure: bool = False
    colour: Colour = BLACK
    background: Colour = WHITE


@dataclass
class _Page:
    """What was read so far; elements inherit from the one they stand in."""

    stack: list[_Element] = field(default_factory=lambda: [_Element("")])
    open_names: Counter[str] = field(default_factory=Counter)
    lines: list[MarkedLine] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    doubts: set[str] = field(default_factory=set)
    history: bool = False
    unsure: bool = False
    sheet: Sheet = EMPTY_SHEET

    def add_text(self, text: str) -> None:
        element = self.stack[-1]
        if element.silent:
            return
        plain = html.unescape(text)
        if element.kind != "quote" and not self.history and plain.strip("\ufeff\u200b \t\r\n\xa0"):
            self._doubt_invisible(element)
        if element.hidden:
            return
        if self.open_names["pre"]:
            first, *others = plain.split("\n")
            self.words.append(first)
            for line in others:
                self.end_line()
                self.words.append(line)
        else:
            self.words.append(_BLANKS.sub(" ", plain))

    def _doubt_invisible(self, element: _Element) -> None:
        if element.hidden:
            self.doubts.add("hidden-text")
        if element.struck:
            self.doubts.add("struck-out-text")
        if element.reordered:
            self.doubts.add("reordered-text")
        self.unsure = self.unsure or element.unsure

    def add_picture(self, text: str) -> None:
        """Add what an image stands for, if that is a picture: programs write emoji so."""
        if text and len(text) <= _LONGEST_PICTURE_CHARS and not _WORD.search(text):
            self.add_text(text)

    def doubt_unsure(self, text: str) -> None:
        """Doubt words that only some programs show."""
        element = self.stack[-1]
        if not (element.silent or element.kind == "quote" or self.history) and _WORD.search(text):
            self.doubts.add("hidden-text")

    def end_line(self) -> None:
        kind = "history" if self.history else self.stack[-1].kind
        text = "".join(self.words).replace("\xa0", " ")
        if not self.open_names["pre"]:
            text = _BLANKS.sub(" ", text).strip()
        self.words.clear()
        self.lines.append(MarkedLine(text, kind))

    def break_block(self) -> None:
        if "".join(self.words).strip():
            self.end_line()
        else:
            self.words.clear()

    def add_blank(self) -> None:
        if self.lines and self.lines[-1].text:
            self.end_line()

    def open(self, name: str, attributes: dict[str, str]) -> None:
        if name == "br":
            self.end_line()
            return
        marks = " ".join(attributes.get(key, "") for key in ("id", "class", "data-marker")).lower()
        element = _inherit(self.stack[-1], name, attributes, marks, self.sheet)
        self._add_empty(name, attributes)
        starts_history = bool(marks) and _HISTORY.search(marks) is not None
        if name in _BLOCK or element.kind != self.stack[-1].kind or starts_history:
            self.break_block()
        if starts_history:
            self.history = True
        if name in ("td", "th"):
            self.words.append(" ")
        if name not in _VOID:
            self.stack.append(element)
            self.open_names[name] += 1

    def _add_empty(self, name: str, attributes: dict[str, str]) -> None:
        """Add what elements say that have no text in them."""
        if name == "img":
            self.add_picture(attributes.get("alt", ""))
        elif name == "input":
            self.doubt_unsure(attributes.get("value", ""))
        elif name == "link" and "stylesheet" in attributes.get("rel", "").lower():
            self.unsure = True

    def close(self, name: str) -> None:
        if not self.open_names[name]:
            return
        if name in _BLOCK:
            self.break_block()
        while True:
            element = self.stack[-1]
            if element.kind != self.stack[-2].kind:
                self.break_block()
            self.stack.pop()
            self.open_names[element.name] -= 1
            if element.name == name:
                break
        if name in _SPACED:
            self.add_blank()


def _inherit(outer: _Element, name: str, attributes: dict[str, str], marks: str, sheet: Sheet) -> _Element:
    from_sheet = _sheet_looks(sheet, name, attributes)
    looks = (look_of(attributes.get("style", "")), *from_sheet)
    written = attributes.get("color" if name == "font" else "text", "")
    colour = looks[0].colour or said_colour(written) or outer.colour
    background = looks[0].background or said_colour(attributes.get("bgcolor", "")) or outer.background
    return _Element(
        name,
        outer.kind or _kind(name, marks),
        outer.hidden
        or (colour != UNKNOWN and are_alike(colour, background))
        or any(look.hidden for look in looks)
        or _is_off(name, attributes),
        outer.struck or name in _STRUCK or any(look.struck for look in looks),
        outer.reordered or name == "bdo" or any(look.reordered for look in looks),
        outer.silent or name in _NO_TEXT,
        outer.unsure
        or any(look.unsure for look in looks)
        or _may_be_alike(colour, background)
        or (background != WHITE and any(look.colour for look in from_sheet)),
        colour,
        background,
    )


def _may_be_alike(colour: Colour, background: Colour) -> bool:
    """Whether a colour is not known and may be the one behind it; the pale and the dark ones are known."""
    if UNKNOWN not in (colour, background):
        return False
    return not (background == WHITE or (colour == BLACK and background == UNKNOWN))


def _sheet_looks(sheet: Sheet, name: str, attributes: dict[str, str]) -> tuple[Look, ...]:
    if not sheet.looks:
        return ()
    classes = [f".{each}" for each in attributes.get("class", "").lower().split()]
    names = ("*", name, f"#{attributes.get('id', '').lower()}", *classes)
    return tuple(sheet.looks[each] for each in names if each in sheet.looks)


def _is_off(name: str, attributes: dict[str, str]) -> bool:
    """Whether an element's name or attributes keep it from being shown."""
    if not _OFF.isdisjoint(attributes) or attributes.get("aria-hidden", "").lower() == "true":
        return True
    return name in _UNSURE_TEXT or (name in _UNLESS_OPEN and "open" not in attributes)


def _kind(name: str, marks: str) -> str:
    if name == "blockquote":
        return "quote"
    if not marks:
        return ""
    return next((kind for pattern, kind in _MARKS if pattern.search(marks)), "")


def read_html(source: str) -> HtmlText:
    """Turn HTML into lines; never raises, linear in the length of ``source``."""
    page = _Page(sheet=read_sheet("\n".join(_sheets(source))))
    if page.sheet.adds_words:
        page.doubts.add("hidden-text")
    position = 0
    while position < len(source):
        start = source.find("<", position)
        if start < 0:
            page.add_text(source[position:])
            break
        page.add_text(source[position:start])
        after = _read_markup(source, start, page)
        if after is None:
            page.doubts.add("broken-html")
            break
        position = after
    page.break_block()
    return HtmlText(tuple(page.lines), tuple(sorted(page.doubts)), page.unsure or page.sheet.unsure)


def _read_markup(source: str, start: int, page: _Page) -> int | None:
    """Read what begins with ``<`` at ``start``; return where it ends, None if it never does."""
    if source.startswith("<!--", start):
        return _read_comment(source, start + 4, page)
    if source.startswith(("<!", "<?"), start):
        return _after(source, ">", start)
    tag = _TAG_NAME.match(source, start)
    if tag is None:
        page.add_text("<")
        return start + 1
    rest = _TAG_REST.match(source, tag.end())
    if rest is None:
        return None
    name = tag.group(2).lower()
    if tag.group(1):
        page.close(name)
        return rest.end()
    return _read_start(source, name, rest, page)


def _read_start(source: str, name: str, rest: re.Match[str], page: _Page) -> int | None:
    """Read a start tag, and the content that is no markup; return where they end."""
    if _QUOTE.search(_ATTRIBUTE.sub("", rest.group())):
        page.unsure = True  # where such a tag ends, programs do not agree
    page.open(name, _attributes(rest.group()))
    if name not in _RAW_TEXT or rest.group().endswith("/>"):
        return rest.end()
    end = _raw_text_end(source, name, rest.end())
    if name in _UNSURE_RAW_TEXT:
        page.doubt_unsure(source[rest.end() : end])
    return end


def _read_comment(source: str, start: int, page: _Page) -> int | None:
    if source.startswith((">", "->"), start):
        return source.index(">", start) + 1  # an empty comment to browsers: what follows is shown
    end = _after(source, "-->", start)
    if end is not None and source.startswith("[if", start):
        page.doubt_unsure(_without_tags(source[start : end - 3]))
    return end


def _sheets(source: str) -> Iterator[str]:
    lower = source.lower()
    start = lower.find("<style")
    while start >= 0:
        end = lower.find("</style", start)
        if end < 0:
            break
        yield source[start:end].partition(">")[2]
        start = lower.find("<style", end)


def _without_tags(markup: str) -> str:
    """The words of what only Outlook reads; its settings and styles are none."""
    words: list[str] = []
    closes = ""
    # The first piece is the condition, which ends like a tag.
    for piece in markup.split("<"):
        tag, _, text = piece.partition(">")
        name = tag.split(" ", 1)[0].strip().lower()
        if closes:
            closes = "" if name == closes else closes
        elif name in ("style", "xml"):
            closes = f"/{name}"
        else:
            words.append(text)
    return " ".join(words)


def _after(source: str, mark: str, start: int) -> int | None:
    end = source.find(mark, start)
    return None if end < 0 else end + len(mark)


def _raw_text_end(source: str, name: str, start: int) -> int | None:
    end = re.compile(f"</{name}", re.I).search(source, start)
    return end.start() if end else None


def _attributes(rest: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for match in _ATTRIBUTE.finditer(rest):
        name, *values = match.groups()
        found.setdefault(name.lower(), html.unescape(next((v for v in values if v), "")))
    return found
