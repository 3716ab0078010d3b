"""A server and the client that loads it, kept up together for all rounds of a scenario."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from benches.load.client import LoadClient
from benches.load.contenders import Bench, Server

CHUNK_EVENTS = 256
"""Events on their way at once: 68 KB a client, which a socket's buffers hold, so that nobody waits for the other."""

CHUNK_SINGLES = 64


class Pair:
    """All connections are members when it is made. Attributes: `server`, `client`."""

    def __init__(
        self,
        bench: Bench,
        contender: str,
        connections: int,
        *,
        targets: Sequence[str] | None = None,
        stalled: int = 0,
    ) -> None:
        """Start both; `targets` None are those that the contender names."""
        self._connections = connections
        self._stalled = stalled
        self.server: Server = bench.server(contender)
        try:
            self.client = LoadClient(
                bench.binaries,
                self.server.port,
                targets or self.server.targets(connections + stalled),
                connections,
                size=bench.size,
                stalled=stalled,
            )
        except BaseException:
            self.server.stop()
            raise
        try:
            self.client.joined()
        except BaseException:
            self._stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.client.finish()
        finally:
            self._stop()

    def _stop(self) -> None:
        # The client first: its resets are gone through before the server is asked to end.
        self.client.stop()
        self.server.stop()

    def send(self, events: int, burst: int) -> float:
        """Send events in bursts and wait until everybody has got every one; the server's CPU seconds for that.

        Raises:
            BenchError: delivery was not exact.
        """
        before = self.server.cpu_seconds()
        limit = CHUNK_SINGLES if burst == 1 else max(burst, CHUNK_EVENTS // burst * burst)
        left = events
        while left:
            chunk = min(left, limit)
            self.client.expect(self.server.sent + chunk)
            self.server.begin_send(chunk, burst)
            self.server.end_send(self._connections + self._stalled)
            self.client.reached()
            left -= chunk
        return self.server.cpu_seconds() - before

    def taken(self) -> dict[str, Any]:
        """See `LoadClient.taken`."""
        return self.client.taken()
