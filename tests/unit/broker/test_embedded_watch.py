"""Commits are told of by sockets; where none can be made, nothing is left behind."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from postroom.broker.embedded_watch import tell, watch
from tests.waiting import wait_until

TOO_LONG = "x" * 100


@pytest.mark.parametrize("folder", ["short", TOO_LONG])
def test_a_watch_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    here = tmp_path / folder
    here.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(here))
    watching = watch(tmp_path / "broker.sqlite3")
    tell(tmp_path / "broker.sqlite3")
    watching.close()
    wait_until(lambda: not list(here.iterdir()), 5, "the folder to be empty")
