"""Random joins, leaves, admissions, slow answers and reconnects: no channel that somebody relies on is ever missing."""

from __future__ import annotations

import asyncio
from collections import Counter

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.fanout.base import Occupancy
from gateway.ingest.interest import Interest
from tests.support.admission import Admission, end_loop
from tests.support.fake_pubsub import FakePubSubConnection
from tests.support.settle import settle, turns

CHANNELS = ("branch:5:kitchen", "branch:5:admin", "session:77", "sector:9:waiters")
channels = st.sampled_from(CHANNELS)


class InterestMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        # Time does not pass here: no hold may run into its time-out while the machine thinks.
        self.interest = Interest(timeout=3_600)
        self.occupied: Counter[str] = Counter()
        self.admissions: list[Admission[str]] = []
        self.connections = 0
        self.connection: FakePubSubConnection | None = None
        self.follower: asyncio.Task[None] | None = None

    def run(self, turn_count: int = 0) -> None:
        self.loop.run_until_complete(turns(turn_count))

    # --- rules --------------------------------------------------------------------------------------------------

    @rule(steps=st.lists(st.tuples(channels, st.booleans()), min_size=1, max_size=6))
    def change_occupancy(self, steps: list[tuple[str, bool]]) -> None:
        """What the core reports in one turn: rooms that enter a name, rooms that leave it."""

        async def change() -> None:
            for name, enters in steps:
                if enters:
                    self.occupied[name] += 1
                    self.interest.on_occupancy(Occupancy(occupied=(name,)))
                elif self.occupied[name]:
                    self.occupied -= Counter([name])
                    self.interest.on_occupancy(Occupancy(vacated=(name,)))

        self.loop.run_until_complete(change())

    @rule(names=st.lists(channels, min_size=1, max_size=3))
    def admit(self, names: list[str]) -> None:
        async def begin() -> None:
            self.admissions.append(Admission(names, self.interest.hold(names), lambda: self.connections))

        self.loop.run_until_complete(begin())

    @precondition(lambda self: self.admissions)
    @rule(data=st.data(), cancelled=st.booleans())
    def end_admission(self, data: st.DataObject, cancelled: bool) -> None:
        """Whoever is inside leaves or is cancelled; who still waits can only be cancelled."""
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

    @precondition(lambda self: self.connection is not None)
    @rule(count=st.integers(1, 5))
    def answer(self, count: int) -> None:
        async def deliver() -> None:
            assert self.connection is not None
            self.interest.confirm(self.connection.answer(count))

        self.loop.run_until_complete(deliver())

    @precondition(lambda self: self.connection is not None)
    @rule(stalled=st.booleans())
    def stall_or_flow(self, stalled: bool) -> None:
        assert self.connection is not None
        if stalled:
            self.connection.stall()
        else:
            self.connection.flow()

    @precondition(lambda self: self.connection is None)
    @rule()
    def connect(self) -> None:
        async def begin() -> None:
            self.connections += 1
            self.connection = FakePubSubConnection()
            self.interest.begin()
            self.follower = asyncio.create_task(self.interest.follow(self.connection))

        self.loop.run_until_complete(begin())

    @precondition(lambda self: self.connection is not None)
    @rule()
    def lose_connection(self) -> None:
        async def end() -> None:
            assert self.follower is not None
            self.follower.cancel()
            await asyncio.wait({self.follower})
            self.interest.lost()
            self.connection = None

        self.loop.run_until_complete(end())

    # --- what must hold -----------------------------------------------------------------------------------------

    @invariant()
    def whoever_was_let_in_misses_nothing(self) -> None:
        """While the connection lives on which it was let in, every channel of a hold is subscribed."""
        for admission in self.admissions:
            if self.connection is not None and admission.entered_on == self.connections:
                assert admission.names <= self.connection.effective

    @invariant()
    def each_command_changes_something(self) -> None:
        if self.connection is None:
            return
        state: set[str] = set()
        for command, names in self.connection.commands:
            assert names
            assert len(set(names)) == len(names)
            if command == "subscribe":
                assert state.isdisjoint(names)
                state |= set(names)
            else:
                assert state >= set(names)
                state -= set(names)

    @invariant()
    def it_counts_what_is_wanted(self) -> None:
        held = {name for admission in self.admissions if admission.entered_on is not None for name in admission.names}
        assert self.interest.wanted >= len(held | self.occupied.keys())

    def teardown(self) -> None:
        end_loop(self.loop, self.quieten())

    async def quieten(self) -> None:
        """When the server answers everything, all who wait are let in, and exactly what is needed is subscribed."""
        if self.connection is None:
            self.connections += 1
            self.connection = FakePubSubConnection()
            self.interest.begin()
            self.follower = asyncio.create_task(self.interest.follow(self.connection))
        self.connection.flow()
        await self.answer_everything(self.connection)
        assert all(admission.entered_on is not None for admission in self.admissions)
        wanted = self.occupied.keys() | {name for admission in self.admissions for name in admission.names}
        assert self.connection.effective == self.connection.written == wanted
        assert self.interest.wanted == self.interest.confirmed == len(wanted)
        for admission in self.admissions:
            admission.leave.set()
        await self.answer_everything(self.connection)
        assert self.connection.effective == set(self.occupied)
        assert not self.interest._waiting

    async def answer_everything(self, connection: FakePubSubConnection) -> None:
        await settle()
        while connection.unanswered:
            self.interest.confirm(connection.answer())
            await settle()


TestInterest = InterestMachine.TestCase
