"""`python -m benches.turns`: how long an event of a quiet tenant waits behind a burst of a noisy one, in a reactor.

The native core alone, with one reactor. A noisy tenant submits 400 events for four rooms of 250 clients, and a quiet
one an event for its one client, in the same batch and behind all of them. What is given is a ratio: the time until the
quiet event has arrived, over the time until all of the burst has been passed. It depends little on how fast the machine
is, or how busy. In the order of submission the quiet event would come last.
"""

from __future__ import annotations

import asyncio
import resource
import socket
import statistics
import time
from typing import NamedTuple

from gateway.fanout import create_fanout
from gateway.fanout.base import (
    ConnectionIdentity,
    DetachedSocket,
    FanoutLimits,
    Membership,
    Notice,
    Occupancy,
    Submission,
)
from gateway.types import Room

QUIET, NOISY = 1, 2
ROOMS = range(5, 9)
CLIENTS = 250
EVENTS = 400
ROUNDS = 15
PAYLOAD = b'{"type":"X","pad":"%s"}' % (200 * b"x")
FRAME_BYTES = 4 + len(PAYLOAD)
"""With the header of a frame of 126 bytes or more (RFC 6455, section 5.2)."""


class Peer:
    """A client; keeps `DetachableSocket` for its server's end."""

    def __init__(self) -> None:
        self.client, self._server = socket.socketpair()
        self._server.setblocking(False)

    def detach(self) -> DetachedSocket:
        return DetachedSocket(self._server.detach(), b"")

    def read(self) -> int:
        """How many bytes have come."""
        self.client.setblocking(False)
        read = 0
        try:
            while piece := self.client.recv(1 << 20):
                read += len(piece)
        except BlockingIOError:
            pass
        return read


class Silence:
    """Keeps `FanoutListener`."""

    def on_notices(self, notices: list[Notice]) -> None:
        """Nobody is told."""

    def on_occupancy(self, occupancy: Occupancy) -> None:
        """Nobody is told."""


class Wait(NamedTuple):
    """Seconds from the submission until the quiet event had arrived, and until the burst was passed."""

    quiet: float
    burst: float


def channel(branch: int) -> str:
    return f"branch:{branch}:kitchen"


async def measure(rounds: int = ROUNDS) -> list[Wait]:
    """One wait for each round.

    Raises:
        AssertionError: somebody got more or less than what was for them.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard >= 4_096 > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4_096), hard))
    fanout = create_fanout("native", FanoutLimits(), reactors=1)
    fanout.bind(Silence())
    await fanout.start()
    sockets = fanout._sockets  # noqa: SLF001 - a bench may look behind the port
    assert sockets is not None
    peers = [(branch, Peer()) for branch in ROOMS for _ in range(CLIENTS)]
    quiet = Peer()
    try:
        for branch, peer in peers:
            fanout.attach(peer, [Membership(Room(NOISY, branch), (channel(branch),))], ConnectionIdentity(NOISY))
        fanout.attach(quiet, [Membership(Room(QUIET, 5), (channel(5),))], ConnectionIdentity(QUIET))
        waits = []
        for _ in range(rounds):
            branches = [ROOMS[number % len(ROOMS)] for number in range(EVENTS)]
            batch = [Submission(Room(NOISY, branch), (channel(branch),), PAYLOAD, None) for branch in branches]
            batch.append(Submission(Room(QUIET, 5), (channel(5),), PAYLOAD, None))
            arriving = asyncio.create_task(asyncio.to_thread(_arrival, quiet))
            await asyncio.sleep(0.01)  # the thread waits
            began = time.monotonic()
            assert all(fanout.submit_many(batch))
            assert await sockets.passed(30)
            passed = time.monotonic()
            waits.append(Wait(await arriving - began, passed - began))
            got = {peer.read() for _, peer in peers}
            assert got == {FRAME_BYTES * EVENTS // len(ROOMS)}, f"clients got {got} bytes"
        return waits
    finally:
        for peer in (quiet, *(peer for _, peer in peers)):
            peer.client.close()
        await fanout.stop(1)


def _arrival(peer: Peer) -> float:
    peer.client.setblocking(True)
    peer.client.settimeout(30)
    assert len(peer.client.recv(1 << 16)) == FRAME_BYTES
    return time.monotonic()


def report(waits: list[Wait]) -> str:
    """The ratios in a sentence."""
    ratios = [wait.quiet / wait.burst for wait in waits]
    return (
        f"the quiet event had arrived after {statistics.median(ratios):.2f} of the burst's time "
        f"({min(ratios):.2f} to {max(ratios):.2f}), which is {statistics.median(wait.burst for wait in waits):.3f} s\n"
    )


if __name__ == "__main__":
    print(report(asyncio.run(measure())), end="")
