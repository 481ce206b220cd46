"""`postroom fetcher|processor|sender|notifier`: become that service."""

import os
import sys

import click

MODULES = {
    "fetcher": "postroom_fetcher",
    "processor": "postroom_processor",
    "sender": "postroom_sender",
    "notifier": "postroom_notifier",
}
"""The services by name. They are started as processes of their own and never imported here."""

_TASKS = {
    "fetcher": "Run a fetcher: reads the mailboxes (IMAP).",
    "processor": "Run a processor: decides.",
    "sender": "Run a sender: hands out mail (SMTP).",
    "notifier": "Run a notifier: posts events to webhooks (HTTP).",
}


def service_command(name: str) -> click.Command:
    """The command that becomes the service."""

    @click.command(name, help=f"{_TASKS[name]} Configured by POSTROOM_… in the environment.")
    def run() -> None:
        os.execv(sys.executable, [sys.executable, "-m", MODULES[name]])  # noqa: S606 - no shell is the point

    return run
