"""A process that asks for one access token when told to."""

from __future__ import annotations

import sys

from postroom.oauth.tokens import Tokens
from postroom.secret import Secrets
from postroom.settings import read_settings
from postroom.store import Store
from postroom.store import accounts as stored


def main() -> None:
    """Print the token of the account named in the first argument."""
    settings = read_settings()
    store, box = Store(settings.store), settings.read_secret_box()
    with store.read() as connection:
        account = stored.read(connection).accounts[sys.argv[1]]
    print("ready", flush=True)
    sys.stdin.readline()
    print(Tokens(store, box, Secrets(store, box), "asker").access_token(account), flush=True)
    store.close()


if __name__ == "__main__":
    main()
