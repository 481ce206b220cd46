"""What is counted for people to read is in the singular if it is one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from postroom.amount import amount

ROOT = Path(__file__).parents[2]
_PLURAL = re.compile(
    r" (?:\w+ )?(?:accounts|approvals|approvers|attempts|cells|characters|columns|connections|consumers|"
    r"addresses|contacts|conversations|entries|exchanges|faults|fields|findings|letters|lines|mails|messages|policies|"
    r"queues|recipients|records|requests|rows|rules|times|users|values|votes)\b"
)
_NO_COUNT = re.compile(r"_?[A-Z_]+|program|place")
"""A constant, of which none that is told is 1; and names of what is no number."""


@pytest.mark.parametrize(
    ("count", "told"), [(0, "0 lines"), (1, "1 line"), (2, "2 lines"), (1000, "1000 lines")]
)
def test_one_is_told_in_the_singular(count: int, told: str) -> None:
    assert amount(count, "line") == told


def test_words_that_are_not_made_by_an_s_are_given() -> None:
    assert [amount(count, "entry is", "entries are") for count in (1, 2)] == ["1 entry is", "2 entries are"]


def test_nothing_is_counted_in_a_sentence_in_the_plural_only() -> None:
    sources = (*(ROOT / "services").rglob("*.py"), *(ROOT / "shared").rglob("*.py"))
    assert [told for path in sources for told in _plural_only(path)] == []


def _plural_only(path: Path) -> Iterator[str]:
    """Where a value stands before a noun in the plural, as in `{count} lines` or `{count} wrong lines`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.JoinedStr) and any(map(_is_plural, node.values, node.values[1:])):
            yield f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}"


def _is_plural(value: ast.expr, after: ast.expr) -> bool:
    if not isinstance(value, ast.FormattedValue) or _NO_COUNT.fullmatch(ast.unparse(value.value)):
        return False
    return isinstance(after, ast.Constant) and _PLURAL.match(str(after.value)) is not None
