# ruff: noqa: RUF001
# Punctuation of every script is matched here, look-alikes included.
"""What a person decided, read from the text they wrote themselves: pure, no clock, no IO.

A decision is a word of a closed list in leading position that nothing else in the text questions.
Every check below can only turn a decision into "unclear", never into another decision, so adding a
check or a word to its list is always safe for the one error that must not happen.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from postroom_processor import decision_words as words
from postroom_processor import doubt_words as doubts
from postroom_processor.letters import fold, has_hidden_characters, has_look_alikes, has_unread_script, signs
from postroom_processor.reply_text import SIGNATURE_KINDS, OwnText

DEFAULT_CHOICES = ("approve", "reject")


@dataclass(frozen=True)
class Decided:
    """A decision that leaves no doubt.

    Attributes:
        choice: One of the choices that were offered, spelled as the request spells it.
        comment: What the person wrote beside the decision; may be empty.
    """

    choice: str
    comment: str


@dataclass(frozen=True)
class Unclear:
    """No decision.

    Attributes:
        reason_code: Why, a word for metrics and for the table of help sentences.
        understood: The line that was looked at, shortened, for the help mail.
    """

    reason_code: str
    understood: str


Verdict = Decided | Unclear


@dataclass(frozen=True)
class _Reading:
    """A decision as found, before it is doubted.

    Attributes:
        choice: The choice as offered.
        refuses: Whether it is the refusing one of the default choices.
        plain: Whether it is a mere yes or no.
        language: Of the decision word; empty for a literal choice.
        sentence: The decision's own sentence without the decision word, folded.
        rest: All that follows the decision word, folded.
        written: The same as written.
        comment: The same as written, without the punctuation between.
        others: Matches the words of every other choice.
        same: Matches the words of this choice.
    """

    choice: str
    refuses: bool
    plain: bool
    language: str
    sentence: str
    rest: str
    written: str
    comment: str
    others: re.Pattern[str]
    same: re.Pattern[str]


Obstacle = Callable[[OwnText, str], str | None]
Check = Callable[[_Reading, OwnText], bool]


@dataclass(frozen=True)
class Rules:
    """What turns a text into an unclear one.

    Attributes:
        obstacles: Asked of the text before a decision is looked for; each answers with a reason code.
        checks: Asked of the decision that was found, each with the code for its doubt, in the order of how
            well they explain it.
    """

    obstacles: tuple[Obstacle, ...]
    checks: tuple[tuple[str, Check], ...]


@dataclass(frozen=True)
class _Word:
    choice: str
    phrase: str
    language: str = ""
    refuses: bool = False
    plain: bool = False


_UNDERSTOOD_CHARS = 200
_MAX_CHARS = 8_000
_GAP = re.compile(r"[ \t\n]{8,}")
_ZERO_WIDTHS = " \t\u200b\u2060\ufeff"
_WORDY_SCRIPTS = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_CJK = re.compile(f"[{_WORDY_SCRIPTS}]")
_BEFORE = re.compile(r"[\s*_]*")
_SENTENCE_END = re.compile(r"[.!?…](?=[\s)\"'*_]|$)|[。！？]|\n[ \t]*\n")
_START = r"(?:^|\n|[.!?…。！？]\s*|[-–—]\s+|[-=]>\s*)[\s*_\"'(>]{0,40}"
_QUESTION = re.compile(r"[?？؟⁇⁈⁉‽]")
_ELLIPSIS = re.compile(r"\.\.|…")
_MARKS_BEFORE_COMMENT = re.compile(r"\A[\s*_–—,;:.!，；：。！、-]+")
_POSTSCRIPT = re.compile(r"(?:^|\n)[ \t]*+p\.?\s?s\.?\b", re.I)


def read_verdict(
    own: OwnText, choices: tuple[str, ...] = DEFAULT_CHOICES, rules: Rules | None = None
) -> Verdict:
    """Find the decision in a person's own text, or say why there is none; never raises.

    Args:
        own: What the person wrote.
        choices: What the request offers. Words of many languages count for the default choices;
            for any others only the choice itself, letter case aside.
        rules: What stops a decision, if not `RULES`; a test leaves one out to see that it is needed.
    """
    return trace_verdict(own, choices, rules)[0]


def trace_verdict(
    own: OwnText, choices: tuple[str, ...] = DEFAULT_CHOICES, rules: Rules | None = None
) -> tuple[Verdict, tuple[str, ...]]:
    """As `read_verdict`, with the names of the rules that were asked; the last one made a verdict unclear."""
    rules = rules or RULES
    asked: list[str] = []
    # A gap of any size means no more than a small one, and the rules below look at each of its blanks.
    text = _GAP.sub(_small_gap, unicodedata.normalize("NFC", own.text).strip())
    understood = " ".join(text.split("\n", 1)[0].split())[:_UNDERSTOOD_CHARS]
    for obstacle in rules.obstacles:
        asked.append(_name(obstacle))
        reason = obstacle(own, text)
        if reason:
            return Unclear(reason, understood), tuple(asked)
    asked.append("decision_word")
    reading = _lead(text, choices)
    if isinstance(reading, str):
        return Unclear(reading, understood), tuple(asked)
    for code, check in rules.checks:
        asked.append(_name(check))
        if check(reading, own):
            return Unclear(code, understood), tuple(asked)
    return Decided(reading.choice, reading.comment), tuple(asked)


def _small_gap(gap: re.Match[str]) -> str:
    return "\n\n" if "\n" in gap.group() else " "


def _name(rule: Callable[..., object]) -> str:
    return rule.__name__.strip("_")


def stopping_words(text: str) -> tuple[tuple[str, str], ...]:
    """The words in a text that may stop a decision, each with the code of its list, in order of the lists.

    Whether one does depends on where it stands; this is for people who want to know why. A text is looked at
    as far as one that decides may go.
    """
    folded = _without_harmless(fold(text[:_MAX_CHARS]))
    found = (
        (code, " ".join(match.group().split()))
        for code, pattern in (*_STOPPERS, ("dissent", _DISSENT))
        for match in islice(pattern.finditer(folded), 20)
    )
    return tuple(dict.fromkeys(found))


def _doubted_before(own: OwnText, text: str) -> str | None:
    """What made the cutting of quotes unsure, or said that text is hidden."""
    return own.doubts[0] if own.doubts else None


def _empty(own: OwnText, text: str) -> str | None:
    return None if text else "no-text"


def _too_long(own: OwnText, text: str) -> str | None:
    """Nobody writes a decision of a book's length, and every rule below costs time by the length."""
    return "text-too-long" if len(text) > _MAX_CHARS else None


def _hides_characters(own: OwnText, text: str) -> str | None:
    first, *others = text.split("\n")
    # At the end of a line below, a zero width hides nothing; some clients leave one everywhere.
    seen = "\n".join([first, *(line.strip(_ZERO_WIDTHS) for line in others)])
    return "hidden-characters" if has_hidden_characters(seen) else None


def _looks_alike(own: OwnText, text: str) -> str | None:
    return "look-alike-letters" if has_look_alikes(text) else None


def _lead(text: str, choices: tuple[str, ...]) -> _Reading | str:
    """Find the decision word in leading position; else the reason why there is none."""
    folded = fold(text)
    offered = _offered(choices)
    start = _after_greeting(folded, offered)
    start = _BEFORE.match(folded, start).end()  # type: ignore[union-attr]
    found = offered.lead.match(folded, start)
    if found is None or (found.group("open") and found.group("mark").strip(" .!")):
        return _why_none(folded[start:])
    word = offered.words[" ".join(found.group("phrase").split())]
    rest = folded[found.end() :]
    return _Reading(
        choice=word.choice,
        refuses=word.refuses,
        plain=word.plain,
        language=word.language,
        sentence=_without_harmless(_sentence(found.group("tail") + found.group("mark"), rest)),
        rest=rest,
        written=text[found.end() :],
        comment=_MARKS_BEFORE_COMMENT.sub("", text[found.end() :]).rstrip(),
        others=offered.others[word.choice],
        same=offered.same[word.choice],
    )


def _sentence(mark: str, rest: str) -> str:
    """The decision's sentence; if the decision word is all of it, the next one in its paragraph."""
    end = _SENTENCE_END.search(rest)
    first = rest if end is None else rest[: end.end()]
    return mark + first


def _why_none(folded: str) -> str:
    line = _without_harmless(folded.split("\n", 1)[0])
    if _QUESTION.search(line):
        return "question"
    for code, pattern in _STOPPERS:
        if pattern.search(line):
            return code
    return "no-decision-word"


def _after_greeting(folded: str, offered: _Offered) -> int:
    """Return where the text starts once up to two greetings are passed."""
    position = 0
    for _ in range(2):
        match = _GREETING.match(folded, position)
        if match is None or _is_more_than_a_name(
            match.group("name") or match.group("honoured") or "", offered
        ):
            break
        position = match.end()
    return position


def _is_more_than_a_name(name: str, offered: _Offered) -> bool:
    if offered.any_word.search(name) or _QUESTION.search(name):
        return True
    return any(pattern.search(name) for _, pattern in _STOPPERS)


# Word lists as patterns.


def _bounded(phrase: str) -> str:
    """Match a phrase as whole words; scripts that write without blanks match anywhere."""
    pattern = phrase.replace(" ", r"\s+")
    return pattern if _CJK.search(phrase) else rf"(?<!\w){pattern}(?!\w)"


def _one_of(phrases: Iterable[str]) -> re.Pattern[str]:
    """Match any of the phrases; one look-behind for all of them, or every position costs hundreds."""
    ordered = sorted(set(phrases), key=lambda phrase: (-len(phrase), phrase))
    spaced = [phrase.replace(" ", r"\s+") for phrase in ordered if not _CJK.search(phrase)]
    anywhere = [phrase.replace(" ", r"\s+") for phrase in ordered if _CJK.search(phrase)]
    bounded = [rf"(?<!\w)(?:{'|'.join(spaced)})(?!\w)"] if spaced else []
    return re.compile("|".join(bounded + anywhere) or r"(?!)")


def _flat(table: words.Table) -> list[str]:
    return [phrase for phrases in table.values() for phrase in phrases]


_HARMLESS = _one_of(doubts.HARMLESS)
_STOPPERS = (
    ("retraction", _one_of(_flat(doubts.RETRACTIONS))),
    ("negation", _one_of(_flat(doubts.NEGATIONS))),
    ("condition", _one_of(_flat(doubts.CONDITIONS))),
    ("hedging", _one_of(_flat(doubts.HEDGES))),
)
_RETRACTION, _NEGATION, _CONDITION, _HEDGE = (pattern for _, pattern in _STOPPERS)
_FILLED = "(?:(?:" + "|".join(_bounded(phrase) for phrase in doubts.FILLERS) + r")[\s,.…!-]+){0,3}"
_LEADING_STOPPER = re.compile(
    _START
    + _FILLED
    + "(?:"
    + "|".join(
        _bounded(phrase)
        for table in (doubts.NEGATIONS, doubts.CONDITIONS)
        for phrase in _flat(table)
        if not _CJK.search(phrase) and phrase not in doubts.NOT_LEADING
    )
    + "|"
    + "|".join(_bounded(phrase) for phrase in doubts.LEADING_HEDGES)
    + ")"
)
_LEADING_NEARBY = re.compile(
    _START + "(?:" + "|".join(_bounded(phrase) for phrase in doubts.NOT_LEADING) + ")"
)
_GREETINGS = "|".join(_bounded(phrase) for phrase in sorted(words.GREETINGS, key=len, reverse=True))
_GREETING = re.compile(
    rf"[\s*_]*(?:(?:{_GREETINGS})"
    r"(?P<name>(?:[ \t]+[^\W\d_][\w.'&-]*){0,3}(?:さん|様|님)?)"
    rf"|(?P<honoured>[{_WORDY_SCRIPTS}]{{1,6}}(?:[ \t]?[{_WORDY_SCRIPTS}]{{1,4}})?"
    r"(?:さん|様|殿|님|您好|你好)))"
    r"[ \t]*(?:[,!.:;،，！。：-]+|\n|$)\s*"
)
_TAIL = "|".join(re.escape(phrase).replace(r"\ ", r"[ \t]+") for phrase in words.TAIL_WORDS)
_MARK = (
    r"[ \t]*(?:$|(?=\n)|[!！。]+(?![?=])|\.(?!\.)(?=\s|$)|[,;:，；：、](?!\w)|[,，、；：]|(?<=[ \t])[-–—]+"
    r"|[-–—]+(?=\s)|(?<=[ \t])(?=\()|(?=[\u2600-\u27bf\U0001f000-\U0001faff]))"
)


@dataclass(frozen=True)
class _Offered:
    """The words a request's choices may be written in, ready for matching.

    Attributes:
        words: What each phrase means.
        lead: Matches a phrase in leading position with what has to follow it.
        any_word: Matches any phrase.
        others: By choice: the words of the other choices; a mere no only where a sentence starts.
        same: By choice: its own words, yes and no aside.
    """

    words: dict[str, _Word]
    lead: re.Pattern[str]
    any_word: re.Pattern[str]
    others: dict[str, re.Pattern[str]]
    same: dict[str, re.Pattern[str]]


def _others(all_words: Iterable[_Word], choice: str) -> re.Pattern[str]:
    foreign = [word for word in all_words if word.choice != choice]
    strong = _one_of(_literal(word.phrase) for word in foreign if not word.plain).pattern
    plain = [_literal(word.phrase) for word in foreign if word.plain and not _CJK.search(word.phrase)]
    return re.compile(f"{strong}|{_START}(?:{'|'.join(plain)})(?!\\w)" if plain else strong)


def _same(all_words: Iterable[_Word], choice: str) -> re.Pattern[str]:
    return _one_of(_literal(word.phrase) for word in all_words if word.choice == choice and not word.plain)


def _literal(phrase: str) -> str:
    return re.escape(phrase).replace(r"\ ", " ")


@lru_cache(maxsize=256)
def _offered(choices: tuple[str, ...]) -> _Offered:
    by_phrase = {word.phrase: word for word in reversed(list(_choice_words(choices)))}
    ordered = sorted(by_phrase, key=lambda phrase: (-len(phrase), phrase))
    phrases = "|".join(re.escape(phrase).replace(r"\ ", r"[ \t]+") for phrase in ordered) or r"(?!)"
    lead = re.compile(
        rf"(?P<open>[\"“„«])?(?P<phrase>{phrases})(?(open)[\"”“»])"
        rf"(?P<bold>[*_]{{0,2}})(?P<tail>(?:[ \t]+(?:{_TAIL})(?!\w))*)(?P<mark>{_MARK})"
    )
    every = tuple(by_phrase.values())
    return _Offered(
        words=by_phrase,
        lead=lead,
        any_word=_one_of(_literal(phrase) for phrase in ordered),
        others={choice: _others(every, choice) for choice in choices},
        same={choice: _same(every, choice) for choice in choices},
    )


def _choice_words(choices: tuple[str, ...]) -> Iterable[_Word]:
    default = {fold(choice) for choice in choices} == set(DEFAULT_CHOICES)
    for choice in choices:
        name = fold(choice).strip()
        if name:
            yield _Word(choice, " ".join(name.split()), refuses=default and name == "reject")
    if not default:
        return
    approve, reject = sorted(choices, key=fold)
    for choice, strong, plain, refuses in (
        (approve, words.APPROVE_WORDS, words.YES_WORDS, False),
        (reject, words.REJECT_WORDS, words.NO_WORDS, True),
    ):
        for table, is_plain in ((strong, False), (plain, True)):
            for language, phrases in table.items():
                for phrase in phrases:
                    yield _Word(choice, phrase, language, refuses, is_plain)


def _without_harmless(folded: str) -> str:
    return _HARMLESS.sub(" ", folded)


# The checks; `Rules` says in which order.


def _questions(reading: _Reading, own: OwnText) -> bool:
    return _QUESTION.search(reading.sentence) is not None


def _trails_off(reading: _Reading, own: OwnText) -> bool:
    return _ELLIPSIS.search(reading.sentence) is not None


def _names_another_choice(reading: _Reading, own: OwnText) -> bool:
    return reading.others.search(_without_harmless(reading.rest)) is not None


def _retracts(reading: _Reading, own: OwnText) -> bool:
    rest = _without_harmless(reading.rest)
    if reading.refuses:
        rest = _REASON.sub(" ", rest)
    return _RETRACTION.search(rest) is not None


def _dissents(reading: _Reading, own: OwnText) -> bool:
    return not reading.refuses and _DISSENT.search(_without_harmless(reading.rest)) is not None


def _says_more_than_yes(reading: _Reading, own: OwnText) -> bool:
    """Whether a plain yes has more in its sentence than confirmations and a name."""
    if not reading.plain or reading.refuses:
        return False
    end = _SENTENCE_END.search(reading.rest)
    length = len(reading.rest) if end is None else end.end()
    said = reading.same.sub(" ", reading.rest[:length])
    first, *below = _CONFIRMATION.sub(" ", said).split("\n")
    if first.strip(_BETWEEN_CONFIRMATIONS):
        return True
    names = reading.written[:length].split("\n")[1:]
    # A phrase that ran over a line end took the end along: then no line can be told to be a name.
    return len(below) != len(names) or any(
        left.strip(_BETWEEN_CONFIRMATIONS) and not _NAME.fullmatch(name.strip())
        for left, name in zip(below, names, strict=True)
    )


def _negates(reading: _Reading, own: OwnText) -> bool:
    if reading.refuses and not reading.plain:
        return False
    own_language = _OWN_LANGUAGE.get(reading.language)
    if own_language is not None and own_language.search(reading.sentence):
        return True
    return _NEGATION.search(reading.sentence) is not None


def _negates_later(reading: _Reading, own: OwnText) -> bool:
    """Whether the choice is named again with a stopping word close before it."""
    rest = _without_harmless(reading.rest)
    return any(
        pattern.search(rest[max(0, match.start() - 30) : match.start()])
        for match in reading.same.finditer(rest)
        for pattern in (_NEGATION, _CONDITION, _HEDGE)
    )


def _conditions(reading: _Reading, own: OwnText) -> bool:
    pattern = _HARD_CONDITION if reading.refuses else _CONDITION
    return pattern.search(reading.sentence) is not None


def _hedges(reading: _Reading, own: OwnText) -> bool:
    pattern = _HARD_HEDGE if reading.refuses else _HEDGE
    return pattern.search(reading.sentence) is not None


def _selects(reading: _Reading, own: OwnText) -> bool:
    """Whether what is said next names a part of what was asked: "the old one", "1 and 3"."""
    following = (each for each in _sentences(_without_harmless(reading.rest)) if each.strip(_AROUND_COMMENT))
    after = next(following, "")
    if _REFERENCE.fullmatch(after.strip(_AROUND_COMMENT)):
        after = ""
    for said in (reading.sentence, after):
        clauses = (clause.strip(_AROUND_COMMENT) for clause in _CLAUSE_END.split(said))
        if _NUMBERS.fullmatch(said.strip(_AROUND_COMMENT)) or any(map(_SELECTION.fullmatch, clauses)):
            return True
    return False


def _asks(reading: _Reading, own: OwnText) -> bool:
    """Whether the comment begins as a question does that has no mark."""
    return _ASKING.match(reading.sentence.strip(_AROUND_COMMENT)) is not None


def _mumbles(reading: _Reading, own: OwnText) -> bool:
    """Whether a lone letter or a lone adverb is all that was written beside the decision."""
    said = reading.sentence.strip(_AROUND_COMMENT)
    if len(said) == 1:
        return said.isalnum() and not _CJK.match(said)
    return _ADVERB.fullmatch(said) is not None and said not in doubts.FRIENDLY_ADVERBS


def _adds_a_doubt(reading: _Reading, own: OwnText) -> bool:
    """Whether a short sentence further down doubts: "Not yet." A long one has a subject of its own."""
    if reading.refuses:
        return False
    sentences = tuple(_sentences(_without_harmless(reading.rest)))
    for number, sentence in enumerate(sentences):
        if _NEARBY_SENTENCES < number < len(sentences) - _NEARBY_SENTENCES:
            continue  # in the middle of a long comment words stand for other things
        if _is_a_doubt(sentence):
            return True
    return False


def _is_a_doubt(sentence: str) -> bool:
    if any(
        pattern.search(sentence) and _size(pattern.sub(" ", sentence)) <= _OTHER_WORDS
        for _, pattern in _STOPPERS
    ):
        return True
    if _size(sentence) <= _SHORT_QUESTION_WORDS and _QUESTION.search(sentence):
        return True
    return (
        _BEFOREHAND.search(sentence) is not None
        or _ALONE.fullmatch(sentence.strip(_AROUND_COMMENT)) is not None
    )


def _sentences(text: str) -> Iterator[str]:
    start = 0
    for end in _SENTENCE_END.finditer(text):
        yield text[start : end.end()].strip()
        start = end.end()
    yield text[start:].strip()


def _size(sentence: str) -> int:
    """How many words a sentence has; where no blanks are written, three letters make one."""
    return len(sentence.split()) + len(_CJK.findall(sentence)) // 3


def _starts_with_a_stopper(reading: _Reading, own: OwnText) -> bool:
    if reading.refuses:
        return False
    rest = _without_harmless(reading.rest)
    ends = [match.end() for match in islice(_SENTENCE_END.finditer(rest.lstrip()), 2)]
    nearby = rest.lstrip()[: ends[-1]] if len(ends) == 2 else rest
    return _LEADING_STOPPER.search(rest) is not None or _LEADING_NEARBY.search(nearby) is not None


def _jokes(reading: _Reading, own: OwnText) -> bool:
    allowed = doubts.UNFRIENDLY_SIGNS if reading.refuses else doubts.FRIENDLY_SIGNS
    if any(sign not in allowed for sign in signs(reading.sentence)):
        return True
    opposite = doubts.FRIENDLY_SIGNS if reading.refuses else doubts.UNFRIENDLY_SIGNS
    if opposite.intersection(reading.rest) or _JOKING.search(reading.sentence):
        return True
    return any(_is_a_grin(line.strip(), allowed) for line in reading.rest.split("\n"))


def _is_a_grin(line: str, allowed: frozenset[str]) -> bool:
    """Whether a line is nothing but a smiley or a picture that puts in doubt what stands above it."""
    if _LETTER.search(line) is None and any(sign not in allowed for sign in signs(line)):
        return True
    return _JOKING.fullmatch(line) is not None


def _unread_script(reading: _Reading, own: OwnText) -> bool:
    return has_unread_script(reading.sentence)


def _goes_on_in_signature(reading: _Reading, own: OwnText) -> bool:
    """Whether a line that was taken for a signature takes something back, be it in the HTML part alone."""
    return any(_signature_stops(reading, each) for each in (own, own.twin) if each)


def _signature_stops(reading: _Reading, own: OwnText) -> bool:
    if _stops_above(own):
        return True
    for cut in own.cut:
        folded = fold(cut.text)
        if cut.kind in _TAKING_BACK and not reading.refuses and _takes_back(folded, reading):
            return True
        if cut.kind == "banner" and any(pattern.search(folded) for _, pattern in _STOPPERS):
            return True
        if cut.kind not in SIGNATURE_KINDS:
            continue
        if cut.kind != "divider" and not reading.refuses and reading.others.search(folded):
            return True
        if _POSTSCRIPT.search(folded) or _SIGNATURE_STOPPER.search(folded):
            return True
    return False


def _goes_on_below_history(reading: _Reading, own: OwnText) -> bool:
    """Whether the last line of a history whose lines are not marked is a short refusal: somebody's own."""
    if reading.refuses:
        return False
    last = next((note for note in reversed(own.notes) if note.text.strip()), None)
    if last is None or (last.kind, last.rule) not in _UNMARKED:
        return False
    line = _without_harmless(fold(last.text[:_MAX_CHARS])).strip(" \t*_")
    if _size(line) > _LAST_LINE_WORDS:
        return False
    starts = (_RETRACTION, _DISSENT, _NEGATION, reading.others, _LEADING_STOPPER)
    return any(pattern.match(line) for pattern in starts)


def _stops_above(own: OwnText) -> bool:
    """Whether a signature above the first line of the reply, or a warning below it, has a stopping word."""
    first = next((number for number, note in enumerate(own.notes) if note.kind == "own"), 0)
    doubtful = "\n".join(
        note.text
        for number, note in enumerate(own.notes)
        if (note.kind == "signature" and number < first) or (note.kind == "warning" and number > first)
    )
    folded = _without_harmless(fold(doubtful))
    return any(pattern.search(folded) for _, pattern in _STOPPERS)


def _takes_back(folded: str, reading: _Reading) -> bool:
    return _DISSENT.search(folded) is not None or any(
        _NEGATION.search(folded[max(0, match.start() - 30) : match.start()])
        for match in reading.same.finditer(folded)
    )


_UNMARKED = frozenset({("quote", "rest"), ("history", "markup")})
_LAST_LINE_WORDS = 6
_TAKING_BACK = frozenset({"signature", "closing", "warning"})
_LETTER = re.compile(r"\w")
_CONFIRMATION = _one_of((*words.CONFIRMATIONS, *words.TAIL_WORDS, *doubts.HARMLESS))
_BETWEEN_CONFIRMATIONS = " \t,;:.!-–—()*_'\"，；：。！、" + "".join(doubts.FRIENDLY_SIGNS) + "\ufe0f"
_NAME = re.compile(r"(?:[^\W\d_a-z][\w.'-]*[,.]?(?:\s+|$)){1,3}")
_DISSENT = _one_of(_flat(doubts.DISSENT))
_REASON = re.compile(
    rf"(?:{_one_of(doubts.DELAYS).pattern})(?=[ \t]+[^\W\d_])|{_one_of(doubts.REFUSALS).pattern}"
)
_HARD_CONDITION = _one_of(doubts.REJECTION_CONDITIONS)
_HARD_HEDGE = _one_of(doubts.REJECTION_HEDGES)
_OWN_LANGUAGE = {
    language: _one_of(phrases)
    for languages, phrases in doubts.OWN_LANGUAGE_STOPPERS.items()
    for language in languages.split("/")
}
_AROUND_COMMENT = " \t\n,;:.!?-–—()*_'\"，；：。！、"
_SELECTION = _one_of(_flat(doubts.SELECTIONS))
_ASKING = _one_of(_flat(doubts.QUESTIONS))
_CLAUSE_END = re.compile(r"[,;:，、；：]|\s[-–—]+\s")
_NUMBERED = r"#?[a-z]?\d{1,4}[a-z]?"
_AND = r"(?:\s*[,;/&+、，–-]\s*|\s+(?:and|und|et|y|e|en|og|och|oraz|ja|и|ve|to|bis)\s+)"
# Numbers or letters of what was asked; not a date, a mark of ten or "+1".
_NUMBERS = re.compile(
    r"(?!\d{1,4}([./-])\d{1,2}\1\d{1,4}$|(\d+)/\2$|\+1$)"
    rf"(?:(?:[^\W\d_]+\.?\s+)?{_NUMBERED}(?:{_AND}{_NUMBERED})*|[a-z](?:{_AND}[a-z])+)"
)
# In a sentence of its own a long number is the name of something: "Ticket 4711".
_REFERENCE = re.compile(r"[^\W\d_]+\.?\s+\d{4,}")
_ADVERB = re.compile(doubts.ADVERB)
_BEFOREHAND = re.compile(f"(?:{_one_of(doubts.BEFOREHAND).pattern})[\\s.!)。！]*$")
_ALONE = _one_of(doubts.ALONE)
_OTHER_WORDS = 2  # beside the doubting ones
_SHORT_QUESTION_WORDS = 4
_NEARBY_SENTENCES = 2
_JOKING = re.compile(doubts.JOKING)
# What a line begins with is taken once and not given back: a signature may be thousands of dashes long.
_SIGNATURE_STOPPER = re.compile(
    r"(?:^|\n)[ \t*_-]*+(?:" + "|".join(_bounded(phrase) for phrase in _flat(doubts.RETRACTIONS)) + ")"
    r"|(?:^|\n)[ \t]*+(?:no|not|but|if|only|unless|nein|nicht|aber|non|mais|pero)(?!\w)(?! part)(?! you are)"
)
_OBSTACLES: tuple[Obstacle, ...] = (_doubted_before, _empty, _too_long, _hides_characters, _looks_alike)
_CHECKS: tuple[tuple[str, Check], ...] = (
    ("question", _questions),
    ("both-words", _names_another_choice),
    ("retraction", _retracts),
    ("dissent", _dissents),
    ("negation", _negates),
    ("negation", _negates_later),
    ("condition", _conditions),
    ("hedging", _hedges),
    ("hedging", _trails_off),
    ("selection", _selects),
    ("question", _asks),
    ("hedging", _mumbles),
    ("joking", _jokes),
    ("more-than-yes", _says_more_than_yes),
    ("unknown-language", _unread_script),
    ("condition", _starts_with_a_stopper),
    ("addition", _adds_a_doubt),
    ("text-in-signature", _goes_on_in_signature),
    ("text-below-history", _goes_on_below_history),
)
RULES = Rules(_OBSTACLES, _CHECKS)
