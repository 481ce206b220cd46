"""How posting to webhooks goes: what notifiers write and `postroom webhooks list` shows."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, delete, select

from postroom.store.engine import upsert
from postroom.store.schema import webhook_states


@dataclass(frozen=True)
class State:
    """What is known of a webhook. `failures`: in a row; `disabled_url`: the one that said so (410)."""

    last_success_at: datetime | None = None
    last_failure_at: datetime | None = None
    last_failure: str = ""
    failures: int = 0
    rests_until: datetime | None = None
    disabled_at: datetime | None = None
    disabled_url: str | None = None
    disabled_why: str = ""

    def succeeded(self, now: datetime) -> "State":
        """After an event was taken."""
        return replace(self, last_success_at=now, failures=0, rests_until=None)

    def failed(self, why: str, now: datetime, rests_until: datetime | None = None) -> "State":
        """After one was not."""
        rests = max(filter(None, (self.rests_until, rests_until)), default=None)
        return replace(
            self, last_failure_at=now, last_failure=why, failures=self.failures + 1, rests_until=rests
        )

    def disabled(self, url: str, why: str, now: datetime) -> "State":
        """After it asked for no more."""
        return replace(self.failed(why, now), disabled_at=now, disabled_url=url, disabled_why=why)

    def enabled(self) -> "State":
        """Open again."""
        return replace(self, disabled_at=None, disabled_url=None, disabled_why="", rests_until=None)

    def is_disabled(self, url: str) -> bool:
        """Whether it asked for no more at this URL."""
        return self.disabled_at is not None and self.disabled_url == url

    def rest_s(self, now: datetime) -> float:
        """Seconds that it is to be left alone."""
        return max(0.0, (self.rests_until - now).total_seconds()) if self.rests_until else 0.0


_COLUMNS = tuple(column.name for column in webhook_states.c if column.name != "name")


def read(connection: Connection) -> dict[str, State]:
    """All states, by the webhook's name."""
    return {
        row.name: State(**{column: getattr(row, column) for column in _COLUMNS})
        for row in connection.execute(select(webhook_states))
    }


def write(connection: Connection, states: Mapping[str, State]) -> None:
    """Replace these states."""
    rows = [{"name": name, **asdict(state)} for name, state in states.items()]
    upsert(connection, webhook_states, rows, update=_COLUMNS)


def forget(connection: Connection, names: Iterable[str]) -> None:
    """Webhooks that are no more."""
    connection.execute(delete(webhook_states).where(webhook_states.c.name.in_(list(names))))
