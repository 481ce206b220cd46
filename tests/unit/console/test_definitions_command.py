"""`postroom topology definitions`: passwords come by reference and leave as hashes."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

from click.testing import CliRunner, Result

from postroom_console.topology import topology


def test_a_password_behind_a_reference_is_written_as_its_hash(tmp_path: Path) -> None:
    password, target = tmp_path / "password", tmp_path / "definitions.json"
    password.write_text("right\n")
    result = _run(f"--user=fetcher=file:{password}", "--vhost=postroom", f"--output={target}")
    assert result.exit_code == 0, result.output
    assert "6 users" in result.output
    users = {user["name"]: user["password_hash"] for user in json.loads(target.read_text())["users"]}
    raw = base64.b64decode(users["postroom-fetcher"])
    assert raw[4:] == hashlib.sha256(raw[:4] + b"right").digest()
    assert users["postroom-sender"] == ""


def test_a_password_itself_is_refused_and_not_repeated() -> None:
    result = _run("--user=fetcher=hunter2")
    assert result.exit_code == 2
    assert "given by reference, env:NAME or file:/path" in result.output
    assert "hunter2" not in result.output


def test_an_unknown_service_is_refused_with_those_there_are() -> None:
    result = _run("--user=fecher=env:HOME")
    assert result.exit_code == 2
    assert "'fecher' is no service: fetcher, processor, sender, notifier, client, console" in result.output


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(topology, ["definitions", *arguments])
