"""`postroom approvals …`: ask, list, show, wait, cancel; over the broker only."""

import sys
from collections.abc import Sequence
from datetime import datetime

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from postroom.client import Client
from postroom.document import json_document
from postroom.messages import ApprovalState, ApprovalVote, AtLeast
from postroom.proof_level import LEVELS
from postroom.settings import read_settings
from postroom_console.broker import check_broker
from postroom_console.explaining import explain
from postroom_console.faults import FAILED, OK
from postroom_console.moment import UNTIL, Duration
from postroom_console.remainder import cut
from postroom_console.terminal import make_console

_COLOURS = {
    "pending": "yellow",
    "decided": "green",
    "undecided": "red",
    "expired": "red",
    "cancelled": "dim",
}
CANCEL_S = 10.0
MAX_LISTED = 999
"""One less than a program may ask for: whether there is another one is asked too."""

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


@click.group("approvals")
def approvals() -> None:
    """Ask people for approval by mail, and see what they answered."""


approvals.add_command(explain)


class Escalate(click.ParamType[tuple[int, str]]):
    """`2d:boss@example.com`: after how long, and who is asked too."""

    name = "duration:address"

    def convert(
        self, value: object, param: click.Parameter | None, context: click.Context | None
    ) -> tuple[int, str]:
        """The seconds and the address."""
        after, colon, address = str(value).strip().partition(":")
        if not colon or not address:
            self.fail(f"{value!r}: expected a duration and an address (2d:boss@example.com)")
        return Duration().convert(after, param, context), address


class Delegate(click.ParamType[tuple[str, str]]):
    """`anna@example.com=bert@example.com`: an approver, and who may decide in their place."""

    name = "approver=delegate"

    def convert(
        self, value: object, param: click.Parameter | None, context: click.Context | None
    ) -> tuple[str, str]:
        """Both addresses."""
        approver, sign, delegate = str(value).strip().partition("=")
        if not sign or not delegate:
            self.fail(f"{value!r}: expected two addresses (anna@example.com=bert@example.com)")
        return approver, delegate


@approvals.command("request")
@click.option("--account", required=True, help="The account that mails and that gets the replies.")
@click.option("--to", "approvers", required=True, multiple=True, help="Who may decide; may be repeated.")
@click.option("--subject", required=True, help="One line.")
@click.option("--body", default="", help="What there is to decide; - reads standard input.")
@click.option("--id", "approval_id", help="Your own id: a repeat with the same id asks nobody twice.")
@click.option("--choice", "choices", multiple=True, help="An answer; repeat. Default: approve, reject.")
@click.option("--deadline", type=UNTIL, help="2d, 4h, 15m, or an ISO time.")
@click.option("--rule", default="any", show_default=True, help="any, all, or how many must agree.")
@click.option(
    "--require-comment", "comment_required", multiple=True, help="A choice that needs a comment; repeat."
)
@click.option("--remind", "remind_after_s", type=Duration(), multiple=True, help="After 4h, 1d, …; repeat.")
@click.option("--remind-every", "remind_every_s", type=Duration(), help="Every 1d until the deadline.")
@click.option("--escalate", "escalate", type=Escalate(), multiple=True, help="2d:boss@example.com; repeat.")
@click.option(
    "--delegate", "delegates", type=Delegate(), multiple=True, help="anna@example.com=bert@example.com"
)
@click.option(
    "--proof", type=click.Choice(list(LEVELS)), help="How well a reply must be proven before it decides."
)
@click.option("--requester", default="", help="Who or what asks, as the mail shall say.")
@click.option("--wait", "wait_for_it", is_flag=True, help="Wait for the answer and exit as `wait` does.")
@as_json
def request(
    account: str,
    approvers: tuple[str, ...],
    subject: str,
    body: str,
    approval_id: str | None,
    choices: tuple[str, ...],
    deadline: datetime | None,
    rule: str,
    comment_required: tuple[str, ...],
    remind_after_s: tuple[int, ...],
    remind_every_s: int | None,
    escalate: tuple[tuple[int, str], ...],
    delegates: tuple[tuple[str, str], ...],
    proof: str | None,
    requester: str,
    wait_for_it: bool,
    as_json: bool,
) -> None:
    """Ask people; each gets a mail, and the first who decides, decides, unless --rule says otherwise.

    The same --id with other content, while nothing is decided, asks everybody afresh.

    Exit codes: 0 asked, 2 refused (the field is named), 3 no processor answered. With --wait those of `wait`.
    """
    fields = {
        "id": approval_id,
        "choices": choices or None,
        "account": account,
        "approvers": approvers,
        "subject": subject,
        "body": sys.stdin.read() if body == "-" else body,
        "deadline": deadline,
        "rule": rule,
        "comment_required": comment_required,
        "remind_after_s": remind_after_s,
        "remind_every_s": remind_every_s,
        "escalate": _escalation(escalate),
        "delegates": dict(delegates),
        "proof": proof,
        "requester": requester,
    }
    with open_client() as client:
        requested = client.request(**{name: value for name, value in fields.items() if value is not None})  # type: ignore[arg-type]
        if not wait_for_it:
            shown = {"id": requested.approval_id, "deadline": requested.deadline.isoformat()}
            click.echo(json_document(shown) if as_json else requested.approval_id)
            return
        if not as_json:
            click.echo(f"{requested.approval_id}: asked {', '.join(requested.approvers)}; waiting", err=True)
        state = client.wait(requested.approval_id)
    _finish(state, as_json)


def _escalation(given: Sequence[tuple[int, str]]) -> dict[str, object] | None:
    """The one escalation that the options come to: all at one time."""
    if len({after_s for after_s, _ in given}) > 1:
        raise click.BadParameter("all must be after the same time", param_hint="--escalate")
    return {"after_s": given[0][0], "to": [address for _, address in given]} if given else None


@approvals.command("wait")
@click.argument("approval_id", metavar="ID")
@click.option("--timeout", "timeout_s", type=click.FloatRange(min=0), help="Seconds; without, for ever.")
@as_json
def wait(approval_id: str, timeout_s: float | None, as_json: bool) -> None:
    """Wait until it is decided.

    Exit codes: 0 approved (the first choice), 1 decided otherwise, undecided, expired or cancelled, 2 no such
    approval, 3 no answer in time.
    """
    with open_client() as client:
        state = client.wait(approval_id, timeout_s)
    _finish(state, as_json)


@approvals.command("list")
@click.option("--limit", type=click.IntRange(1, MAX_LISTED), default=20, show_default=True)
@as_json
def list_approvals(limit: int, as_json: bool) -> None:
    """List the newest approvals."""
    with open_client() as client:
        found = client.states(limit=limit + 1).approvals
    states = cut(found, limit, f"--limit takes {MAX_LISTED} at most; of others say the id to `show`")
    if as_json:
        click.echo(json_document([state.model_dump(mode="json") for state in states]))
    elif states:
        make_console().print(_table(states))
    else:
        click.echo("no approvals yet; ask with `postroom approvals request`")


@approvals.command("show")
@click.argument("approval_id", metavar="ID")
@as_json
def show(approval_id: str, as_json: bool) -> None:
    """Show how one approval stands. Exit code 2 if there is none of this id."""
    with open_client() as client:
        _print(client.state(approval_id), as_json)


@approvals.command("cancel")
@click.argument("approval_id", metavar="ID")
@click.option("--reason", default="", help="One line.")
@as_json
def cancel(approval_id: str, reason: str, as_json: bool) -> None:
    """Withdraw a pending approval. Exit code 1 if it was decided or had expired before."""
    with open_client() as client:
        client.state(approval_id)
        client.cancel(approval_id, reason)
        state = client.wait(approval_id, CANCEL_S)
    _print(state, as_json)
    click.get_current_context().exit(OK if state.state == "cancelled" else FAILED)


@approvals.command("delegate")
@click.argument("approval_id", metavar="ID")
@click.option("--from", "approver", required=True, help="The approver.")
@click.option("--to", required=True, help="Who may decide in their place.")
@click.option("--reason", default="", help="One line; both read it.")
def delegate(approval_id: str, approver: str, to: str, reason: str) -> None:
    """Let somebody else decide in an approver's place; they have one vote together, and both get a mail.

    Exit codes: 0 asked, 2 refused (the field is named), 3 no processor answered.
    """
    with open_client() as client:
        delegated = client.delegate(approval_id, approver, to, reason)
    click.echo(f"{delegated.approval_id}: asked {delegated.to} in the place of {delegated.approver}")


def open_client() -> Client:
    """A client for the broker of the settings."""
    settings = read_settings()
    check_broker(settings)
    return Client(settings.broker, shards=settings.shards, name="console")


def _finish(state: ApprovalState, as_json: bool) -> None:
    _print(state, as_json)
    approved = state.state == "decided" and state.decision == state.choices[0]
    click.get_current_context().exit(OK if approved else FAILED)


def _print(state: ApprovalState, as_json: bool) -> None:
    if as_json:
        click.echo(json_document(state.model_dump(mode="json")))
    else:
        print_state(make_console(), state)


def print_state(console: Console, state: ApprovalState) -> None:
    """One approval, a line for each thing that is known."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in _rows(state):
        if value:
            grid.add_row(name, value)
    console.print(grid)


def _rows(state: ApprovalState) -> Sequence[tuple[str, str]]:
    return (
        ("id", state.id),
        ("subject", state.subject),
        ("account", state.account),
        ("approvers", ", ".join(state.approvers)),
        ("choices", ", ".join(state.choices)),
        ("rule", _rule(state)),
        ("state", state.state),
        ("decision", state.decision or ""),
        ("decided by", state.decided_by or ""),
        ("comment" if state.state == "decided" else "reason", state.comment or ""),
        ("votes", "\n".join(_vote(vote) for vote in state.votes) if _several(state) else ""),
        ("waiting for", ", ".join(state.waiting_for)),
        ("not reached", ", ".join(state.undelivered)),
        ("changed", f"{_local(state.changed_at)} (round {state.round})" if state.changed_at else ""),
        ("reminded", f"{_local(state.reminded_at)} ({state.reminders} so far)" if state.reminders else ""),
        ("escalated", _local(state.escalated_at)),
        ("next", f"{state.next_due} at {_local(state.next_due_at)}" if state.next_due else ""),
        ("requested", _local(state.requested_at)),
        ("deadline", _local(state.deadline)),
        ("decided", _local(state.decided_at)),
    )


def _several(state: ApprovalState) -> bool:
    return state.rule != "any"


def _rule(state: ApprovalState) -> str:
    if isinstance(state.rule, AtLeast):
        return f"at least {state.rule.at_least}"
    return "" if state.rule == "any" else state.rule


def _vote(vote: ApprovalVote) -> str:
    place = f" in the place of {vote.stands_for}" if vote.stands_for else ""
    comment = f": {vote.comment}" if vote.comment else ""
    return f"{vote.choice} by {vote.approver}{place} at {_local(vote.voted_at)}{comment}"


def _table(states: Sequence[ApprovalState]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column, overflow in (("ID", "fold"), ("STATE", "fold"), ("BY", "fold"), ("REQUESTED", "fold")):
        table.add_column(column, overflow=overflow)  # type: ignore[arg-type]
    table.add_column("SUBJECT", overflow="ellipsis", no_wrap=True)
    for state in states:
        told = state.decision or state.state
        table.add_row(
            state.id,
            Text(told, style=_COLOURS[state.state]),
            state.decided_by or "",
            _local(state.requested_at),
            state.subject,
        )
    return table


def _local(moment: datetime | None) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S") if moment else ""
