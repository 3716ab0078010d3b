"""One Pub/Sub connection, kept alive and subscribed to what an `Interest` asks for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from gateway.broker.base import Broker, PubSubBatch, PubSubConnection
from gateway.errors import BrokerError
from gateway.ingest.end_task import end_task
from gateway.ingest.interest import Interest
from gateway.resilience.circuit_breaker import BreakerState, CircuitBreaker, Permit
from gateway.resilience.jitter import DecorrelatedJitter
from gateway.types import Clock

_log = logging.getLogger("gateway.ingest")


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkOptions:
    """How a link connects, and how it waits.

    Attributes:
        breaker: of the connection's own duty.
        jitter: the waits between attempts.
        clock: `monotonic` is used, for the length of an outage.
        ping_interval: seconds of silence after which Redis is pinged; the same again without a word is a cut.
        answer_timeout: seconds that a new connection has for its first answers.
        sleep: waits for some seconds; tests hand in one that does not.
    """

    breaker: CircuitBreaker
    jitter: DecorrelatedJitter
    clock: Clock
    ping_interval: float = 15.0
    answer_timeout: float = 5.0
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class LinkListener(Protocol):
    """Who uses what a link brings. Called on the event loop, by the link's own task."""

    async def on_batch(self, batch: PubSubBatch) -> None:
        """What one read brought, after the interest has taken note of its confirmations; not empty.

        The next read waits for it. An exception is a fault of ours: it is logged, and the link connects anew.
        """
        ...

    def on_live(self, outage: float | None) -> None:
        """All subscriptions stand. `outage`: seconds since the last live connection was lost; None for the first."""
        ...

    def on_lost(self) -> None:
        """A live connection is gone, without anybody having asked for it."""
        ...


class PubSubLink:
    """Connects, subscribes, reads and pings; reconnects with jitter, behind a breaker.

    A connection is *live* once Redis has answered a ping that was sent behind all subscriptions. Attempts that never
    became live belong to the outage that began when the last live one was lost.

    For one event loop; not thread-safe.

    Args:
        name: of the task, and of the connection in logs.
        broker: where connections come from.
        interest: which channels; nobody else may drive it.
        listener: is told what comes.
        options: see there.
    """

    def __init__(
        self, name: str, broker: Broker, interest: Interest, listener: LinkListener, options: LinkOptions
    ) -> None:
        self._name = name
        self._broker = broker
        self._interest = interest
        self._listener = listener
        self._options = options
        self._breaker = options.breaker
        self._jitter = options.jitter
        self._clock = options.clock
        self._task: asyncio.Task[None] | None = None
        self._permit: Permit  # of the attempt, or the trial, that is under way
        self._live = asyncio.Event()
        self._lost_at: float | None = None  # when the last live connection ended, until the next one is live

    @property
    def live(self) -> bool:
        """Whether the connection stands and Redis has answered on it."""
        return self._live.is_set()

    async def start(self) -> None:
        """Begin to connect, in the background; a second call does nothing. `wait_live` says when it is done."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=self._name)

    async def wait_live(self) -> None:
        """Return when the connection is live; wrap it in a time-out."""
        await self._live.wait()

    async def stop(self, timeout: float) -> None:
        """End the connection, waiting for at most `timeout` seconds; the listener has had all that was read."""
        task, self._task = self._task, None
        if task is None:
            return
        if not await end_task(task, timeout):
            _log.warning("the %s did not stop in time", self._name, extra={"timeout": timeout})

    # --- the loop over connections ------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            try:
                await self._session()
            except BrokerError as error:
                reason = str(error)
                _log.warning("Redis Pub/Sub is away: %s", reason, extra={"duty": self._breaker.duty})
            except Exception:  # noqa: BLE001 - see below
                # A fault of ours in one session must not end the way in for good: it is logged in full, and the next
                # connection begins afresh.
                _log.exception("the %s failed and connects anew", self._name)
            finally:
                self._end_live()
            await self._options.sleep(max(self._jitter.next(), self._breaker.retry_after()))

    async def _session(self) -> None:
        """One connection, from connecting to its end; always ends by an exception."""
        self._permit = self._breaker.acquire()
        try:
            connection = await self._broker.pubsub()
            try:
                await self._serve(connection)
            finally:
                self._interest.lost()
                await connection.close()
        except BrokerError:
            self._permit.fail()  # does nothing once the connection was live: losing it is no failed attempt
            raise
        finally:
            self._permit.release()

    async def _serve(self, connection: PubSubConnection) -> None:
        self._interest.begin()
        try:
            async with asyncio.TaskGroup() as tasks:
                # Side by side: Redis answers every SUBSCRIBE, and a reader that waited for the last of very many
                # would let those answers pile up until Redis cuts the connection.
                tasks.create_task(self._write(connection))
                tasks.create_task(self._read(connection))
        except ExceptionGroup as errors:
            # Reader and writer fail of the same cause, the end of the connection: one of them speaks for both.
            # Anything else is a fault of ours, and is passed on whole.
            if isinstance(error := errors.exceptions[0], BrokerError):
                raise error from None
            raise

    async def _write(self, connection: PubSubConnection) -> None:
        await self._interest.resubscribe(connection)
        # Redis answers in order: the answer to this says that every subscription above is confirmed.
        await connection.ping()
        await self._interest.follow(connection)

    async def _read(self, connection: PubSubConnection) -> None:
        pinged = False
        while True:
            try:
                async with asyncio.timeout(self._options.ping_interval if self.live else self._options.answer_timeout):
                    batch = await connection.read()
            except TimeoutError:
                if not self.live:
                    raise BrokerError(f"no answer within {self._options.answer_timeout:g} s of connecting") from None
                if pinged:
                    raise BrokerError(f"no answer to a ping within {self._options.ping_interval:g} s") from None
                await connection.ping()
                pinged = True
                continue
            pinged = False
            self._interest.confirm(batch)
            await self._listener.on_batch(batch)
            if batch.pongs:
                self._permit.succeed()
                self._begin_live()
                if self._breaker.state is BreakerState.HALF_OPEN:
                    # The breaker wants more than one success, and a connection that lasts would give no other.
                    self._permit = self._breaker.acquire()
                    await connection.ping()
            # A read that finds bytes waiting does not yield: under a flood the sockets need their turn too.
            await asyncio.sleep(0)

    # --- live or not --------------------------------------------------------------------------------------------

    def _begin_live(self) -> None:
        if self.live:
            return
        self._live.set()
        self._jitter.reset()
        extra: dict[str, object] = {"duty": self._breaker.duty, "channels": self._interest.wanted}
        outage = None if self._lost_at is None else self._clock.monotonic() - self._lost_at
        self._lost_at = None
        if outage is None:
            _log.info("Redis Pub/Sub is connected", extra=extra)
        else:
            _log.info("Redis Pub/Sub is back", extra={**extra, "seconds": round(outage, 3)})
        self._listener.on_live(outage)

    def _end_live(self) -> None:
        if not self.live:
            return
        self._live.clear()
        if asyncio.current_task() is not self._task:
            return  # `stop` asked for it: nothing that anybody still waits for is missed
        self._lost_at = self._clock.monotonic()
        self._listener.on_lost()
