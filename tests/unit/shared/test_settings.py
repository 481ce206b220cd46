"""Settings come from the environment; a wrong one is refused by name."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from postroom import settings
from postroom.broker.connection import parse_url
from postroom.errors import Misconfigured
from postroom.secret import read_secret
from postroom.settings import read_settings


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment of its own, whatever the tests were started with."""
    for name in settings.Settings.model_fields:
        monkeypatch.delenv(f"POSTROOM_{name.upper()}", raising=False)
    monkeypatch.setenv("POSTROOM_DATA_DIR", str(tmp_path))


def test_everything_has_a_default_in_the_data_folder(tmp_path: Path) -> None:
    found = read_settings()
    assert parse_url(found.broker).path == f"{tmp_path}/broker.sqlite3"
    assert found.embedded
    assert found.store == f"sqlite:///{tmp_path}/store.sqlite3"
    assert found.spool == tmp_path / "spool"


def test_a_data_folder_may_have_any_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    odd = tmp_path / "50%41 of #1 ä"
    monkeypatch.setenv("POSTROOM_DATA_DIR", str(odd))
    assert parse_url(read_settings().broker).path == f"{odd}/broker.sqlite3"


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SPOOL_DIR", "STORE_URL", "HTTP_PORT", "TOKEN_KEYS"):
        monkeypatch.setenv(f"POSTROOM_{name}", "")
    found = read_settings()
    assert (found.spool_dir, found.store_url, found.http_port, found.token_keys) == (None, None, 9100, None)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("HTTP_PORT", "abc", "POSTROOM_HTTP_PORT: must be a whole number"),
        ("HTTP_PORT", "70000", "POSTROOM_HTTP_PORT: must be at most 65535"),
        ("HTTP_PORT", "-1", "POSTROOM_HTTP_PORT: must be at least 0"),
        ("SHARDS", "0", "POSTROOM_SHARDS: must be at least 1"),
        ("SHARDS", "4.5", "POSTROOM_SHARDS: must be a whole number"),
        ("LOG_LEVEL", "loud", "POSTROOM_LOG_LEVEL: must be one of 'debug', 'info', 'warning' or 'error'"),
        ("LOG_FORMAT", "xml", "POSTROOM_LOG_FORMAT: must be one of 'json' or 'text'"),
        ("DRAIN_S", "long", "POSTROOM_DRAIN_S: must be a number"),
        ("DRAIN_S", "inf", "POSTROOM_DRAIN_S: must be at most 3600"),
        ("DRAIN_S", "nan", "POSTROOM_DRAIN_S: must be at most 3600"),
        ("INLINE_LIMIT_BYTES", "1", "POSTROOM_INLINE_LIMIT_BYTES: must be at least 1024"),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv(f"POSTROOM_{name}", value)
    with pytest.raises(Misconfigured) as refusal:
        read_settings()
    assert str(refusal.value) == sentence


def test_every_wrong_value_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTROOM_SHARDS", "x")
    monkeypatch.setenv("POSTROOM_HTTP_PORT", "y")
    with pytest.raises(Misconfigured, match=r"POSTROOM_SHARDS: must .*; POSTROOM_HTTP_PORT: must"):
        read_settings()


def test_urls_and_keys_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BROKER_URL", "STORE_URL", "BROKER_MANAGEMENT_URL", "TOKEN_KEYS"):
        monkeypatch.setenv(f"POSTROOM_{name}", "amqp://user:Pa55word@host")
    assert "Pa55word" not in repr(read_settings())


def test_token_keys_are_made_once_and_for_their_owner_only(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _number: read_settings().read_token_keys(), range(8)))
    assert all(keys == found[0] for keys in found)
    assert stat.S_IMODE((tmp_path / "token-keys").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["token-keys"]


def test_several_token_keys_are_read_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTROOM_TOKEN_KEYS", f"7:{'ab' * 32},3:{'cd' * 32}")
    assert [key.key_id for key in read_settings().read_token_keys().keys] == [7, 3]


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("nonsense", "expected `id:hex,id:hex`"),
        (f"1:{'xy' * 32}", "expected `id:hex,id:hex`"),
        (f"1:{'ab' * 31}", "ids go from 0 to 255, keys have 32 bytes or more"),
        (f"256:{'ab' * 32}", "ids go from 0 to 255, keys have 32 bytes or more"),
        (f"1:{'ab' * 32},1:{'cd' * 32}", "one key id is given twice"),
        (" , ", "no key found, expected `id:hex`"),
    ],
)
def test_wrong_token_keys_are_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, value: str, sentence: str
) -> None:
    monkeypatch.setenv("POSTROOM_TOKEN_KEYS", value)
    with pytest.raises(Misconfigured) as refusal:
        read_settings().read_token_keys()
    assert str(refusal.value) == f"POSTROOM_TOKEN_KEYS: {sentence}"


def test_token_keys_that_cannot_be_read_are_said_to_be(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("POSTROOM_TOKEN_KEYS_FILE", str(tmp_path / "none"))
    with pytest.raises(Misconfigured, match=r"none: the keys cannot be read: No such file or directory"):
        read_settings().read_token_keys()
    (tmp_path / "none").write_bytes(b"\xff")
    with pytest.raises(Misconfigured, match=r"none: the keys cannot be read: it is not ASCII text"):
        read_settings().read_token_keys()


def test_token_keys_that_cannot_be_made_are_said_to_be(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("POSTROOM_DATA_DIR", str(tmp_path / "file"))
    with pytest.raises(
        Misconfigured, match=r"token-keys: the keys cannot be read: (File exists|Not a directory)"
    ):
        read_settings().read_token_keys()


def test_a_secret_is_read_at_each_use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPS_PASSWORD", "one")
    assert read_secret("env:OPS_PASSWORD") == "one"
    (tmp_path / "secret").write_text("two ä\r\n")
    assert read_secret(f"file:{tmp_path}/secret") == "two ä"


@pytest.mark.parametrize(
    ("reference", "content", "sentence"),
    [
        ("env:NOT_SET", b"", "the environment variable NOT_SET is not set"),
        ("file:none", None, "the secret file none cannot be read: No such file or directory"),
        ("file:secret", b"", "the secret file:secret is empty"),
        ("file:secret", b"\n", "the secret file:secret is empty"),
        ("file:secret", b"Pa55\xff", "the secret file secret cannot be read: it is not UTF-8"),
        ("file:secret", b"Pa55\r\nA1 DELETE INBOX", "the secret file:secret must be one line of text"),
    ],
)
def test_a_secret_that_is_missing_or_malformed_is_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, reference: str, content: bytes | None, sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NOT_SET", raising=False)
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    with pytest.raises(Misconfigured) as refusal:
        read_secret(reference)
    assert str(refusal.value) == sentence
