"""A mail in the spool is durable before anybody is told of it; what is given up on leaves no draft there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from postroom.broker.outgoing import Outgoing
from postroom.envelope import decode
from postroom.errors import Transient
from postroom.messages import MailReceived
from tests.unit.fetcher.model_mailbox import Box, Desk, letter, open_desk


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def desk(folder: Path) -> Iterator[Desk]:
    with open_desk(folder) as desk:
        yield desk


@dataclass
class ReadingDesk(Desk):
    """Reads what is referred to at the moment it is told of."""

    read: list[bytes] = field(default_factory=list)

    def _publish(self, messages: Sequence[Outgoing]) -> None:
        for each in messages:
            received = decode(each.wire).message
            assert isinstance(received, MailReceived)
            if received.dataref is not None:
                self.read.append(self.spool.get(received.dataref))
        super()._publish(messages)


def test_a_large_mail_can_be_read_by_whoever_is_told_of_it_first(desk: Desk) -> None:
    reader = ReadingDesk(desk.store, desk.spool, desk.leases, desk.pool)
    box, account = Box(), reader.account(count=100)
    mails = [letter(number, reader.now, size=10_000 * number) for number in range(1, 6)]
    for each in mails:
        box.add(each)
    reader.look(reader.intake(), account, box)
    assert reader.read == [each.content for each in mails]


def test_a_mail_that_is_not_handed_on_leaves_no_draft(desk: Desk, folder: Path) -> None:
    box, account = Box(), desk.account(count=100)
    for number in range(3):
        box.add(letter(number, desk.now, size=50_000))
    # The second one is written while the first one is published, in vain.
    desk.fails = lambda when: when == "before"
    with pytest.raises(Transient):
        desk.look(desk.intake(), account, box)
    assert not list((folder / "spool").glob(".draft-*"))
