"""Access tokens of the accounts' grants, refreshed before they expire by one process at a time."""

import logging
import secrets as chance
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from postroom import metrics
from postroom.account import Account
from postroom.account_oauth import Provider
from postroom.clock import Clock, utc_now
from postroom.errors import Misconfigured, Transient
from postroom.oauth import grant_store
from postroom.oauth.grant import Grant
from postroom.oauth.grant_store import Kept
from postroom.oauth.provider_client import ProviderClient, provider_client, source
from postroom.secret import Secrets
from postroom.secret_box import SecretBox
from postroom.store.engine import Store

logger = logging.getLogger(__name__)

CLAIM_S = 60.0
"""Longer than an endpoint may take: after that, who claimed a grant counts as dead."""
WAIT_S = 20.0
LOOK_S = 0.1
HOLD_OFF_S = 10.0
"""How long the provider is left alone after it did not answer, unless it says itself."""
REFUSALS_S = 60.0
"""A server that refuses every token has a new one fetched this often at most."""
SAVES = 3

T = TypeVar("T")


@dataclass(frozen=True)
class _Unsaved:
    """What the provider gave and the store did not take yet. A lost refresh token would be a lost sign-in."""

    version: int
    grant: Grant


class Tokens:
    """The access tokens of all accounts. Threads may share it.

    Args:
        store: Has the grants.
        box: Opens them.
        secrets: Have the clients' secrets.
        holder: Who claims a grant, for people who look; need not be unique.
        clock: The time of day.
        wait_s: How long a caller waits while another process refreshes.
    """

    def __init__(
        self,
        store: Store,
        box: SecretBox,
        secrets: Secrets,
        holder: str,
        *,
        clock: Clock = utc_now,
        wait_s: float = WAIT_S,
    ) -> None:
        self._store = store
        self._box = box
        self._secrets = secrets
        self._holder = f"{holder[:100]}/{chance.token_hex(8)}"
        self._clock = clock
        self._wait_s = wait_s
        self._lock = threading.Lock()
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        # By account; an entry is written under the account's lock.
        self._cached: dict[str, tuple[str, Grant]] = {}
        self._unsaved: dict[str, _Unsaved] = {}
        self._held_off_until: dict[str, float] = {}
        self._refused_at: dict[str, float] = {}

    def access_token(self, account: Account) -> str:
        """A token that is good for a while yet.

        Raises:
            Misconfigured: the account's owner has to sign in (again), or the provider refuses the client.
            Transient: the provider or the store does not answer now, and there is no token that is good yet.
        """
        cached = self._remembered(account)
        if cached and cached.is_fresh(self._clock()):
            return cached.access_token
        lock = self._lock_of(account.name)
        # While another thread asks the provider, a token that is good yet is good enough.
        if not lock.acquire(blocking=not (cached and cached.is_valid(self._clock()))):
            assert cached is not None
            return cached.access_token
        try:
            return self._current(account).access_token
        finally:
            lock.release()

    def refused(self, account: Account, token: str) -> None:
        """A server did not take the token: the next one is another, unless that was the case just now.

        Raises:
            Transient: the store does not answer.
        """
        with self._lock_of(account.name):
            last = self._refused_at.get(account.name)
            if last is not None and time.monotonic() - last < REFUSALS_S:
                return
            self._cached.pop(account.name, None)
            kept = self._load(account)
            if kept is None or kept.grant.access_token != token:
                return
            self._refused_at[account.name] = time.monotonic()
            self._keep(account, kept.version, kept.grant.without_access())

    def _remembered(self, account: Account) -> Grant | None:
        key, grant = self._cached.get(account.name, ("", None))
        return grant if key == _key(account) else None

    def _current(self, account: Account) -> Grant:
        """The fresh grant that another thread has got in the meantime, or that is got now."""
        grant = self._remembered(account)
        if grant is None or not grant.is_fresh(self._clock()):
            grant = self._found(account)
            self._cached[account.name] = (_key(account), grant)
            metrics.oauth_access_expires.labels(account=account.name).set(grant.expires_at.timestamp())
        return grant

    def _found(self, account: Account) -> Grant:
        """A grant with a token that can be used, from the store or the provider."""
        registered = _registered(account)
        until = time.monotonic() + self._wait_s
        while True:
            self._save_rest(account)
            kept = self._looked_up(account, registered)
            if self._is_enough(account, registered, kept.grant):
                return kept.grant
            self._leave_alone(account)
            found = self._renewed(account, kept) if self._claim(account, kept) else None
            if found is not None:
                return found
            if kept.grant.is_valid(self._clock()):
                return kept.grant
            if time.monotonic() > until:
                raise Transient(f"another process has been refreshing {account.name} for {self._wait_s:g} s")
            time.sleep(LOOK_S)

    def _is_enough(self, account: Account, registered: Provider, grant: Grant) -> bool:
        """Whether nobody has to be asked for another token, or can be."""
        now = self._clock()
        if grant.is_fresh(now) or not grant.is_valid(now):
            return grant.is_fresh(now)
        can_ask = grant.refresh_token or registered.grant == "client-credentials"
        return not can_ask or self._is_held_off(account)

    def _looked_up(self, account: Account, registered: Provider) -> Kept:
        """What is in the store, if it can be used or refreshed."""
        kept = self._load(account)
        wanted = source(account.oauth, registered) if account.oauth else ""
        is_app = registered.grant == "client-credentials"
        if is_app and (kept is None or kept.grant.source != wanted):
            return self._prepared(account, kept, Grant(wanted))
        _check_sign_in(account.name, kept, wanted)
        assert kept is not None
        if not is_app and not kept.grant.refresh_token and not kept.grant.is_valid(self._clock()):
            raise _again(account.name, "the provider gave no refresh token, and the access token is used up")
        return kept

    def _prepared(self, account: Account, kept: Kept | None, empty: Grant) -> Kept:
        """A row to claim, for a program that needs no sign-in."""
        with self._store.write() as connection:
            if kept is None:
                grant_store.make(connection, self._box, account.name, empty)
            else:
                grant_store.save(connection, self._box, account.name, kept.version, empty, self._clock())
            found = grant_store.load(connection, self._box, account.name)
        assert found is not None
        return found

    def _claim(self, account: Account, kept: Kept) -> bool:
        now = self._clock()
        with self._store.write() as connection:
            return grant_store.claim(
                connection, account.name, kept.version, self._holder, now, now + timedelta(seconds=CLAIM_S)
            )

    def _renewed(self, account: Account, kept: Kept) -> Grant | None:
        """The provider's new grant, kept; None if another process was faster."""
        try:
            client = provider_client(account, self._secrets, clock=self._clock)
            grant = self._asked(client, kept)
        except Misconfigured as error:
            self._give_up(account, kept, error)
            return None
        except Transient as error:
            self._hold_off(account, error)
            self._release(account)
            if kept.grant.is_valid(self._clock()):
                logger.warning(
                    "a token could not be refreshed, the old one is used on",
                    extra={"account": account.name, "error": str(error)},
                )
                return kept.grant
            raise
        self._held_off_until.pop(account.name, None)
        self._unsaved[account.name] = _Unsaved(kept.version, grant)
        return grant if self._save_rest(account) else None

    def _asked(self, client: ProviderClient, kept: Kept) -> Grant:
        if client.grant == "client-credentials":
            return client.client_credentials()
        return client.refresh(kept.grant)

    def _give_up(self, account: Account, kept: Kept, error: Misconfigured) -> None:
        """Raises what the provider said, unless it was about a grant that is another one by now."""
        if error.reason_code != "sign_in_again":
            self._release(account)
            raise error
        with self._store.write() as connection:
            is_ours = grant_store.reject(connection, account.name, kept.version, str(error))
        if is_ours:
            raise error

    def _save_rest(self, account: Account) -> bool:
        """Keep what the provider gave and the store has not; False if the store has something newer."""
        unsaved = self._unsaved.get(account.name)
        if unsaved is None:
            return True
        saved = _persistently(lambda: self._keep(account, unsaved.version, unsaved.grant))
        del self._unsaved[account.name]
        return saved

    def _keep(self, account: Account, version: int, grant: Grant) -> bool:
        with self._store.write() as connection:
            return grant_store.save(connection, self._box, account.name, version, grant, self._clock())

    def _load(self, account: Account) -> Kept | None:
        with self._store.read() as connection:
            return grant_store.load(connection, self._box, account.name)

    def _release(self, account: Account) -> None:
        with self._store.write() as connection:
            grant_store.release(connection, account.name, self._holder)

    def _hold_off(self, account: Account, error: Transient) -> None:
        wait_s = HOLD_OFF_S if error.retry_after_s is None else max(error.retry_after_s, 1.0)
        self._held_off_until[account.name] = time.monotonic() + wait_s

    def _is_held_off(self, account: Account) -> bool:
        return time.monotonic() < self._held_off_until.get(account.name, 0.0)

    def _leave_alone(self, account: Account) -> None:
        """Raises Transient while the provider does not want to be asked."""
        left_s = self._held_off_until.get(account.name, 0.0) - time.monotonic()
        if left_s > 0:
            raise Transient(
                f"the provider of {account.name} did not answer and is asked again in {left_s:.0f} s",
                retry_after_s=left_s,
            )

    def _lock_of(self, name: str) -> threading.Lock:
        with self._lock:
            return self._locks[name]


def _registered(account: Account) -> Provider:
    if account.provider is None:
        raise Misconfigured("oauth_settings", f"{account.name} has no oauth section")
    return account.provider


def _key(account: Account) -> str:
    """Other settings or a new sign-in make a cached token another account's."""
    return f"{account.secrets_stamp}\n{account.oauth.model_dump_json() if account.oauth else ''}"


def _check_sign_in(name: str, kept: Kept | None, wanted: str) -> None:
    """Raises Misconfigured unless the owner has signed in, and the provider has not taken that back."""
    advice = f"run `postroom accounts login {name}`"
    if kept is None:
        raise Misconfigured("sign_in_needed", f"{name} is not signed in: {advice}")
    if kept.grant.source != wanted:
        raise Misconfigured(
            "sign_in_needed", f"{name} is signed in with another client_id or token_url: {advice}"
        )
    if kept.rejected is not None:
        raise Misconfigured("sign_in_again", kept.rejected)


def _again(name: str, why: str) -> Misconfigured:
    return Misconfigured(
        "sign_in_again", f"{name} has to sign in again: run `postroom accounts login {name}` ({why})"
    )


def _persistently(save: Callable[[], T]) -> T:
    """Tries again where the store does not answer. Raises Transient in the end."""
    for pause_s in [LOOK_S * 2**attempt for attempt in range(SAVES - 1)]:
        try:
            return save()
        except Transient:
            time.sleep(pause_s)
    return save()
