"""`postroom accounts …`: the group of commands about accounts."""

import click

from postroom_console.account_list import list_accounts


@click.group("accounts")
def accounts() -> None:
    """Look at the accounts, change them, test them."""


for command in (list_accounts,):
    accounts.add_command(command)
