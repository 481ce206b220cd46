"""HTTP to a provider's endpoints: bounded in time and size, never redirected, errors translated."""

import email.utils
import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
from authlib.oauth2.auth import ClientAuth

from postroom.clock import Clock
from postroom.errors import Misconfigured, Transient

TIMEOUT = httpx.Timeout(10.0)
TOTAL_S = 30.0
MAX_ANSWER_BYTES = 256 * 1024
MAX_RETRY_AFTER_S = 3600.0
_MAX_WORDS = 300
_PASSING = (408, 425, 429)
_SECRET_FIELDS = ("refresh_token", "code", "device_code", "code_verifier", "client_secret")


class Refused(Exception):
    """The provider says no: `code` is that of RFC 6749 section 5.2, `words` are its own."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(f"{code}: {words}" if words else code)
        self.code = code
        self.words = words


@dataclass(frozen=True)
class Answer:
    """What authlib wants to see of a response."""

    status_code: int
    content: Mapping[str, Any]

    def json(self) -> Mapping[str, Any]:
        """The JSON object."""
        return self.content

    def raise_for_status(self) -> None:
        """Nothing: errors never become an Answer."""


class Endpoint:
    """The session that authlib asks through."""

    def __init__(self, clock: Clock, context: ssl.SSLContext) -> None:
        self._clock = clock
        self._context = context

    def post(
        self, url: str, data: Mapping[str, str], headers: Mapping[str, str], auth: ClientAuth, **_: object
    ) -> Answer:
        """Ask with a form.

        Raises:
            Refused: the provider says no.
            Misconfigured: nothing there speaks OAuth 2.
            Transient: it does not answer now, or not in a way that can be understood.
        """
        body = str(httpx.QueryParams(dict(data)))
        sent = dict(headers)
        try:
            url, sent, body = auth.prepare("POST", url, sent, body)  # type: ignore[no-untyped-call]
        except UnicodeEncodeError:
            raise Misconfigured(
                "oauth_client", "oauth.client_secret has characters that cannot be sent"
            ) from None
        secrets = [value for name, value in data.items() if name in _SECRET_FIELDS]
        secrets += [auth.client_secret] if auth.client_secret else []
        response, content = self._exchanged(url, sent, body)
        return self._answer(response, content, secrets)

    def _exchanged(self, url: str, headers: dict[str, str], body: str) -> tuple[httpx.Response, bytes]:
        host = httpx.URL(url).host
        try:
            with (
                httpx.Client(verify=self._context, timeout=TIMEOUT, follow_redirects=False) as client,
                client.stream("POST", url, headers=headers, content=body) as response,
            ):
                return response, _read(response, host)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            reason = type(error).__name__ if not str(error) else str(error)[:_MAX_WORDS]
            raise Transient(f"{host} does not answer: {reason}") from None

    def _answer(self, response: httpx.Response, content: bytes, secrets: list[str]) -> Answer:
        status, host = response.status_code, response.url.host
        if status >= 500 or status in _PASSING:
            wait_s = retry_after_s(response.headers.get("Retry-After"), self._clock())
            raise Transient(f"{host} does not answer now: {status}", retry_after_s=wait_s)
        if 300 <= status < 400:
            raise Misconfigured("oauth_settings", f"{host} redirects: the endpoint's URL is another one")
        found = _object(content)
        if found is not None and isinstance(found.get("error"), str):
            raise Refused(found["error"][:100], _words(found.get("error_description"), secrets))
        if status == 401:
            raise Refused("invalid_client", "")
        if status >= 400:
            raise Misconfigured(
                "oauth_settings", f"{host} answers {status}: the endpoint's URL is another one"
            )
        if found is None:
            raise Transient(f"{host} does not answer in JSON")
        return Answer(status, found)


def retry_after_s(value: str | None, now: datetime) -> float | None:
    """The seconds of a Retry-After (RFC 9110 section 10.2.3), an hour at most (pure)."""
    if not value:
        return None
    if value.strip().isdecimal():
        return min(float(value.strip()[:10]), MAX_RETRY_AFTER_S)
    try:
        seconds = (email.utils.parsedate_to_datetime(value) - now).total_seconds()
    except (ValueError, TypeError):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S)


def _read(response: httpx.Response, host: str) -> bytes:
    """The body; the timeouts of httpx are for each read, so one for all of them is here."""
    content, until = b"", time.monotonic() + TOTAL_S
    for part in response.iter_bytes():
        content += part
        if len(content) > MAX_ANSWER_BYTES:
            raise Transient(f"{host} answers at too great length")
        if time.monotonic() > until:
            raise Transient(f"{host} answers too slowly")
    return content


def _object(content: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _words(description: object, secrets: list[str]) -> str:
    """The first line of the provider's words, without what was sent in confidence."""
    lines = str(description or "").strip().splitlines()
    words = "".join(each for each in (lines or [""])[0] if each.isprintable())
    for secret in secrets:
        words = words.replace(secret, "…")
    return words[:_MAX_WORDS]
