"""The accounts' grants in the store, encrypted, and who refreshes one at the moment."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, update

from postroom.oauth.grant import Grant
from postroom.secret_box import SecretBox
from postroom.store.accounts import NEVER_SIGNED_IN, bump
from postroom.store.engine import insert_new
from postroom.store.schema import oauth_grants
from postroom.store.secrets import grant_name

_of = oauth_grants.c


@dataclass(frozen=True)
class Kept:
    """A grant as it is in the store; `rejected` says why the provider does not want it any more."""

    grant: Grant
    version: int
    rejected: str | None = None


def load(connection: Connection, box: SecretBox, account: str) -> Kept | None:
    """The account's grant, or None if there is none.

    Raises:
        Misconfigured: the keys at hand do not open it.
    """
    row = connection.execute(select(oauth_grants).where(_of.account == account)).first()
    if row is None:
        return None
    grant = Grant.from_json(box.open(grant_name(account), row.ciphertext))
    return Kept(grant, row.version, row.rejected)


def sign_in(connection: Connection, box: SecretBox, account: str, grant: Grant, now: datetime) -> None:
    """Keep the grant of a new sign-in; who is refreshing the former one is overtaken.

    The services notice as they notice a change of the accounts.
    """
    make(connection, box, account, grant)
    change = update(oauth_grants).where(_of.account == account)
    connection.execute(change.values(**_fields(box, account, grant), signed_in_at=now, refreshed_at=None))
    bump(connection)


def make(connection: Connection, box: SecretBox, account: str, grant: Grant) -> None:
    """Make a row, unless there is one: an account that needs no sign-in has something to claim then."""
    row = {
        "account": account,
        "ciphertext": box.seal(grant_name(account), grant.to_json()),
        "version": 0,
        "signed_in_at": NEVER_SIGNED_IN,
    }
    insert_new(connection, oauth_grants, [row])


def claim(
    connection: Connection, account: str, version: int, holder: str, now: datetime, until: datetime
) -> bool:
    """Whether `holder` alone may ask the provider until then; not if there is another version by now."""
    is_free = (_of.claimed_until.is_(None)) | (_of.claimed_until <= now) | (_of.claimed_by == holder)
    change = update(oauth_grants).where(_of.account == account, _of.version == version, is_free)
    return connection.execute(change.values(claimed_by=holder, claimed_until=until)).rowcount == 1


def release(connection: Connection, account: str, holder: str) -> None:
    """Let others ask the provider."""
    change = update(oauth_grants).where(_of.account == account, _of.claimed_by == holder)
    connection.execute(change.values(claimed_by=None, claimed_until=None))


def save(
    connection: Connection, box: SecretBox, account: str, version: int, grant: Grant, now: datetime
) -> bool:
    """Keep what came of the grant of that version; False if there is another version by now.

    A claim is not asked for: who was slow and lost it has the newest refresh token all the same.
    """
    change = update(oauth_grants).where(_of.account == account, _of.version == version)
    done = connection.execute(change.values(**_fields(box, account, grant), refreshed_at=now))
    return done.rowcount == 1


def reject(connection: Connection, account: str, version: int, why: str) -> bool:
    """The provider does not want the grant of that version; False if there is another version by now."""
    change = update(oauth_grants).where(_of.account == account, _of.version == version)
    fields = {"rejected": why, "version": _of.version + 1, "claimed_by": None, "claimed_until": None}
    return connection.execute(change.values(**fields)).rowcount == 1


def _fields(box: SecretBox, account: str, grant: Grant) -> dict[str, object]:
    return {
        "ciphertext": box.seal(grant_name(account), grant.to_json()),
        "version": _of.version + 1,
        "access_expires_at": grant.expires_at if grant.access_token else None,
        "refresh_expires_at": grant.refresh_expires_at,
        "claimed_by": None,
        "claimed_until": None,
        "rejected": None,
    }
