"""What goes wrong in a command, as a sentence on standard error and an exit code."""

import click

from postroom.client import RequestRefused, UnknownApproval
from postroom.errors import Misconfigured, PostroomError

OK, FAILED, USAGE, TIMED_OUT = 0, 1, 2, 3

_CODES: tuple[tuple[type[Exception], int], ...] = (
    (RequestRefused, USAGE),
    (UnknownApproval, USAGE),
    (Misconfigured, USAGE),
    (TimeoutError, TIMED_OUT),
    (PostroomError, FAILED),
)


class Group(click.Group):
    """A group of commands whose errors are ours."""

    def invoke(self, context: click.Context) -> object:
        """Run the command; our errors become a sentence and an exit code."""
        try:
            return super().invoke(context)
        except tuple(kind for kind, _ in _CODES) as error:
            click.echo(sentence(error), err=True)
            context.exit(exit_code(error))


def exit_code(error: Exception) -> int:
    """The exit code for an error of the table."""
    return next(code for kind, code in _CODES if isinstance(error, kind))


def sentence(error: Exception) -> str:
    """The error for a person."""
    if isinstance(error, RequestRefused):
        return f"postroom: refused: {error.field}: {error.reason}"
    return f"postroom: {error}"
