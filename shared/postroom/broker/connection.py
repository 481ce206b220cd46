"""Connections to either broker, and foreign errors as ours."""

import kombu


def connect(url: str, *, name: str, heartbeat_s: int = 10) -> kombu.Connection:
    """An open connection. Schemes: `amqp`, `amqps` (verified, `?cafile=`), `embedded:///path`."""
    raise NotImplementedError


def back_off(attempt: int, jitter: float) -> float:
    """Seconds to wait before connection attempt `attempt` (1, 2, …); `jitter` is from 0 to 1 (full jitter)."""
    return max(0.1, min(10.0, 0.1 * 2.0 ** min(attempt, 20)) * jitter)
