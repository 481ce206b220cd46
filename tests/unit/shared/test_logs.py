"""Logs are one event a line, in one form, whoever writes them."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Literal

import pytest

from postroom.logs import configure_logs


@pytest.fixture(autouse=True)
def old_logs() -> Iterator[None]:
    """What logging was before."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_an_event_is_one_json_object_with_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("fetcher")
    logging.getLogger("some.module").info(
        "mail %s", "found\nhere", extra={"correlation_id": "j\n1", "odd": {1}}
    )
    (line,) = capsys.readouterr().err.splitlines()
    entry = json.loads(line)
    assert entry.pop("timestamp").endswith("Z")
    assert entry == {
        "event": "mail found\nhere",
        "correlation_id": "j\n1",
        "odd": "{1}",
        "level": "info",
        "logger": "some.module",
        "service": "fetcher",
    }


@pytest.mark.parametrize("form", ["json", "text"])
def test_what_a_stranger_wrote_does_not_begin_a_line(
    form: Literal["json", "text"], capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs("fetcher", form=form)
    logging.getLogger("x").warning("odd mail", extra={"subject": "a\n2026-01-31 [error] forged"})
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_an_exception_is_in_the_object(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("fetcher")
    try:
        raise ZeroDivisionError("why")
    except ZeroDivisionError:
        logging.getLogger("x").exception("failed")
    (line,) = capsys.readouterr().err.splitlines()
    assert "ZeroDivisionError: why" in json.loads(line)["exception"]


def test_less_than_the_level_and_the_libraries_chatter_are_left_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs("fetcher", level="debug")
    for name in ("amqp", "imapclient", "imapclient.imaplib", "kombu", "sqlalchemy.engine"):
        logging.getLogger(name).debug("LOGIN ops Pa55word")
    configure_logs("fetcher", level="warning")
    logging.getLogger("x").info("unimportant")
    assert capsys.readouterr().err == ""
