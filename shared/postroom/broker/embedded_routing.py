"""Which queues a message reaches, on the embedded broker (pure)."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

Bindings = Mapping[str, Iterable[tuple[str, int]]]
"""By exchange: pairs of routing key (or topic pattern) and queue id."""


class NoExchange(LookupError):
    """The exchange does not exist; the text is its name."""


class Routes:
    """A snapshot of exchanges, queues and bindings that answers for routing keys, and remembers answers."""

    def __init__(self, kinds: Mapping[str, str], queues: Mapping[str, int], bindings: Bindings) -> None:
        self._kinds = kinds
        self._queues = queues
        self._bindings = bindings
        self._known: dict[tuple[str, str], tuple[int, ...]] = {}

    def targets(self, exchange: str, routing_key: str) -> tuple[int, ...]:
        """The ids of the queues, each once.

        Raises:
            NoExchange: There is no such exchange.
        """
        known = self._known.get((exchange, routing_key))
        if known is None:
            known = tuple(sorted(self._look_up(exchange, routing_key)))
            # Topic keys come from messages: what is remembered must not grow with them.
            if len(self._known) > 10_000:
                self._known.clear()
            self._known[(exchange, routing_key)] = known
        return known

    def _look_up(self, exchange: str, routing_key: str) -> set[int]:
        if not exchange:
            return {self._queues[routing_key]} if routing_key in self._queues else set()
        kind = self._kinds.get(exchange)
        if kind is None:
            raise NoExchange(exchange)
        bindings = self._bindings.get(exchange, ())
        if kind == "fanout":
            return {queue for _, queue in bindings}
        if kind == "direct":
            return {queue for key, queue in bindings if key == routing_key}
        return {queue for pattern, queue in bindings if topic_matches(pattern, routing_key)}


def topic_matches(pattern: str, routing_key: str) -> bool:
    """Whether a topic pattern takes a routing key: `*` is one word, `#` is any number, also none."""
    return _compiled(pattern).fullmatch(f"{routing_key}." if routing_key else "") is not None


@lru_cache(maxsize=1000)
def _compiled(pattern: str) -> re.Pattern[str]:
    wildcards = {"*": r"[^.]*\.", "#": r"(?:[^.]*\.)*"}
    return re.compile("".join(wildcards.get(word, re.escape(word) + r"\.") for word in pattern.split(".")))
