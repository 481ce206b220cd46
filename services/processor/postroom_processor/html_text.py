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
    WHITE,
    Colour,
    Look,
    Sheet,
    are_alike,
    colour_of,
    look_of,
    read_sheet,
)


@dataclass(frozen=True)
class MarkedLine:
    """A line of text and, where markup tells, what it is: quote, attribution, signature or ''."""

    text: str
    kind: str = ""


@dataclass(frozen=True)
class HtmlText:
    """Lines of an HTML mail and codes of what makes reading them unsafe."""

    lines: tuple[MarkedLine, ...]
    doubts: tuple[str, ...]


_TAG_NAME = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9:_-]{0,40})")
_TAG_REST = re.compile(r"""(?:[^>"']++|"[^"]*+"|'[^']*+')*+>""")
_ATTRIBUTE = re.compile(
    r"""(?<![\w-])(id|class|type|style|alt|color|bgcolor|text|hidden|open|value|aria-hidden|data-marker)"""
    r"""(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"']+)))?""",
    re.I,
)
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
        "noscript",
        "noframes",
        "noembed",
        "rp",
        "slot",
        "applet",
        "plaintext",
    }
)
_UNSURE_RAW_TEXT = frozenset({"textarea", "xmp", "iframe"})
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
    (re.compile(r"gmail_signature|moz-signature|signature_block|\b(?:x_)*signature\b"), "signature"),
    (re.compile(r"applemailsignature|outlook-mobile-signature|lineBreakAtBegin"), "signature"),
    (re.compile(r"yahoo_quoted|protonmail_quote|zmail_extra|moz-forward-container"), "quote"),
    (re.compile(r"tutanota_quote|gmail_quote_attribution|outlookmessageheader"), "quote"),
)
# From such an element on, everything is history (Outlook, Zimbra).
_HISTORY = re.compile(
    r"\b(?:x_)*(?:appendonsend|divrplyfwdmsg|mail-editor-reference-message-container|stopspelling)\b"
    r"|__quoted_text__"
)


@dataclass(frozen=True)
class _Element:
    name: str
    kind: str = ""
    hidden: bool = False
    struck: bool = False
    reordered: bool = False
    silent: bool = False
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
        kind = "quote" if self.history else self.stack[-1].kind
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
        if name == "img":
            self.add_picture(attributes.get("alt", ""))
        if name == "input":
            self.doubt_unsure(attributes.get("value", ""))
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
    looks = (look_of(attributes.get("style", "")), *_sheet_looks(sheet, name, attributes))
    written = attributes.get("color" if name == "font" else "text", "")
    colour = looks[0].colour or (colour_of(written) if written else None) or outer.colour
    background = looks[0].background or colour_of(attributes.get("bgcolor", "")) or outer.background
    return _Element(
        name,
        outer.kind or _kind(name, marks),
        outer.hidden
        or are_alike(colour, background)
        or any(look.hidden for look in looks)
        or _is_off(name, attributes),
        outer.struck or name in _STRUCK or any(look.struck for look in looks),
        outer.reordered or name == "bdo" or any(look.reordered for look in looks),
        outer.silent or name in _NO_TEXT,
        colour,
        background,
    )


def _sheet_looks(sheet: Sheet, name: str, attributes: dict[str, str]) -> tuple[Look, ...]:
    if not sheet.looks:
        return ()
    classes = [f".{each}" for each in attributes.get("class", "").lower().split()]
    names = ("*", name, f"#{attributes.get('id', '').lower()}", *classes)
    return tuple(sheet.looks[each] for each in names if each in sheet.looks)


def _is_off(name: str, attributes: dict[str, str]) -> bool:
    """Whether an element's name or attributes keep it from being shown."""
    if "hidden" in attributes or attributes.get("aria-hidden", "").lower() == "true":
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
    return HtmlText(tuple(page.lines), tuple(sorted(page.doubts)))


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
    page.open(name, _attributes(rest.group()))
    if name in _RAW_TEXT and not rest.group().endswith("/>"):
        end = _raw_text_end(source, name, rest.end())
        if name in _UNSURE_RAW_TEXT:
            page.doubt_unsure(source[rest.end() : end])
        return end
    return rest.end()


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
