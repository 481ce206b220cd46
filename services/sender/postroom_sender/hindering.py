"""What keeps a mail from being sent, whatever its server would say: asked for a batch, before connecting."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from postroom.broker.verdict import RetryIn
from postroom.clock import Clock
from postroom.messages import MailSend, SendLane
from postroom.store import Store, bulks, suppressions
from postroom.store.bulks import State
from postroom.store.suppressions import Suppressed
from postroom_sender.outcome import Outcome, Result

PAUSED_RETRY_S = 10.0


@dataclass(frozen=True)
class Hindrances:
    """What was found for a batch: suppressed addresses by account, address and lane; the states of bulks."""

    suppressed: Mapping[tuple[str, str, SendLane], Suppressed] = field(default_factory=dict)
    bulks: Mapping[str, State] = field(default_factory=dict)

    def pause(self, command: MailSend) -> RetryIn | None:
        """When to look again, if the mail is part of a bulk that is paused."""
        if self.bulks.get(command.bulk_id) != "paused":
            return None
        return RetryIn(PAUSED_RETRY_S, f"the bulk {command.bulk_id} is paused")

    def of(self, command: MailSend) -> dict[str, Outcome]:
        """How the mail ends for those of its recipients to whom it is not sent."""
        if self.bulks.get(command.bulk_id) in bulks.IS_CANCELLED:
            cancelled = Outcome(Result.FAILED, "cancelled", f"the bulk {command.bulk_id} was cancelled")
            return dict.fromkeys(command.recipients, cancelled)
        wanted = {each: (command.account, each, command.lane) for each in command.recipients}
        return {
            each: Outcome(Result.FAILED, "suppressed", self.suppressed[key].told)
            for each, key in wanted.items()
            if key in self.suppressed
        }


def hindrances(store: Store, commands: Sequence[MailSend], clock: Clock) -> Hindrances:
    """What hinders mails of these orders. Raises Transient: the store does not answer."""
    if not commands:
        return Hindrances()
    wanted = {(each.account, recipient, each.lane) for each in commands for recipient in each.recipients}
    with store.read() as connection:
        return Hindrances(
            suppressions.covering(connection, wanted, clock()),
            bulks.states(connection, {each.bulk_id for each in commands if each.bulk_id}),
        )
