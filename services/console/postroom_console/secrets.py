"""`postroom secrets list|rotate`: what is stored encrypted, and with which key."""

import os
import tempfile
from pathlib import Path

import click
from rich.table import Table
from sqlalchemy import Connection, select

from postroom.errors import Misconfigured
from postroom.secret_box import SecretBox
from postroom.secret_box import new_key as make_key
from postroom.settings import Settings, read_settings
from postroom.store.schema import oauth_grants
from postroom.store.schema import secrets as stored_secrets
from postroom.store.secrets import grant_name, rotate
from postroom_console.account_list import local
from postroom_console.registry import opened
from postroom_console.terminal import make_console

_TIME = "%Y-%m-%d %H:%M:%S"
_KEYS = {True: "the newest", False: "an older one"}


@click.group("secrets")
def secrets() -> None:
    """What is stored encrypted: passwords, and the tokens of OAuth 2 sign-ins."""


@secrets.command("list")
def list_secrets() -> None:
    """List names and dates; values are never shown."""
    settings = read_settings()
    box = settings.read_secret_box()
    with opened(settings) as store, store.read() as connection:
        rows = _rows(connection)
    if not rows:
        click.echo("nothing is stored; see `postroom accounts set-secret`")
        return
    shown = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("NAME", "CHANGED", "KEY"):
        shown.add_column(column, overflow="fold")
    for name, changed, sealed in rows:
        shown.add_row(name, changed, _KEYS[box.is_newest(sealed)])
    make_console().print(shown)


@secrets.command("rotate")
@click.option("--new-key", is_flag=True, help="First put a new key before the others in their file.")
def rotate_secrets(new_key: bool) -> None:
    """Encrypt everything with the newest key, in one transaction. Services go on meanwhile."""
    settings = read_settings()
    if new_key:
        click.echo(f"a new key is the first one in {_add_key(settings)}")
    box = settings.read_secret_box()
    with opened(settings) as store, store.write() as connection:
        count = rotate(connection, box)
    click.echo(f"{count} encrypted anew" if count else "everything is encrypted with the newest key already")
    click.echo(_about_old_keys(box), nl=box.count > 1)


def _rows(connection: Connection) -> list[tuple[str, str, str]]:
    """Name, time of the last change and ciphertext of everything."""
    passwords = connection.execute(select(stored_secrets).order_by(stored_secrets.c.name))
    grants = connection.execute(select(oauth_grants).order_by(oauth_grants.c.account))
    return [(row.name, local(row.updated_at, _TIME), row.ciphertext) for row in passwords] + [
        (grant_name(row.account), local(row.refreshed_at or row.signed_in_at, _TIME), row.ciphertext)
        for row in grants
    ]


def _add_key(settings: Settings) -> Path:
    """Put a new key before the others in their file.

    Raises:
        Misconfigured: the keys are in no file, or it cannot be written.
    """
    if settings.secret_keys is not None:
        raise Misconfigured(
            "secret_keys",
            "the keys are given as POSTROOM_SECRET_KEYS: put a new one before them there, restart "
            "fetcher and sender with it, then run `postroom secrets rotate`",
        )
    settings.read_secret_box()
    path = settings.key_file("secret_keys")
    try:
        # Written aside, so that nobody reads half of it.
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w") as file:
            file.write(f"{make_key()}\n{path.read_text('ascii')}")
        Path(draft).replace(path)
    except OSError as error:
        raise Misconfigured("secret_keys", f"{path}: cannot be written: {error.strerror}") from error
    return path


def _about_old_keys(box: SecretBox) -> str:
    """What to do with the keys that nothing is encrypted with any more."""
    old = box.count - 1
    if not old:
        return ""
    keys = "key is" if old == 1 else f"{old} keys are"
    return f"the older {keys} not needed any more: remove all but the first one when no backup needs them"
