"""The reference is what the code says; every setting, message, metric and queue is in it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from postroom import asyncapi, metrics, reference
from postroom.accounts_file import parse_accounts
from postroom.messages import MESSAGES
from postroom.settings import Settings
from postroom.topology import topology

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"


def read(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


def test_the_contract_is_what_the_code_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert asyncapi.main([str(REFERENCE / "asyncapi.json"), "--check"]) == 0, capsys.readouterr().err


def test_the_reference_pages_are_what_the_code_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert reference.main([str(REFERENCE), "--check"]) == 0, capsys.readouterr().err


def test_a_difference_is_noticed_and_mended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(REFERENCE, tmp_path / "reference")
    path = tmp_path / "reference" / "asyncapi.json"
    path.write_text(path.read_text() + " ")
    (path.parent / "schemas" / "mail.sent.v1.json").unlink()
    obsolete = path.parent / "schemas" / "mail.sung.v1.json"
    obsolete.write_text("{}")
    assert asyncapi.main([str(path), "--check"]) == 1
    said = capsys.readouterr().err
    assert [Path(line.split()[0]).name for line in said.splitlines()] == [
        "asyncapi.json",
        "mail.sent.v1.json",
        "mail.sung.v1.json",
    ]
    assert asyncapi.main([str(path)]) == 0
    assert asyncapi.main([str(path), "--check"]) == 0
    assert not obsolete.exists()


@pytest.mark.parametrize("arguments", [[], ["--help"], ["a", "b"]])
def test_a_wrong_command_line_gets_the_usage(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        asyncapi.main(arguments)
    assert capsys.readouterr().err == "usage: python -m postroom.asyncapi PATH [--check]\n"


def test_every_setting_is_in_the_reference() -> None:
    page = read("settings.md")
    for name, field in Settings.model_fields.items():
        assert f"`POSTROOM_{name.upper()}`" in page
        assert field.description


def test_every_message_is_in_the_reference() -> None:
    page = read("messages.md")
    for model in MESSAGES.values():
        assert f"### {model.TYPE}\n" in page
        for name in model.model_fields:
            assert f"| `{name}` |" in page or name == "content"


def test_every_metric_is_in_the_reference() -> None:
    page = read("metrics.md")
    names = {metric.name for metric in metrics.REGISTRY.collect()}
    assert names
    for name in names:
        assert re.search(rf"\| `{name}(_total)?` \|", page)


def test_every_queue_is_in_the_reference() -> None:
    page = read("queues.md")
    for queue in topology(reference.SHARDS).queues:
        name = re.sub(r"\.(dead|retry\.\d+)$", "", queue.name)
        assert f"| `{name}` |" in page


def test_the_example_of_the_accounts_page_is_a_good_file() -> None:
    found, faults = parse_accounts(reference.ACCOUNTS_EXAMPLE.encode())
    assert (len(found.accounts), faults) == (1, ())
    assert found.accounts[0].warnings() == ()


def pages() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as code hosts make them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def settings_in(text: str) -> Any:
    return re.findall(r"\bPOSTROOM_([A-Z][A-Z_]*)\b", text)


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_names_a_setting_that_does_not_exist(page: Path) -> None:
    known = {name.upper() for name in Settings.model_fields}
    named = {name for name in settings_in(page.read_text(encoding="utf-8")) if not name.startswith("TEST_")}
    assert named <= known
