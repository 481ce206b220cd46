"""Who a mail says it is from: one strictly parsed address, or nobody."""

from __future__ import annotations

import re

from postroom_processor.mail import Mail

# Tokens of RFC 5322 section 3.2. A comment counts as a blank; comments inside comments are refused.
_TOKEN = re.compile(
    r"""(?P<blank>[ \t]+|\((?:[^()\\\x00-\x08\x0a-\x1f\x7f]|\\[\x20-\x7e])*\))
      | (?P<quoted>"(?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[\x20-\x7e])*")
      | (?P<atom>[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\xff.-]+)
      | (?P<special>[<>@])
    """,
    re.VERBOSE,
)
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_MAX_FIELD_BYTES = 10_000
_MAX_LOCAL_CHARS = 64
_MAX_DOMAIN_CHARS = 253


def only_sender(mail: Mail) -> str | None:
    """Return the address of the only author, its domain lower-cased; None in any doubt.

    None for: no From or several, several mailboxes, groups, routes, quoted local parts, encoded
    words or comments inside the address, address literals, control characters, anything left over.
    """
    return only_address(mail.header_bytes("from")) if mail.headers_complete else None


def only_address(values: tuple[bytes, ...]) -> str | None:
    """Return the address that the only one of the fields holds, strictly read; None in any doubt."""
    if len(values) != 1 or len(values[0]) > _MAX_FIELD_BYTES:
        return None
    tokens = _tokens(values[0].decode("latin-1"))
    return None if tokens is None else _mailbox(tokens)


def _tokens(text: str) -> list[tuple[str, str]] | None:
    tokens: list[tuple[str, str]] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            return None
        tokens.append((match.lastgroup or "", match.group()))
        position = match.end()
    return tokens


def _mailbox(tokens: list[tuple[str, str]]) -> str | None:
    """Read ``mailbox = name-addr / addr-spec`` (RFC 5322 section 3.4) from tokens."""
    while tokens and tokens[0][0] == "blank":
        tokens = tokens[1:]
    while tokens and tokens[-1][0] == "blank":
        tokens = tokens[:-1]
    opening = [index for index, token in enumerate(tokens) if token == ("special", "<")]
    if not opening:
        return _addr_spec(tokens)
    start = opening[0]
    if len(opening) > 1 or tokens[-1] != ("special", ">"):
        return None
    if any(kind == "special" for kind, _ in tokens[:start]):
        return None
    return _addr_spec(tokens[start + 1 : -1])


def _addr_spec(tokens: list[tuple[str, str]]) -> str | None:
    if [kind for kind, _ in tokens] != ["atom", "special", "atom"] or tokens[1][1] != "@":
        return None
    local, domain = tokens[0][1], tokens[2][1]
    if len(local) > _MAX_LOCAL_CHARS or len(domain) > _MAX_DOMAIN_CHARS or "=?" in local:
        return None
    if not _LOCAL.fullmatch(local) or not _DOMAIN.fullmatch(domain):
        return None
    return f"{local}@{domain.lower()}"
