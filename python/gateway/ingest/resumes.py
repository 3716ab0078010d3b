"""Clients that come back with positions: what is decided for each, and the replays that run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

from gateway.errors import ConnectionGoneError, TooManyResumesError
from gateway.fanout.base import Membership
from gateway.ingest.live_interest import LiveInterest
from gateway.ingest.replay import Replay, entries_of
from gateway.ingest.resume_base import PAGE_BYTES, Resume, ResumeFanout, ResumeObserver, ResumeOutcome
from gateway.ingest.resume_plan import KEPT_BYTES, UNKNOWN, AskedBranch, Leg, Standing, leg_of, standing_of
from gateway.ingest.shared_reads import SharedReads
from gateway.protocol.close_codes import WSCloseCode
from gateway.protocol.keys import live_channel
from gateway.protocol.positions import Position
from gateway.resilience.jitter import DecorrelatedJitter
from gateway.types import Clock, ConnectionId, Room

PLACES: Final = 64
"""Connections of a node that are given history at the same time."""

PLACE_SECONDS: Final = 5.0
"""How long a join waits for a place. Its client comes back, by then perhaps to a node with less to do."""

SETTLE_SECONDS: Final = 5.0
"""How long a join waits for the node to come past a client's position. A repair takes a fraction of that."""

LOOK_SECONDS: Final = (0.01, 0.5)
"""Shortest and longest wait between two looks. A live message that is on its way takes some milliseconds."""

NUDGE_SECONDS: Final = 1.0
"""After this the room is compared with its head, instead of at the next regular check."""

REPLAY_SECONDS: Final = 60.0
"""Within which a resume must end: a place must not be held for ever, nor live events without end."""

_log = logging.getLogger("gateway.ingest")


class _Plan:
    """Keeps `Resume`."""

    def __init__(
        self,
        asked: Sequence[AskedBranch],
        standings: Mapping[Room, Standing],
        on_begin: Callable[[ConnectionId, _Plan], None],
    ) -> None:
        self.unsettled: list[AskedBranch] = []
        self.legs: list[Leg] = []
        self.resumed: dict[int, bool] = {}
        self.positions: dict[int, Position] = {}
        self.runs = False
        """Whether a replay has begun, which has taken the place over."""
        self._on_begin = on_begin
        kept = 0
        for branch in asked:
            room = branch.cursor.room
            leg = leg_of(branch, standings.get(room), KEPT_BYTES - kept)
            if leg is None:
                self.unsettled.append(branch)
                continue
            self.resumed[room.branch] = isinstance(leg, Leg)
            if isinstance(leg, Leg):
                self.positions[room.branch] = branch.position
                self.legs.append(leg)
                kept += leg.size

    @property
    def is_one_page(self) -> bool:
        """Whether all of it is here, and fits into one page."""
        whole = not self.unsettled and all(leg.whole for leg in self.legs)
        return whole and sum(leg.size for leg in self.legs) <= PAGE_BYTES

    @property
    def needs_pages(self) -> bool:
        """See `Resume`."""
        return any(leg.events or not leg.whole for leg in self.legs)

    def begin(self, connection: ConnectionId) -> None:
        """See `Resume`."""
        self._on_begin(connection, self)


class Resumes:
    """Keeps `Resumption`. For one event loop; not thread-safe.

    What is in the node's memory and fits into one page is given at once. Everything else needs one of the *places*,
    from the first question to history until the last page is given; so history is asked for a bounded number of
    clients.

    Args:
        interest: the rooms of this node.
        reads: where history is read.
        fanout: takes the pages.
        observer: is told what came of resumes.
        clock: `monotonic` is used.
        sleep: waits for some seconds; tests hand in one that does not.
        places: see `PLACES`.
        place_seconds: see `PLACE_SECONDS`.
        settle_seconds: see `SETTLE_SECONDS`.
        replay_seconds: see `REPLAY_SECONDS`.
    """

    def __init__(
        self,
        interest: LiveInterest,
        reads: SharedReads,
        fanout: ResumeFanout,
        *,
        observer: ResumeObserver,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        places: int = PLACES,
        place_seconds: float = PLACE_SECONDS,
        settle_seconds: float = SETTLE_SECONDS,
        replay_seconds: float = REPLAY_SECONDS,
    ) -> None:
        self._interest = interest
        self._reads = reads
        self._fanout = fanout
        self._observer = observer
        self._clock = clock
        self._sleep = sleep
        self._places = asyncio.Semaphore(places)
        self._place_seconds = place_seconds
        self._settle_seconds = settle_seconds
        self._replay_seconds = replay_seconds
        self._running: dict[ConnectionId, tuple[Replay, asyncio.Task[ResumeOutcome]]] = {}

    @property
    def running(self) -> int:
        """Connections that are being given history page by page."""
        return len(self._running)

    @asynccontextmanager
    async def prepare(self, memberships: Sequence[Membership], asked: Mapping[int, Position]) -> AsyncIterator[Resume]:
        """See `Resumption.prepare`."""
        own = self._own(memberships, asked)
        plan = _Plan(own, {}, self._begin)
        if plan.is_one_page:
            yield plan
            return
        await self._take_place(len(own))
        try:
            plan = await self._settle(own)
            yield plan
        finally:
            if not plan.runs:
                self._places.release()

    def on_page(self, connection: ConnectionId) -> None:
        """See `Resumption.on_page`."""
        if (running := self._running.get(connection)) is not None:
            running[0].on_taken()

    def on_closed(self, connection: ConnectionId) -> None:
        """See `Resumption.on_closed`."""
        if (running := self._running.get(connection)) is not None:
            running[1].cancel()

    async def stop(self) -> None:
        """End all replays; their connections are the core's to close."""
        tasks = [task for _, task in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._reads.stop()

    # --- before `attach` ----------------------------------------------------------------------------------------

    def _own(self, memberships: Sequence[Membership], asked: Mapping[int, Position]) -> list[AskedBranch]:
        own: list[AskedBranch] = []
        for room, audiences in memberships:
            if room.branch not in asked:
                continue
            cursor = self._interest.cursor(live_channel(room))
            if cursor is None:
                raise RuntimeError(f"{room} is resumed and not held")
            own.append(AskedBranch(cursor, frozenset(audiences), asked[room.branch]))
        return own

    async def _take_place(self, branches: int) -> None:
        try:
            async with asyncio.timeout(self._place_seconds):
                await self._places.acquire()
        except TimeoutError:
            for _ in range(branches):
                self._observer.on_resume(ResumeOutcome.TOO_MANY)
            raise TooManyResumesError(
                f"no place to resume from history became free within {self._place_seconds:g} s; connect again later"
            ) from None

    async def _settle(self, asked: Sequence[AskedBranch]) -> _Plan:
        """Ask history, and wait for the node where it is behind a client; the plan holds in this step of the loop."""
        began = self._clock.monotonic()
        waits = DecorrelatedJitter(*LOOK_SECONDS)
        standings: dict[Room, Standing] = {}
        kept = 0
        while (plan := _Plan(asked, standings, self._begin)).unsettled:
            waited = self._clock.monotonic() - began
            for branch in plan.unsettled:
                if (standing := await standing_of(branch, self._reads)) is not None:
                    # What many branches have missed is not kept for all of them at once.
                    kept += sum(len(event.payload) for event in standing.first)
                    standings[branch.cursor.room] = standing if kept <= KEPT_BYTES else standing._replace(first=())
                elif waited >= self._settle_seconds:
                    standings[branch.cursor.room] = UNKNOWN
                elif waited >= NUDGE_SECONDS:
                    self._interest.make_due(branch.cursor)
            if any(branch.cursor.room not in standings for branch in plan.unsettled):
                await self._sleep(waits.next())
        return plan

    # --- after it -----------------------------------------------------------------------------------------------

    def _begin(self, connection: ConnectionId, plan: _Plan) -> None:
        for resumed in plan.resumed.values():
            if not resumed:
                self._observer.on_resume(ResumeOutcome.UNKNOWN)
        if plan.is_one_page:
            self._give_at_once(connection, plan)
        else:
            replay = Replay(connection, plan.legs, self._reads, self._fanout, self._sleep)
            task = asyncio.create_task(self._run(replay), name=f"replay-{connection}")
            self._running[connection] = replay, task
            task.add_done_callback(lambda task: self._ended(replay, task))
            plan.runs = True
            self._observer.on_replays(self.running)

    def _give_at_once(self, connection: ConnectionId, plan: _Plan) -> None:
        if plan.needs_pages:
            try:
                self._fanout.page(connection, entries_of(plan.legs), last=True)
            except ValueError:
                self._fault(connection)
        for leg in plan.legs:
            self._observer.on_resume(leg.outcome)

    async def _run(self, replay: Replay) -> ResumeOutcome:
        """Gives what came of the legs that did not end."""
        try:
            async with asyncio.timeout(self._replay_seconds):
                await replay.run()
        except TimeoutError:
            _log.info("a resume made no end in time", extra={"connection": replay.connection})
            self._fanout.close(replay.connection, WSCloseCode.SERVER_OVERLOADED)
            return ResumeOutcome.TIMED_OUT
        except ConnectionGoneError:
            pass
        except Exception:  # noqa: BLE001 - logged in full; one connection must not end others
            self._fault(replay.connection)
        return ResumeOutcome.LEFT

    def _ended(self, replay: Replay, task: asyncio.Task[ResumeOutcome]) -> None:
        ending = ResumeOutcome.LEFT if task.cancelled() else task.result()
        for outcome in (*replay.outcomes, *[ending] * replay.unfinished):
            self._observer.on_resume(outcome)
        del self._running[replay.connection]
        self._places.release()
        self._observer.on_replays(self.running)

    def _fault(self, connection: ConnectionId) -> None:
        _log.exception("resuming failed", extra={"connection": connection})
        self._fanout.close(connection, WSCloseCode.SERVER_ERROR)
