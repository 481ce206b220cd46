"""`postroom accounts set-secret`: store a password, encrypted."""

import click

from postroom.clock import utc_now
from postroom.errors import Misconfigured
from postroom.secret_reference import stored_name
from postroom.settings import read_settings
from postroom.store import accounts as stored
from postroom.store import secrets
from postroom.store.accounts import Configuration
from postroom_console.registry import broadcast, opened, read_configuration, the_account
from postroom_console.secret_prompt import ask_secret

SYSTEM_SMTP, WEBHOOK = "system_smtp", "webhook."


@click.command("set-secret")
@click.argument("name")
@click.argument("field", required=False)
def set_secret(name: str, field: str | None) -> None:
    """Store a secret of an account (or of system_smtp, or of webhook.NAME), encrypted, with effect at once.

    FIELD is smtp.password, imap.password or oauth.client_secret; by default the first that the account has as
    `stored`. The secret is asked for without echo, or is the one line of standard input, never an argument.
    """
    settings = read_settings()
    box = settings.read_secret_box()
    with opened(settings) as store:
        field, secret_name = _chosen(name, field, _references(read_configuration(store), name))
        value = ask_secret(f"{field} of {name}")
        with store.write() as connection:
            secrets.write(connection, box, secret_name, value, utc_now())
            revision = stored.revision(connection)
    unheard = broadcast(settings, [] if _is_for_all(name) else [name], revision)
    click.echo(f"{field} of {name} is stored")
    if unheard:
        click.echo(f"the services are not told, they will notice within seconds: {unheard}", err=True)


def _is_for_all(name: str) -> bool:
    return name == SYSTEM_SMTP or name.startswith(WEBHOOK)


def _references(configuration: Configuration, name: str) -> dict[str, str]:
    if name.startswith(WEBHOOK):
        secrets_of = {each.name: each.secret_references() for each in configuration.webhooks}
        if (references := secrets_of.get(name.removeprefix(WEBHOOK))) is None:
            there = ", ".join(f"{WEBHOOK}{each}" for each in secrets_of) or "none"
            raise Misconfigured("webhook", f"there is no {name}; there are {there}")
        return references
    if name != SYSTEM_SMTP:
        return the_account(configuration, name).secret_references()
    section = configuration.system_smtp
    if section is None:
        raise Misconfigured(
            "system_smtp", "there is no system_smtp yet: add it to the accounts file and apply that"
        )
    return {"password": section.password} if section.password else {}


def _chosen(name: str, field: str | None, references: dict[str, str]) -> tuple[str, str]:
    """The field and the name under which its secret is stored.

    Raises:
        Misconfigured: there is no such field, or its secret is not a stored one.
    """
    kept = {each: found for each, reference in references.items() if (found := stored_name(reference))}
    if field is None and kept:
        return next(iter(kept.items()))
    if field in kept:
        return field, kept[field]
    if field in references:
        raise Misconfigured(
            "field",
            f"{field} of {name} is {references[field]}: set it to `stored` in the accounts file first",
        )
    there = f"stored are {', '.join(kept)}" if kept else "none of its secrets is `stored`"
    raise Misconfigured("field", f"{name}: {there}" if field is None else f"{name} has no {field}: {there}")
