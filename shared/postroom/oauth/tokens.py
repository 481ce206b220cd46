"""Access tokens of the accounts' grants, refreshed before they expire by one process at a time."""

from postroom.account import Account
from postroom.clock import Clock, utc_now
from postroom.errors import Misconfigured
from postroom.secret import Secrets
from postroom.secret_box import SecretBox
from postroom.store.engine import Store


class Tokens:
    """The access tokens of all accounts. Threads may share it."""

    def __init__(
        self, store: Store, box: SecretBox, secrets: Secrets, holder: str, *, clock: Clock = utc_now
    ) -> None:
        self._store = store
        self._box = box
        self._secrets = secrets
        self._holder = holder
        self._clock = clock

    def access_token(self, account: Account) -> str:
        """A token that is good for a while yet."""
        raise Misconfigured("sign_in_needed", f"{account.name} is not signed in")

    def refused(self, account: Account, token: str) -> None:
        """A server did not take the token: the next one must be another."""
