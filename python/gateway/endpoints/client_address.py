"""Whose address a handshake comes from, when proxies stand in front."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

IPV6_PREFIX = 64
"""What one household or one machine gets at least (RFC 6177): its addresses count as one."""


class ClientAddresses:
    """Finds the client behind trusted proxies. Immutable, thread-safe."""

    def __init__(self, trusted: Iterable[Network]) -> None:
        """`trusted`: the proxies that add the address they hear from to the end of `X-Forwarded-For`."""
        self._trusted = tuple(trusted)

    def of(self, peer: str | None, forwarded: Sequence[str]) -> str | None:
        """The client's address as the key of a limit; None where there is none to be limited.

        `X-Forwarded-For` is read from its end, where the nearest proxy writes: as long as what we heard so far is a
        trusted proxy, the entry before it is believed. What stands further left was written by the client itself. An
        entry that is no address ends the reading, and the proxy that passed it on stands for its client.

        Loopback is not limited: it is this machine, that is, a proxy that nobody named, or a tool.

        Args:
            peer: the other end of the connection; None for a Unix socket, whose peer is on this machine.
            forwarded: the values of that header's lines, in order.
        """
        address = _parse(peer or "")
        if address is None:
            return None
        hops = [hop for line in forwarded for hop in line.split(",")]
        while hops and self._is_trusted(address):
            before = _parse(hops.pop())
            if before is None:
                break
            address = before
        return None if address.is_loopback else _key(address)

    def _is_trusted(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


def _parse(text: str) -> Address | None:
    """An address, as it is or with a port (RFC 7239 §6 spells an IPv6 one with brackets)."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _key(address: Address) -> str:
    if address.version == 6:  # noqa: PLR2004 - the IP version
        return str(ipaddress.ip_network((address, IPV6_PREFIX), strict=False))
    return str(address)
