from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace

import pytest

from gateway.auth.revocation import blacklist_key
from gateway.errors import AbuseError, BrokerError, LimitError, RevokedError, StoppingError, TenantBusyError
from gateway.fanout import create_fanout
from gateway.fanout.base import ConnectionIdentity, FanoutLimits, Membership
from gateway.hub.admission import Admission
from gateway.hub.label import Label
from gateway.hub.node_beats import BEAT_SECONDS, POLL_SECONDS, PROOF_SECONDS, NodeBeats
from gateway.hub.penalties import PENALTY_SECONDS, Penalties
from gateway.hub.place_keeper import PAGE, PlaceKeeper
from gateway.hub.places import PlaceLimits, Places
from gateway.protocol.limit_keys import beat_key, presence_key, tenant_presence_key
from gateway.resilience.jitter import DecorrelatedJitter
from gateway.resilience.keyed_rate import KeyedRate
from gateway.types import ConnectionId, Room
from tests.support.clock import FakeClock
from tests.support.memory_limits import LEASE, MemoryLimits
from tests.support.settle import turns
from tests.support.sockets import FakeSocket
from tests.unit.hub.test_admission import Silent
from tests.unit.hub.test_profiles import GUEST, STAFF

USER = presence_key(1, "user:12")
TENANT = tenant_presence_key(1)
DEFAULTS = PlaceLimits(3, 20, 0)


class Counts:
    """Keeps `LimitObserver`."""

    def __init__(self) -> None:
        self.renewed = self.freed = self.put_off = self.penalties = 0

    def on_places_renewed(self, places: int) -> None:
        self.renewed += places

    def on_places_freed(self, places: int) -> None:
        self.freed += places

    def on_limits_put_off(self) -> None:
        self.put_off += 1

    def on_penalty(self) -> None:
        self.penalties += 1

    def on_reconnect_hints(self, connections: int) -> None: ...


class Node:
    """The parts of one node that are about places."""

    def __init__(self, store: MemoryLimits, limits: PlaceLimits = DEFAULTS, tenant_rate: float = 0) -> None:
        self.store = store
        self.counts = Counts()
        self.hangs = False
        self.beat = itertools.count(1)
        self.beats = NodeBeats(store, sleep=self._while_nodes_beat)
        store.nodes.append(self)
        store.strings[beat_key(self.beats.run)] = (b"0", float("inf"))
        self.wake = asyncio.Event()
        self.fanout = create_fanout("pure", FanoutLimits())
        self.fanout.bind(Silent())
        admission = Admission(self.fanout, node=0, per_user=limits.user, per_session=limits.session)
        self.penalties = Penalties(store, self.counts, store.clock, self.wake.set)
        self.places = Places(
            store,
            limits,
            self.penalties,
            self.beats,
            self.counts,
            tenant_rate=KeyedRate(tenant_rate, max(1, tenant_rate), store.clock),
            check_node=admission.check,
            on_given_up=self.wake.set,
        )
        self.connections: dict[ConnectionIdentity, ConnectionId] = {}
        self.slept: list[float] = []
        self.keeper = PlaceKeeper(
            self.fanout,
            self.places,
            self.penalties,
            self.counts,
            wake=self.wake,
            jitter=DecorrelatedJitter(),
            sleep=self._sleep,
        )

    async def _while_nodes_beat(self, seconds: float) -> None:
        self.store.clock.advance(seconds)
        for node in self.store.nodes:
            if not node.hangs:
                await self.store.beat(node.beats.run, next(node.beat))

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)

    async def join(self, identity=STAFF, attached: bool = True) -> ConnectionIdentity:
        """A join as the manager makes it."""
        async with self.places.place() as place:
            await place.check(identity)
            made = ConnectionIdentity(
                identity.tenant, identity.keys, label=Label("waiter", False, 0, 0.0, place.number).encode()
            )
            connection = self.fanout.attach(
                FakeSocket(), [Membership(Room(identity.tenant, 5), ("branch:5:admin",))], made
            )
            if attached:
                place.keep()
            self.connections[made] = connection
        return made

    def close(self, identity: ConnectionIdentity) -> None:
        self.fanout.close(self.connections[identity], 1000)
        self.places.on_closed(identity, Label.decode(identity.label).place)


@pytest.fixture
def store() -> MemoryLimits:
    return MemoryLimits(FakeClock())


async def test_nodes_share_the_limit_of_a_user(store: MemoryLimits) -> None:
    one, other = Node(store), Node(store)
    await one.join()
    await other.join()
    await one.join()
    for node in (one, other):
        with pytest.raises(LimitError, match="user has its 3 connections over all nodes"):
            await node.join()
    await other.join(replace(STAFF, subject="13"))
    await other.join(replace(STAFF, tenant=2))


async def test_nodes_share_the_limits_of_a_table_session_and_of_a_tenant(store: MemoryLimits) -> None:
    one, other = Node(store, PlaceLimits(0, 2, 4)), Node(store, PlaceLimits(0, 2, 4))
    await one.join(GUEST)
    await other.join(GUEST)
    with pytest.raises(LimitError, match="table session has its 2"):
        await one.join(GUEST)
    await one.join()
    await other.join()
    with pytest.raises(LimitError, match="tenant has its 4"):
        await one.join()


async def test_what_a_dead_node_holds_keeps_nobody_out(store: MemoryLimits) -> None:
    dead, living = Node(store, PlaceLimits(3, 20, 4)), Node(store, PlaceLimits(3, 20, 4))
    for _ in range(2):
        await dead.join()
    await living.join()
    await living.join(replace(STAFF, subject="13"))
    dead.hangs = True
    began = store.clock.monotonic()
    await living.join()
    assert store.clock.monotonic() - began == pytest.approx(PROOF_SECONDS)
    assert (living.counts.freed, dead.counts.freed) == (2, 0)
    await living.join(replace(STAFF, subject="14"))
    assert len(store.members(USER)) == 2, "both of the dead are gone"
    with pytest.raises(LimitError, match="tenant has its 4"):
        await living.join(replace(STAFF, subject="15"))


async def test_who_says_nothing_any_more_is_dead_without_a_wait(store: MemoryLimits) -> None:
    dead, living = Node(store, PlaceLimits(1, 1, 0)), Node(store, PlaceLimits(1, 1, 0))
    await dead.join()
    del store.strings[beat_key(dead.beats.run)]
    began = store.clock.monotonic()
    await living.join()
    assert store.clock.monotonic() == began


async def test_who_dies_while_it_is_asked_is_dead(store: MemoryLimits) -> None:
    dead, living = Node(store, PlaceLimits(1, 1, 0)), Node(store, PlaceLimits(1, 1, 0))
    await dead.join()
    dead.hangs = True
    store.strings[beat_key(dead.beats.run)] = (b"0", store.clock.monotonic() + 1)
    await living.join()
    assert len(store.members(USER)) == 1


async def test_a_refusal_comes_as_soon_as_every_holder_has_said_that_it_lives(store: MemoryLimits) -> None:
    one, other = Node(store, PlaceLimits(2, 1, 0)), Node(store, PlaceLimits(2, 1, 0))
    await one.join()
    await one.join()
    began = store.clock.monotonic()
    trips = store.trips
    answers = await asyncio.gather(*(other.join() for _ in range(10)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [LimitError] * 10
    assert store.clock.monotonic() - began == pytest.approx(POLL_SECONDS), "all of them waited for the same word"
    assert store.trips - trips < 10 * 2 + 10
    assert other.counts.freed == 0


async def test_where_redis_cannot_say_who_lives_nobody_is_turned_away_for_good(store: MemoryLimits) -> None:
    dead, living = Node(store, PlaceLimits(1, 1, 0)), Node(store, PlaceLimits(1, 1, 0))
    await dead.join()

    async def cut(_seconds: float) -> None:
        store.away = True

    living.beats._sleep = cut
    with pytest.raises(BrokerError):
        await living.join()
    store.away = False


async def test_a_stop_ends_what_is_being_found_out(store: MemoryLimits) -> None:
    holder, stopping = Node(store, PlaceLimits(1, 1, 0)), Node(store, PlaceLimits(1, 1, 0))
    await holder.join()
    asked = asyncio.Event()

    async def forever(_seconds: float) -> None:
        asked.set()
        await asyncio.Event().wait()

    stopping.beats._sleep = forever
    join = asyncio.create_task(stopping.join())
    await asked.wait()
    await stopping.keeper.stop()
    with pytest.raises(StoppingError):
        await join


async def test_a_node_says_once_a_second_that_it_lives_whatever_redis_does(store: MemoryLimits) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        store.away = len(slept) == 2
        await (asyncio.sleep(0) if len(slept) < 4 else asyncio.Event().wait())

    beats = NodeBeats(store, sleep=sleep)
    await beats.start()
    await turns(20)
    assert store.strings[beat_key(beats.run)][0] == b"4"
    assert slept == [BEAT_SECONDS] * 4
    await beats.stop()


async def test_a_join_is_one_round_trip_and_a_refusal_by_the_node_is_none(store: MemoryLimits) -> None:
    node = Node(store)
    for _ in range(3):
        await node.join()
    assert store.trips == 3
    with pytest.raises(LimitError, match="on this node"):
        await node.join()
    assert store.trips == 3


async def test_who_is_unlimited_takes_no_place(store: MemoryLimits) -> None:
    node = Node(store, PlaceLimits(0, 0, 0))
    identity = await node.join()
    assert Label.decode(identity.label).place == 0
    node.close(identity)
    await node.keeper.renew_page(0)
    await node.keeper.write()
    assert store.sets == {}


async def test_who_is_revoked_or_does_not_attach_gives_the_place_back(store: MemoryLimits) -> None:
    node = Node(store, PlaceLimits(1, 1, 1))
    store.strings[blacklist_key("j")] = (b"1", float("inf"))
    with pytest.raises(RevokedError):
        await node.join()
    del store.strings[blacklist_key("j")]
    await Node(store).keeper.write()
    assert node.wake.is_set()
    await node.keeper.write()
    assert store.members(USER) == store.members(TENANT) == set()
    await node.join(attached=False)
    await node.keeper.write()
    assert store.members(USER) == store.members(TENANT) == set()


async def test_a_closed_connections_place_is_free_here_at_once_and_elsewhere_when_it_is_written(
    store: MemoryLimits,
) -> None:
    node, other = Node(store, PlaceLimits(1, 1, 0)), Node(store, PlaceLimits(1, 1, 0))
    first = await node.join(replace(STAFF, subject="away"))
    node.close(first)
    with pytest.raises(LimitError):
        await other.join(replace(STAFF, subject="away"))
    await node.keeper.write()
    await other.join(replace(STAFF, subject="away"))
    assert node.places.given_up == {}


async def test_who_comes_back_to_its_node_is_not_refused_for_what_is_still_to_be_written(store: MemoryLimits) -> None:
    node = Node(store, PlaceLimits(1, 1, 0))
    async with node.places.place() as place:
        await place.check(STAFF)
    async with node.places.place() as place:
        await place.check(STAFF)
    assert len(store.members(USER)) == 1
    await node.keeper.write()
    assert store.members(USER) == set()


async def test_a_claim_that_may_have_been_taken_is_given_up(store: MemoryLimits) -> None:
    node = Node(store)
    store.away = True
    with pytest.raises(BrokerError):
        await node.join()
    with pytest.raises(BrokerError):
        await node.keeper.write()
    assert node.places.given_up[USER], "it stays to be written"
    store.away = False
    await node.keeper.write()
    assert node.places.given_up == {}


async def test_places_are_renewed_page_by_page_and_lapse_with_their_node(store: MemoryLimits) -> None:
    node = Node(store, PlaceLimits(0, 0, 1_000))
    for _ in range(PAGE + 1):
        await node.join()
    store.clock.advance(LEASE * 0.9)
    cursor = await node.keeper.renew_page(0)
    assert cursor
    assert await node.keeper.renew_page(cursor) == 0
    store.clock.advance(LEASE * 0.9)
    assert len(store.members(TENANT)) == PAGE + 1
    assert node.counts.renewed == PAGE + 1
    store.clock.advance(LEASE)
    assert store.members(TENANT) == set()


async def test_places_that_redis_lost_are_there_again_after_a_renewal(store: MemoryLimits) -> None:
    node = Node(store, PlaceLimits(1, 1, 0))
    await node.join()
    store.sets.clear()
    await node.keeper.renew_page(0)
    with pytest.raises(LimitError):
        await Node(store, PlaceLimits(1, 1, 0)).join()


async def test_the_keeper_goes_on_when_redis_was_away_and_writes_the_rest_at_its_end(store: MemoryLimits) -> None:
    node = Node(store)
    first, second = await node.join(), await node.join()
    store.away = True
    await node.keeper.start()
    node.close(first)
    await turns(50)
    assert node.counts.put_off > 3
    store.away = False
    await turns(50)
    assert len(store.members(USER)) == 1
    node.close(second)
    await node.keeper.stop()
    assert store.members(USER) == set()


async def test_a_penalty_holds_here_at_once_and_everywhere_when_it_is_written(store: MemoryLimits) -> None:
    node, other = Node(store), Node(store)
    node.penalties.impose(1, "user:12")
    with pytest.raises(AbuseError):
        await node.join()
    await other.join()
    await node.keeper.write()
    with pytest.raises(AbuseError):
        await other.join()
    await other.join(replace(STAFF, subject="13"))
    await other.join(replace(STAFF, tenant=2))
    store.clock.advance(PENALTY_SECONDS)
    await node.join()
    await other.join()
    assert node.counts.penalties == 1


async def test_a_penalty_that_cannot_be_written_stays_to_be_until_it_is_over(store: MemoryLimits) -> None:
    node = Node(store)
    store.away = True
    node.penalties.impose(1, "user:12")
    with pytest.raises(BrokerError):
        await node.keeper.write()
    assert node.penalties.to_write
    store.clock.advance(PENALTY_SECONDS / 2)
    store.away = False
    await node.keeper.write()
    assert not node.penalties.to_write
    store.clock.advance(PENALTY_SECONDS / 2)
    await Node(store).join()


async def test_a_tenant_that_connects_too_fast_is_told_to_come_back(store: MemoryLimits) -> None:
    node = Node(store, PlaceLimits(0, 0, 0), tenant_rate=2)
    await node.join()
    await node.join()
    with pytest.raises(TenantBusyError):
        await node.join()
    assert store.trips == 2
    await node.join(replace(STAFF, tenant=2))
