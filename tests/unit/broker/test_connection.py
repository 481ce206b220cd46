"""URLs, back-off, foreign errors."""

from __future__ import annotations

import sqlite3
import ssl
from pathlib import Path

import pytest
from amqp import exceptions as amqp_errors
from hypothesis import given
from hypothesis import strategies as st

from postroom.broker.connection import Address, back_off, connect, parse_url, tls_options, translate
from postroom.errors import Misconfigured, Transient


def test_a_url_is_taken_apart() -> None:
    address = parse_url("amqps://us%40er:p%2Fw@rabbit.example/a%2Fb?cafile=/etc/ca.pem")
    assert address == Address("amqps", "rabbit.example", 5671, "us@er", "p/w", "a/b", "/etc/ca.pem")
    assert parse_url("amqp://h") == Address("amqp", "h", 5672, "guest", "guest", "/")
    assert parse_url("amqp://h/%2F").vhost == "/"
    assert parse_url("embedded:///var/lib/postroom/b.sqlite3").path == "/var/lib/postroom/b.sqlite3"


def test_the_password_is_never_written() -> None:
    assert "secret" not in str(parse_url("amqp://user:secret@host/vhost"))


@pytest.mark.parametrize(
    "url",
    ["redis://h", "amqp://", "host:5672", "", "embedded://broker.sqlite3", "embedded:///", "amqp://h:port"],
)
def test_another_url_is_refused_with_what_is_allowed(url: str) -> None:
    with pytest.raises(Misconfigured, match=r"amqp://|embedded:///|port"):
        parse_url(url)


def test_tls_always_verifies() -> None:
    options = tls_options(parse_url("amqps://rabbit.example"))
    assert options["cert_reqs"] is ssl.CERT_REQUIRED
    assert options["server_hostname"] == "rabbit.example"


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_back_off_grows_within_its_limits(attempt: int, jitter: float) -> None:
    assert 0.1 <= back_off(attempt, jitter) <= 10
    assert back_off(attempt, jitter) <= back_off(attempt + 1, jitter)


@pytest.mark.parametrize(
    ("error", "reason_code"),
    [
        (amqp_errors.AccessRefused("no"), "broker-access"),
        (amqp_errors.NotAllowed("no"), "broker-vhost"),
        (ssl.SSLCertVerificationError("self-signed"), "broker-tls"),
        (PermissionError("no"), "broker-file"),
        (ConnectionRefusedError("no"), ""),
        (amqp_errors.ConnectionForced("shutdown"), ""),
        (sqlite3.OperationalError("database is locked"), ""),
        (AttributeError("py-amqp without its connection"), ""),
    ],
)
def test_foreign_errors_become_ours(error: Exception, reason_code: str) -> None:
    ours = translate(error, "test")
    assert isinstance(ours, Misconfigured if reason_code else Transient)
    assert getattr(ours, "reason_code", "") == reason_code


def test_a_file_that_is_no_broker_is_named(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    path.write_text("Dear diary, " * 100)
    with pytest.raises(Transient, match=r"note\.txt.*not a database"):
        connect(f"embedded://{path}", name="test")
