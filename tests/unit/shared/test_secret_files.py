"""Settings that come as files, as containers get their secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from postroom.errors import Misconfigured
from postroom.settings import read_settings

URL = "amqp://postroom-fetcher:word@rabbitmq:5672/postroom"


def test_a_file_stands_for_the_variable_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "postroom_broker_url").write_text(f"{URL}\n")
    assert read_settings(secrets_dir=tmp_path).broker == URL


def test_the_environment_wins_over_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "postroom_broker_url").write_text(URL)
    monkeypatch.setenv("POSTROOM_BROKER_URL", "embedded:///elsewhere/broker.sqlite3")
    assert read_settings(secrets_dir=tmp_path).broker == "embedded:///elsewhere/broker.sqlite3"


def test_without_the_folder_everything_comes_from_the_environment(tmp_path: Path) -> None:
    assert read_settings(secrets_dir=tmp_path / "nowhere").embedded


def test_the_broken_keys_of_a_file_are_not_shown(tmp_path: Path) -> None:
    (tmp_path / "postroom_token_keys").write_text("1:no-hex-at-all")
    with pytest.raises(Misconfigured, match="POSTROOM_TOKEN_KEYS: expected `id:hex,id:hex`") as caught:
        read_settings(secrets_dir=tmp_path).read_token_keys()
    assert "no-hex" not in str(caught.value)
