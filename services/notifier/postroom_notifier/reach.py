"""Which addresses a webhook may be at (pure).

A name is anybody's to point where they like: without this, events could be posted to the machines of one's
own network, the one that this service runs on, or its cloud's metadata service.
"""

import ipaddress
from collections.abc import Iterable

_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
# Addresses that stand for an IPv4 address (RFC 4291, 6052, 8215, 3056, 4380): where they lead, others decide.
_CARRIERS = tuple(
    (ipaddress.ip_network(network), what)
    for network, what in (
        ("::ffff:0:0/96", "an IPv4-mapped address"),
        ("::/96", "an IPv4-compatible address"),
        ("64:ff9b::/96", "a NAT64 address"),
        ("64:ff9b:1::/48", "a NAT64 address"),
        ("2002::/16", "a 6to4 address"),
        ("2001::/32", "a Teredo address"),
    )
)


def refusal(address: str, *, allow_private: bool) -> str | None:
    """Why nothing is posted to this address; None if it may be.

    Args:
        address: As the resolver gave it.
        allow_private: Whether one's own network is allowed. Never allowed: addresses of nobody.
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return f"{address} is no IP address"
    kind = _nobodys(found)
    if kind is None and not allow_private:
        kind = _private(found)
    return None if kind is None else f"{address} is {kind}"


def first_refusal(addresses: Iterable[str], *, allow_private: bool) -> str | None:
    """Why one of a name's addresses is refused: then none of them is used."""
    refusals = (refusal(address, allow_private=allow_private) for address in addresses)
    return next((each for each in refusals if each), None)


def _nobodys(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str | None:
    carried = _carried(address)
    if carried is not None and int(address) > 1:
        return _nobodys(carried)
    if address.is_multicast:
        return "a multicast address"
    if address.is_unspecified or (isinstance(address, ipaddress.IPv4Address) and int(address) >> 24 == 0):
        return "an unspecified address"
    if isinstance(address, ipaddress.IPv4Address) and address.is_reserved:
        return "a reserved address"
    return None


def _private(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str | None:
    if address.is_loopback:
        return "a loopback address"
    if address.is_link_local:
        return "a link-local address"
    if isinstance(address, ipaddress.IPv6Address):
        for network, what in _CARRIERS:
            if address in network:
                return what
        if address not in _GLOBAL_UNICAST:
            return "a private or reserved address"
    return None if address.is_global else "a private or reserved address"


def _carried(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that the last 32 bits stand for, where they do."""
    in_last_bits = [network for network, _ in _CARRIERS[:3]]
    if isinstance(address, ipaddress.IPv6Address) and any(address in each for each in in_last_bits):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None
