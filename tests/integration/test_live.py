"""Live channels against a real server that loses messages, is cut, killed, restarted, paused and flooded."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest
from redis.asyncio import Redis

from gateway.errors import BrokerError
from gateway.ingest.live_base import RepairCause
from gateway.ingest.pace import BATCH_EVENTS
from gateway.protocol.keys import history_key, live_channel
from gateway.protocol.live import BestEffortEvent, encode_live
from gateway.protocol.positions import ZERO
from gateway.types import Room
from tests.support.live_node import listeners, live_node, relay_on, until
from tests.support.valkey import ValkeyServer, run_valkey

ROOM, OTHER = Room(7, 5), Room(8, 5)


@pytest.fixture
def own_valkey() -> Iterator[ValkeyServer]:
    """A server that the test may stop; it finds again what it had."""
    with run_valkey({"appendonly": "yes", "appendfsync": "always"}) as server:
        yield server


@pytest.mark.parametrize("way", ["tcp", "unix"])
async def test_every_event_behind_the_position_of_a_hold_comes_and_none_before_it(
    valkey: ValkeyServer, way: str
) -> None:
    url = valkey.url if way == "tcp" else valkey.unix_url
    async with live_node(url) as node, relay_on(valkey.url) as relay:
        for branch in range(100, 120):
            room = Room(901 if way == "tcp" else 902, branch)
            await relay.relay(room, b"{before}")
            async with node.interest.hold([room]):
                position = node.interest.position(room)
                assert position is not None
                assert position != ZERO
                await relay.relay(room, b"{1}", b"{2}")
            await until(lambda room=room: node.payloads(room) == [b"{1}", b"{2}"])
        assert not node.observer.repairs


async def test_a_lost_message_is_repaired_when_the_next_one_comes(valkey: ValkeyServer) -> None:
    room = Room(903, 5)
    async with live_node(valkey.url, room) as node, relay_on(valkey.url) as relay:
        await relay.relay(room, b"{1}")
        await relay.relay_unheard(room, b"{2}")
        await relay.relay_unheard(room, b"{3}")
        await relay.relay(room, b"{4}")
        await until(lambda: node.payloads(room) == [b"{1}", b"{2}", b"{3}", b"{4}"])
        assert node.observer.repairs == {RepairCause.LOST_MESSAGE: 1}


async def test_the_lost_last_message_of_a_quiet_room_is_found_by_the_check(valkey: ValkeyServer) -> None:
    room = Room(904, 5)
    async with live_node(valkey.url, room) as node, relay_on(valkey.url) as relay:
        await relay.relay(room, b"{1}")
        event = await relay.relay_unheard(room, b"{2}")
        await until(lambda: node.payloads(room) == [b"{1}", b"{2}"])
        assert node.observer.repairs == {RepairCause.CHECK: 1}
        await relay.publish(room, event)  # it comes after all
        await relay.relay(room, b"{3}")
        await until(lambda: node.payloads(room) == [b"{1}", b"{2}", b"{3}"])
        assert node.observer.repairs.total() == 1


async def test_what_history_has_forgotten_is_a_gap(valkey: ValkeyServer) -> None:
    room = Room(905, 5)
    async with live_node(valkey.url, room) as node, relay_on(valkey.url) as relay:
        await relay.relay(room, b"{1}")
        await until(lambda: node.payloads(room) == [b"{1}"])
        for number in range(2, 6):
            await relay.relay_unheard(room, b"{%d}" % number)
        await relay.trim(room, 1)
        await relay.relay(room, b"{6}")
        await until(lambda: node.observer.gaps == 1)
        [announcement] = node.fanout.announcements
        assert json.loads(announcement.text) == {"type": "gap", "branch": 5, "critical": True}
        await relay.relay(room, b"{7}")
        await until(lambda: node.payloads(room) == [b"{1}", b"{7}"])


async def test_a_burst_longer_than_any_queue_comes_whole_and_in_order(valkey: ValkeyServer) -> None:
    room = Room(906, 5)
    expected = [b"{%d}" % number for number in range(900)]
    async with live_node(valkey.url, room) as node, relay_on(valkey.url) as relay:
        node.fanout.permits[room] = 10
        for start in range(0, 900, 300):
            await relay.relay(room, *expected[start : start + 300])
        await until(lambda: node.observer.behind == 1)
        while len(node.payloads(room)) < 600:
            node.fanout.permits[room] = 100
            await asyncio.sleep(0.01)
        node.fanout.permits.clear()
        await until(lambda: len(node.payloads(room)) == 900 and node.observer.behind == 0)
        assert node.payloads(room) == expected
        assert node.observer.gaps == 0
        assert not node.observer.dropped


async def test_a_flood_is_read_from_the_live_channel_alone(valkey: ValkeyServer) -> None:
    room = Room(907, 5)
    expected = [b'{"n":%d}' % number for number in range(5_000)]
    async with live_node(valkey.url, room) as node, relay_on(valkey.url) as relay:
        for start in range(0, 5_000, BATCH_EVENTS):
            await relay.relay(room, *expected[start : start + BATCH_EVENTS])
        await until(lambda: len(node.payloads(room)) == 5_000)
        assert node.payloads(room) == expected
        assert not node.observer.repairs


async def test_a_cut_connection_loses_no_critical_event(valkey: ValkeyServer, redis: Redis) -> None:
    room = Room(908, 5)
    async with live_node(valkey.url, room) as node, relay_on(valkey.url) as relay:
        sent = [b"{0}"]
        await relay.relay(room, *sent)
        await until(lambda: node.payloads(room) == sent)
        for _ in range(10):
            await until(lambda: node.subscriber.live)
            assert await redis.client_kill_filter(_type="pubsub") == 1
            for _ in range(20):
                sent.append(b"{%d}" % len(sent))
                await relay.relay(room, sent[-1])
            await until(lambda: node.payloads(room) == sent)
        assert node.observer.interruptions == 10
        assert node.observer.gaps == 0


async def test_a_killed_server_that_finds_its_data_again_loses_nothing(own_valkey: ValkeyServer) -> None:
    rooms = [Room(7, branch) for branch in range(1, 2_001)]
    async with live_node(own_valkey.url, *rooms, ROOM) as node:
        async with relay_on(own_valkey.url) as relay:
            await relay.relay(ROOM, b"{1}")
            await until(lambda: node.payloads(ROOM) == [b"{1}"])
            await relay.relay_unheard(ROOM, b"{2}")
        own_valkey.kill()
        await until(lambda: not node.subscriber.live)
        node.interest.channels._timeout = 0.1
        with pytest.raises(BrokerError, match="did not confirm"):
            async with node.interest.hold([Room(9, 9)]):
                pytest.fail("let in without Redis")
        own_valkey.start()
        async with relay_on(own_valkey.url) as relay:
            await until(lambda: node.subscriber.live and node.interest.channels.confirmed == len(rooms))
            await until(lambda: node.payloads(ROOM) == [b"{1}", b"{2}"])
            await relay.relay(ROOM, b"{3}")
            await until(lambda: node.payloads(ROOM) == [b"{1}", b"{2}", b"{3}"])
        assert node.observer.interruptions == 1
        assert node.observer.gaps == 0
        assert node.observer.repairs == {RepairCause.CHECK: 1}, "rooms that missed nothing were not read"


async def test_a_server_that_comes_back_empty_is_a_gap_for_rooms_that_had_events() -> None:
    with run_valkey() as server:
        async with live_node(server.url, ROOM, OTHER) as node:
            async with relay_on(server.url) as relay:
                await relay.relay(ROOM, b"{1}")
                await until(lambda: node.payloads(ROOM) == [b"{1}"])
            server.kill()
            server.start()
            await until(lambda: node.observer.gaps == 1)
            assert [announcement.room for announcement in node.fanout.announcements] == [ROOM]
            assert node.interest.position(ROOM) == ZERO
            async with relay_on(server.url) as relay:
                await until(lambda: node.subscriber.live)
                await relay.relay(ROOM, b"{2}")
                await until(lambda: node.payloads(ROOM) == [b"{1}", b"{2}"])


async def test_a_server_that_hangs_is_left_and_found_again_without_loss(own_valkey: ValkeyServer) -> None:
    async with live_node(own_valkey.url, ROOM, ping_interval=0.2) as node, relay_on(own_valkey.url) as relay:
        await relay.relay(ROOM, b"{1}")
        await until(lambda: node.payloads(ROOM) == [b"{1}"])
        own_valkey.pause()
        await until(lambda: not node.subscriber.live)
        own_valkey.resume()
        await until(lambda: node.subscriber.live)
        await relay.relay(ROOM, b"{2}")
        await until(lambda: node.payloads(ROOM) == [b"{1}", b"{2}"])
        assert node.observer.gaps == 0


async def test_the_subscription_follows_the_first_join_and_a_minute_later_the_last_leave(
    valkey: ValkeyServer, redis: Redis
) -> None:
    room = Room(910, 5)
    async with live_node(valkey.url, room) as node:
        assert await listeners(redis, room) == 1
        node.interest.on_rooms((), [room])
        await asyncio.sleep(0.5)  # twenty of the node's seconds
        assert await listeners(redis, room) == 1
        await until(lambda: node.interest.rooms == 0)
        async with asyncio.timeout(5):
            while await listeners(redis, room):
                await asyncio.sleep(0.01)
        async with node.interest.hold([room]):
            assert await listeners(redis, room) == 1


async def test_a_best_effort_event_of_the_api_comes_by_the_live_channel(valkey: ValkeyServer, redis: Redis) -> None:
    room = Room(911, 5)
    async with live_node(valkey.url, room) as node:
        event = BestEffortEvent(("session:77",), b'{ "n": 1 }')
        assert await redis.spublish(live_channel(room), encode_live(event)) == 1
        await until(lambda: len(node.fanout.passed) == 1)
        [submission] = node.fanout.passed
        assert submission[:4] == (room, ("session:77",), b'{ "n": 1 }', None)
        assert submission.source == "live"


async def test_rooms_of_two_tenants_with_one_branch_number_never_meet(valkey: ValkeyServer) -> None:
    mine, theirs = Room(912, 5), Room(913, 5)
    async with live_node(valkey.url, mine, theirs) as node, relay_on(valkey.url) as relay:
        await relay.relay(mine, b"{mine}")
        await relay.relay_unheard(theirs, b"{lost}")
        await relay.relay(theirs, b"{theirs}")
        await until(lambda: len(node.fanout.passed) == 2)
        assert node.payloads(mine) == [b"{mine}"]
        assert [announcement.room for announcement in node.fanout.announcements] == [theirs]


async def test_history_that_no_relay_wrote_is_a_gap_and_ends_nothing(valkey: ValkeyServer, redis: Redis) -> None:
    room = Room(914, 5)
    async with live_node(valkey.url, room) as node, relay_on(valkey.url) as relay:
        await relay.relay(room, b"{1}")
        await until(lambda: node.payloads(room) == [b"{1}"])
        await redis.xadd(history_key(room), {"somebody": "else"})
        event = await relay.relay_unheard(Room(915, 5), b"{other}")
        await relay.publish(room, event)
        await until(lambda: node.observer.gaps == 1)
        await relay.relay(room, b"{2}")  # the relay begins the history again, which is a gap too
        await until(lambda: node.observer.gaps == 2)
        await relay.relay(room, b"{3}")
        await until(lambda: node.payloads(room) == [b"{1}", b"{3}"])


async def test_two_nodes_hear_the_same_and_each_repairs_for_itself(valkey: ValkeyServer) -> None:
    room = Room(916, 5)
    async with relay_on(valkey.url) as relay, live_node(valkey.url, room) as first:
        await relay.relay(room, b"{1}")
        await until(lambda: first.payloads(room) == [b"{1}"])
        async with live_node(valkey.url, room) as second:
            assert second.interest.position(room) == first.interest.position(room)
            await relay.relay(room, b"{2}")
            await until(lambda: second.payloads(room) == [b"{2}"] and first.payloads(room) == [b"{1}", b"{2}"])
