"""Random joins, leaves, admissions, slow answers, reconnects: a room is followed exactly as long as it may be."""

from __future__ import annotations

import asyncio
from collections import Counter

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.ingest.live_interest import LINGER_SECONDS, LiveInterest
from gateway.protocol.keys import live_channel
from gateway.protocol.positions import ZERO
from gateway.types import Room
from tests.support.admission import Admission, end_loop
from tests.support.clock import FakeClock
from tests.support.fake_pubsub import FakePubSubConnection
from tests.support.settle import settle, turns

ROOMS = (Room(7, 5), Room(8, 5), Room(7, 6))
rooms = st.sampled_from(ROOMS)


class LiveInterestMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = FakeClock()
        # Real time does not pass here: no hold may run into its time-out while the machine thinks.
        self.interest = LiveInterest(self.clock, timeout=3_600)
        self.members: Counter[Room] = Counter()
        self.admissions: list[Admission[Room]] = []
        self.last_needed: dict[Room, float] = {}
        self.connections = 0
        self.connection: FakePubSubConnection | None = None
        self.follower: asyncio.Task[None] | None = None

    def run(self, turn_count: int = 0) -> None:
        self.loop.run_until_complete(turns(turn_count))
        self.note_need()

    def needed(self) -> set[Room]:
        held = {room for admission in self.admissions for room in admission.names}
        return held | self.members.keys()

    def note_need(self) -> None:
        """What is needed now is needed at this hour at the latest."""
        for room in self.needed():
            self.last_needed[room] = self.clock.monotonic()

    # --- rules --------------------------------------------------------------------------------------------------

    @rule(steps=st.lists(st.tuples(rooms, st.booleans()), min_size=1, max_size=5), at_once=st.booleans())
    def change_rooms(self, steps: list[tuple[Room, bool]], at_once: bool) -> None:
        """What the core reports: first members and last leaves, each alone or all in one report."""
        self.note_need()
        occupied: list[Room] = []
        vacated: list[Room] = []

        async def change() -> None:
            for room, enters in steps:
                if enters is (room in self.members):
                    continue  # only the first join and the last leave are reported
                if enters:
                    self.members[room] = 1
                    occupied.append(room)
                else:
                    del self.members[room]
                    vacated.append(room)
                self.last_needed[room] = self.clock.monotonic()
                if not at_once:
                    self.interest.on_rooms([room] if enters else [], [] if enters else [room])
            if at_once:
                self.interest.on_rooms(occupied, vacated)

        self.loop.run_until_complete(change())

    @rule(names=st.lists(rooms, min_size=1, max_size=3))
    def admit(self, names: list[Room]) -> None:
        async def begin() -> None:
            self.admissions.append(Admission(names, self.interest.hold(names), lambda: self.connections))
            await asyncio.sleep(0)

        self.loop.run_until_complete(begin())
        self.note_need()

    @precondition(lambda self: self.admissions)
    @rule(data=st.data(), cancelled=st.booleans())
    def end_admission(self, data: st.DataObject, cancelled: bool) -> None:
        """Whoever is inside leaves or is cancelled; who still waits can only be cancelled."""
        self.note_need()
        admission = data.draw(st.sampled_from(self.admissions))
        self.admissions.remove(admission)
        if cancelled or admission.entered_on is None:
            admission.task.cancel()
        else:
            admission.leave.set()
        self.loop.run_until_complete(asyncio.wait({admission.task}))

    @rule(count=st.integers(1, 4))
    def let_turns_pass(self, count: int) -> None:
        self.run(count)

    @rule(seconds=st.sampled_from([1.0, 20.0, LINGER_SECONDS]))
    def let_time_pass(self, seconds: float) -> None:
        self.note_need()
        self.clock.advance(seconds)

        async def expire() -> None:
            self.interest.expire()

        self.loop.run_until_complete(expire())
        self.note_need()

    @precondition(lambda self: self.connection is not None)
    @rule(count=st.integers(1, 5))
    def answer(self, count: int) -> None:
        async def deliver() -> None:
            assert self.connection is not None
            batch = self.connection.answer(count)
            self.interest.channels.confirm(batch)
            self.interest.on_confirmed(batch.subscribed)

        self.loop.run_until_complete(deliver())

    @rule()
    def give_heads(self) -> None:
        self.loop.run_until_complete(self.adopt_due())

    async def adopt_due(self) -> None:
        """What the subscriber does with rooms that are due; nothing when there are none."""
        waiting = asyncio.create_task(self.interest.due())
        await turns(4)
        if not waiting.done():
            waiting.cancel()
            await asyncio.wait({waiting})
            return
        for cursor in waiting.result():
            if cursor.position is None:
                cursor.adopt(ZERO)
                cursor.follow()
            self.interest.adopted(cursor)

    @precondition(lambda self: self.connection is None)
    @rule()
    def connect(self) -> None:
        self.loop.run_until_complete(self.begin_connection())

    async def begin_connection(self) -> None:
        self.connections += 1
        self.connection = FakePubSubConnection()
        self.interest.channels.begin()
        self.follower = asyncio.create_task(self.interest.channels.follow(self.connection))

    @precondition(lambda self: self.connection is not None)
    @rule()
    def lose_connection(self) -> None:
        async def end() -> None:
            assert self.follower is not None
            self.follower.cancel()
            await asyncio.wait({self.follower})
            self.interest.channels.lost()
            self.connection = None

        self.loop.run_until_complete(end())

    # --- what must hold -----------------------------------------------------------------------------------------

    @invariant()
    def whoever_was_let_in_knows_its_positions_and_misses_nothing(self) -> None:
        for admission in self.admissions:
            if admission.entered_on is None:
                continue
            assert all(self.interest.position(room) is not None for room in admission.names)
            if self.connection is not None and admission.entered_on == self.connections:
                assert {live_channel(room) for room in admission.names} <= self.connection.effective

    @invariant()
    def a_room_is_followed_until_a_minute_after_it_was_last_needed(self) -> None:
        now = self.clock.monotonic()
        needed = self.needed()
        for room in ROOMS:
            followed = self.interest.cursor(live_channel(room)) is not None
            expected = room in needed or now - self.last_needed.get(room, -1e9) < LINGER_SECONDS
            assert followed is expected, (room, needed)

    @invariant()
    def what_is_followed_is_what_is_wanted(self) -> None:
        followed = {live_channel(room) for room in ROOMS if self.interest.cursor(live_channel(room)) is not None}
        assert set(self.interest.channels._all_wanted()) == followed
        assert self.interest.rooms == len(followed)

    def teardown(self) -> None:
        end_loop(self.loop, self.quieten())

    async def quieten(self) -> None:
        """When the server answers everything, all who wait are let in; a minute after the last leave nothing is."""
        if self.connection is None:
            await self.begin_connection()
        assert self.connection is not None
        await self.answer_everything(self.connection)
        assert all(admission.entered_on is not None for admission in self.admissions)
        for admission in self.admissions:
            admission.leave.set()
        self.interest.on_rooms([], list(self.members))
        await self.answer_everything(self.connection)
        self.clock.advance(LINGER_SECONDS)
        self.interest.expire()
        await self.answer_everything(self.connection)
        assert self.interest.rooms == 0
        assert self.connection.effective == self.connection.written == set()

    async def answer_everything(self, connection: FakePubSubConnection) -> None:
        await settle()
        for _ in range(3):
            while connection.unanswered:
                batch = connection.answer()
                self.interest.channels.confirm(batch)
                self.interest.on_confirmed(batch.subscribed)
                await settle()
            await self.adopt_due()
            await settle()


TestLiveInterest = LiveInterestMachine.TestCase
