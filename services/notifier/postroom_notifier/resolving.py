"""The addresses of a webhook's host, as text, with a deadline."""

from collections.abc import Callable, Sequence

from postroom.names import NAMES

Resolve = Callable[[str, int, float], Sequence[str]]
"""The addresses of a host and port, in so many seconds. Raises OSError: there are none, or none in time."""


def resolve(host: str, port: int, timeout_s: float) -> Sequence[str]:
    """The system's answer. Raises OSError, and UnicodeError for what is no name."""
    return list(dict.fromkeys(str(place[0]) for _family, place in NAMES.addresses(host, port, timeout_s)))
