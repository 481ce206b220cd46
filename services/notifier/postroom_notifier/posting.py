"""One HTTP request to somebody else's server: bounded in time and size, pinned to a checked address."""

import asyncio
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpx

from postroom_notifier.reach import first_refusal
from postroom_notifier.resolving import Resolve, resolve

TOTAL_S = 15.0
RESOLVE_S = 5.0
CONNECT_S = 5.0
MAX_ANSWER_BYTES = 2_000
MAX_ADDRESSES = 4
_MAX_WORDS = 300


class NoAnswer(Exception):
    """There was none; the text says why, in the form `it …`."""


@dataclass(frozen=True)
class Answer:
    """What the server said, and which address that was. `body`: how it begins."""

    status: int
    retry_after: str | None
    body: bytes
    address: str
    seconds: float


@dataclass(frozen=True)
class Request:
    """What to post where."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    allow_private: bool = False


class Posting:
    """Posts. Threads may share it; each call is a connection of its own."""

    def __init__(
        self,
        context: ssl.SSLContext | None = None,
        resolve: Resolve = resolve,
        total_s: float = TOTAL_S,
    ) -> None:
        # One for all: a context per connection costs a megabyte and 30 ms.
        self._context = context or ssl.create_default_context()
        self._resolve = resolve
        self._total_s = total_s

    def post(self, request: Request) -> Answer:
        """The server's answer, whatever it is; redirections are one too.

        Raises:
            NoAnswer: there was none in time, or the server's address is not allowed.
        """
        started = time.monotonic()
        try:
            url = httpx.URL(request.url)
            addresses = self._addresses(url, request.allow_private)
            left_s = max(0.1, self._total_s - (time.monotonic() - started))
            return asyncio.run(self._within(left_s, url, addresses, request, started))
        except TimeoutError:
            raise NoAnswer(f"it does not answer in {self._total_s:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as error:
            words = str(error) or type(error).__name__
            raise NoAnswer(f"it does not answer: {words[:_MAX_WORDS]}") from None

    def _addresses(self, url: httpx.URL, allow_private: bool) -> Sequence[str]:
        try:
            found = self._resolve(_host(url), _port(url), min(RESOLVE_S, self._total_s))
        except (OSError, UnicodeError) as error:
            raise NoAnswer(f"its name cannot be resolved: {error}") from None
        if not found:
            raise NoAnswer("its name has no address")
        refused = first_refusal(found, allow_private=allow_private)
        if refused:
            private = "" if allow_private else "; set allow_private if it is your own network's"
            raise NoAnswer(f"it is not posted to: {refused}{private}")
        return found[:MAX_ADDRESSES]

    async def _within(
        self, seconds: float, url: httpx.URL, addresses: Sequence[str], request: Request, started: float
    ) -> Answer:
        # The timeouts of httpx are for each step, so one for all of them is here.
        async with asyncio.timeout(seconds), self._client() as client:
            for address in addresses[:-1]:
                try:
                    return await _exchange(client, url, address, request, started)
                except (httpx.ConnectError, httpx.ConnectTimeout):
                    continue
            return await _exchange(client, url, addresses[-1], request, started)

    def _client(self) -> httpx.AsyncClient:
        # Without the environment: a proxy would look the name up again.
        return httpx.AsyncClient(
            verify=self._context,
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(self._total_s, connect=CONNECT_S),
        )


async def _exchange(
    client: httpx.AsyncClient, url: httpx.URL, address: str, request: Request, started: float
) -> Answer:
    """Ask this address in the name of the host: its certificate must be the host's."""
    built = client.build_request(
        "POST",
        url.copy_with(host=address),
        headers={**request.headers, "host": url.netloc.decode("ascii"), "accept-encoding": "identity"},
        content=request.body,
        extensions={"sni_hostname": _host(url)},
    )
    response = await client.send(built, stream=True)
    try:
        body = await _beginning(response)
    finally:
        await response.aclose()
    seconds = time.monotonic() - started
    return Answer(response.status_code, response.headers.get("retry-after"), body, address, seconds)


async def _beginning(response: httpx.Response) -> bytes:
    content = b""
    async for part in response.aiter_raw():
        content += part
        if len(content) >= MAX_ANSWER_BYTES:
            break
    return content[:MAX_ANSWER_BYTES]


def _host(url: httpx.URL) -> str:
    return url.raw_host.decode("ascii").strip("[]")


def _port(url: httpx.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)
