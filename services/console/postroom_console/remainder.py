"""What of a list is not shown: said on standard error, so that it is not taken for all there is."""

from collections.abc import Sequence
from typing import TypeVar

import click

_Row = TypeVar("_Row")


def cut(rows: Sequence[_Row], limit: int, how: str) -> list[_Row]:
    """The first of the rows, as many as the limit; if there are more it says so, and how to see them."""
    if len(rows) > limit > 0:
        click.echo(f"there is more: {how}", err=True)
    return list(rows[:limit])
