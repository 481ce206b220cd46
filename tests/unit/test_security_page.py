"""The page on security names a test for each threat, and each of these tests exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
ROWS = [line.strip("|").split(" | ") for line in PAGE.partition("## Threats")[2].splitlines() if "::" in line]
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", PAGE)))


@pytest.mark.parametrize(("path", "name"), NAMED, ids=[name for _, name in NAMED])
def test_every_named_test_exists(path: str, name: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    assert re.search(rf"^def {name}\(", text, re.MULTILINE), f"{path} has no {name}"


def test_every_threat_has_an_answer_and_a_test() -> None:
    assert len(ROWS) >= 40
    for row in ROWS:
        assert len(row) == 3, row
        assert all(cell.strip() for cell in row), row
        assert re.search(r"`tests/[\w/]+\.py::test_\w+`", row[2]), row
