"""A sender that is killed: everybody gets the mail, and only what was in flight may come twice."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections import Counter
from subprocess import Popen

from postroom.messages import MailSent, MailUncertain
from tests.integration.sender.scripted import friendly, scripted
from tests.integration.sender.sendroom import Sendroom, approval, entry, plain

MAILS = 50
KILLED_AT = 25
SLOW_ANSWER_S = 0.03  # slower than a slice, so each mail is one


class Killer:
    """A server's script that kills the sender when a mail's final dot has come, before it is answered."""

    def __init__(self) -> None:
        self.process: Popen[bytes] | None = None
        self.killed = threading.Event()
        self._lock = threading.Lock()

    def __call__(self, command: str, before: int) -> bytes | None:
        if command == "dot" and not self.killed.is_set():
            time.sleep(SLOW_ANSWER_S)
            with self._lock:
                if before >= KILLED_AT and self.process is not None and not self.killed.is_set():
                    os.kill(self.process.pid, signal.SIGKILL)
                    self.process.wait(10)
                    self.killed.set()
        return friendly(command, before)


def recipients(contents: list[bytes]) -> Counter[str]:
    return Counter(re.findall(r"(?m)^To: (\S+)\r$", content.decode())[0] for content in contents)


def test_after_a_kill_nobody_is_left_out_and_only_what_was_in_flight_is_in_doubt(room: Sendroom) -> None:
    requests = [approval(number) for number in range(MAILS // 2)]
    others = [plain(number) for number in range(MAILS // 2, MAILS)]
    killer = Killer()

    def settled() -> bool:
        return len(room.events(MailSent)) + len(room.events(MailUncertain)) >= MAILS

    with scripted(killer) as server:
        room.write_accounts(entry("releases", server.port))
        room.order(*[order for pair in zip(requests, others, strict=True) for order in pair])
        killer.process = room.start_process()
        assert killer.killed.wait(30)
        in_doubt = [send_id for send_id, state in room.states().items() if state == "in_data"]
        with room.sender():
            room.wait_until(settled, "all mails to be settled", 60)
        got = recipients(server.contents)
    # One mail at most was in flight on each of the three connections.
    assert 1 <= len(in_doubt) <= 3
    twice = {recipient for recipient, count in got.items() if count > 1}
    uncertain = {each.send_id for each in room.events(MailUncertain)}
    assert uncertain == {each.id for each in others} & set(in_doubt)
    assert twice <= {each.recipient for each in requests if each.id in in_doubt}
    assert max(got.values()) <= 2
    assert {each.recipient for each in [*requests, *others] if each.id not in uncertain} <= set(got)
    assert {state for send_id, state in room.states().items() if send_id not in uncertain} == {"sent"}


def test_a_sender_that_is_told_to_stop_ends_in_order(room: Sendroom) -> None:
    with scripted(friendly) as server:
        room.write_accounts(entry("releases", server.port))
        room.order(approval(1))
        process = room.start_process()
        room.wait_for(MailSent)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert server.commands[-1] == "QUIT"
