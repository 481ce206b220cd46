# ruff: noqa: RUF001
# Punctuation of every script is matched here, look-alikes included.
"""The part of a reply that its author wrote: quotes, signatures and banners cut off.

Every line is tried against the rules of ``reply_marks`` from top to bottom. Three things span lines
and have functions here: attributions ("On … wrote:"), Outlook's header block, and quoted text that
a program wrapped without repeating its mark. Where the cutting itself is unsure it leaves a doubt,
and with a doubt nothing is decided.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from postroom_processor.html_text import MarkedLine, read_html
from postroom_processor.letters import signs
from postroom_processor.mail import Mail
from postroom_processor.read_limits import REASONS
from postroom_processor.reply_marks import (
    ATTRIBUTION_STARTS,
    DASHES,
    LABEL,
    LABEL_KINDS,
    LINE_RULES,
    NEEDS_TEXT_BEFORE,
    QUOTED,
    WROTE,
    LineRule,
    Named,
)


@dataclass(frozen=True)
class LineNote:
    """A line of a mail's text and what it was taken for.

    Attributes:
        text: The line, trailing blanks included.
        kind: ``own``, ``blank``, or what it was cut as: ``quote``, ``attribution``, ``signature`` …
        rule: Name of the rule that said so, for tables and tests.
        reason: The same rule in words, for people.
    """

    text: str
    kind: str
    rule: str
    reason: str


@dataclass(frozen=True)
class Cut:
    """Lines that were left out.

    Attributes:
        kind: What they were, for example ``quote``, ``attribution``, ``signature``.
        reason: The rule that said so, for people.
        text: The lines themselves.
    """

    kind: str
    reason: str
    text: str


@dataclass(frozen=True)
class OwnText:
    """What the person wrote.

    Attributes:
        text: The lines joined, blank lines at both ends removed.
        lines: The same, line by line.
        cut: What was left out, in the order of the mail.
        doubts: Codes of what makes the reading unsafe; with any of them nothing is decided.
        notes: What every line of the mail's text was taken for, in order.
        twin: The same of the HTML part, where the text part was read and there is one.
    """

    text: str
    lines: tuple[str, ...]
    cut: tuple[Cut, ...]
    doubts: tuple[str, ...]
    notes: tuple[LineNote, ...] = ()
    twin: OwnText | None = None


# Kinds after which the rest of a mail is not the author's reply.
SIGNATURE_KINDS = frozenset({"signature", "closing", "disclaimer", "divider"})

_OWN, _BLANK = "own", "blank"
_KEPT = frozenset({_OWN, _BLANK})
# Rules that are functions here, as (name, reason).
_NO_RULE: Named = ("no-rule-fits", "the author's own: no rule says otherwise")
_NOTHING: Named = ("empty-line", "nothing is written on it")
_REST: Named = ("rest", "follows a line after which nothing is the author's own")
_MARKED_UP: Named = ("markup", "the HTML marks it so")
_WRAPPED: Named = ("wrapped-quote", "stands between quoted lines: wrapped text")
_ATTRIBUTION: Named = ("attribution", "says who wrote what follows")
_DASHES: Named = ("dashes", "a line drawn above the mail that is answered")
_HEADER_BLOCK: Named = ("header-block", "the header of the mail that is answered")

_LINE_ENDS = re.compile(r"\r\n|[\r\n\x0b\x0c\x85\u2028\u2029]")
_BLANK_MARKS = " \t\xa0\ufeff\u200b\u200c\u200d\u2060\u200e\u200f\xad"
_MAX_ATTRIBUTION_LINES = 4
_MAX_ATTRIBUTION_CHARS = 400
_HEADER_BLOCK_LINES = 8
_MAX_WARNING_LINES = 6
_LONGEST_TRIED_CHARS = 1_000
# Above, somebody pasted a log; what was decided is not in its tail, but a "no" might be.
_MAX_LINES = 5_000
_ADDRESS_COLON = re.compile(r"[<(\[]\s?[^<>()\s]+@[^<>()\s]+\s?[>)\]](?:\s?님이)?\s?[:：]$")
_ADDRESS_LAST = re.compile(r"\w\s<[^<>\s]+@[^<>\s]+>\s*$")
# A name and an address, or the bracket that opens one at a line's end.
_ADDRESSED = re.compile(r"^\W{0,3}\w[^<>:!?]{0,60}<(?:[^<>\s]+@[^<>\s]+>|\s*$)")
_DATE_GOES_ON = re.compile(r"\s*(?:[^\W\d_A-Z]|[AP]M\b)")
_DATE_ENDS = re.compile(r"\d{1,4}[.,]?$")
_NUMBER = re.compile(r"\d")
_UNDECIDABLE = {
    **dict.fromkeys(REASONS, "limit-reached"),
    "text-chars": "text-too-long",
    "unreadable-structure": "unreadable-structure",
    "repeated-field": "ambiguous-structure",
}
# Beside letters and pictures: what turns a word into a question or into its contrary.
_COMPARED = frozenset("?？؟≠¬")
_NOT_COMPARED = re.compile(r"<?https?://\S+|\[(?:image|cid|bild|imagen?)\b[^\]]*\]|<mailto:[^>]*>", re.I)


@dataclass
class _Cutter:
    """Lines sorted into the author's own and the rest."""

    lines: Sequence[MarkedLine]
    rules: Sequence[LineRule] = LINE_RULES
    notes: list[LineNote] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    has_own: bool = False
    tail: str = ""
    quote_came_first: bool = False
    quoted_before: bool = False

    def run(self) -> None:
        index = 0
        while index < len(self.lines):
            index += self._step(index)
            if index >= _MAX_LINES:
                self._end(index)
                return

    def _end(self, index: int) -> None:
        """Look at no line from ``index`` on: only history may be this long."""
        if self.tail != "quote":
            self.doubts.append("text-too-long")
        if self.tail:
            self._drop(index, len(self.lines) - index, self.tail, _REST)

    def _step(self, index: int) -> int:
        """Sort the line at ``index`` and return how many lines that took."""
        line = self.lines[index]
        if not line.text.strip(_BLANK_MARKS):
            self.quoted_before = False
            return self._drop(index, 1, self.tail, _REST) if self.tail else self._keep(_BLANK, "")
        if line.kind:
            return self._drop_quote(index, line.kind, _MARKED_UP)
        if QUOTED.pattern.match(line.text):
            return self._drop_quote(index, "quote", QUOTED.named)
        taken = self._structure(index)
        if taken:
            return taken
        if self.tail:
            return self._drop(index, 1, self.tail, _REST)
        return self._line(index)

    def _structure(self, index: int) -> int:
        """Cut an attribution or a header block that starts here."""
        length = _attribution_length(self.lines, index)
        if length:
            if not _quoted_after(self.lines, index + length):
                self.tail = "quote"
            return self._drop(index, length, "attribution", _ATTRIBUTION)
        if _is_header_block(self.lines, index):
            self.tail = "quote"
            return self._drop(index, 1, "header", _HEADER_BLOCK)
        if DASHES.match(self.lines[index].text[:80]) and _is_cut_below(self.lines, index + 1):
            return self._drop(index, 1, "divider", _DASHES)
        return 0

    def _line(self, index: int) -> int:
        text = self.lines[index].text
        rule = _rule_for(text, self.rules, has_own=self.has_own)
        if rule is None:
            return self._own_line(index)
        if rule.rest_too:
            self.tail = rule.kind if rule.kind in SIGNATURE_KINDS else "quote"
        if rule.kind == "warning":
            length = _paragraph_length(self.lines, index, _MAX_WARNING_LINES)
            return self._drop(index, length, rule.kind, rule.named)
        return self._drop(index, 1, rule.kind, rule.named)

    def _own_line(self, index: int) -> int:
        if self.quoted_before:
            if _quote_goes_on(self.lines, index):
                return self._drop(index, 1, "quote", _WRAPPED)
            if not self.has_own:
                self.doubts.append("text-joined-to-quote")
        return self._keep(_OWN, self.lines[index].text.rstrip())

    def _keep(self, kind: str, text: str) -> int:
        self.notes.append(LineNote(text, kind, *(_NO_RULE if kind == _OWN else _NOTHING)))
        self.has_own = self.has_own or kind == _OWN
        self.quoted_before = False
        return 1

    def _drop_quote(self, index: int, kind: str, rule: Named) -> int:
        if kind == "quote" and not self.tail:
            if not self.has_own:
                self.quote_came_first = True
            elif self.quote_came_first:
                self.doubts.append("answers-between-quotes")
            self.quoted_before = not self.lines[index].kind
        return self._drop(index, 1, kind, rule)

    def _drop(self, index: int, length: int, kind: str, rule: Named) -> int:
        self.notes += [LineNote(line.text, kind, *rule) for line in self.lines[index : index + length]]
        return length


def own_text(mail: Mail) -> OwnText:
    """Cut everything from a mail's text that its author did not write for this reply.

    The text part is read; the HTML part if there is no text. Where both are there they have to say
    the same. Never raises.
    """
    problems = [_UNDECIDABLE[code] for code in mail.problems if code in _UNDECIDABLE]
    text, html = mail.text, mail.html
    if text is None or not text.strip(_BLANK_MARKS + "\r\n"):
        page = read_html(html or "")
        unsure = ["unsure-visibility"] if page.unsure and not page.doubts else []
        own = _cut(page.lines, [*problems, *page.doubts, *unsure])
    else:
        own = cut_plain_text(text, problems)
        if html is not None:
            own = _compared(own, html)
    if "unknown-charset" in mail.problems and not own.text.isascii():
        return _doubted(own, "unknown-charset")
    return own


def explain_lines(mail: Mail) -> tuple[LineNote, ...]:
    """Return every line of the part that is read with its class and the rule that gave it; never raises."""
    return own_text(mail).notes


def cut_plain_text(text: str, doubts: Sequence[str] = (), rules: Sequence[LineRule] = LINE_RULES) -> OwnText:
    """Do the same for a plain text that is at hand without its mail."""
    return _cut([MarkedLine(line) for line in _LINE_ENDS.split(text)], doubts, rules)


def _cut(
    lines: Sequence[MarkedLine], doubts: Sequence[str], rules: Sequence[LineRule] = LINE_RULES
) -> OwnText:
    cutter = _Cutter(lines, rules, doubts=list(doubts))
    cutter.run()
    if _is_written_below_a_mark(lines):
        cutter.doubts.append("text-below-history")
    own = _trimmed([note.text for note in cutter.notes if note.kind in _KEPT])
    if any("\ufffd" in line for line in own):
        cutter.doubts.append("unreadable-characters")
    notes = tuple(cutter.notes)
    return OwnText("\n".join(own), tuple(own), _grouped(notes), tuple(dict.fromkeys(cutter.doubts)), notes)


def _compared(own: OwnText, html: str) -> OwnText:
    """Doubt a text part whose HTML twin begins otherwise, hides or strikes out something."""
    page = read_html(html)
    shown = _cut(page.lines, page.doubts)
    doubts = list(own.doubts) + list(shown.doubts)
    if _comparable(own.text) != _comparable(shown.text):
        doubts.append("parts-disagree")
    return replace(own, doubts=tuple(dict.fromkeys(doubts)), twin=shown)


def _doubted(own: OwnText, doubt: str) -> OwnText:
    return replace(own, doubts=(*own.doubts, doubt))


def _comparable(text: str) -> str:
    plain = _NOT_COMPARED.sub("", text)
    pictures = signs(plain)
    return "".join(
        char for char in plain if char.isalnum() or char in _COMPARED or char in pictures
    ).casefold()


def _trimmed(lines: Sequence[str]) -> list[str]:
    kept = [line.strip(_BLANK_MARKS) and line for line in lines]
    while kept and not kept[0]:
        kept.pop(0)
    while kept and not kept[-1]:
        kept.pop()
    return kept


def _is_written_below_a_mark(lines: Sequence[MarkedLine]) -> bool:
    """Whether the markup says that history begins, and no line that begins one follows."""
    for line in lines:
        if line.kind == "history" and line.text.strip(_BLANK_MARKS):
            return not (
                _label_kind(line.text)
                or _is_quoted(MarkedLine(line.text))
                or DASHES.match(line.text[:80])
                or _is_attribution(line.text.strip(_BLANK_MARKS + "*_")[:_MAX_ATTRIBUTION_CHARS], starts=True)
                or _rest_begins(line.text)
            )
    return False


def _rest_begins(text: str) -> bool:
    rule = _rule_for(text, LINE_RULES, has_own=True)
    return rule is not None and rule.rest_too


def _grouped(notes: Sequence[LineNote]) -> tuple[Cut, ...]:
    groups: list[tuple[LineNote, list[str]]] = []
    for note in notes:
        if note.kind in _KEPT:
            continue
        first = groups[-1][0] if groups else None
        if first and first.kind == note.kind and (note.kind == "quote" or first.rule == note.rule):
            groups[-1][1].append(note.text)
        else:
            groups.append((note, [note.text]))
    return tuple(Cut(note.kind, note.reason, "\n".join(texts)) for note, texts in groups)


def _rule_for(text: str, rules: Sequence[LineRule], *, has_own: bool) -> LineRule | None:
    tried = text[:_LONGEST_TRIED_CHARS]
    for rule in rules:
        if rule.kind in NEEDS_TEXT_BEFORE and not has_own:
            continue
        if rule.pattern.match(tried):
            return rule
    return None


def _is_quoted(line: MarkedLine) -> bool:
    return line.kind in ("quote", "history") or QUOTED.pattern.match(line.text[:80]) is not None


def _quoted_after(lines: Sequence[MarkedLine], index: int) -> bool:
    """Whether the next line with anything on it is quoted."""
    for place in range(index, len(lines)):
        if lines[place].text.strip(_BLANK_MARKS):
            return _is_quoted(lines[place])
    return False


def _quote_goes_on(lines: Sequence[MarkedLine], index: int) -> bool:
    """Whether a quoted line follows at once: then this one was wrapped out of the quote."""
    return any(_is_quoted(line) for line in lines[index + 1 : index + 2])


def _paragraph_length(lines: Sequence[MarkedLine], index: int, longest: int) -> int:
    length = 1
    while length < longest and index + length < len(lines) and lines[index + length].text.strip():
        length += 1
    return length


def _is_cut_below(lines: Sequence[MarkedLine], index: int) -> bool:
    """Whether the next line with anything on it starts the mail that is answered."""
    for start in range(index, len(lines)):
        text = lines[start].text
        if text.strip(_BLANK_MARKS):
            rule = _rule_for(text, LINE_RULES, has_own=False)
            return (
                _is_quoted(lines[start])
                or (rule is not None and rule.rest_too)
                or _label_kind(text) == "date"
                or _is_header_block(lines, start)
                or _attribution_length(lines, start) > 0
            )
    return False


def _attribution_length(lines: Sequence[MarkedLine], index: int) -> int:
    """Return how many lines an attribution that starts here takes; 0 if none does."""
    first = lines[index].text[:200]
    starts = ATTRIBUTION_STARTS.match(first) is not None
    joined = ""
    for length in range(1, _MAX_ATTRIBUTION_LINES + 1 if starts or _may_start(first) else 2):
        if index + length > len(lines):
            return 0
        line = lines[index + length - 1]
        text = line.text.strip(_BLANK_MARKS + "*_")
        if not text or line.kind or len(joined) + len(text) > _MAX_ATTRIBUTION_CHARS:
            return 0
        joined = f"{joined} {text}".strip()
        if _is_attribution(joined, starts) and not _starts_within(lines, index, length):
            return length
    return 0


def _may_start(first: str) -> bool:
    return _ADDRESSED.search(first) is not None or WROTE.search(first) is not None


def _is_attribution(text: str, starts: bool) -> bool:
    if not text.endswith((":", "：")):
        return False
    if not _NUMBER.search(text):
        return WROTE.search(text) is not None and ("@" in text or starts)
    return WROTE.search(text) is not None or _ADDRESS_COLON.search(text) is not None


def _starts_within(lines: Sequence[MarkedLine], index: int, length: int) -> bool:
    """Whether a shorter attribution starts further down; the lines above it are the author's."""
    return any(
        _is_whole(" ".join(line.text.strip() for line in lines[start : index + length]))
        and not _is_begun(lines[index].text, lines[start].text)
        for start in range(index + 1, index + length)
    )


def _is_whole(text: str) -> bool:
    return _NUMBER.search(text) is not None and _is_attribution(text, starts=True)


def _is_begun(first: str, next_line: str) -> bool:
    """Whether a line is the beginning of the attribution that goes on in the next one."""
    first = first.strip(_BLANK_MARKS)
    if first.endswith(("<", "(")):
        return True
    if _ADDRESSED.search(first) is not None or ATTRIBUTION_STARTS.match(next_line) is None:
        return _NUMBER.search(first) is not None or "@" in first
    return _DATE_ENDS.search(first) is not None and _DATE_GOES_ON.match(next_line) is not None


def _is_header_block(lines: Sequence[MarkedLine], index: int) -> bool:
    kind = _label_kind(lines[index].text)
    if kind is None:
        return False
    if kind == "from" and _ADDRESS_LAST.search(lines[index].text):
        return True
    kinds = {
        _label_kind(line.text) for line in lines[index : index + _HEADER_BLOCK_LINES] if line.text.strip()
    } - {None}
    return len(kinds) >= 3 or {"from", "date"} <= kinds


def _label_kind(text: str) -> str | None:
    match = LABEL.match(text[:60])
    return LABEL_KINDS.get(match.group(1).strip().lower()) if match else None
