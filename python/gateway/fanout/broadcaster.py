"""From a ticket to its recipients' outboxes: asyncio workers, and one room always on one of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple, Protocol

from gateway.fanout.base import FanoutCore
from gateway.fanout.measures import NOBODY, Reach
from gateway.fanout.message import Message, event_message
from gateway.protocol.close_codes import WSCloseCode
from gateway.types import ConnectionId, Room

SLICE = 256
"""Recipients served in a row before the loop has its turn: some 0.3 ms of work, so that a room of ten thousand does not
hold up heartbeats, and an event for a small one is not cut at all."""

_BYTES_PER_RECIPIENT = 1024
"""Payload that weighs as much as one recipient. A turn passes at most 256 KiB to anybody then, a quarter of an outbox:
writers run between two turns, so a burst alone never overflows the outbox of a client that reads."""

logger = logging.getLogger("gateway.fanout")


class Fate(Enum):
    """What became of an event for one recipient."""

    GONE = "gone"  # not open any more: it was not for it
    TAKEN = "taken"  # nothing stands before it
    QUEUED = "queued"  # it waits behind something
    LOST = "lost"  # the connection was closed over it


class Owner(Protocol):
    """What a broadcaster asks of whoever owns the connections; `AsgiOwner` keeps it."""

    moves: int

    def moved_since(self, connection: ConnectionId, moves: int) -> bool:
        """Whether a connection was moved after `moves` was read."""
        ...

    def pass_on(self, connection: ConnectionId, message: Message) -> Fate:
        """Put an event into a connection's outbox."""
        ...

    def give_up(self, connection: ConnectionId, code: int) -> bool:
        """Close a connection in place of what waits for it."""
        ...


class Job(NamedTuple):
    """An admitted event, or what is announced in the place of one."""

    ticket: int
    room: Room
    payload: bytes
    position: str | None
    is_event: bool = True


class ConnectionBroadcaster:
    """Passes admitted events to their recipients (the seed's name). Event loop only.

    A room is always on the same worker, which takes one job after the other: that is the order of promise 1. Queues
    have no bound of their own, since every job in them holds a permit. Whatever happens to a job, its permits are
    given back, once; whatever happens to one recipient, the others get the event.
    """

    def __init__(self, core: FanoutCore, owner: Owner, on_finished: Callable[[], None], workers: int) -> None:
        """`workers` is 1 or more. `on_finished` is called when a ticket was finished.

        Raises:
            ValueError: no workers.
        """
        if workers < 1:
            raise ValueError(f"workers is {workers}; expected 1 or more")
        self._core = core
        self._owner = owner
        self._on_finished = on_finished
        self._queues: list[asyncio.Queue[Job]] = [asyncio.Queue() for _ in range(workers)]
        self._tasks: list[asyncio.Task[None]] = []

    def enqueue(self, job: Job) -> None:
        """Put a job behind the earlier ones of its room. Never waits."""
        self._queues[hash(job.room) % len(self._queues)].put_nowait(job)

    def start_workers(self) -> None:
        """Start the workers on the running loop."""
        self._tasks = [
            asyncio.create_task(self._work(queue), name=f"gateway-broadcast-{number}")
            for number, queue in enumerate(self._queues)
        ]

    async def stop_workers(self, timeout: float) -> int:
        """Pass what was accepted for at most `timeout` seconds, then stop; how many jobs were thrown away."""
        try:
            async with asyncio.timeout(timeout):
                for queue in self._queues:
                    await queue.join()
        except TimeoutError:
            logger.warning("broadcasts were still waiting after %g s; they are thrown away", timeout)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        return sum(self._throw_away(queue) for queue in self._queues)

    def _throw_away(self, queue: asyncio.Queue[Job]) -> int:
        thrown = 0
        while not queue.empty():
            self._core.finish(queue.get_nowait().ticket, passed=False)
            queue.task_done()
            thrown += 1
        self._on_finished()
        return thrown

    async def _work(self, queue: asyncio.Queue[Job]) -> None:
        """Take jobs for ever; a job that fails is logged and does not end it."""
        spent = 0
        while True:
            # A queue that holds something gives it without waiting, so turns are given away by count.
            if spent >= SLICE:
                spent = 0
                await asyncio.sleep(0)
            job = await queue.get()
            passed = False
            reach = NOBODY
            try:
                spent += 1 + len(job.payload) // _BYTES_PER_RECIPIENT
                reach = await self._broadcast(job)
                spent += (max(1, reach.matched) - 1) % SLICE  # what went before has had its turns
                passed = True
            except Exception:
                logger.exception("room %s: an event could not be passed on", job.room)
            finally:
                self._core.finish(job.ticket, passed=passed, reach=reach)
                self._on_finished()
                queue.task_done()

    async def _broadcast(self, job: Job) -> Reach:
        """Pass one event."""
        # The list is of this moment, and stays true as long as this job does not yield.
        moves = self._owner.moves
        recipients = self._core.recipients(job.ticket)
        if not recipients:
            return NOBODY
        payload = job.payload
        if job.position is not None and job.is_event:
            payload = self._core.splice(payload, job.position)
        message = event_message(payload, critical=job.position is not None)
        fates: list[Fate] = []
        for start in range(0, len(recipients), SLICE):
            if start:
                await asyncio.sleep(0)
            for connection in recipients[start : start + SLICE]:
                # Whoever left meanwhile is refused by `deliver`. Whoever moved may have lost what entitled it, and
                # only the core knows (promise 4); the stamp spares that question for all the others.
                moved = start > 0 and self._owner.moved_since(connection, moves)
                if not moved or self._core.still_entitled(job.ticket, connection):
                    fates.append(self._pass_on(connection, message))
        return Reach(len(fates) - fates.count(Fate.GONE), fates.count(Fate.QUEUED), fates.count(Fate.LOST))

    def _pass_on(self, connection: ConnectionId, message: Message) -> Fate:
        try:
            return self._owner.pass_on(connection, message)
        except Exception:
            logger.exception("connection %d: an event could not be passed to it; it is closed", connection)
            self._owner.give_up(connection, WSCloseCode.SERVER_ERROR)
            return Fate.LOST
