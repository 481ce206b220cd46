"""The console's commands, wired together."""

import logging

import click

from postroom_console.accounts import accounts
from postroom_console.apply import apply
from postroom_console.approvals import approvals
from postroom_console.attach import attach
from postroom_console.audit import audit
from postroom_console.bulk import bulk
from postroom_console.config import config
from postroom_console.contacts import contacts
from postroom_console.dead import dead
from postroom_console.demo import demo
from postroom_console.deny import deny
from postroom_console.evidence import evidence
from postroom_console.faults import Group
from postroom_console.inbox import inbox
from postroom_console.secrets import secrets
from postroom_console.send import send
from postroom_console.sends import sends
from postroom_console.services import MODULES, service_command
from postroom_console.store import migrate
from postroom_console.suppressions import suppressions
from postroom_console.templates import templates
from postroom_console.tokens import tokens
from postroom_console.topology import topology
from postroom_console.up import up
from postroom_console.users import users
from postroom_console.webhooks import webhooks


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="postroom")
def main() -> None:
    """Postroom: programs ask for approval by mail, people answer by replying.

    Settings come from the environment (POSTROOM_…); state lies in .postroom in the current folder.
    """
    # What the connection logs on the way is said in a sentence at the end.
    logging.getLogger("postroom.broker").addHandler(logging.NullHandler())


for command in (
    up,
    demo,
    approvals,
    send,
    bulk,
    suppressions,
    inbox,
    contacts,
    sends,
    dead,
    evidence,
    apply,
    accounts,
    secrets,
    users,
    tokens,
    audit,
    deny,
    templates,
    attach,
    webhooks,
    config,
    topology,
    migrate,
):
    main.add_command(command)
for name in MODULES:
    main.add_command(service_command(name))
