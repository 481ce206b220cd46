import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom_processor import decision_words
from postroom_processor.reply_text import OwnText, cut_plain_text
from postroom_processor.verdict import Decided, Unclear, Verdict, read_verdict
from tests.unit.processor.verdict_cases import CLEAR, CUSTOM, UNCLEAR


def choice_of(verdict: Verdict) -> str:
    return verdict.choice if isinstance(verdict, Decided) else "-"


@pytest.mark.parametrize(("text", "choice"), CLEAR)
def test_a_clear_reply_is_understood(text: str, choice: str) -> None:
    verdict = read_verdict(cut_plain_text(text))
    assert isinstance(verdict, Decided), verdict
    assert verdict.choice == choice


@pytest.mark.parametrize("text", UNCLEAR)
def test_what_is_not_clear_decides_nothing(text: str) -> None:
    assert isinstance(read_verdict(cut_plain_text(text)), Unclear)


@pytest.mark.parametrize(("choices", "text", "choice"), CUSTOM)
def test_custom_choices_are_read_literally(choices: tuple[str, ...], text: str, choice: str) -> None:
    assert choice_of(read_verdict(cut_plain_text(text), choices)) == choice


@pytest.mark.parametrize("text", [text for text, choice in CLEAR if choice == "approve" and "\n" not in text])
@pytest.mark.parametrize(
    "prefix", ["not ", "I can't ", "do not ", "nicht ", "if tests pass, ", "maybe ", "не "]
)
def test_no_clear_approval_survives_a_stopping_word_before_it(prefix: str, text: str) -> None:
    assert isinstance(read_verdict(cut_plain_text(prefix + text)), Unclear)


@pytest.mark.parametrize("text", [text for text, choice in CLEAR if choice == "approve" and "\n" not in text])
@pytest.mark.parametrize(
    "suffix",
    [
        "?",
        "\nno",
        "\n\nActually no.",
        " if tests pass",
        ", but not today",
        "\n\nreject",
        "\n\nWait!",
        " or reject",
    ],
)
def test_no_clear_approval_survives_a_stopping_word_after_it(suffix: str, text: str) -> None:
    assert isinstance(read_verdict(cut_plain_text(text + suffix)), Unclear)


@pytest.mark.parametrize(
    ("text", "comment"),
    [
        ("approve", ""),
        ("Approve, looks good", "looks good"),
        ("Approve - looks good.\nVery good.", "looks good.\nVery good."),
        ("Reject\n\nThe tests fail.\n\nOn Mon, 1 Jan 2024, P <p@x.org> wrote:\n> hi", "The tests fail."),
        ("承認します。よく出来ました", "よく出来ました"),
        ("Approve\n\nKind regards\nBob", ""),
    ],
)
def test_the_comment_is_what_stands_beside_the_decision(text: str, comment: str) -> None:
    assert read_verdict(cut_plain_text(text)) == Decided(text_choice(text), comment)


def text_choice(text: str) -> str:
    return "reject" if text.startswith("Reject") else "approve"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no-text"),
        ("LGTM", "no-decision-word"),
        ("approve?", "question"),
        ("not approved yet", "retraction"),
        ("approve, not this one", "negation"),
        ("approve, once it is tested", "condition"),
        ("approve, maybe", "hedging"),
        ("approve\n\nreject", "both-words"),
        ("approve\n\nnever mind", "retraction"),
        ("approve 😂", "joking"),
        ("Аpprove", "look-alike-letters"),  # noqa: RUF001 - the first letter is Cyrillic
        ("ap\u200bprove", "hidden-characters"),
        ("approve, \u05e9\u05dc\u05d5\u05dd", "unknown-language"),
        ("approve\n-- \nno", "text-in-signature"),
    ],
)
def test_an_unclear_reply_says_why(text: str, reason: str) -> None:
    verdict = read_verdict(cut_plain_text(text))
    assert isinstance(verdict, Unclear)
    assert verdict.reason_code == reason


def test_what_was_understood_is_one_short_line() -> None:
    verdict = read_verdict(cut_plain_text("well   " + "x" * 1000 + "\nmore"))
    assert isinstance(verdict, Unclear)
    assert verdict.understood.startswith("well xxx")
    assert len(verdict.understood) == 200


def test_a_doubtful_text_decides_nothing() -> None:
    own = OwnText("approve", ("approve",), (), ("hidden-text",))
    assert read_verdict(own) == Unclear("hidden-text", "approve")


def test_no_word_means_both_yes_and_no() -> None:
    yes = {w for t in (decision_words.APPROVE_WORDS, decision_words.YES_WORDS) for r in t.values() for w in r}
    no = {w for t in (decision_words.REJECT_WORDS, decision_words.NO_WORDS) for r in t.values() for w in r}
    assert not yes & no


@given(st.text(max_size=300), st.lists(st.text(max_size=12), max_size=4))
def test_any_text_and_any_choices_are_read_without_an_error(text: str, choices: list[str]) -> None:
    own = cut_plain_text(text)
    read_verdict(own)
    verdict = read_verdict(own, tuple(choices))
    assert isinstance(verdict, Unclear) or verdict.choice in choices


@given(st.sampled_from(["Approve", "yes", "Genehmigt", "承認します"]), st.text(max_size=60))
def test_a_question_mark_in_the_sentence_always_stops_an_approval(word: str, text: str) -> None:
    first_line = text.replace("\n", " ").replace("\r", " ").replace(".", " ").replace("!", " ")
    assert not (
        isinstance(verdict := read_verdict(cut_plain_text(f"{word} {first_line}?")), Decided)
        and verdict.choice == "approve"
        and "?" not in verdict.comment
    )
