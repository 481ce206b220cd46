"""The operator's probe of a broker: each stage with its own result, independent of the services' client.

It uses pika for RabbitMQ and sqlite3 itself for the embedded broker, so that kombu is never its own witness.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from postroom.topology import Topology


@dataclass(frozen=True)
class Check:
    """One result. `ok` is None when the check was skipped; `advice` is empty when nothing has to be done."""

    name: str
    ok: bool | None
    detail: str
    advice: str
    milliseconds: float


@dataclass(frozen=True)
class Answer:
    """What a stage found out. `ok` is None for "could not be told"."""

    ok: bool | None
    detail: str
    advice: str = ""


def timed(name: str, stage: Callable[[], Answer]) -> Check:
    """Run a stage; what it raises is an answer too."""
    started = time.monotonic()
    try:
        answer = stage()
    except Exception as error:
        answer = Answer(False, f"{type(error).__name__}: {error}", "see the detail")
    return Check(name, answer.ok, answer.detail, answer.advice, (time.monotonic() - started) * 1000)


def skipped(name: str, reason: str) -> Check:
    """A check that made no sense after an earlier one failed."""
    return Check(name, None, reason, "", 0.0)


def probe(url: str, topology: Topology) -> tuple[Check, ...]:
    """Check a broker stage by stage; never raises.

    RabbitMQ: `reach`, `tls`, `log-in`, `permissions`, one `queue <name>` each, `round trip`.
    Embedded: `reach`, `integrity`, one `queue <name>` each, `round trip`.
    """
    if urlsplit(url).scheme == "embedded":
        from postroom.broker.probe_embedded import probe_embedded

        return probe_embedded(url, topology)
    from postroom.broker.probe_rabbitmq import probe_rabbitmq

    return probe_rabbitmq(url, topology)
