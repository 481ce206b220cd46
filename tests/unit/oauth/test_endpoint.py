"""What an endpoint's answers become, and what is never sent or repeated."""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from authlib.oauth2.auth import ClientAuth

from postroom.errors import Misconfigured, Transient
from postroom.oauth.endpoint import MAX_ANSWER_BYTES, Endpoint, Refused, retry_after_s

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SECRET, TOKEN = "the-clients-secret", "the-refresh-token"


@contextmanager
def answering(status: int, body: bytes, headers: dict[str, str]) -> Iterator[str]:
    """A server on loopback with one answer; its URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/token"
        finally:
            server.shutdown()
            thread.join()


def ask(url: str, secret: str = SECRET) -> object:
    endpoint = Endpoint(lambda: NOW, ssl.create_default_context())
    auth = ClientAuth("client", secret, "client_secret_basic")
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return endpoint.post(url, {"refresh_token": TOKEN}, headers, auth).json()


@pytest.mark.parametrize(
    ("status", "body", "headers", "words"),
    [
        (429, b"", {"Retry-After": "7"}, "does not answer now: 429"),
        (502, b"<html>", {}, "does not answer now: 502"),
        (200, b"<html>", {}, "does not answer in JSON"),
        (200, b"[1]", {}, "does not answer in JSON"),
        (200, b"[" * 100_000, {}, "does not answer in JSON"),
        (200, b" " * (MAX_ANSWER_BYTES + 1), {}, "too great length"),
        (200, b"{}", {"Content-Encoding": "gzip"}, "does not answer"),
    ],
)
def test_what_passes_is_transient(status: int, body: bytes, headers: dict[str, str], words: str) -> None:
    with answering(status, body, headers) as url, pytest.raises(Transient, match=words):
        ask(url)


@pytest.mark.parametrize(
    ("status", "headers", "words"),
    [(404, {}, "answers 404"), (302, {"Location": "http://127.0.0.1:9/"}, "redirects")],
)
def test_a_wrong_url_is_a_matter_of_settings(status: int, headers: dict[str, str], words: str) -> None:
    with answering(status, b"", headers) as url, pytest.raises(Misconfigured, match=words) as caught:
        ask(url)
    assert caught.value.reason_code == "oauth_settings"


def test_a_refusal_has_the_first_line_of_the_providers_words_without_what_was_sent() -> None:
    body = b'{"error": "invalid_grant", "error_description": "Bad %s and %s\\r\\nTrace: 1"}'
    with (
        answering(400, body % (TOKEN.encode(), SECRET.encode()), {}) as url,
        pytest.raises(Refused) as caught,
    ):
        ask(url)
    assert (caught.value.code, caught.value.words) == ("invalid_grant", "Bad … and …")


@pytest.mark.parametrize(("status", "code"), [(401, "invalid_client"), (200, "x")])
def test_refusals_that_are_not_in_the_usual_form(status: int, code: str) -> None:
    body = b"" if status == 401 else b'{"error": "x", "error_description": 5}'
    with answering(status, body, {}) as url, pytest.raises(Refused) as caught:
        ask(url)
    assert caught.value.code == code


def test_nobody_there_is_transient() -> None:
    with pytest.raises(Transient, match=r"127\.0\.0\.1 does not answer"):
        ask("http://127.0.0.1:9/token")


def test_a_secret_that_cannot_be_sent_is_a_matter_of_the_client() -> None:
    with pytest.raises(Misconfigured, match="characters that cannot be sent") as caught:
        ask("http://127.0.0.1:9/token", "snowman ☃")
    assert "☃" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 0 ", 0),
        ("99999999999999999999", 3600),
        ("Fri, 02 Jan 2026 03:05:05 GMT", 60),
        ("Fri, 02 Jan 2026 03:00:00 GMT", 0),
        ("Fri, 02 Jan 2026 03:00:00", None),
        ("later", None),
        ("-5", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert retry_after_s(value, NOW) == seconds
