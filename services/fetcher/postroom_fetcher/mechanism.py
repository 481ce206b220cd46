"""How to sign in at an IMAP server: which SASL mechanism (pure)."""

from collections.abc import Collection, Mapping

from postroom.account_servers import ImapAuth

PASSWORD_MECHANISMS: tuple[ImapAuth, ...] = ("plain", "login")
TOKEN_MECHANISMS: tuple[ImapAuth, ...] = ("xoauth2", "oauthbearer")
"""The best first, for `auto`."""

_CAPABILITIES: Mapping[ImapAuth, str] = {
    "plain": "AUTH=PLAIN",
    "xoauth2": "AUTH=XOAUTH2",
    "oauthbearer": "AUTH=OAUTHBEARER",
}


def choose(auth: ImapAuth, capabilities: Collection[str], *, has_token: bool) -> ImapAuth | None:
    """The mechanism for an account's `imap.auth` at a server with these capabilities; None: it has none."""
    wanted = (auth,) if auth != "auto" else TOKEN_MECHANISMS if has_token else PASSWORD_MECHANISMS
    return next((each for each in wanted if _is_offered(each, capabilities)), None)


def offered(capabilities: Collection[str]) -> str:
    """What a server offers, for a sentence."""
    found = {each.removeprefix("AUTH=") for each in capabilities if each.startswith("AUTH=")}
    login = set() if "LOGINDISABLED" in capabilities else {"LOGIN"}
    return ", ".join(sorted(found | login)) or "nothing"


def _is_offered(mechanism: ImapAuth, capabilities: Collection[str]) -> bool:
    if mechanism == "login":
        return "LOGINDISABLED" not in capabilities
    return _CAPABILITIES[mechanism] in capabilities
