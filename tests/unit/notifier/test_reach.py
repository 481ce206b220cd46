"""Where nothing is posted to."""

from __future__ import annotations

import pytest

from postroom_notifier.reach import first_refusal, refusal

PUBLIC = ("93.184.216.34", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450:4001:82a::200e")
PRIVATE = (
    *("127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.5.4", "172.31.255.255", "192.168.1.1", "100.64.0.1"),
    *("169.254.169.254", "192.0.2.1", "198.18.0.1", "198.51.100.7", "203.0.113.9"),
    *("::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "fec0::1", "2001:db8::1", "100::1"),
    *("::ffff:10.0.0.1", "::ffff:93.184.216.34", "64:ff9b::a00:1", "64:ff9b::5db8:d822", "64:ff9b:1::1"),
    *("2002:a00:1::1", "2001:0:53aa:64c:0:fbff:f5ff:fffe", "::10.0.0.1", "4000::1"),
)
NOBODYS = (
    *("0.0.0.0", "0.1.2.3", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
    *("::", "ff02::1", "::ffff:0.0.0.0", "::ffff:224.0.0.1", "64:ff9b::ffff:ffff", "nonsense", ""),
)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_may_be_posted_to(address: str) -> None:
    assert refusal(address, allow_private=False) is None


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_of_ones_own_network_only_if_that_is_allowed(address: str) -> None:
    assert refusal(address, allow_private=False)
    assert refusal(address, allow_private=True) is None


@pytest.mark.parametrize("address", NOBODYS)
def test_an_address_of_nobody_never(address: str) -> None:
    assert refusal(address, allow_private=False)
    assert refusal(address, allow_private=True)


def test_one_bad_address_spoils_the_name() -> None:
    assert (
        first_refusal([*PUBLIC, "10.0.0.1"], allow_private=False)
        == "10.0.0.1 is a private or reserved address"
    )
