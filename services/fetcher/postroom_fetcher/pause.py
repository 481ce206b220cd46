"""How long to wait before a mailbox that failed is tried again (pure)."""

from postroom.errors import Misconfigured, PostroomError, Transient

TRANSIENT_S = (1.0, 300.0)
MISCONFIGURED_S = (10.0, 900.0)
"""First and longest pause. A wrong password is tried less often: servers lock accounts for it."""


def pause_s(error: PostroomError, failures: int, jitter: float) -> float:
    """Seconds until the next try after `failures` (1, 2, …) in a row; `jitter` is from 0 to 1.

    The pause doubles each time; half of it is left to chance, so that mailboxes of one server do not all
    come back at once. A wait that the server asked for is kept.
    """
    first, longest = MISCONFIGURED_S if isinstance(error, Misconfigured) else TRANSIENT_S
    pause = min(longest, first * 2.0 ** min(failures - 1, 30)) * (0.5 + jitter / 2)
    wished = error.retry_after_s if isinstance(error, Transient) else None
    return max(pause, wished or 0.0)
