"""The secrets that are kept in the store, encrypted: see `postroom.secret_box`."""

from datetime import datetime

from sqlalchemy import Connection, delete, select

from postroom.secret_box import SecretBox
from postroom.store.accounts import bump
from postroom.store.engine import upsert
from postroom.store.schema import oauth_grants, secrets


def read_sealed(connection: Connection, name: str) -> str | None:
    """The ciphertext of that name, or None if there is none."""
    return connection.execute(select(secrets.c.ciphertext).where(secrets.c.name == name)).scalar()


def names(connection: Connection) -> dict[str, datetime]:
    """The names of all secrets, each with the time of its last change."""
    rows = connection.execute(select(secrets.c.name, secrets.c.updated_at).order_by(secrets.c.name))
    return {row.name: row.updated_at for row in rows}


def write(connection: Connection, box: SecretBox, name: str, value: str, now: datetime) -> None:
    """Keep the value under the name; services notice as they notice a change of the accounts."""
    row = {"name": name, "ciphertext": box.seal(name, value), "updated_at": now}
    upsert(connection, secrets, [row], update=("ciphertext", "updated_at"))
    bump(connection)


def forget(connection: Connection, name: str) -> bool:
    """Forget a secret; whether there was one."""
    found = connection.execute(delete(secrets).where(secrets.c.name == name)).rowcount
    bump(connection)
    return bool(found)


def rotate(connection: Connection, box: SecretBox) -> int:
    """Encrypt anew, with the newest key, what is not yet; returns how many there were.

    Raises:
        Misconfigured: none of the keys opens one of them; nothing is changed then.
    """
    old = [
        (secrets, secrets.c.name, row.name, row.ciphertext)
        for row in connection.execute(select(secrets).with_for_update())
        if not box.is_newest(row.ciphertext)
    ]
    grants = [
        (oauth_grants, oauth_grants.c.account, row.account, row.ciphertext)
        for row in connection.execute(select(oauth_grants).with_for_update())
        if not box.is_newest(row.ciphertext)
    ]
    for table, key, name, sealed in (*old, *grants):
        label = name if table is secrets else grant_name(name)
        fresh = box.seal(label, box.open(label, sealed))
        connection.execute(table.update().where(key == name).values(ciphertext=fresh))
    return len(old) + len(grants)


def grant_name(account: str) -> str:
    """The name for which an account's OAuth 2 tokens are encrypted."""
    return f"{account}/oauth"
