"""`postroom tokens create|list|revoke`: with which users prove who they are."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import click
from rich.table import Table

from postroom.clock import utc_now
from postroom.document import json_document
from postroom.errors import Misconfigured
from postroom.store import audit
from postroom.store import tokens as stored
from postroom.store.view import View
from postroom_console.account_list import local
from postroom_console.acting import Who, acting, doing, looking
from postroom_console.approvals import as_json
from postroom_console.moment import A_DURATION, read_duration
from postroom_console.terminal import make_console
from postroom_console.users import the_user

MAX_LABEL_CHARS = 200
_MAX_S = 10 * 365 * 86_400
NEVER = "never"


class NoSuchToken(Misconfigured):
    """There is no such token, as far as the actor may know."""

    def __init__(self, token_id: str) -> None:
        super().__init__("token", f"there is no token {token_id!r}; see `postroom tokens list`")


class Lifetime(click.ParamType[timedelta | None]):
    """A duration such as `90d`, or `never`."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, context: click.Context | None
    ) -> timedelta | None:
        """How long; None: for ever."""
        if str(value).strip() == NEVER:
            return None
        found = read_duration(str(value))
        if found is None or not 0 < found.total_seconds() <= _MAX_S:
            self.fail(f"{value!r}: expected {A_DURATION} of up to 3650d, or {NEVER}", param, context)
        return found


class Label(click.ParamType[str]):
    """One line."""

    name = "text"

    def convert(self, value: object, param: click.Parameter | None, context: click.Context | None) -> str:
        """The line."""
        text = str(value).strip()
        if len(text) > MAX_LABEL_CHARS or not text.isprintable():
            self.fail(f"expected one line of at most {MAX_LABEL_CHARS} characters")
        return text


@click.group("tokens")
def tokens() -> None:
    """Make, list and revoke the API tokens of users. A command takes one from POSTROOM_API_TOKEN."""


@tokens.command("create")
@click.argument("user")
@click.option(
    "--expires",
    "lifetime",
    type=Lifetime(),
    default="90d",
    show_default=True,
    help=f"For how long it is good, such as 12h or 90d; or {NEVER}.",
)
@click.option("--label", type=Label(), default="", help="What it is for.")
@acting
@as_json
def create(user: str, lifetime: timedelta | None, label: str, who: Who, as_json: bool) -> None:
    """Make a token for USER (name or address) and print it: this once, it is not to be had again."""
    now = utc_now()
    with doing(who, "tokens") as view:
        found = the_user(view, user)
        if not found.enabled:
            raise Misconfigured("user", f"{found.name} is disabled, so a token would be of no use")
        expires_at = now + lifetime if lifetime is not None else None
        made = stored.create(
            view.connection,
            user=found.name,
            label=label,
            by=view.actor.name,
            now=now,
            expires_at=expires_at,
        )
        detail = {"user": found.name, "label": label, "expires_at": str(expires_at or NEVER)}
        audit.record(view.connection, view.actor, "token.create", None, made.id, detail, now=now)
    if as_json:
        told = {"id": made.id, "user": found.name, "token": made.text, "expires_at": expires_at}
        click.echo(json_document(told))
        return
    click.echo(made.text)
    until = f"until {local(expires_at)}" if expires_at else "for ever"
    click.echo(f"token {made.id} of {found.name}, good {until}; it is not shown again", err=True)


@tokens.command("list")
@click.argument("user", required=False)
@acting
@as_json
def list_tokens(user: str | None, who: Who, as_json: bool) -> None:
    """List the tokens (of one user), never the secrets; agents see their own."""
    with looking(who) as view:
        rows = _visible(view, user)
    if as_json:
        click.echo(json_document(rows))
    elif rows:
        make_console().print(_table(rows))
    else:
        click.echo("no tokens; see `postroom tokens create`")


@tokens.command("revoke")
@click.argument("token_ids", metavar="ID...", nargs=-1, required=True)
@acting
def revoke(token_ids: tuple[str, ...], who: Who) -> None:
    """Make tokens useless, all of them or none; agents only their own. Exit code 2 if there is no such."""
    now = utc_now()
    told = []
    with doing(who) as view:
        known = {each["id"]: each for each in _visible(view, None)}
        for token_id in token_ids:
            if token_id not in known:
                raise NoSuchToken(token_id)
            if stored.revoke(view.connection, token_id, view.actor.name, now):
                detail = {"user": known[token_id]["user"]}
                audit.record(view.connection, view.actor, "token.revoke", None, token_id, detail, now=now)
                told.append(f"{token_id} of {known[token_id]['user']} is revoked")
            else:
                told.append(f"{token_id} was revoked before")
    click.echo("\n".join(told))


def _visible(view: View, user: str | None) -> list[dict[str, Any]]:
    """The tokens that the actor may know of, each with its state; an admin those of former users too."""
    wanted = the_user(view, user).name if user else None
    if wanted is None and not view.may("tokens"):
        wanted = view.actor.name
    now = utc_now()
    return [{**each, "state": stored.state(each, now)} for each in stored.listed(view.connection, wanted)]


def _table(rows: Sequence[dict[str, Any]]) -> Table:
    shown = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("ID", "USER", "STATE", "MADE", "EXPIRES", "LAST USED", "FOR"):
        shown.add_column(column, overflow="fold")
    for each in rows:
        shown.add_row(
            each["id"],
            each["user"],
            each["state"],
            local(each["created_at"]),
            local(each["expires_at"]) or NEVER,
            local(each["used_at"]) or NEVER,
            each["label"],
        )
    return shown
