"""The text of an HTML part of ours, for those who read no HTML (pure).

Linear in the length: the first construct that is never closed ends the reading. What cannot be seen is left
out; links and the words for images are kept.
"""

import html
import re
import textwrap

WIDTH = 76
_TAG = re.compile(r"""<(/?)([A-Za-z][A-Za-z0-9]*)((?:[^<>"']|"[^"<]*"|'[^'<]*')*)>""")
_ATTRIBUTE = re.compile(r"""([A-Za-z-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""")
_SKIPPED = ("style", "script", "head", "title", "template")
_BLOCKS = frozenset(
    (
        *("address", "article", "blockquote", "body", "dd", "div", "dl", "dt", "fieldset", "figure"),
        *("footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "html", "li", "main"),
        *("nav", "ol", "p", "pre", "section", "table", "tbody", "tr", "ul"),
    )
)
_SPACED = frozenset(("p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "blockquote", "pre", "dl"))
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_BLANKS = re.compile(r"[ \t\r\n\f]+")


def text_of(page: str) -> str:
    """The page as lines that end in LF, 76 characters wide where they can be broken."""
    return _Reader().read(page)


class _Reader:
    """Collects the lines of one page."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._line: list[str] = []
        self._links: list[tuple[str, int]] = []

    def read(self, page: str) -> str:
        at = 0
        while at < len(page):
            start = page.find("<", at)
            if start < 0:
                self._words(page[at:])
                break
            self._words(page[at:start])
            at = self._markup(page, start)
        self._end_line()
        return _tidied(self._lines)

    def _markup(self, page: str, start: int) -> int:
        """Where to go on after the markup that begins here."""
        if page.startswith("<!--", start):
            return _after(page, "-->", start)
        if page.startswith(("<!", "<?"), start):
            return _after(page, ">", start)
        match = _TAG.match(page, start)
        if match is None:
            self._words("<")
            return start + 1
        closing, name, attributes = bool(match[1]), match[2].lower(), _attributes(match[3])
        hidden = name in _SKIPPED or bool(_HIDDEN.search(attributes.get("style", "")))
        if hidden and not closing and name not in ("img", "br", "hr"):
            return _after_element(page, name, match.end())
        self._tag(name, attributes, closing=closing)
        return match.end()

    def _tag(self, name: str, attributes: dict[str, str], *, closing: bool) -> None:
        if name in _BLOCKS:
            self._end_line(blank=name in _SPACED)
        if name == "br":
            self._end_line(keep=True)
        elif name == "hr" and not closing:
            self._lines.append("-" * 20)
        elif name == "li" and not closing:
            self._line = ["- "]
        elif name in ("td", "th") and closing:
            self._line.append("  ")
        elif name == "img":
            self._words(attributes.get("alt", ""), literal=True)
        elif name == "a":
            self._link(attributes, closing=closing)

    def _link(self, attributes: dict[str, str], *, closing: bool) -> None:
        if not closing:
            self._links.append((attributes.get("href", ""), len(self._line)))
            return
        href, at = self._links.pop() if self._links else ("", 0)
        said = "".join(self._line[at:]).strip()
        if href.startswith(("http://", "https://", "mailto:")) and href not in (said, f"mailto:{said}"):
            self._line.append(f" <{href}>" if said else f"<{href}>")

    def _words(self, text: str, *, literal: bool = False) -> None:
        words = _BLANKS.sub(" ", text if literal else html.unescape(text)).replace("\xa0", " ")
        if not self._line or self._line[-1].endswith(" "):
            words = words.lstrip()
        if words:
            self._line.append(words)

    def _end_line(self, *, keep: bool = False, blank: bool = False) -> None:
        line = "".join(self._line).strip()
        if line or keep:
            self._lines.append(line)
        if blank:
            self._lines.append("")
        self._line = []


def _tidied(lines: list[str]) -> str:
    """Without blank lines at the ends and with one at most between two; long lines broken."""
    kept: list[str] = []
    for line in lines:
        if line or (kept and kept[-1]):
            indent = "  " if line.startswith("- ") else ""
            kept += textwrap.wrap(
                line, WIDTH, break_long_words=False, break_on_hyphens=False, subsequent_indent=indent
            ) or [""]
    return "\n".join(kept).strip("\n") + "\n"


def _after(page: str, end: str, start: int) -> int:
    found = page.find(end, start)
    return len(page) if found < 0 else found + len(end)


def _after_element(page: str, name: str, at: int) -> int:
    """Behind the element's end, with those of its name that are inside it."""
    depth = 1
    for match in _TAG.finditer(page, at):
        if match[2].lower() == name:
            depth += -1 if match[1] else 1
            if depth == 0:
                return match.end()
    return len(page)


def _attributes(text: str) -> dict[str, str]:
    return {
        match[1].lower(): html.unescape(match[2] or match[3] or match[4] or "")
        for match in _ATTRIBUTE.finditer(text)
    }
