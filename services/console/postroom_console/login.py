"""`postroom accounts login`: the owner of an account consents with the provider (OAuth 2)."""

import os
import sys
import time
import webbrowser
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import click

from postroom.account import Account
from postroom.account_oauth import Grant as GrantKind
from postroom.clock import utc_now
from postroom.document import json_document
from postroom.errors import Misconfigured, Transient
from postroom.oauth import grant_store
from postroom.oauth.grant import Grant
from postroom.oauth.provider_client import Authorization, Device, ProviderClient, provider_client
from postroom.secret import Secrets
from postroom.settings import read_settings
from postroom_console.loopback import Loopback
from postroom_console.registry import broadcast, opened, read_configuration, the_account

BROWSER_TIMEOUT_S = 600.0
_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")


@dataclass(frozen=True)
class Way:
    """How the person signs in."""

    account: Account
    client: ProviderClient
    paste: bool


@click.command("login")
@click.argument("name")
@click.option("--browser", "grant", flag_value="browser", help="In a browser on this machine.")
@click.option("--device", "grant", flag_value="device", help="With a code, in any browser.")
@click.option("--paste", is_flag=True, help="Browser elsewhere: paste the address that it is sent to.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON for programs.")
def login(name: str, grant: GrantKind | None, paste: bool, as_json: bool) -> None:
    """Sign an account of the types outlook, gmail and oauth2 in with its provider.

    The tokens are kept encrypted in the store; the services use and refresh them.
    """
    settings = read_settings()
    box = settings.read_secret_box()
    with opened(settings) as store:
        account = the_account(read_configuration(store), name)
        client = provider_client(account, Secrets(store, box), grant=_chosen(account, grant, paste))
        found = _WAYS[client.grant](Way(account, client, paste))
        with store.write() as connection:
            grant_store.sign_in(connection, box, account.name, found, utc_now())
        revision = read_configuration(store).revision
    # Without the broker the services notice by polling.
    broadcast(settings, [name], revision)
    click.echo(json_document(_outcome(name, found)) if as_json else _told(account, client, found))


def _chosen(account: Account, grant: GrantKind | None, paste: bool) -> GrantKind | None:
    """The way that the command line asks for; None is the account's own."""
    chosen: GrantKind | None = grant or ("browser" if paste else None)
    if paste and chosen != "browser":
        raise click.UsageError("--paste is for --browser")
    if chosen and account.oauth and account.oauth.grant == "client-credentials":
        raise Misconfigured(
            "oauth_settings", f"{account.name} has grant: client-credentials, which no person signs in for"
        )
    return chosen


def _device(way: Way) -> Grant:
    device = way.client.start_device()
    _say(f"Open {device.verification_uri} in any browser, sign in as {way.account.address},")
    _say(f"and type in the code {device.user_code}")
    if device.complete_uri:
        _say(f"or open {device.complete_uri}")
    return _polled(way.client, device)


def _polled(client: ProviderClient, device: Device) -> Grant:
    """Ask as often as the provider allows, until the person has answered."""
    until = time.monotonic() + device.lifetime_s
    while time.monotonic() < until:
        time.sleep(device.interval_s)
        try:
            found = client.poll_device(device)
        except Transient as error:
            # RFC 8628 section 3.5: a connection that fails is a reason to slow down, not to give up.
            _say(str(error))
            time.sleep(min(error.retry_after_s or device.interval_s, max(until - time.monotonic(), 0)))
            continue
        if isinstance(found, Grant):
            return found
        device = found
    raise Misconfigured("sign_in_needed", "the code was not typed in in time: start the sign-in again")


def _browser(way: Way) -> Grant:
    with Loopback((way.account.oauth and way.account.oauth.redirect_port) or 0) as loopback:
        # Microsoft takes any port with this name only; the others document the number (RFC 8252 section 7.3).
        form = "http://localhost:{}" if way.account.type == "outlook" else "http://127.0.0.1:{}/"
        authorization = way.client.start_browser(form.format(loopback.port))
        redirected = (_pasted if way.paste else _shown)(authorization, loopback)
    return way.client.finish_browser(authorization, redirected)


def _shown(authorization: Authorization, loopback: Loopback) -> str:
    _say(f"Open this address in a browser on this machine and consent:\n\n{authorization.url}\n")
    if sys.platform in ("darwin", "win32") or any(os.environ.get(each) for each in _DISPLAYS):
        webbrowser.open(authorization.url)
    return loopback.wait(BROWSER_TIMEOUT_S)


def _pasted(authorization: Authorization, _loopback: Loopback) -> str:
    _say(f"Open this address in any browser and consent:\n\n{authorization.url}\n")
    _say(f"The browser is then sent to an address that begins with {authorization.redirect_uri}")
    _say("and may say that it cannot be reached: copy that whole address from its address bar.")
    return str(click.prompt("The address", err=True)).strip()


def _app(way: Way) -> Grant:
    return way.client.client_credentials()


_WAYS: Mapping[GrantKind, Callable[[Way], Grant]] = {
    "device": _device,
    "browser": _browser,
    "client-credentials": _app,
}


def _say(text: str) -> None:
    """To the person; standard output is for the outcome."""
    click.echo(text, err=True)


def _outcome(name: str, grant: Grant) -> Mapping[str, str | None]:
    ends = grant.refresh_expires_at
    return {
        "account": name,
        "access_expires_at": grant.expires_at.isoformat(),
        "refreshes": "yes" if grant.refresh_token else "no",
        "refresh_expires_at": ends.isoformat() if ends else None,
    }


def _told(account: Account, client: ProviderClient, grant: Grant) -> str:
    until = f"access token until {_local(grant.expires_at)}"
    if client.grant == "client-credentials":
        return f"{account.name} needs no sign-in: the provider gave the program a token; {until}"
    if not grant.refresh_token:
        return (
            f"{account.name} is signed in; {until}.\nThe provider gave no refresh token, so the sign-in ends "
            "then: most providers want the scope offline_access for one"
        )
    ends = f"until {_local(grant.refresh_expires_at)}" if grant.refresh_expires_at else "by itself"
    return f"{account.name} is signed in; {until}, refreshed {ends}"


def _local(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M")
