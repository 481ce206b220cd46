"""`postroom approvals explain`: how a mail is read, said by the processor's code in a process of its own."""

import subprocess
import sys

import click

from postroom_console.faults import FAILED

MODULE = "postroom_processor.explain"
TIMEOUT_S = 60.0


@click.command("explain")
@click.argument("file", metavar="FILE.eml")
@click.option(
    "--choices", metavar="A,B", help="What the request offers. Default: its own, or approve,reject."
)
@click.option(
    "--account", metavar="NAME", help="Ask the store about this account, the tokens and the requests."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
def explain(file: str, choices: str | None, account: str | None, as_json: bool) -> None:
    """Show how a mail is read, step by step, and why it decides or does not.

    FILE.eml is the mail as it was received; - reads standard input. Nothing is changed anywhere.
    """
    arguments = [
        *(["--json"] if as_json else []),
        *([f"--choices={choices}"] if choices is not None else []),
        *([f"--account={account}"] if account is not None else []),
        "--",
        file,
    ]
    try:
        done = subprocess.run([sys.executable, "-m", MODULE, *arguments], timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        click.echo(f"postroom: the mail was not read within {TIMEOUT_S:g} s", err=True)
        click.get_current_context().exit(FAILED)
    click.get_current_context().exit(done.returncode)
