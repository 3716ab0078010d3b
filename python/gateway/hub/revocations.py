"""Revocations that are announced: the node closes whom they mean, at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from itertools import islice

from gateway.auth.revocation import RevocationCheck, is_revoked, keys_for, revoked_until
from gateway.errors import BrokerError, ConnectionGoneError
from gateway.fanout.base import ConnectionInfo, Fanout
from gateway.hub.background_work import BackgroundWork
from gateway.hub.base import RightsObserver
from gateway.hub.held_token import token_of
from gateway.hub.revalidation import BATCH
from gateway.hub.rights import Rights
from gateway.protocol.close_codes import WSCloseCode
from gateway.protocol.rights import Revocation
from gateway.resilience.jitter import DecorrelatedJitter
from gateway.telemetry.logging import get_logger
from gateway.types import Clock, ConnectionId

MAX_WAITING = 100_000
"""Announced revocations that wait for Redis to be asked; one more is left to revalidation."""

PLAUSIBLE_SECONDS = 3600.0
"""A key's value that is older does not say when its announcement was asked for."""

_log = get_logger("gateway.hub.revocations")


class Revocations:
    """Carries announced revocations out: reads the key, remembers it for joins under way, closes whom it means (4001).

    Read and not believed: the key says up to which `iat` tokens are revoked, so that who has got a new one stays, and
    an announcement that no key confirms closes nobody. While Redis cannot be asked, announcements wait.

    For one event loop.
    """

    def __init__(
        self,
        fanout: Fanout,
        check: RevocationCheck,
        rights: Rights,
        *,
        observer: RightsObserver,
        jitter: DecorrelatedJitter,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`jitter`: the waits before Redis is asked again; `sleep` waits, and tests hand in one that does not."""
        self._fanout = fanout
        self._check = check
        self._rights = rights
        self._observer = observer
        self._clock = clock
        self._waiting: dict[str, Revocation] = {}  # by key, in the order of the announcements
        self._work = BackgroundWork(
            "revocations", lambda: bool(self._waiting), self._next_batch, jitter=jitter, sleep=sleep
        )

    def on_announced(self, revocation: Revocation) -> None:
        """Take an announcement; returns at once."""
        if len(self._waiting) >= MAX_WAITING and revocation.key not in self._waiting:
            _log.error("too many revocations wait; one is left to the next revalidation", waiting=len(self._waiting))
            return
        # To the end: a key that is being read just now must be read again.
        self._waiting.pop(revocation.key, None)
        self._waiting[revocation.key] = revocation
        self._work.wake()

    async def start(self) -> None:
        """Begin to carry out, in the background; a second call does nothing."""
        await self._work.start()

    async def stop(self) -> None:
        """Carry out no more."""
        await self._work.stop()

    async def _next_batch(self) -> None:
        batch = dict(islice(self._waiting.items(), BATCH))
        for key in batch:
            del self._waiting[key]
        try:
            values = await self._check.values(list(batch))
        except BrokerError as error:
            _log.warning("revocations are put off", waiting=len(batch) + len(self._waiting), why=str(error))
            # In front again; an announcement of the same key that came meanwhile is the same question.
            self._waiting = batch | {key: one for key, one in self._waiting.items() if key not in batch}
            await self._work.put_off()
            return
        self._work.succeeded()
        for (key, revocation), value in zip(batch.items(), values, strict=True):
            if value is None:
                self._observer.on_idle_announcement()
                _log.warning(
                    "a revocation was announced and stands in no key; nobody is closed", scope=revocation.scope
                )
                continue
            try:
                await self._carry_out(revocation, key, value)
            except Exception:  # noqa: BLE001 - logged in full; the others must be carried out all the same
                _log.exception("a revocation failed; revalidation will find it", scope=revocation.scope)

    async def _carry_out(self, revocation: Revocation, key: str, value: bytes) -> None:
        # From this step on, nobody whom it means can be attached; who was attached before is found below.
        self._rights.remember_revocation(key, value)
        closed = 0
        for page in self._pages(revocation):
            closed += sum(self._close_if_meant(info, key, value) for info in page)
            await asyncio.sleep(0)  # a whole tenant takes long, and others want their turn
        seconds = self._seconds_since(value)
        self._observer.on_revocation(revocation.scope, closed, seconds)
        _log.info("revoked", scope=revocation.scope, tenant=revocation.tenant_id, closed=closed, seconds=seconds)

    def _seconds_since(self, value: bytes) -> float | None:
        """Since the time that a key's value says; None where it says none, as the `1` of a blacklisted token does."""
        until = revoked_until(value)
        if until is None or (seconds := self._clock.time() - until) > PLAUSIBLE_SECONDS:
            return None
        return max(0.0, seconds)  # the clocks of two machines are never quite the same

    def _pages(self, revocation: Revocation) -> Iterator[list[ConnectionInfo]]:
        """The connections that carry its key, or all of its tenant, in pages."""
        if (identity_key := revocation.identity_key) is not None:
            # A token's id is the same in all tenants, and its announcement names none.
            tenant = None if revocation.jti is not None else revocation.tenant_id
            found = iter(self._fanout.find(tenant, identity_key))
            while page := list(islice(found, BATCH)):
                yield [info for connection in page if (info := self._info(connection)) is not None]
            return
        # The core's own index of a tenant's connections: no key of every connection would have to be kept for this.
        cursor = 0
        while True:
            members, cursor = self._fanout.list(revocation.tenant_id, cursor, BATCH)
            yield members
            if not cursor:
                return

    def _info(self, connection: ConnectionId) -> ConnectionInfo | None:
        try:
            return self._fanout.info(connection)
        except ConnectionGoneError:
            return None

    def _close_if_meant(self, info: ConnectionInfo, key: str, value: bytes) -> bool:
        token = token_of(info.identity)
        if token is None or not is_revoked(token, [value if name == key else None for name in keys_for(token)]):
            return False
        return self._fanout.close(info.connection, WSCloseCode.AUTH_FAILED)
