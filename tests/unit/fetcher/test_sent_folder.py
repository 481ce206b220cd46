"""The folder for sent mail."""

from __future__ import annotations

import pytest

from postroom.messages import FolderInfo
from postroom_fetcher.sent_folder import sent_folder


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        ([("INBOX", ""), ("Sent", ""), ("Weg", "\\Sent")], ("Weg", "special-use")),
        (
            [("INBOX", ""), ("[Gmail]/Gesendet", "\\HasNoChildren \\SENT")],
            ("[Gmail]/Gesendet", "special-use"),
        ),
        ([("INBOX", ""), ("INBOX.Gesendete Elemente", "")], ("INBOX.Gesendete Elemente", "name")),
        ([("Gesendet", ""), ("Sent Items", ""), ("sent", "")], ("sent", "name")),
        ([("Отправленные", "")], ("Отправленные", "name")),
        ([("INBOX", ""), ("Unsent", ""), ("Sentinel", "")], (None, "none")),
        ([], (None, "none")),
    ],
)
def test_special_use_goes_before_names(
    folders: list[tuple[str, str]], expected: tuple[str | None, str]
) -> None:
    infos = [FolderInfo(name=name, attributes=tuple(attributes.split())) for name, attributes in folders]
    assert sent_folder(infos) == expected


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("Archive/Sent", ("Archive/Sent", "setting")),
        ("inbox", ("inbox", "setting")),
        ("archive/sent", ("archive/sent", "setting-missing")),
    ],
)
def test_the_setting_goes_before_everything(setting: str, expected: tuple[str, str]) -> None:
    infos = [
        FolderInfo(name=name, attributes=attributes)
        for name, attributes in (("INBOX", ()), ("Archive/Sent", ()), ("Weg", ("\\Sent",)))
    ]
    assert sent_folder(infos, setting) == expected
