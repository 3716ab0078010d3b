"""Two relays on a real Valkey, stopped, killed and robbed of their lease at every step; failovers; lost live messages.

Whatever happens, a reader that follows the rule gets every event once and in order, or is told that it may have missed
some. Where nothing but relays fail, and history is long enough, nobody is told anything: nothing is lost at all.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from itertools import pairwise
from random import Random
from typing import Any, ClassVar, NamedTuple

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from redis.asyncio import Redis

from gateway.broker.redis_commands import RedisCommands
from gateway.broker.redis_history import RedisHistory
from gateway.ingest.relay_base import RelayNumbers
from gateway.protocol.keys import DLQ, LEASE, SOURCE, fence_key, head_key, history_key
from gateway.protocol.positions import Position
from gateway.resilience.circuit_breaker import CircuitBreaker
from gateway.types import Room, SystemClock
from tests.support.relay_rig import PATIENCE_SECONDS, CountingObserver, SteppedRelay, build_relay, critical_event
from tests.support.room_reader import RoomReader
from tests.support.valkey import ValkeyServer, run_valkey

ROOMS = (Room(7, 5), Room(7, 6))
STEPS_TO_REST = 5_000
EXAMPLES, STEPS = 25, 60
NO_TIME_PASSES = {"lease": 3_600.0, "refeed": 3_600.0, "keep": 86_400.0}
"""Seconds, far beyond what an example takes: a lease ends where a rule says so, and not where the machine is busy."""
PHASES = [Phase.explicit, Phase.reuse, Phase.generate]
"""Without shrinking: an example costs a tenth of a second, and a history of steps reads well enough as it is."""


@pytest.fixture(scope="module")
def server() -> Iterator[ValkeyServer]:
    """Its own: the machine flushes it."""
    with run_valkey() as server:
        yield server


class Client(NamedTuple):
    """Somebody who went away with a position, and with what he had or was told that he may have missed."""

    room: Room
    position: Position
    settled: frozenset[bytes]


class RelayMachine(RuleBasedStateMachine):
    url: ClassVar[str]
    history_events: ClassVar[int] = 1_000
    # A reader that saw no event of a room yet cannot tell that it missed the first: it is told when there is one.
    rooms_have_a_head: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.run(self._begin())

    def run(self, coroutine: Any) -> Any:
        return self.loop.run_until_complete(coroutine)

    async def _begin(self) -> None:
        self.redis = Redis.from_url(self.url, socket_timeout=None)
        await self.redis.flushall()
        breaker = CircuitBreaker("commands", SystemClock(), open_seconds=0)
        self.commands = RedisCommands(self.url, breaker, timeout=PATIENCE_SECONDS)
        self.history = RedisHistory(self.commands, events=self.history_events)
        self.numbers = RelayNumbers(history_events=self.history_events, trim_every=0, **NO_TIME_PASSES)
        self.observer = CountingObserver()
        self.relays = [self._relay(), self._relay()]
        self.sent: dict[Room, list[bytes]] = {room: [] for room in ROOMS}
        self.bad: set[bytes] = set()
        self.number = 0
        # Ids are the producers' clock; near the real one, by which the relay's window and trims go.
        self.clock = int(time.time() * 1_000)
        self.last = (0, 0)
        self.snapshot: Any = None
        self.failovers = 0
        self.clients: list[Client] = []
        self.readers: list[RoomReader] = []
        # Of each reader: events that it had before, or was told that it may have missed.
        self.settled: dict[RoomReader, set[bytes]] = {}
        # So that the group begins before the first event.
        while self.relays[0].at != "after ensure_group":
            await self.relays[0].step()
        if self.rooms_have_a_head:
            await self._produce(list(ROOMS))
            for point in ("after write_rooms", "after read"):  # the next one, which acknowledges
                while self.relays[0].at != point:
                    await self.relays[0].step()
        for room in ROOMS:
            await self._follow(room)

    def _relay(self) -> SteppedRelay:
        relay: SteppedRelay = build_relay(
            self.url, kind=SteppedRelay, observer=self.observer, numbers=self.numbers, timeout=PATIENCE_SECONDS
        )
        return relay

    # --- producers ----------------------------------------------------------------------------------------------

    @rule(rooms=st.lists(st.sampled_from(ROOMS), min_size=1, max_size=6), pause=st.sampled_from([0, 0, 1, 5, 50]))
    def produce(self, rooms: list[Room], pause: int) -> None:
        self.clock += pause
        self.run(self._produce(rooms))

    async def _produce(self, rooms: list[Room]) -> None:
        for room in rooms:
            payload = critical_event(room, self.number)
            self.number += 1
            self.sent[room].append(payload)
            await self._add(payload)

    @rule()
    def produce_something_else(self) -> None:
        payload = critical_event(ROOMS[0], self.number, "NO_SUCH_TYPE")
        self.number += 1
        self.bad.add(payload)
        self.run(self._add(payload))

    async def _add(self, payload: bytes) -> None:
        # As Redis does with a clock that stands still or goes back.
        self.last = max((self.clock, 0), (self.last[0], self.last[1] + 1))
        await self.redis.xadd(SOURCE, {"event": payload}, id=f"{self.last[0]}-{self.last[1]}")

    # --- relays -------------------------------------------------------------------------------------------------

    @rule(which=st.integers(0, 1), steps=st.integers(1, 12))
    def go_on(self, which: int, steps: int) -> None:
        """The other one is stopped meanwhile, wherever it is."""

        async def go() -> None:
            for _ in range(steps):
                await self.relays[which].step()

        self.run(go())

    @rule(which=st.integers(0, 1))
    def crash(self, which: int) -> None:
        self.run(self.relays[which].crash())
        self.relays[which] = self._relay()

    @rule()
    def lease_is_lost(self) -> None:
        """It ran out while its owner was stopped, or was removed."""
        self.run(self.redis.delete(LEASE))

    @rule(which=st.integers(0, 1))
    def take_over(self, which: int) -> None:
        """The lease is lost, and another relay gets so far that it reads new entries."""

        async def go() -> None:
            await self.redis.delete(LEASE)
            for _ in range(STEPS_TO_REST):
                if await self.relays[which].step() in ("after read", "wait"):
                    return

        self.run(go())

    @rule(which=st.integers(0, 1), room=st.sampled_from(ROOMS), events=st.integers(1, 10))
    def relay_is_late(self, which: int, room: Room, events: int) -> None:
        """One is stopped with a batch in its hands; the other one takes over and goes far beyond it."""

        async def go() -> None:
            late, other = self.relays[which], self.relays[1 - which]
            await self.redis.delete(LEASE)
            await self._until(late, "wait")
            await self._produce([room, room])
            await self._until(late, "before write_rooms")
            await self.redis.delete(LEASE)
            await self._until(other, "wait")
            await self._produce([room] * events)
            await self._until(other, "wait")
            await self._until(late, "after write_rooms")
            await self._settle_up()

        self.run(go())

    async def _until(self, relay: SteppedRelay, stop: str) -> None:
        for _ in range(STEPS_TO_REST):
            if await relay.step() == stop:
                return
        raise AssertionError(f"the relay does not come to {stop!r}: it is at {relay.at!r}")

    # --- readers ------------------------------------------------------------------------------------------------

    @rule(seed=st.integers(0, 2**16), share=st.sampled_from([0.0, 0.1, 0.5, 1.0]))
    def readers_read(self, seed: int, share: float) -> None:
        random = Random(seed)

        async def read() -> None:
            for reader in self.readers:
                await reader.pump(lambda: random.random() < share)

        self.run(read())

    @rule()
    def readers_check(self) -> None:
        async def check() -> None:
            for reader in self.readers:
                await reader.check()

        self.run(check())

    @rule(which=st.integers(0, 1))
    def client_leaves(self, which: int) -> None:
        reader = self.readers[which]
        settled = {event.payload for event in reader.got} | self.settled[reader]
        self.clients.append(Client(reader.room, reader.cursor, frozenset(settled)))

    @precondition(lambda self: self.clients)
    @rule(data=st.data())
    def client_comes_back(self, data: st.DataObject) -> None:
        client = self.clients.pop(data.draw(st.integers(0, len(self.clients) - 1)))
        self.run(self._follow(client.room, client))

    async def _follow(self, room: Room, client: Client | None = None) -> None:
        """One more reader: from now on, or from where a client was."""
        reader = RoomReader(self.url, self.history, room)
        self.settled[reader] = set(client.settled if client else self.sent[room])
        reader.on_told = lambda: self.settled[reader].update(self.sent[room])
        await reader.start(client.position if client else None)
        self.readers.append(reader)

    # --- Redis --------------------------------------------------------------------------------------------------

    async def _fail_over(self, names: list[str], back: int) -> None:
        """Put keys back to the last copy, as a promoted replica would have them, and cut every connection."""
        copies, lengths, last = self.snapshot
        self.failovers += 1
        for name in names:
            await self.redis.delete(name)
            if copies.get(name) is not None:
                await self.redis.restore(name, 0, copies[name])
        if SOURCE in names:
            for room in ROOMS:
                del self.sent[room][lengths[room] :]
            self.last = last
            self.clock -= back
        await self.redis.client_kill_filter(_type="normal", skipme=True)  # type: ignore[no-untyped-call]

    # --- the end ------------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        try:
            self.run(self._rest())
        finally:
            self.run(self._close())
            self.loop.close()

    async def _rest(self) -> None:
        """Everything that is under way comes to its end, and then everything must be there."""
        await self.relays[0].crash()
        await self.redis.delete(LEASE)
        # The other one goes on wherever it was stopped, with what it holds in its hands.
        for _ in range(STEPS_TO_REST):
            if await self.relays[1].step() == "wait" and await self._idle():
                break
        else:
            raise AssertionError(f"the relay comes to no rest: {self.relays[1].at}")
        await self._settle_up()
        letters = [fields[b"event"] for _, fields in await self.redis.xrange(DLQ)]
        assert set(letters) <= self.bad, "a good event is in the dead-letter queue"
        if not self.failovers:
            assert set(letters) == self.bad

    async def _settle_up(self) -> None:
        """A relay is at rest: everybody must have everything, or have been told."""
        assert await self._idle()
        for client in self.clients:
            await self._follow(client.room, client)
        self.clients.clear()
        for reader in self.readers:
            await reader.pump()
            await reader.check()
            await reader.pump()
            self._judge(reader)
        while len(self.readers) > len(ROOMS):
            await self.readers.pop().close()

    async def _idle(self) -> bool:
        (group,) = await self.redis.xinfo_groups(SOURCE)
        (newest,) = await self.redis.xrevrange(SOURCE, count=1) or [(b"0-0", {})]
        return bool(group["pending"] == 0 and (newest[0] in (b"0-0", group["last-delivered-id"])))

    def _judge(self, reader: RoomReader) -> None:
        sent = self.sent[reader.room]
        got = [event.payload for event in reader.got]
        assert len(got) == len(set(got)), "an event came twice"
        missing = set(sent) - set(got) - self.settled[reader]
        assert not missing, f"lost, and nobody was told: {sorted(missing)}"
        # Order holds among what a failover did not take back. Who was told fetches the state anew, and begins again.
        order = {payload: number for number, payload in enumerate(sent)}
        for begin, end in pairwise([0, *reader.told, len(got)]):
            numbers = [order[payload] for payload in got[begin:end] if payload in order]
            assert numbers == sorted(numbers)

    async def _close(self) -> None:
        for relay in self.relays:
            await relay.crash()
        for reader in self.readers:
            await reader.close()
        await self.commands.close()
        await self.redis.aclose()


class PerfectMachine(RelayMachine):
    """Nothing but relays fail, and history is long: nobody may be told anything."""

    rooms_have_a_head = True

    def _judge(self, reader: RoomReader) -> None:
        super()._judge(reader)
        assert not reader.told
        assert self.observer.counts["begun"] == 0


class ShortHistoryMachine(RelayMachine):
    """History keeps fewer events than are fed again at each take-over."""

    history_events = 6

    def _judge(self, reader: RoomReader) -> None:
        super()._judge(reader)
        assert self.observer.counts["begun"] == 0, "a relay that came late was taken for a source that went back"


def _names(*rooms: Room) -> list[str]:
    return [make(room) for room in rooms for make in (history_key, head_key, fence_key)]


class FailoverMachine(RelayMachine):
    """Redis itself goes back to an older state, as a whole or in one shard, with a clock that may be behind."""

    history_events = 12

    @rule()
    def copy(self) -> None:
        self.run(self._copy())

    async def _copy(self) -> None:
        copies = {name: await self.redis.dump(name) for name in (SOURCE, *_names(*ROOMS))}
        lengths = {room: len(sent) for room, sent in self.sent.items()}
        self.snapshot = (copies, lengths, self.last)

    @rule(
        which=st.integers(0, 1),
        room=st.sampled_from(ROOMS),
        lost=st.sampled_from(["server", "source", "room"]),
        heard=st.booleans(),
        again=st.integers(0, 3),
    )
    def tail_is_lost(self, which: int, room: Room, lost: str, heard: bool, again: int) -> None:
        """Events were relayed, heard or not, and Redis loses them; others follow, under ids that may be the same."""

        async def go() -> None:
            relay = self.relays[which]
            await self.redis.delete(LEASE)
            await self._until(relay, "wait")
            await self._copy()
            self.client_leaves(ROOMS.index(room))
            await self._produce([room, room])
            await self._until(relay, "wait")
            for reader in self.readers:
                await reader.pump(lambda: not heard)
            self.client_leaves(ROOMS.index(room))
            names = {"server": [SOURCE, *_names(*ROOMS)], "source": [SOURCE], "room": _names(room)}[lost]
            await self._fail_over(names, 0)
            await self._produce([room] * again)
            await self._until(relay, "wait")
            # Now, and not only after the next take-over, which puts right much that was wrong.
            await self._settle_up()

        self.run(go())

    @precondition(lambda self: self.snapshot)
    @rule(back=st.sampled_from([0, 0, 100, 300]))
    def whole_server_fails_over(self, back: int) -> None:
        self.run(self._fail_over(list(self.snapshot[0]), back))

    @precondition(lambda self: self.snapshot)
    @rule(back=st.sampled_from([0, 0, 100, 300]))
    def shard_of_the_source_fails_over(self, back: int) -> None:
        self.run(self._fail_over([SOURCE], back))

    @precondition(lambda self: self.snapshot)
    @rule(room=st.sampled_from(ROOMS))
    def shard_of_a_room_fails_over(self, room: Room) -> None:
        self.run(self._fail_over(_names(room), 0))

    @rule(room=st.sampled_from(ROOMS), make=st.sampled_from([history_key, head_key, fence_key]))
    def key_is_evicted(self, room: Room, make: Any) -> None:
        async def evict() -> None:
            other = {history_key: head_key, head_key: history_key}.get(make)
            # Who loses both forgets that the room ever had an event; that is more than any rule can tell.
            if other is None or await self.redis.exists(other(room)):
                await self.redis.delete(make(room))

        self.run(evict())


@pytest.mark.parametrize("machine", [PerfectMachine, ShortHistoryMachine, FailoverMachine])
def test_every_event_arrives_once_and_in_order_or_the_reader_is_told(
    machine: type[RelayMachine], server: ValkeyServer
) -> None:
    machine.url = server.url
    run_state_machine_as_test(
        machine, settings=settings(max_examples=EXAMPLES, stateful_step_count=STEPS, phases=PHASES)
    )
