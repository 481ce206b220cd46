"""JSON that commands print is one document in ASCII, whatever strangers wrote."""

from __future__ import annotations

import ast
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from postroom.document import json_document
from postroom_processor.explain import main as explain

ROOT = Path(__file__).parents[2]
STEERING = "\x1b[31m\x9b31m\x7f\u202e\u2066\u200b\U000e0041\nünï😀\ud800"
ELSEWHERE = {"templates.py": 1, "trial.py": 1, "template_plan.py": 1, "audit.py": 1}
"""What is given to another process, or is shown through `safe`."""


def test_nothing_in_it_steers_a_terminal_and_it_says_the_same() -> None:
    printed = json_document({STEERING: [STEERING]})
    assert printed.isascii()
    assert all(line.isprintable() for line in printed.splitlines())
    assert json.loads(printed) == {STEERING: [STEERING]}


def test_times_are_told_with_their_offset() -> None:
    assert json_document([datetime(2026, 1, 2, tzinfo=UTC)]) == '[\n  "2026-01-02 00:00:00+00:00"\n]'


def test_the_console_prints_json_in_no_other_way() -> None:
    found = {}
    for path in sorted((ROOT / "services/console").rglob("*.py")):
        calls = [each for each in ast.walk(ast.parse(path.read_text())) if isinstance(each, ast.Call)]
        dumped = [each for each in calls if ast.unparse(each.func) in ("json.dumps", "json.dump", "dumps")]
        if dumped:
            found[path.name] = len(dumped)
    assert found == ELSEWHERE


def test_how_a_mail_is_read_is_printed_so_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mail = tmp_path / "mail.eml"
    text = "I like it \u202eüü\u2066"
    mail.write_bytes(
        b"From: a@example.com\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + text.encode() + b"\r\n"
    )
    explain(["--json", str(mail)])
    printed = capsys.readouterr().out
    assert printed.isascii()
    assert "\\u00fc" in printed
