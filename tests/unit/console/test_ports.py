"""The services' ports."""

from __future__ import annotations

import socket
import threading

from postroom_console.ports import LOOPBACK, choose_ports, one_at_a_time


def test_a_port_in_use_is_replaced_by_a_free_one() -> None:
    with socket.create_server((LOOPBACK, 0)) as holder:
        taken = holder.getsockname()[1]
        (port,) = choose_ports(LOOPBACK, taken, 1)
        assert port != taken


def test_without_a_wish_the_system_chooses() -> None:
    assert all(port > 1023 for port in choose_ports(LOOPBACK, 0, 3))


def test_ports_past_the_last_one_are_replaced() -> None:
    assert all(port <= 65535 for port in choose_ports(LOOPBACK, 65535, 3))


def test_two_stacks_do_not_choose_at_the_same_time() -> None:
    second = threading.Event()

    def choose() -> None:
        with one_at_a_time():
            second.set()

    other = threading.Thread(target=choose)
    with one_at_a_time():
        other.start()
        assert not second.wait(0.2)
    assert second.wait(10)
    other.join()
