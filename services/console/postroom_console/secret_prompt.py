"""Asks a person for a secret: without echo on a terminal, else one line of standard input."""

import sys

import click

from postroom.errors import Misconfigured
from postroom.secret import MAX_SECRET_BYTES, checked


def ask_secret(what: str) -> str:
    """The secret: asked for twice on a terminal, else from standard input.

    Raises:
        Misconfigured: it is empty, or no line of text.
    """
    if not sys.stdin.isatty():
        return secret_from_input(what)
    return checked(what, str(click.prompt(what, hide_input=True, confirmation_prompt=True, err=True)))


def secret_from_input(what: str) -> str:
    """The one line of standard input, without its end. Raises as `ask_secret`."""
    try:
        value = (
            sys.stdin.buffer.read(MAX_SECRET_BYTES + 1).decode("utf-8").removesuffix("\n").removesuffix("\r")
        )
    except UnicodeDecodeError:
        raise Misconfigured("secret_malformed", f"{what}: standard input is not UTF-8 text") from None
    if not value:
        raise Misconfigured("secret_missing", f"{what}: standard input is empty: the secret is its one line")
    return checked(what, value)
