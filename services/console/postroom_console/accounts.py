"""`postroom accounts …`: the group of commands about accounts."""

import click

from postroom_console.account_add import add
from postroom_console.account_change import delete, disable, enable, export, release
from postroom_console.account_list import list_accounts
from postroom_console.account_mailbox import fetch_now, folders
from postroom_console.account_secret import set_secret
from postroom_console.account_show import show
from postroom_console.account_testing import test_account
from postroom_console.login import login
from postroom_console.trial_mail import send_test


@click.group("accounts")
def accounts() -> None:
    """Look at the accounts, change them, test them."""


for command in (
    list_accounts,
    show,
    add,
    enable,
    disable,
    delete,
    release,
    export,
    set_secret,
    login,
    test_account,
    send_test,
    folders,
    fetch_now,
):
    accounts.add_command(command)
