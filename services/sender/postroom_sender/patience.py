"""How long is waited before the next try, and when trying ends (pure)."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Patience:
    """Delays by number of tries so far, in seconds; the last one goes on for ever.

    Attributes:
        mail_delays_s: After a mail was put off (RFC 5321 section 4.5.4.1: half an hour and more in the end).
        account_delays_s: After a server could not be worked with.
        resting_delays_s: For the mails of a server that is left alone, by the mail's attempts: short, since
            looking whether it still is costs little, and its settings may change at any time.
        lifetime: From a mail's writing until it is given up.
        blind_tries: How often a request is sent whose fate stays unknown each time.
        look_delays_s: Before each look for a mail in doubt in the folder for sent mail; the last one is
            also how long its answer is waited for.
        hold_s: How long a batch waits for its mails; what takes longer goes on without it.
        held_retry_s: After so long the command of such a mail comes again, to see whether it is done.
        silence: After so long a sender that is not heard of counts as dead.
    """

    mail_delays_s: tuple[float, ...] = (10, 60, 60, 600, 600, 600, 3600)
    account_delays_s: tuple[float, ...] = (10, 20, 60, 120, 300, 600)
    resting_delays_s: tuple[float, ...] = (10, 10, 10, 10, 10, 10, 60)
    lifetime: timedelta = timedelta(hours=48)
    blind_tries: int = 3
    look_delays_s: tuple[float, ...] = (10, 60, 600)
    hold_s: float = 5.0
    held_retry_s: float = 10.0
    silence: timedelta = timedelta(seconds=30)

    def mail_delay_s(self, tries: int, jitter: float) -> float:
        """Seconds until a mail's next try; `jitter` from 0 to 1 keeps mails from returning all at once."""
        return _delay_s(self.mail_delays_s, tries, jitter)

    def account_delay_s(self, failures: int, jitter: float) -> float:
        """Seconds until an account's server is tried again."""
        return _delay_s(self.account_delays_s, failures, jitter)

    def look_delay_s(self, looks: int) -> float:
        """Seconds until the next look for a mail in doubt, or the end of them."""
        return self.look_delays_s[min(looks, len(self.look_delays_s) - 1)]

    def resting_delay_s(self, attempt: int) -> float:
        """Seconds at most until a mail asks again whether its server is still left alone."""
        return self.resting_delays_s[min(max(attempt, 1), len(self.resting_delays_s)) - 1]

    def is_over(self, written_at: datetime, now: datetime) -> bool:
        """Whether a mail is given up."""
        return now >= written_at + self.lifetime


def _delay_s(delays_s: tuple[float, ...], tries: int, jitter: float) -> float:
    return delays_s[min(max(tries, 1), len(delays_s)) - 1] * (0.75 + 0.5 * jitter)
