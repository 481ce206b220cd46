"""What a test of an account found, for people and for programs."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from postroom.messages import TestStage
from postroom_console.trial import SERVICES, Tried

_STYLES: Mapping[str, str] = {"ok": "green", "failed": "red bold", "skipped": "dim"}


def shown(tried: Iterable[Tried]) -> Group:
    """A table of stages for each side."""
    return Group(*(part for each in tried for part in _side(each)))


def document(tried: Iterable[Tried]) -> list[dict[str, Any]]:
    """The same for programs."""
    return [
        {
            "account": each.account,
            "side": each.side,
            "ok": each.ok,
            "unheard": each.unheard,
            "stages": [stage.model_dump(mode="json") for stage in each.stages],
        }
        for each in tried
    ]


def _side(tried: Tried) -> Sequence[Text | Table]:
    title = Text.assemble((f"{tried.account} {tried.side}", "bold"), (f"  ({SERVICES[tried.side]})", "dim"))
    if tried.unheard:
        return title, Text(f"  {tried.unheard}", style=_STYLES["failed"])
    grid = Table.grid(padding=(0, 2))
    grid.add_column(width=0)
    for _ in range(2):
        grid.add_column(no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(overflow="fold")
    for stage in tried.stages:
        result = Text(stage.result, style=_STYLES[stage.result])
        grid.add_row("", result, stage.name, _time(stage), _told(stage))
    return title, grid


def _time(stage: TestStage) -> str:
    return "" if stage.result == "skipped" else f"{stage.duration_ms:.0f} ms"


def _told(stage: TestStage) -> Text:
    told = Text(stage.detail)
    if stage.advice:
        told.append(f"{chr(10) if stage.detail else ''}→ {stage.advice}", style="bold")
    return told
