"""TLS contexts, one for all connections with the same trust: each costs 950 kB and 31 ms to make."""

import ssl
import threading
from pathlib import Path

from postroom.account import Account
from postroom.errors import Misconfigured


class Trust:
    """Makes and keeps the contexts. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._contexts: dict[tuple[str | None, bool], tuple[int, ssl.SSLContext]] = {}

    def context(self, account: Account) -> ssl.SSLContext:
        """The context for an account: certificate and host name are verified unless the account says not to.

        A CA file that changed is read anew.

        Raises:
            Misconfigured: The CA file cannot be read or holds no certificate.
        """
        key = account.ca_file, account.verify_certificate
        changed_ns = _changed_ns(account.ca_file)
        with self._lock:
            known_ns, context = self._contexts.get(key, (-1, None))
            if context is None or known_ns != changed_ns:
                context = _context(*key)
                self._contexts[key] = changed_ns, context
            return context


def _context(ca_file: str | None, verify: bool) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # ssl.SSLError is one too
        why = error.strerror or error
        raise Misconfigured("ca_file", f"ca_file {ca_file} cannot be used: {why}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _changed_ns(ca_file: str | None) -> int:
    try:
        return Path(ca_file).stat().st_mtime_ns if ca_file else 0
    except OSError:
        return 0


TRUST = Trust()
"""That of this process."""
