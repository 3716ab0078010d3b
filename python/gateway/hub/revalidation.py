"""Revalidation: whether who was let in may still be here, asked on a timer and in batches."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import islice

from gateway.auth.revocation import RevocationCheck
from gateway.errors import BrokerError, ConnectionGoneError
from gateway.fanout.base import ConnectionIdentity, ConnectionInfo, Fanout
from gateway.hub.background_work import BackgroundWork
from gateway.hub.base import RightsObserver
from gateway.hub.held_token import token_of
from gateway.protocol.close_codes import WSCloseCode
from gateway.resilience.jitter import DecorrelatedJitter
from gateway.telemetry.logging import get_logger
from gateway.types import ConnectionId

BATCH = 256
"""Connections of one round trip: up to 768 keys, a fraction of a millisecond for Redis and a few for us."""

_log = get_logger("gateway.hub.revalidation")


class Revalidation:
    """Checks connections that are due, one batch at a time. For one event loop.

    Only an answer closes (4001). While Redis cannot be asked, those who are due wait, each once however often it falls
    due again; `exp` is the core's own business and holds all the same. Nothing of a token is kept but its ids and
    times, so a signature is not verified again: whose *key* was withdrawn stays until `exp`, or until it is revoked.
    """

    def __init__(
        self,
        fanout: Fanout,
        check: RevocationCheck,
        observer: RightsObserver,
        *,
        jitter: DecorrelatedJitter,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`jitter`: the waits before Redis is asked again; `sleep` waits, and tests hand in one that does not."""
        self._fanout = fanout
        self._check = check
        self._observer = observer
        self._due: dict[ConnectionId, None] = {}  # in the order in which they fell due
        self._work = BackgroundWork(
            "revalidation", lambda: bool(self._due), self._next_batch, jitter=jitter, sleep=sleep
        )

    def on_due(self, connections: Iterable[ConnectionId]) -> None:
        """Take connections that are to be checked; returns at once. One that waits already keeps its place."""
        self._due.update(dict.fromkeys(connections))
        self._work.wake()

    @property
    def waiting(self) -> int:
        """How many wait to be checked."""
        return len(self._due)

    async def start(self) -> None:
        """Begin to check, in the background; a second call does nothing."""
        await self._work.start()

    async def stop(self) -> None:
        """Check no more."""
        await self._work.stop()

    async def check(self, infos: Sequence[ConnectionInfo]) -> None:
        """Check these connections in one round trip, and close those whose token is revoked.

        Raises:
            BrokerError: Redis cannot be asked; nobody was closed.
        """
        known = [(info, token) for info in infos if (token := token_of(info.identity)) is not None]
        if not known:
            return
        try:
            answers = await self._check.revoked([token for _, token in known])
        except BrokerError:
            self._observer.on_revalidated("put_off", len(known))
            raise
        revoked = [info for (info, _), answer in zip(known, answers, strict=True) if answer]
        for info in revoked:
            self._close(info.connection, info.identity)
        self._observer.on_revalidated("revoked", len(revoked))
        self._observer.on_revalidated("passed", len(known) - len(revoked))

    def _close(self, connection: ConnectionId, asked: ConnectionIdentity) -> None:
        try:
            if self._fanout.info(connection).identity != asked:
                return  # it has got a new token since, which was checked when it came
        except ConnectionGoneError:
            return
        self._fanout.close(connection, WSCloseCode.AUTH_FAILED)

    async def _next_batch(self) -> None:
        batch = list(islice(self._due, BATCH))
        infos = []
        for connection in batch:
            try:
                infos.append(self._fanout.info(connection))
            except ConnectionGoneError:
                continue
        try:
            await self.check(infos)
        except BrokerError as error:
            # They stay where they are in the queue; whoever leaves meanwhile is found gone.
            _log.warning("revalidation is put off", connections=len(self._due), why=str(error))
            await self._work.put_off()
            return
        except Exception:  # noqa: BLE001 - logged in full
            # A fault of ours must not end revalidation for good. This batch comes again when its time comes.
            _log.exception("revalidation failed", connections=len(batch))
        self._work.succeeded()
        for connection in batch:
            self._due.pop(connection, None)
