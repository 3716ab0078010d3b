"""How often one address may try to connect: asked before anything else of a handshake."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.requests import HTTPConnection

from gateway.endpoints.client_address import ClientAddresses, Network
from gateway.resilience.keyed_rate import KeyedRate
from gateway.types import Clock

BURST_SECONDS = 10.0
"""A pause fills an address' bucket with so many seconds' attempts: all the devices of a restaurant come back at once,
and are behind one address."""


class Attempts:
    """Counts handshakes by address, good and bad. For one event loop.

    On this node alone: what it protects is this node's time, and a round trip to Redis would cost more of it than the
    handshake that it might save.
    """

    def __init__(self, rate: float, trusted: Iterable[Network], clock: Clock) -> None:
        """`rate` in handshakes a second for each address, 0 for unlimited; `trusted` are the proxies in front."""
        self._addresses = ClientAddresses(trusted)
        self._rate: KeyedRate[str] = KeyedRate(rate, max(1.0, rate * BURST_SECONDS), clock)

    def wait(self, connection: HTTPConnection) -> float:
        """0.0 if the handshake may go on; else the seconds after which its address may try again."""
        peer = connection.client.host if connection.client else None
        address = self._addresses.of(peer, connection.headers.getlist("x-forwarded-for"))
        return 0.0 if address is None else self._rate.take(address)
