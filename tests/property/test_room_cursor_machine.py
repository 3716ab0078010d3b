"""Lost, late and repeated live messages, full queues, cuts, trims, evictions and failovers: nothing lost in silence."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.fanout.base import Submission
from gateway.protocol.keys import live_channel
from gateway.protocol.live import CriticalEvent, encode_live
from gateway.protocol.positions import ZERO, Position, position_of
from gateway.types import Room
from tests.support.live_rig import Announcement, LiveRig
from tests.support.settle import settle, turns

ROOM = Room(7, 5)
QUIET_SECONDS = 40.0
"""Enough for the longest wait between attempts, and for two checks behind it."""


class Sourced(NamedTuple):
    """An event in the source.

    Attributes:
        number: its stream id.
        payload: its bytes, no two the same.
        before: how much the fan-out had got when it was relayed.
    """

    number: str
    payload: bytes
    before: int


class Snapshot(NamedTuple):
    """What a replica has that is behind."""

    source: int
    milliseconds: int
    events: list[CriticalEvent]
    head: Position | None


class RoomMachine(RuleBasedStateMachine):
    """A node with members in one room, a relay that the test plays, and a line that loses messages."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.source: list[Sourced] = []
        self.on_their_way: list[CriticalEvent] = []
        self.snapshots: list[Snapshot] = []
        self.untold: set[bytes] = set()
        self.milliseconds = 1_000
        self.made = 0
        self.rig: LiveRig

    @initialize(had_events=st.booleans())
    def begin(self, had_events: bool) -> None:
        async def start() -> None:
            self.rig = LiveRig()
            if had_events:
                self.rig.history.relay(ROOM, "1-0", b'{"n":0}')
            await self.rig.subscriber.start()
            await self.rig.answer()
            await self.rig.occupy(ROOM)

        self.loop.run_until_complete(start())

    # --- rules: the relay ---------------------------------------------------------------------------------------

    @rule(count=st.integers(1, 4), step=st.integers(1, 5))
    def relay(self, count: int, step: int) -> None:
        for _ in range(count):
            self.milliseconds += step
            self.made += 1
            event = Sourced(f"{self.milliseconds}-0", b'{"n":%d}' % self.made, len(self.rig.fanout.passed))
            self.source.append(event)
            self.feed(event)

    @rule(count=st.integers(1, 8))
    def feed_again(self, count: int) -> None:
        """A relay that takes over feeds what it finds in the source's last minute."""
        for event in self.source[-count:]:
            self.feed(event, refeed=True)

    def feed(self, event: Sourced, *, refeed: bool = False) -> None:
        live = self.rig.history.feed(ROOM, event.number, event.payload, refeed=refeed)
        if live is not None:
            self.on_their_way.append(live)

    # --- rules: the line ----------------------------------------------------------------------------------------

    @precondition(lambda self: self.on_their_way)
    @rule(count=st.integers(1, 6), turn_count=st.integers(0, 6))
    def deliver(self, count: int, turn_count: int) -> None:
        messages, self.on_their_way = self.on_their_way[:count], self.on_their_way[count:]

        async def arrive() -> None:
            self.rig.connection.publish(*((live_channel(ROOM), encode_live(message)) for message in messages))
            await turns(turn_count)

        self.loop.run_until_complete(arrive())

    @precondition(lambda self: self.on_their_way)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        del self.on_their_way[data.draw(st.integers(0, len(self.on_their_way) - 1))]

    @rule()
    def cut(self) -> None:
        async def end() -> None:
            self.rig.connection.cut()
            await settle()

        self.on_their_way.clear()
        self.loop.run_until_complete(end())

    # --- rules: Redis and the queue -----------------------------------------------------------------------------

    @rule(permits=st.none() | st.integers(0, 3))
    def limit_permits(self, permits: int | None) -> None:
        if permits is None:
            self.rig.fanout.permits.clear()
        else:
            self.rig.fanout.permits[ROOM] = permits

    @rule(away=st.booleans())
    def be_away_or_back(self, away: bool) -> None:
        self.rig.history.away = away

    @rule(slow=st.booleans())
    def answer_slowly_or_not(self, slow: bool) -> None:
        (self.rig.history.hold_back if slow else self.rig.history.let_go)()
        self.loop.run_until_complete(turns(3))

    @rule(keep=st.integers(0, 4))
    def trim(self, keep: int) -> None:
        self.rig.history.trim(ROOM, keep)

    @rule(what=st.sampled_from(["history", "head", "both"]))
    def evict(self, what: str) -> None:
        if what != "head":
            self.rig.history.trim(ROOM, 0)
        if what != "history":
            self.rig.history.head.pop(ROOM, None)
            if self.rig.interest.position(ROOM) == ZERO:
                # The one thing that nobody can tell: a room without a head looks like one that never had an event, and
                # that is where the node stands. Redis must not evict; the gateway warns of a policy that lets it.
                self.untold.update(event.payload for event in self.source)

    @rule()
    def lag_a_replica(self) -> None:
        history = self.rig.history
        self.snapshots.append(
            Snapshot(len(self.source), self.milliseconds, list(history.events[ROOM]), history.head.get(ROOM))
        )

    @precondition(lambda self: self.snapshots)
    @rule(data=st.data(), source_too=st.booleans(), clock_back=st.booleans())
    def promote_the_replica(self, data: st.DataObject, source_too: bool, clock_back: bool) -> None:
        """Failover: the room's keys go back, or the source with them; what it lacked exists no more."""
        snapshot = self.snapshots.pop(data.draw(st.integers(0, len(self.snapshots) - 1)))
        history = self.rig.history
        history.events[ROOM] = list(snapshot.events)
        if snapshot.head is None:
            history.head.pop(ROOM, None)
        else:
            history.head[ROOM] = snapshot.head
        if source_too:
            del self.source[snapshot.source :]
            self.snapshots.clear()
            if clock_back:
                self.milliseconds = snapshot.milliseconds
        # The relay's connection was lost with it: it feeds the last minute again before anything else.
        for event in self.source[-20:]:
            self.feed(event, refeed=True)

    @rule(seconds=st.sampled_from([0.01, 0.5, 3.0, 10.0]))
    def let_time_pass(self, seconds: float) -> None:
        async def wait() -> None:
            await self.rig.time.pass_by(seconds)
            await self.rig.answer()

        self.loop.run_until_complete(wait())

    # --- what must hold -----------------------------------------------------------------------------------------

    @invariant()
    def nothing_is_submitted_twice(self) -> None:
        positions = [item.position for item in self.rig.fanout.passed if isinstance(item, Submission)]
        assert len(positions) == len(set(positions))

    @invariant()
    def order_holds_as_long_as_nobody_is_told_otherwise(self) -> None:
        last = 0
        for item in self.rig.fanout.passed:
            number = 0 if isinstance(item, Announcement) else int(item.payload[5:-1])
            assert number > last or not number
            last = number

    @invariant()
    def every_gap_is_counted(self) -> None:
        assert self.rig.observer.gaps == len(self.rig.fanout.announcements)

    def teardown(self) -> None:
        try:
            self.loop.run_until_complete(self.quieten())
        finally:
            self.loop.run_until_complete(self.rig.subscriber.stop())
            self.loop.close()

    async def quieten(self) -> None:
        """When all is well again, every event that the source has was submitted, or its room was told afterwards."""
        rig = self.rig
        rig.fanout.permits.clear()
        rig.history.away = False
        rig.history.let_go()
        for event in self.source[-20:]:
            self.feed(event, refeed=True)
        self.on_their_way.clear()
        for _ in range(4):
            await rig.time.pass_by(QUIET_SECONDS / 4)
            await rig.answer()
        assert rig.subscriber.live
        assert rig.subscriber.behind == 0
        told = max((at for at, item in enumerate(rig.fanout.passed) if isinstance(item, Announcement)), default=-1)
        submitted = {item.position for item in rig.fanout.passed if isinstance(item, Submission)}
        for event in self.source:
            passed = position_of(event.number, event.payload) in submitted
            assert passed or told >= event.before or event.payload in self.untold, event
        cursor = rig.interest.cursor(live_channel(ROOM))
        assert cursor is not None
        assert cursor.has_passed(rig.history.head.get(ROOM, ZERO))


RoomMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=40)
TestRoomCursor = RoomMachine.TestCase
