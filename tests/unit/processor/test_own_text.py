"""How much of what was written is found, and how much of what was quoted is kept, over all bodies at hand."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from html import escape

import pytest

from postroom_processor.mail import read_mail
from postroom_processor.reply_marks import LINE_RULES
from postroom_processor.reply_text import cut_plain_text, explain_lines, own_text
from postroom_processor.verdict import Decided, read_verdict
from tests.corpus import SHARED
from tests.unit.processor.public_replies import OWN_LINES, TEMPLATES
from tests.unit.processor.quoting_cases import (
    ATTRIBUTIONS,
    BANNERS,
    CLOSINGS,
    HEADER_BLOCKS,
    ORIGINAL_LINES,
    SURROUNDED,
)

FOLDER = SHARED / "replies"
WRITTEN = "Approve\n\nThe second page has a typo.\nThe third is fine."
HISTORY = "Release 4.2 of billing\n\nReply with approve or reject.\nApprove\n"
QUOTED = "".join(f"> {line}\n" for line in HISTORY.splitlines())
# Programs wrap long lines, and none wraps one that is this short.
SHORTEST_WRAPPED_CHARS = 30


@dataclass(frozen=True)
class Case:
    """A mail's text, and the numbers of the lines its author wrote (the first is 1, blank ones left out)."""

    name: str
    body: str
    own: frozenset[int]


@dataclass(frozen=True)
class Measured:
    """The cases that are not matched exactly, and those of which a line is kept that was not written."""

    count: int
    not_exact: tuple[str, ...]
    leaking: tuple[str, ...]


cut = cache(cut_plain_text)


def kept_lines(body: str) -> frozenset[int]:
    notes = cut(body).notes
    return frozenset(number for number, note in enumerate(notes, 1) if note.kind == "own")


def measured(cases: tuple[Case, ...]) -> Measured:
    kept = {case.name: kept_lines(case.body) for case in cases}
    return Measured(
        len(cases),
        tuple(case.name for case in cases if kept[case.name] != case.own),
        tuple(case.name for case in cases if kept[case.name] - case.own),
    )


def said(measure: Measured) -> str:
    exact = measure.count - len(measure.not_exact)
    return f"{measure.count} bodies: {exact} exact, {len(measure.leaking)} leaks"


# The bodies of the public projects.


@cache
def public_cases() -> tuple[Case, ...]:
    return (*_plain_bodies(), *_filled_bodies())


def _bodies() -> dict[str, str]:
    return {
        f"{path.relative_to(FOLDER).parts[0]}/{path.stem}": path.read_bytes().decode("utf-8", "replace")
        for path in FOLDER.rglob("*.txt")
        if "test" in path.relative_to(FOLDER).parts[1]
    }


def _plain_bodies() -> Iterator[Case]:
    bodies = _bodies()
    for row in OWN_LINES.strip().splitlines():
        name, _, ranges = row.partition(":")
        if name in bodies:
            yield Case(name, bodies[name], _filled(bodies[name], _numbers(ranges)))


def _numbers(ranges: str) -> set[int]:
    bounds = [[int(number) for number in each.split("-")] for each in ranges.split()]
    return {number for each in bounds for number in range(each[0], each[-1] + 1)}


def _filled(body: str, numbers: set[int]) -> frozenset[int]:
    blank = {number for number, note in enumerate(cut(body).notes, 1) if note.kind == "blank"}
    return frozenset(numbers - blank)


def _filled_bodies() -> Iterator[Case]:
    bodies = _bodies()
    for name, (gap, fillings) in TEMPLATES.items():
        for filling in fillings if name in bodies else ():
            above = bodies[name].partition(gap)[0]
            written = {number for number, line in enumerate(above.split("\n"), 1) if line.strip()}
            yield Case(f"{name} {filling}", bodies[name].replace(gap, filling), frozenset(written))


# Our own bodies: every program's way to quote, in every language.


@cache
def own_cases() -> tuple[Case, ...]:
    below = [(name, "", rest) for name, rest in _continuations()]
    return tuple(
        Case(name, f"{above}{WRITTEN}{rest}", _own_below(above))
        for name, above, rest in (*below, *SURROUNDED)
    )


def _own_below(above: str) -> frozenset[int]:
    skipped = above.count("\n")
    return frozenset(number + skipped for number, line in enumerate(WRITTEN.split("\n"), 1) if line)


def _continuations() -> Iterator[tuple[str, str]]:
    for name, line in ATTRIBUTIONS:
        for number, wrapped in enumerate(_wrapped(line)):
            yield f"{name} {number}, quoted", f"\n\n{wrapped}\n{QUOTED}"
            yield f"{name} {number}, a line between", f"\n\n{wrapped}\n\n{QUOTED}"
            yield f"{name} {number}, not marked", f"\n\n{wrapped}\n\n{HISTORY}"
        yield f"{name}, no line between", f"\n{line}\n{QUOTED}"
    yield from _header_blocks()
    for name, line in ORIGINAL_LINES:
        yield name, f"\n\n{line}\n\n{HISTORY}"
        yield f"{name}, no line between", f"\n{line}\n{HISTORY}"
    for line in BANNERS:
        yield line, f"\n\n{line}\n"
        yield f"*{line}*, quoted", f"\n\n*{line}*\n\nOn 1 May 2024, Ann <ann@example.org> wrote:\n{QUOTED}"
    for line in CLOSINGS:
        yield line, f"\n\n{line}\nBob Miller\nHead of QA\n\n{QUOTED}"


def _wrapped(line: str) -> Iterator[str]:
    yield line
    if "<ann" in line:
        yield line.replace("<ann", "<\nann")
    for place in range(len(line)) if " ---" not in line else ():
        if line[place] == " " and place >= SHORTEST_WRAPPED_CHARS:
            yield f"{line[:place]}\n{line[place + 1 :]}"


def _header_blocks() -> Iterator[tuple[str, str]]:
    values = (" Ann Miller <ann@example.org>", " Monday, January 15, 2024 10:00 AM", " Bob", " Release")
    for name, *labels in HEADER_BLOCKS:
        sender, date, to, subject = (label + value for label, value in zip(labels, values, strict=True))
        for order in ((sender, date, to, subject), (sender, to, date, subject), (date, sender, to, subject)):
            for line in ("", "_" * 32 + "\n", "-" * 30 + "\n\n"):
                block = "\n".join(order)
                bold = "\n".join(f"*{each.replace(':', ':*', 1)}" for each in order)
                yield f"{name} {order[:2]} {line[:1]}", f"\n\n{line}{block}\n\n{HISTORY}"
                yield f"{name} {order[:2]} {line[:1]}, bold", f"\n\n{line}{bold}\n\n{HISTORY}"


HTML_HISTORY = "<div>Release 4.2</div><div>Approve</div>"
# How programs put an attribution and what it quotes into HTML.
HTML_ATTRIBUTED = {
    "Gmail": '<br><div class="gmail_quote"><div class="gmail_attr">{}</div><blockquote>{}</blockquote></div>',
    "Thunderbird": '<br><div class="moz-cite-prefix">{}</div><blockquote type="cite">{}</blockquote>',
    "Apple": '<div><br><blockquote type="cite"><div>{}</div><br>{}</blockquote></div>',
    "iPhone": '<br><div>{}<br><br><blockquote type="cite">{}</blockquote></div>',
    "Yahoo": '<div><br></div><div id="yahoo_quoted_1" class="yahoo_quoted"><div>{}</div>{}</div>',
    "without classes": "<div><br></div><div>{}</div><blockquote>{}</blockquote>",
    "without a quote": "<div><br></div><p>{}</p>{}",
}
HTML_HEADED = {
    "Outlook desktop": '<p>&nbsp;</p><div style="border-top:solid 1.0pt"><p class="MsoNormal">{}</p></div>{}',
    "Outlook web and mobile": '<div id="appendonsend"></div><hr><div id="divRplyFwdMsg">{}</div>{}',
    "Lotus": "<br><table><tr><td>{}</td></tr></table>{}",
}


def _html_continuations() -> Iterator[tuple[str, str]]:
    for name, line in ATTRIBUTIONS:
        for program, shape in HTML_ATTRIBUTED.items():
            yield f"{name}, {program}", shape.format(escape(line), HTML_HISTORY)
    for name, *labels in HEADER_BLOCKS:
        values = ("Ann &lt;ann@example.org&gt;", "Monday 15 January 2024", "Bob", "Release")
        block = "<br>".join(f"<b>{label}</b> {value}" for label, value in zip(labels, values, strict=True))
        for program, shape in HTML_HEADED.items():
            yield f"{name}, {program}", shape.format(block, HTML_HISTORY)
    for name, line in (*ORIGINAL_LINES, *((banner, banner) for banner in BANNERS)):
        if "\n" not in line:
            rest = "" if name == line else HTML_HISTORY
            yield name, f"<div><br></div><div>{escape(line)}</div>{rest}"


def test_what_was_written_in_html_only_mail_is_found_exactly() -> None:
    cases = dict(_html_continuations())
    head = "From: a@example.org\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
    written = "<div>Approve</div><div><br></div><div>A typo.</div>"
    found = {name: own_text(read_mail(f"{head}{written}{rest}".encode())) for name, rest in cases.items()}
    leaking = [name for name, own in found.items() if own.text.removeprefix("Approve\n\nA typo.")]
    not_exact = [name for name, own in found.items() if own.text != "Approve\n\nA typo." or own.doubts]
    print(f"HTML only: {len(cases)} mails: {len(cases) - len(not_exact)} exact, {len(leaking)} leaks")
    assert (not_exact, leaking) == ([], [])
    assert len(cases) > 700


def test_what_was_written_in_our_own_bodies_is_found_exactly() -> None:
    measure = measured(own_cases())
    print(f"own: {said(measure)}")
    assert measure == Measured(measure.count, (), ())
    assert measure.count > 1_500


@pytest.mark.skipif(not public_cases(), reason=f"{FOLDER} is not here")
def test_what_was_written_in_the_public_bodies_is_found_exactly() -> None:
    measure = measured(public_cases())
    print(f"public: {said(measure)}")
    assert measure == Measured(measure.count, (), ())
    assert measure.count > 130


@pytest.mark.skipif(not public_cases(), reason=f"{FOLDER} is not here")
@pytest.mark.parametrize("top", ["Approve", "Reject: too early", "Genehmigt, danke."])
def test_nothing_quoted_is_kept_where_a_decision_is_read(top: str) -> None:
    cases = (*own_cases(), *public_cases())
    decided = tuple(
        Case(case.name, f"{top}\n\n{case.body}", frozenset({1, *(number + 2 for number in case.own)}))
        for case in cases
    )
    decided = tuple(case for case in decided if isinstance(read_verdict(cut(case.body)), Decided))
    measure = measured(decided)
    print(f"with {top!r}, a decision read: {said(measure)}")
    assert measure.leaking == ()
    assert measure.count


def test_every_rule_is_needed_for_a_body_at_hand() -> None:
    needed_by = {name: case for case in own_cases() for name in rules_of(case)}
    assert {rule.name for rule in LINE_RULES} - set(needed_by) == set()


def rules_of(case: Case) -> Iterator[str]:
    """The rules without which more of a case would be kept."""
    named = {note.rule for note in cut(case.body).notes}
    for rule in LINE_RULES:
        if rule.name in named:
            others = [each for each in LINE_RULES if each is not rule]
            notes = cut_plain_text(case.body, rules=others).notes
            if {number for number, note in enumerate(notes, 1) if note.kind == "own"} != case.own:
                yield rule.name


@pytest.mark.parametrize(
    "rule", ["attribution", "dashes", "header-block", "quoting-mark", "rest", "wrapped-quote", "no-rule-fits"]
)
def test_every_class_of_lines_occurs_and_is_explained(rule: str) -> None:
    notes = [note for case in own_cases() for note in cut(case.body).notes if note.rule == rule]
    assert notes
    assert {bool(note.reason) for note in notes} == {True}


def test_each_line_of_a_mail_is_explained_in_order() -> None:
    raw = f"From: a@example.org\r\nSubject: x\r\n\r\n{WRITTEN}\n\n-- \nBob\n".encode()
    assert [(note.text, note.kind, note.rule) for note in explain_lines(read_mail(raw))] == [
        ("Approve", "own", "no-rule-fits"),
        ("", "blank", "empty-line"),
        ("The second page has a typo.", "own", "no-rule-fits"),
        ("The third is fine.", "own", "no-rule-fits"),
        ("", "blank", "empty-line"),
        ("-- ", "signature", "signature-delimiter"),
        ("Bob", "signature", "rest"),
        ("", "signature", "rest"),
    ]
