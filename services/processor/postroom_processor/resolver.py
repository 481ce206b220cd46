"""Looks up TXT records: the seam to the DNS, one method wide.

Answers are kept for a while, good and bad ones, so that many mails of one domain ask once. What the DNS says
is believed as it comes: where that is not enough, run a resolver that validates (DNSSEC) on the same machine.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

import dns.exception
import dns.rdatatype
import dns.resolver

KEPT_S = 300.0
MAX_KEPT = 2_000
QUERY_TIMEOUT_S = 3.0
MAX_RECORD_BYTES = 8_000


class LookupFailed(Exception):
    """The DNS gave no answer; another time it may. Never leaves the processor's check of signatures."""


class Resolver(Protocol):
    """Where TXT records come from."""

    def txt(self, name: str, timeout_s: float) -> bytes | None:
        """The TXT record of that name, its strings joined (RFC 6376, section 3.6.2.2); None for none or many.

        Raises:
            LookupFailed: there was no answer in time.
        """


class DnsResolver:
    """Asks the name servers of the system."""

    def txt(self, name: str, timeout_s: float) -> bytes | None:
        """See `Resolver`."""
        try:
            answer = dns.resolver.resolve(
                name, dns.rdatatype.TXT, lifetime=min(timeout_s, QUERY_TIMEOUT_S), search=False
            )
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return None
        except (dns.exception.DNSException, OSError, ValueError) as error:
            raise LookupFailed(f"no answer from the DNS about {name}: {type(error).__name__}") from error
        records = [b"".join(record.strings) for record in answer]
        # RFC 6376, section 3.6.2.2: with several records the result is undefined; here it is no key.
        return records[0] if len(records) == 1 and len(records[0]) <= MAX_RECORD_BYTES else None


class CachingResolver:
    """Keeps what another resolver answered for `KEPT_S` seconds; failures are not kept."""

    def __init__(self, inner: Resolver, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._inner = inner
        self._clock_s = clock_s
        self._kept: OrderedDict[str, tuple[float, bytes | None]] = OrderedDict()
        self._lock = threading.Lock()

    def txt(self, name: str, timeout_s: float) -> bytes | None:
        """See `Resolver`."""
        key, now = name.lower(), self._clock_s()
        with self._lock:
            known = self._kept.get(key)
        if known is not None and known[0] > now:
            return known[1]
        found = self._inner.txt(key, timeout_s)
        with self._lock:
            self._kept[key] = (now + KEPT_S, found)
            self._kept.move_to_end(key)
            while len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        return found
