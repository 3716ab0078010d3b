"""Random histories of a whole fan-out against a model that a reader can check by eye.

The model keeps, for every connection, the events that it is entitled to and has not been passed yet, each with the
audiences on which that right still rests. A move that takes the last of them takes the event. Between two rules the
loop stands still, runs for some turns, or runs until it is idle, so that a change meets events in every state:
accepted, half passed on, waiting in an outbox. On native sockets the reactors stand still and run with the loop; what
waits in their outboxes cannot be looked at, so their clients do not stall here.

Some connections resume: they get numbered pieces of history in pages, and nothing else before the last of them. What is
held meanwhile has been passed, so a move does not take it; a close does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.fanout.base import FanoutLimits, Membership, PageEntry
from gateway.fanout.message import Message
from gateway.types import Room
from tests.support.fanout_rig import KINDS, Client, Kind, Rig, event
from tests.support.native_client import NativeClient
from tests.support.settle import others, settle, turns

T = TypeVar("T")

AUDIENCES = ("branch:5:kitchen", "branch:5:admin", "sector:9:waiters")
# The same branch in two tenants, with audiences that are spelled alike.
ROOMS = {1: (Room(1, 5), Room(1, 6)), 2: (Room(2, 5),)}
AUDIENCE_SETS = st.lists(st.sampled_from(AUDIENCES), min_size=1, max_size=3, unique=True).map(tuple)
LIMITS = FanoutLimits(max_broadcasts=12, max_room_broadcasts=8, workers=3, message_rate=0)


@st.composite
def memberships(draw: st.DrawFn, tenant: int) -> list[Membership]:
    rooms = draw(st.lists(st.sampled_from(ROOMS[tenant]), min_size=1, unique=True))
    return [Membership(room, draw(AUDIENCE_SETS)) for room in rooms]


@dataclass
class Member:
    """What the model knows of one connection."""

    tenant: int
    client: Client
    audiences: dict[Room, set[str | None]]  # with None for the room itself
    entitled: dict[int, set[str | None]] = field(default_factory=dict)  # event -> what its right rests on
    lost: set[int] = field(default_factory=set)  # events that must not be passed to it any more
    open: bool = True
    resuming: bool = False
    history: int = 0  # pieces that it was given
    pages: int = 0  # pages that it was given, but for the last
    held: set[int] = field(default_factory=set)  # events that a reactor holds for it, or has held


class FanoutMachine(RuleBasedStateMachine):
    kind: ClassVar[Kind]

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.rig: Rig = self.run(self._start())
        self.members: list[Member] = []
        self.rooms: dict[int, Room] = {}  # of every accepted event
        self.cursors: dict[Room, int] = {}  # the last accepted critical event of each room

    async def _start(self) -> Rig:
        rig = Rig(type(self).kind, LIMITS)
        await rig.fanout.start()
        rig.hold()
        others.append(rig.come_to_rest)
        return rig

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run the loop until this is done; it may go round before `work` begins, so snapshots are taken inside."""
        return self.loop.run_until_complete(work)

    # --- what was passed: sent already, or waiting in the outbox ---

    def passed(self, member: Member, *, held: bool = True) -> list[int]:
        """What was passed; without what is `held` for one that resumes, if told so."""
        found = self.rig.fanout._owner._connections.get(member.client.id)
        outboxes = [] if found is None else [found.outbox]
        if found is not None and found.held is not None and held:
            outboxes.append(found.held)
        entries = [entry for outbox in outboxes for entry in (outbox._entries or {}).values()]
        writing = self.in_hand(member)
        texts = [entry.text for entry in entries if isinstance(entry, Message) and '"n":' in entry.text]
        waiting = [int(text.split('"n":')[1].split(",")[0]) for text in texts]
        come = member.client.socket.numbers
        unseen = sorted(member.held.difference(come)) if held or not member.resuming else []
        return [*come, *writing, *waiting, *unseen]

    async def settle(self) -> None:
        """Let everything come to rest: what was submitted is passed then."""
        await settle()
        for member in self.members:
            if self.rig.native is not None and member.open and member.resuming:
                member.held |= set(member.entitled)

    @staticmethod
    def in_hand(member: Member) -> list[int]:
        """What a stalled `send` holds."""
        return [got["n"] for got in member.client.socket.held if "n" in got]

    # --- rules ---

    @initialize()
    def begin_with_some(self) -> None:
        for _ in range(4):
            self.enter(1, [Membership(Room(1, 5), AUDIENCES[:2])])
        self.enter(1, [Membership(Room(1, 5), AUDIENCES[:2])], resuming=True)
        self.enter(2, [Membership(Room(2, 5), AUDIENCES[:2])])

    @rule(data=st.data(), tenant=st.sampled_from([1, 2]), resuming=st.booleans())
    def attach(self, data: st.DataObject, tenant: int, resuming: bool) -> None:
        self.enter(tenant, data.draw(memberships(tenant)), resuming=resuming)

    def enter(self, tenant: int, where: list[Membership], *, resuming: bool = False) -> None:
        async def work() -> Client:
            return self.rig.connect(
                room=ROOMS[tenant][0],
                memberships=where,
                keys=("user:1",),
                positions=self.cursors_of(where),
                resuming=resuming,
            )

        client = self.run(work())
        audiences: dict[Room, set[str | None]] = {room: {None, *names} for room, names in where}
        self.members.append(Member(tenant, client, audiences, resuming=resuming))

    @precondition(lambda self: any(member.open for member in self.members))
    @rule(data=st.data(), count=st.integers(0, 3), last=st.booleans())
    def page(self, data: st.DataObject, count: int, last: bool) -> None:
        there = [member for member in self.members if member.open]
        member = data.draw(st.sampled_from([member for member in there if member.resuming] or there))

        async def work() -> None:
            if not member.resuming:
                with pytest.raises(ValueError, match="is live"):
                    self.rig.page(member.client, last=last)
            elif self.rig.listener.pages.count(member.client.id) == member.pages:
                self.give(member, count, last=last)

        self.run(work())

    def give(self, member: Member, count: int, *, last: bool) -> None:
        """Give somebody who waits for it the next page, of so many pieces."""
        numbers = range(member.history, member.history + count)
        entries = [PageEntry(f'{{"type":"X","h":{n}}}'.encode(), position(n + 1) if n % 2 else None) for n in numbers]
        assert self.rig.page(member.client, *entries, last=last)
        member.history += count
        member.pages += not last
        member.resuming = not last

    def cursors_of(self, where: list[Membership]) -> dict[int, str]:
        """Up to where rooms have been submitted; a gateway says it of every room that somebody enters."""
        return {room.branch: position(self.cursors.get(room, 0)) for room, _ in where}

    @rule(
        data=st.data(),
        tenant=st.sampled_from([1, 2]),
        count=st.integers(1, 6),
        critical=st.booleans(),
    )
    def submit(self, data: st.DataObject, tenant: int, count: int, critical: bool) -> None:
        first = max(self.rooms, default=0) + 1
        batch = []
        for n in range(first, first + count):
            audiences = data.draw(AUDIENCE_SETS)
            room = data.draw(st.sampled_from(ROOMS[tenant]))
            batch.append(event(n, *audiences, room=room, position=position(n) if critical else None))

        async def work() -> list[bool]:
            return self.rig.fanout.submit_many(batch)

        refused: set[Room] = set()
        answers = self.run(work())
        for n, item, accepted in zip(range(first, first + count), batch, answers, strict=True):
            if not accepted:
                refused.add(item.room)
                continue
            assert item.room not in refused, "accepted behind a refusal of its room"
            self.rooms[n] = item.room
            if critical:
                self.cursors[item.room] = n
            for member in self.members:
                rests_on = member.audiences.get(item.room, set()) & set(item.audiences)
                if member.open and rests_on:
                    member.entitled[n] = rests_on

    @rule(data=st.data(), tenant=st.sampled_from([1, 2]))
    def announce(self, data: st.DataObject, tenant: int) -> None:
        room = data.draw(st.sampled_from(ROOMS[tenant]))
        n = max(self.rooms, default=0) + 1

        async def work() -> bool:
            return self.rig.fanout.announce(room, f'{{"type":"gap","n":{n},"critical":true}}', position(n))

        if self.run(work()):
            self.rooms[n] = room
            self.cursors[room] = n
            for member in self.members:
                if member.open and room in member.audiences:
                    member.entitled[n] = {None}

    @precondition(lambda self: any(member.open for member in self.members))
    @rule(data=st.data())
    def move(self, data: st.DataObject) -> None:
        member = data.draw(st.sampled_from([member for member in self.members if member.open]))
        where = data.draw(memberships(member.tenant))

        async def work() -> set[int]:
            passed = set(self.passed(member))
            self.rig.fanout.move(member.client.id, where, self.cursors_of(where))
            return passed

        passed = self.run(work())
        member.audiences = {room: {None, *audiences} for room, audiences in where}
        for n in list(member.entitled):
            member.entitled[n] &= member.audiences.get(self.rooms[n], set())
            if not member.entitled[n] and n not in passed:
                del member.entitled[n]
                member.lost.add(n)

    @precondition(lambda self: any(member.open for member in self.members))
    @rule(data=st.data())
    def ping(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from([member for member in self.members if member.open])).client.socket.say("ping")

    @precondition(lambda self: any(member.open for member in self.members))
    @rule(data=st.data(), by_peer=st.booleans())
    def leave(self, data: st.DataObject, by_peer: bool) -> None:
        member = data.draw(st.sampled_from([member for member in self.members if member.open]))

        async def work() -> set[int]:
            if not by_peer:
                passed = set(self.passed(member, held=False))
                assert self.rig.fanout.close(member.client.id, 1000)
                return passed
            member.client.socket.resume()
            member.client.socket.hang_up(1000)
            await self.settle()
            return set(member.client.socket.numbers)  # what came before the peer was found to be gone

        passed = self.run(work())
        member.open = False
        self.lose_all_but(member, passed)

    @rule(tenant=st.just(2))  # the small one: otherwise nobody would be left to look at
    def revoke(self, tenant: int) -> None:
        there = [member for member in self.members if member.open and member.tenant == tenant]

        async def work() -> list[set[int]]:
            passed = [set(self.passed(member, held=False)) for member in there]
            assert self.rig.fanout.close_where(tenant, "user:1", 4001) == len(there)
            return passed

        for member, kept in zip(there, self.run(work()), strict=True):
            member.open = False
            self.lose_all_but(member, kept)

    @staticmethod
    def lose_all_but(member: Member, passed: set[int]) -> None:
        member.lost |= set(member.entitled) - passed
        member.entitled = {n: rests_on for n, rests_on in member.entitled.items() if n in passed}
        member.held &= passed

    @precondition(lambda self: self.members and self.rig.native is None)
    @rule(data=st.data(), stalled=st.booleans())
    def stall_or_resume(self, data: st.DataObject, stalled: bool) -> None:
        socket = data.draw(st.sampled_from(self.members)).client.socket
        if stalled:
            socket.stall()
        else:
            socket.resume()

    @rule(count=st.integers(1, 4))
    def let_the_loop_go_round(self, count: int) -> None:
        self.run(turns(count))

    @rule()
    def drain(self) -> None:
        self.run(self.settle())
        assert self.rig.fanout.stats().broadcasts_in_flight == 0

    # --- what always holds ---

    @invariant()
    def nobody_has_what_is_not_for_it(self) -> None:
        for member in self.members:
            passed = self.passed(member)
            assert len(passed) == len(set(passed)), "an event came twice"
            assert not set(passed) & member.lost, "an event came after the right to it was lost"
            assert set(passed) <= set(member.entitled), "an event came to somebody outside its audiences"
            assert all(self.rooms[n].tenant == member.tenant for n in passed), "an event crossed tenants"
            for room in member.audiences:
                there = [n for n in passed if self.rooms[n] == room]
                assert there == sorted(there), "events of a room came out of order"

    @invariant()
    def history_comes_first_and_no_position_meanwhile(self) -> None:
        for member in self.members:
            events = member.client.socket.events
            kinds = ["h" if "h" in got else "n" for got in events if got["type"] != "pong"]
            assert kinds == sorted(kinds), "an event came before the last piece of history"
            assert [got["h"] for got in events if "h" in got] == list(range(kinds.count("h")))
            if member.open and member.resuming:
                assert not member.client.socket.numbers, "an event was not held"
                assert not any(got.get("positions") for got in events), "a position came before what it counts"
                assert self.rig.fanout.positions(member.client.id) == {}
            assert self.rig.listener.pages.count(member.client.id) <= member.pages

    @invariant()
    def counts_are_those_of_the_open(self) -> None:
        for tenant in ROOMS:
            there = [member for member in self.members if member.open and member.tenant == tenant]
            assert self.rig.fanout.count(tenant, "user:1") == len(there)
            listed, _ = self.rig.fanout.list(tenant=tenant, limit=1_000)
            assert [info.connection for info in listed] == [member.client.id for member in there]

    async def everybody_stands_where_the_events_are(self) -> None:
        """All pongs that came, and one more."""
        for member in self.members:
            if member.open:
                member.client.socket.say("ping")
        await settle()
        for member in self.members:
            come: set[int] = set()
            shown: dict[Room, int] = {}
            for got in member.client.socket.events:
                if got["type"] != "pong":
                    come |= {got["n"]} if "n" in got else set()
                    continue
                shown = {Room(member.tenant, int(key)): int(at.split("-")[0]) for key, at in got["positions"].items()}
                for room, at in shown.items():
                    owed = {n for n in member.entitled if self.rooms[n] == room and n <= at}
                    assert owed <= come, "a position counted an event that had not come"
            if member.open:
                assert shown == {room: self.cursors.get(room, 0) for room in member.audiences}

    async def everybody_gets_what_is_owed(self) -> None:
        """Nobody was slow enough to lose anything; who resumes is given the last page."""
        for member in self.members:
            member.client.socket.resume()
        await self.settle()
        for member in self.members:
            if member.open:
                assert self.rig.listener.pages.count(member.client.id) == member.pages, "no page was asked for"
                if member.resuming:
                    self.give(member, 1, last=True)
        await settle()
        for member in self.members:
            assert set(member.client.socket.numbers) == set(member.entitled)
            if member.open:
                assert sum("h" in got for got in member.client.socket.events) == member.history

    def teardown(self) -> None:
        async def finish() -> None:
            await self.everybody_gets_what_is_owed()
            assert self.rig.fanout.stats().broadcasts_in_flight == 0
            assert self.rig.outbox_bytes == 0
            await self.everybody_stands_where_the_events_are()
            for client in self.rig.sockets:
                if isinstance(client, NativeClient):
                    client.close()  # to be read to its end is what a reactor would wait for otherwise
            await self.rig.stop(5.0)
            codes = await asyncio.gather(*(member.client.served for member in self.members))
            assert sorted(self.rig.listener.closed) == [
                (member.client.id, code) for member, code in zip(self.members, codes, strict=True)
            ]
            assert asyncio.all_tasks() == {asyncio.current_task()}

        async def clear() -> None:
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks) if tasks else None

        try:
            self.run(finish())
            self.nobody_has_what_is_not_for_it()
        finally:
            others.clear()
            self.run(clear())  # nothing is left but after a failure
            self.loop.close()


def position(n: int) -> str:
    """The position of an event, or of a room that never had one."""
    return f"{n}-0/00000000" if n else "0-0"


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_random_histories_keep_the_promises(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    # So small that every job is cut between its recipients, however few they are.
    monkeypatch.setattr("gateway.fanout.broadcaster.SLICE", 1)
    machine = type(f"FanoutMachineOn{kind.name.title()}", (FanoutMachine,), {"kind": kind})
    case = machine.TestCase
    case.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
    case().runTest()
