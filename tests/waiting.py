"""Waiting for a condition, with a deadline, instead of sleeping a fixed time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(
    condition: Callable[[], T],
    timeout_s: float,
    what: str,
    *,
    interval_s: float = 0.02,
) -> T:
    """Ask `condition` again and again until what it returns is true, and return that.

    Args:
        condition: Asked at once, then every `interval_s`; what it raises goes through.
        timeout_s: Seconds until giving up; the condition is asked once more at the end.
        what: What is waited for, as the end of the sentence "waited … for …".
        interval_s: Seconds between two questions.

    Raises:
        AssertionError: It did not become true in time; says what and the last answer.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        late = time.monotonic() >= deadline
        answer = condition()
        if answer:
            return answer
        if late:
            raise AssertionError(f"waited {timeout_s:g} s for {what}; last answer: {answer!r}")
        time.sleep(interval_s)
