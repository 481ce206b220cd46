"""Which mails this process has in hand, so that a command that comes twice is not begun twice."""

import threading
from collections.abc import Iterable


class InHand:
    """Ids of mails that are being sent. After a lost broker connection their commands come a second time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids: set[str] = set()

    def take(self, send_id: str) -> bool:
        """Take the mail in hand; False if it is in somebody's hand already."""
        with self._lock:
            if send_id in self._ids:
                return False
            self._ids.add(send_id)
            return True

    def put_down(self, send_ids: Iterable[str]) -> None:
        """Give the mails out of hand."""
        with self._lock:
            self._ids.difference_update(send_ids)
