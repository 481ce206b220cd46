"""The key that signs evidence: made once, read again, and named when it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from postroom.errors import Misconfigured
from postroom.evidence.archive import pack
from postroom.evidence.chain import SigningKeys
from postroom.settings import read_settings
from postroom_console.app import main


def test_a_key_is_made_at_the_first_start_and_stays(tmp_path: Path) -> None:
    settings = read_settings(data_dir=tmp_path)
    made = settings.read_evidence_keys().public
    assert settings.read_evidence_keys().public == made
    assert (tmp_path / "evidence-keys").stat().st_mode & 0o077 == 0


def test_the_newest_key_signs_and_the_older_ones_are_known(tmp_path: Path) -> None:
    new, old = b"n" * 32, b"o" * 32
    settings = read_settings(data_dir=tmp_path, evidence_keys=f"{new.hex()},{old.hex()}")
    assert settings.read_evidence_keys().public == SigningKeys([new]).public + SigningKeys([old]).public


@pytest.mark.parametrize("text", ["x", "ab" * 31, "ab" * 33, ",", "1:" + "ab" * 32])
def test_a_wrong_key_is_named_and_not_shown(tmp_path: Path, text: str) -> None:
    settings = read_settings(data_dir=tmp_path, evidence_keys=text)
    with pytest.raises(
        Misconfigured, match="POSTROOM_EVIDENCE_KEYS: expected keys of 32 bytes in hex"
    ) as caught:
        settings.read_evidence_keys()
    assert "abab" not in str(caught.value)


def test_what_a_forged_bundle_says_does_not_command_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "forged.zip"
    path.write_bytes(pack({"chain.json": b'{"approval_id":"r","entries":[]}', "\x1b[2J": b""}))
    result = CliRunner().invoke(main, ["evidence", "verify", str(path)])
    assert result.exit_code == 1
    assert "\x1b" not in result.output


@pytest.mark.parametrize("key", ["", "xyz", "ab" * 31, "no/such/file"])
def test_a_public_key_that_is_none_is_refused(tmp_path: Path, key: str) -> None:
    path = tmp_path / "b.zip"
    path.write_bytes(b"")
    result = CliRunner().invoke(main, ["evidence", "verify", str(path), "--public-key", key])
    assert result.exit_code == 2
    assert "expected 64 hex digits" in result.output
