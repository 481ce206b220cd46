"""What one look makes of mails that the server lists and does not give; the rules are in `trouble`."""

import logging
from collections.abc import Collection, Iterable, Sequence

from postroom.clock import Clock
from postroom_fetcher import trouble
from postroom_fetcher.fault import Unavailable
from postroom_fetcher.hand_on import Visit
from postroom_fetcher.trouble import MOST_SET_ASIDE, Trouble
from postroom_fetcher.trouble_list import TroubleList

logger = logging.getLogger(__name__)


class Doubts:
    """The troubles of one folder during one look. Its thread, and the one that hands on, share it."""

    def __init__(self, stored: TroubleList, visit: Visit, uidvalidity: int, clock: Clock) -> None:
        self._stored = stored
        self._visit = visit
        self._uidvalidity = uidvalidity
        self._clock = clock
        self._known = stored.of(visit.box, uidvalidity)
        self._passed: set[int] = set()
        ripe = sorted(uid for uid, each in self._known.items() if each.may_be_set_aside)
        self._passable = frozenset(ripe[: max(0, MOST_SET_ASIDE - len(self.set_aside))])

    @property
    def set_aside(self) -> list[Trouble]:
        """The mails that hold up nothing any more."""
        return [each for each in list(self._known.values()) if each.set_aside_at is not None]

    @property
    def suspects(self) -> Collection[int]:
        """The UIDs that failed before: each is asked for alone, so that it is known which one fails."""
        return self._known.keys()

    def sound(self, uids: Iterable[int]) -> list[int]:
        """The UIDs without those that are not to be asked for now."""
        return [uid for uid in uids if not self._passes(uid)]

    def _passes(self, uid: int) -> bool:
        known = self._known.get(uid)
        if known is None or known.set_aside_at is not None:
            return known is not None
        if uid in self._passable:
            self._passed.add(uid)
        return uid in self._passable

    def unproven(self) -> list[int]:
        """The UIDs that were passed over, and no other mail has come whole yet."""
        return sorted(self._passed)

    def proven(self) -> None:
        """Another mail came whole: set aside what was passed over.

        Before the cursor goes past them: a crash in between leaves them set aside a moment too early.
        """
        if not self._passed:
            return
        now = self._clock()
        aside = [trouble.set_aside(self._known[uid], now) for uid in self.unproven()]
        self._write(aside)
        self._passed.clear()
        for each in aside:
            self._log("a mail is set aside", each)

    def due(self) -> list[int]:
        """The UIDs of those set aside that are to be tried again now."""
        return trouble.due(list(self._known.values()), self._clock())

    def blame(self, error: Unavailable) -> None:
        """Count a failure for the mails that were asked for, if it may have been theirs."""
        if not error.uids or error.reason_code not in trouble.BLAMED:
            return
        now = self._clock()
        failed = [
            trouble.failed(self._known.get(uid), uid, error.reason_code, str(error), now)
            for uid in sorted(error.uids)
        ]
        self._write(failed)

    def healed(self, uids: Sequence[int]) -> None:
        """These came, or are gone."""
        mine = [uid for uid in uids if uid in self._known]
        if not mine:
            return
        self._stored.forget(self._visit.lease, self._visit.box, self._uidvalidity, mine)
        for uid in mine:
            self._passed.discard(uid)
            self._log("a mail that had not come is dealt with", self._known.pop(uid))

    def told(self) -> str:
        """What a person needs to know; empty if nothing."""
        return trouble.told(self.set_aside, self._visit.folder)

    def _write(self, troubles: Sequence[Trouble]) -> None:
        self._stored.record(self._visit.lease, self._visit.box, self._uidvalidity, troubles)
        self._known.update({each.uid: each for each in troubles})

    def _log(self, event: str, each: Trouble) -> None:
        facts = {"account": self._visit.account.name, "folder": self._visit.folder, "uid": each.uid}
        logger.warning(event, extra={**facts, "tries": each.tries, "reason": each.sentence})
