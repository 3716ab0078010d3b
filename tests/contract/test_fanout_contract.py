"""What a whole fan-out promises, on every core: the promises of `gateway.fanout.base`, seen by clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.errors import ConnectionGoneError
from gateway.fanout.asgi import LINGER_SECONDS
from gateway.fanout.base import (
    ConnectionIdentity,
    FanoutLimits,
    Membership,
    MessageNotice,
    Notice,
    Occupancy,
    Submission,
)
from gateway.fanout.broadcaster import SLICE
from gateway.fanout.message import ENTRY_OVERHEAD
from gateway.types import ConnectionId, Room
from tests.support.fanout_rig import ADMIN, KINDS, KITCHEN, ROOM, WAITERS, Client, Kind, Rig, event, running
from tests.support.settle import settle, turns

OTHER_ROOM = Room(1, 6)
OTHER_TENANT = Room(2, 5)


@pytest.fixture(params=[pytest.param(kind, id=kind.name) for kind in KINDS])
def kind(request: pytest.FixtureRequest) -> Kind:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
async def rig(kind: Kind) -> AsyncIterator[Rig]:
    async with running(kind) as rig:
        yield rig


def pong(positions: str = "") -> str:
    return f'{{"type":"pong","positions":{{{positions}}}}}'


# --- who gets what ---------------------------------------------------------------------------------------------


async def test_an_event_reaches_its_audience_and_nobody_else(rig: Rig) -> None:
    kitchen, admin = rig.connect(KITCHEN), rig.connect(ADMIN)
    elsewhere = rig.connect(KITCHEN, room=OTHER_ROOM)
    assert rig.submit(1, KITCHEN)
    await settle()
    assert kitchen.socket.numbers == [1]
    assert admin.socket.texts == elsewhere.socket.texts == []


async def test_a_best_effort_event_goes_out_byte_for_byte(rig: Rig) -> None:
    client = rig.connect(KITCHEN)
    payload = ' { "type" : "X",\t"name":"caf\u00e9 \U0001f600", "n":1e0 } '
    rig.fanout.submit_many([Submission(ROOM, (KITCHEN,), payload.encode())])
    await settle()
    assert client.socket.texts == [payload]


async def test_a_critical_event_carries_its_id_and_position(rig: Rig) -> None:
    client = rig.connect(KITCHEN)
    rig.submit(7, KITCHEN, position="1700000000000-3/0123abcd")
    await settle()
    [received] = client.socket.events
    assert received["event_id"] == "1700000000000-3"
    assert received["position"] == "1700000000000-3/0123abcd"
    assert list(received)[:2] == ["event_id", "position"]
    assert received["n"] == 7


async def test_one_publication_reaches_a_member_of_several_audiences_once(rig: Rig) -> None:
    client = rig.connect(KITCHEN, ADMIN, WAITERS)
    rig.submit(1, KITCHEN, ADMIN, WAITERS, KITCHEN)
    await settle()
    assert client.socket.numbers == [1]


async def test_no_event_crosses_tenants_though_branch_and_audience_are_spelled_alike(rig: Rig) -> None:
    ours, theirs = rig.connect(KITCHEN), rig.connect(KITCHEN, room=OTHER_TENANT)
    rig.submit(1, KITCHEN)
    rig.submit(2, KITCHEN, room=OTHER_TENANT)
    await settle()
    assert ours.socket.numbers == [1]
    assert theirs.socket.numbers == [2]


async def test_an_event_for_an_empty_room_is_accepted_and_holds_nothing(rig: Rig) -> None:
    assert rig.submit(1, KITCHEN)
    assert rig.fanout.stats().broadcasts_in_flight == 0


async def test_what_was_submitted_before_attach_is_not_for_the_newcomer(rig: Rig) -> None:
    early = rig.connect(KITCHEN)
    rig.submit(1)
    late = rig.connect(KITCHEN)
    rig.submit(2)
    await settle()
    assert early.socket.numbers == [1, 2]
    assert late.socket.numbers == [2]


async def test_it_is_counted_how_many_were_reached_and_how_long_it_took(rig: Rig) -> None:
    for _ in range(3):
        rig.connect(KITCHEN)
    rig.submit(1)
    rig.move_clock(0.25)
    await settle()
    assert rig.passed == (3, 0.25)


# --- order -----------------------------------------------------------------------------------------------------


async def test_events_of_a_room_come_in_the_order_of_their_submits(rig: Rig) -> None:
    clients = [rig.connect(KITCHEN), rig.connect(KITCHEN, ADMIN), rig.connect(ADMIN)]
    for n in range(0, 200, 2):
        rig.fanout.submit_many([event(n, KITCHEN, ADMIN), event(n + 1, KITCHEN, ADMIN)])
        if n % 20 == 0:
            await turns(1)
    await settle()
    for client in clients:
        assert client.socket.numbers == list(range(200))


async def test_order_holds_in_every_room_though_jobs_are_cut_and_workers_many(rig: Rig) -> None:
    rooms = [Room(tenant, branch) for tenant in (1, 2) for branch in range(1, 8)]
    big = [rig.connect(KITCHEN, room=rooms[0]) for _ in range(2 * SLICE + 3)]
    small = {room: rig.connect(KITCHEN, room=room) for room in rooms[1:]}
    for n in range(12):
        for room in rooms:
            assert rig.submit(n, KITCHEN, room=room)
        await turns(1)
    await settle()
    for client in [*big, *small.values()]:
        assert client.socket.numbers == list(range(12))
    assert rig.fanout.stats().broadcasts_in_flight == 0


async def test_a_message_for_one_connection_stands_behind_what_its_outbox_holds(rig: Rig) -> None:
    client = rig.connect(KITCHEN)
    client.socket.stall()
    rig.submit(1)
    await settle()
    assert rig.fanout.send(client.id, '{"type":"hello"}')
    rig.submit(2)
    await settle()
    client.socket.resume()
    await settle()
    assert [received["type"] for received in client.socket.events] == ["X", "hello", "X"]


async def test_the_welcome_comes_first_and_knows_its_connection(rig: Rig) -> None:
    rig.connect(KITCHEN)
    client = rig.connect(KITCHEN, welcome=lambda connection: f'{{"type":"welcome","id":{connection}}}')
    rig.submit(1)
    await settle()
    assert client.socket.events[0] == {"type": "welcome", "id": client.id}
    assert client.socket.numbers == [1]


# --- positions -------------------------------------------------------------------------------------------------


async def positions_of(client: Client) -> dict[str, str]:
    """What the answer to a heartbeat says now."""
    client.socket.say("ping")
    await settle()
    answer = client.socket.events[-1]
    assert answer["type"] == "pong"
    return answer["positions"]  # type: ignore[no-any-return]


async def test_a_pong_shows_how_far_the_critical_events_of_its_rooms_have_come(rig: Rig) -> None:
    client = rig.connect(KITCHEN)
    rig.submit(1, KITCHEN, position="1-0/0000000a")
    rig.submit(2, KITCHEN)
    await settle()
    client.socket.say("ping")
    await settle()
    assert client.socket.texts[2:] == [pong('"5":"1-0/0000000a"')]


async def test_an_event_that_is_not_for_a_member_moves_its_position_too(rig: Rig) -> None:
    admin = rig.connect(ADMIN)
    rig.submit(1, KITCHEN, position="1-0/0000000a")
    rig.submit(2, "branch:5:nobody", position="2-0/0000000b")
    await settle()
    assert await positions_of(admin) == {"5": "2-0/0000000b"}
    assert admin.socket.numbers == []


async def test_positions_are_those_of_the_connections_own_rooms(rig: Rig) -> None:
    both = rig.connect(memberships=[Membership(OTHER_ROOM, (KITCHEN,)), Membership(ROOM, (KITCHEN,))])
    one, theirs = rig.connect(KITCHEN), rig.connect(KITCHEN, room=OTHER_TENANT)
    rig.submit(1, KITCHEN, position="1-0/0000000a")
    rig.submit(2, KITCHEN, room=OTHER_ROOM, position="2-0/0000000b")
    await settle()
    both.socket.say("ping")
    assert await positions_of(one) == {"5": "1-0/0000000a"}
    assert await positions_of(theirs) == {}
    assert both.socket.texts[2:] == [pong('"6":"2-0/0000000b","5":"1-0/0000000a"')]


async def test_a_newcomer_stands_where_its_room_is(rig: Rig) -> None:
    first = rig.connect(KITCHEN, positions={5: "7-0/0000000a", 6: "1-0/0000000b"})
    await settle()
    assert await positions_of(first) == {"5": "7-0/0000000a"}
    second = rig.connect(KITCHEN)
    assert await positions_of(second) == {"5": "7-0/0000000a"}
    rig.submit(1, ADMIN, position="8-0/0000000c")
    await settle()
    assert await positions_of(first) == await positions_of(second) == {"5": "8-0/0000000c"}


async def test_a_room_that_never_had_an_event_has_a_position_too(rig: Rig) -> None:
    client = rig.connect(KITCHEN, positions={5: "0-0"})
    assert await positions_of(client) == {"5": "0-0"}


async def test_a_newcomers_position_does_not_overtake_what_others_wait_for(rig: Rig) -> None:
    waiting = rig.connect(KITCHEN)
    await settle()
    rig.submit(1, KITCHEN, position="1-0/0000000a")
    newcomer = rig.connect(KITCHEN, positions={5: "1-0/0000000a"})
    waiting.socket.say("ping")
    await settle()
    said = [got.get("n") or got["positions"] for got in waiting.socket.events]
    assert said in ([{}, 1], [1, {}], [1, {"5": "1-0/0000000a"}])
    assert await positions_of(waiting) == await positions_of(newcomer) == {"5": "1-0/0000000a"}
    assert newcomer.socket.numbers == []


async def test_what_was_under_way_before_the_room_emptied_takes_nobodys_position_back(rig: Rig) -> None:
    gone = rig.connect(KITCHEN)
    await settle()
    rig.submit(1, KITCHEN, position="1-0/0000000a")
    rig.fanout.close(gone.id, 1000)
    newcomer = rig.connect(KITCHEN, positions={5: "2-0/0000000b"})
    await settle()
    assert await positions_of(newcomer) == {"5": "2-0/0000000b"}


async def test_an_empty_room_forgets_its_position(rig: Rig) -> None:
    one = rig.connect(KITCHEN, positions={5: "1-0/0000000a"})
    rig.submit(1, KITCHEN, position="2-0/0000000b")
    rig.fanout.close(one.id, 1000)
    await settle()
    two = rig.connect(KITCHEN)
    assert await positions_of(two) == {}


async def test_a_room_without_a_position_takes_a_newcomers_when_nothing_is_under_way(rig: Rig) -> None:
    client = rig.connect(KITCHEN)
    await settle()
    rig.connect(ADMIN, positions={5: "1-0/0000000a"})
    assert await positions_of(client) == {"5": "1-0/0000000a"}
    rig.connect(ADMIN, positions={5: "0-0"})
    assert await positions_of(client) == {"5": "1-0/0000000a"}


async def test_who_moves_into_a_room_stands_where_it_is(rig: Rig) -> None:
    client = rig.connect(KITCHEN, positions={5: "1-0/0000000a"})
    where = [Membership(ROOM, (KITCHEN,)), Membership(OTHER_ROOM, (KITCHEN,))]
    rig.fanout.move(client.id, where, {5: "3-0/0000000c", 6: "2-0/0000000b"})
    assert await positions_of(client) == {"5": "1-0/0000000a", "6": "2-0/0000000b"}
    with pytest.raises(ValueError, match="position is malformed"):
        rig.fanout.move(client.id, where[:1], {6: "?"})
    assert rig.fanout.info(client.id).memberships == tuple(where)


@pytest.mark.parametrize("position", ["", "1-0", '1-0/"', "1-0/a/b", "1 0/a", "1-0/\u00e9"])
async def test_a_malformed_position_is_refused_and_nobody_attached(rig: Rig, position: str) -> None:
    with pytest.raises(ValueError, match="position is malformed; expected 0-0 or"):
        rig.connect(KITCHEN, positions={5: position})
    assert rig.fanout.stats().connections == 0


async def test_a_heartbeat_that_python_answers_shows_the_same(rig: Rig) -> None:
    client = rig.connect(KITCHEN, positions={5: "1-0/0000000a"})
    client.socket.say('{"type":"ping","since":1}')
    await settle()
    assert client.socket.texts == [pong('"5":"1-0/0000000a"')]


# --- announcements ---------------------------------------------------------------------------------------------


GAP = '{"type":"gap","branch":5,"critical":true}'


async def test_an_announcement_reaches_every_member_of_the_room_once_and_nobody_else(rig: Rig) -> None:
    here = [rig.connect(KITCHEN), rig.connect(ADMIN, WAITERS), rig.connect("branch:5:unheard-of")]
    elsewhere, theirs = rig.connect(KITCHEN, room=OTHER_ROOM), rig.connect(KITCHEN, room=OTHER_TENANT)
    assert rig.fanout.announce(ROOM, GAP, "9-0/0000000a")
    await settle()
    assert [client.socket.texts for client in here] == [[GAP]] * 3
    assert elsewhere.socket.texts == theirs.socket.texts == []
    assert [await positions_of(client) for client in here] == [{"5": "9-0/0000000a"}] * 3
    assert rig.fanout.stats().broadcasts_in_flight == 0


async def test_an_announcement_stands_between_what_was_submitted_before_and_after(rig: Rig) -> None:
    client = rig.connect(KITCHEN, ADMIN)
    rig.submit(1, KITCHEN)
    rig.submit(2, KITCHEN, ADMIN)
    rig.fanout.announce(ROOM, GAP, "0-0")
    rig.submit(3, KITCHEN, position="3-0/0000000c")
    late = rig.connect(KITCHEN)
    rig.submit(4, KITCHEN, ADMIN)
    await settle()
    assert [got.get("n", got["type"]) for got in client.socket.events] == [1, 2, "gap", 3, 4]
    assert late.socket.numbers == [4]
    assert len(late.socket.texts) == 1
    assert await positions_of(client) == {"5": "3-0/0000000c"}


async def test_a_move_inside_the_room_takes_no_announcement_with_it(rig: Rig) -> None:
    client = rig.connect(KITCHEN)
    rig.fanout.announce(ROOM, GAP, "1-0/0000000a")
    rig.fanout.move(client.id, [Membership(ROOM, (ADMIN,))])
    rig.fanout.move(client.id, [Membership(ROOM, (WAITERS,))])
    await settle()
    assert client.socket.texts == [GAP]


async def test_who_left_the_room_and_came_back_gets_no_announcement_from_before(rig: Rig) -> None:
    client = rig.connect(KITCHEN)
    rig.fanout.move(client.id, [Membership(ROOM, (ADMIN,))])
    rig.fanout.announce(ROOM, GAP, "1-0/0000000a")
    rig.fanout.move(client.id, [Membership(OTHER_ROOM, (KITCHEN,))])
    rig.fanout.move(client.id, [Membership(ROOM, (KITCHEN,))])
    await settle()
    assert client.socket.texts == []


async def test_an_announcement_without_a_permit_changes_nothing(kind: Kind) -> None:
    async with running(kind, FanoutLimits(max_room_broadcasts=1)) as rig:
        client = rig.connect(KITCHEN, positions={5: "1-0/0000000a"})
        assert rig.submit(1)
        assert not rig.fanout.announce(ROOM, GAP, "2-0/0000000b")
        await settle()
        assert client.socket.numbers == [1]
        assert await positions_of(client) == {"5": "1-0/0000000a"}
        assert rig.fanout.announce(ROOM, GAP, "2-0/0000000b")
        assert not rig.submit(2), "it holds the room's permit"
        await settle()
        assert client.socket.texts[2:] == [GAP]


async def test_an_announcement_to_an_empty_room_is_accepted_and_holds_nothing(rig: Rig) -> None:
    assert rig.fanout.announce(ROOM, GAP, "1-0/0000000a")
    assert rig.fanout.stats().broadcasts_in_flight == 0
    client = rig.connect(KITCHEN)
    assert await positions_of(client) == {}


async def test_an_announcement_is_not_dropped_for_a_slow_client(kind: Kind) -> None:
    async with running(kind, room_for(5)) as rig:
        client = rig.connect(KITCHEN)
        client.socket.stall()
        rig.submit(0, padding=PADDING)
        await settle()
        rig.fanout.announce(ROOM, GAP, "1-0/0000000a")
        for n in range(1, 9):
            rig.submit(n, padding=PADDING)
            await settle()
        client.socket.resume()
        await settle()
        assert client.socket.texts.count(GAP) == 1
        assert rig.dropped > 0


async def test_a_malformed_announcement_is_refused(rig: Rig) -> None:
    rig.connect(KITCHEN)
    with pytest.raises(ValueError, match="position is malformed; expected 0-0 or"):
        rig.fanout.announce(ROOM, GAP, "1")
    with pytest.raises(ValueError, match="out of range"):
        rig.fanout.announce(Room(1, 0), GAP, "0-0")
    with pytest.raises(ValueError, match="surrogates"):
        rig.fanout.announce(ROOM, "\ud800", "0-0")
    assert rig.fanout.stats().broadcasts_in_flight == 0


async def test_nothing_is_announced_after_stop(rig: Rig) -> None:
    rig.connect(KITCHEN)
    await rig.stop(1.0)
    assert not rig.fanout.announce(ROOM, GAP, "0-0")


# --- permits ---------------------------------------------------------------------------------------------------


async def test_a_submit_without_a_permit_is_refused_and_touches_nobody(kind: Kind) -> None:
    async with running(kind, FanoutLimits(max_broadcasts=3, max_room_broadcasts=3)) as rig:
        client = rig.connect(KITCHEN)
        answers = [rig.submit(n) for n in range(5)]
        assert answers == [True, True, True, False, False]
        await settle()
        assert client.socket.numbers == [0, 1, 2]
        assert rig.submit(5)
        await settle()
        assert client.socket.numbers == [0, 1, 2, 5]


async def test_a_noisy_room_is_full_before_the_node_is(kind: Kind) -> None:
    async with running(kind, FanoutLimits(max_broadcasts=10, max_room_broadcasts=2)) as rig:
        rig.connect(KITCHEN)
        quiet = rig.connect(KITCHEN, room=OTHER_ROOM)
        assert [rig.submit(n) for n in range(4)] == [True, True, False, False]
        assert rig.submit(9, room=OTHER_ROOM)
        await settle()
        assert quiet.socket.numbers == [9]


async def test_payload_bytes_are_bounded_too(kind: Kind) -> None:
    async with running(kind, FanoutLimits(max_broadcast_bytes=1_000)) as rig:
        rig.connect(KITCHEN)
        assert rig.submit(1, padding=600)
        assert not rig.submit(2, padding=600)
        await settle()
        assert rig.submit(3, padding=600)


async def test_after_a_refusal_later_events_of_that_room_in_the_batch_are_refused_too(kind: Kind) -> None:
    async with running(kind, FanoutLimits(max_broadcast_bytes=1_000)) as rig:
        client, other = rig.connect(KITCHEN), rig.connect(KITCHEN, room=OTHER_ROOM)
        batch = [
            event(1),
            event(2, padding=2_000),
            event(3),
            event(4, room=OTHER_ROOM),
        ]
        assert rig.fanout.submit_many(batch) == [True, False, False, True]
        await settle()
        assert client.socket.numbers == [1]
        assert other.socket.numbers == [4]


async def test_permits_come_back_when_everybody_has_left_meanwhile(rig: Rig) -> None:
    client = rig.connect(KITCHEN)
    rig.submit(1)
    rig.fanout.close(client.id, 1000)
    await settle()
    assert client.socket.texts == []
    assert rig.fanout.stats().broadcasts_in_flight == 0
    assert rig.fanout.stats().bytes_in_flight == 0


# --- leave and move --------------------------------------------------------------------------------------------


async def test_nothing_joins_the_outbox_after_close_though_it_was_submitted_before(rig: Rig) -> None:
    client, other = rig.connect(KITCHEN), rig.connect(KITCHEN)
    rig.submit(1)
    assert rig.fanout.close(client.id, 1000)
    await settle()
    assert client.socket.texts == []
    assert client.socket.close_code == 1000
    assert other.socket.numbers == [1]


async def test_a_move_takes_what_was_lost_with_it_and_what_is_new_begins_now(rig: Rig) -> None:
    client = rig.connect(KITCHEN)
    rig.submit(1, KITCHEN)
    rig.submit(2, ADMIN)
    rig.fanout.move(client.id, [Membership(ROOM, (ADMIN,))])
    rig.submit(3, KITCHEN)
    rig.submit(4, ADMIN)
    await settle()
    assert client.socket.numbers == [4]


async def test_what_a_move_keeps_keeps_its_place(rig: Rig) -> None:
    client = rig.connect(KITCHEN, ADMIN)
    rig.submit(1, KITCHEN, ADMIN)
    rig.submit(2, KITCHEN)
    rig.fanout.move(client.id, [Membership(ROOM, (ADMIN, WAITERS))])
    rig.submit(3, ADMIN)
    await settle()
    assert client.socket.numbers == [1, 3]


async def test_going_and_coming_back_does_not_bring_back_what_was_lost(rig: Rig) -> None:
    client = rig.connect(KITCHEN)
    rig.submit(1)
    rig.fanout.move(client.id, [Membership(OTHER_ROOM, (KITCHEN,))])
    rig.fanout.move(client.id, [Membership(ROOM, (KITCHEN,))])
    rig.submit(2)
    await settle()
    assert client.socket.numbers == [2]


async def test_a_move_is_refused_whole(rig: Rig) -> None:
    client = rig.connect(KITCHEN)
    with pytest.raises(ValueError, match="twice"):
        rig.fanout.move(client.id, [Membership(ROOM, (ADMIN,)), Membership(ROOM, (KITCHEN,))])
    rig.submit(1, KITCHEN)
    rig.submit(2, ADMIN)
    await settle()
    assert client.socket.numbers == [1]


async def test_the_gone_cannot_be_moved_named_or_looked_at(rig: Rig) -> None:
    client = rig.connect(KITCHEN)
    rig.fanout.close(client.id, 1000)
    for attempt in (
        lambda: rig.fanout.move(client.id, [Membership(ROOM, (ADMIN,))]),
        lambda: rig.fanout.set_identity(client.id, ConnectionIdentity(1)),
        lambda: rig.fanout.info(client.id),
    ):
        with pytest.raises(ConnectionGoneError):
            attempt()
    assert not rig.fanout.send(client.id, "x")
    assert not rig.fanout.answer(client.id, "x")
    assert not rig.fanout.close(client.id, 1001)


async def test_an_attach_that_is_refused_leaves_nothing_behind(rig: Rig) -> None:
    with pytest.raises(ValueError, match="room"):
        rig.fanout.attach(rig.new_socket(), [], ConnectionIdentity(1))

    def fail(connection: ConnectionId) -> str:
        raise LookupError(connection)

    with pytest.raises(LookupError):
        rig.connect(KITCHEN, welcome=fail)
    await settle()
    assert rig.fanout.stats().connections == 0
    assert rig.listener.notices == []
    assert rig.listener.occupancies == []


# --- slow clients ----------------------------------------------------------------------------------------------


async def test_a_stalled_client_delays_nobody(rig: Rig) -> None:
    stalled, healthy = rig.connect(KITCHEN), rig.connect(KITCHEN)
    stalled.socket.stall()
    for n in range(50):
        rig.submit(n)
        await settle()
        assert healthy.socket.numbers == list(range(n + 1))
    stalled.socket.resume()
    await settle()
    assert stalled.socket.numbers == list(range(50))


PADDING = 100  # so that a gap is smaller than an event, as it is in life


def room_for(events: int) -> FanoutLimits:
    """Outboxes that hold so many `event(n, padding=PADDING)` of one digit."""
    size = len(event(1, padding=PADDING).payload) + ENTRY_OVERHEAD
    return FanoutLimits(outbox_bytes=events * size)


async def test_an_overflow_drops_the_oldest_events_and_says_so_where_they_stood(kind: Kind) -> None:
    async with running(kind, room_for(5)) as rig:
        slow, healthy = rig.connect(KITCHEN), rig.connect(KITCHEN)
        slow.socket.stall()
        for n in range(9):
            rig.submit(n, padding=PADDING)
            await settle()
        slow.socket.resume()
        await settle()
        # A gap takes most of an event's room, so three of the last eight fit beside it and what was being written.
        gap = {"type": "gap", "dropped": 5}
        expected = [gap, 5, 6, 7, 8] if rig.native else [0, gap, 6, 7, 8]
        assert [received.get("n", received) for received in slow.socket.events] == expected
        assert rig.dropped == 5
        assert healthy.socket.numbers == list(range(9))
        assert slow.socket.close_code is None


async def test_critical_events_stay_and_gaps_stand_around_them(kind: Kind) -> None:
    async with running(kind, room_for(6)) as rig:
        client = rig.connect(KITCHEN)
        client.socket.stall()
        for n in range(1, 9):
            rig.submit(n, position="1-1/00000000" if n == 3 else None, padding=PADDING)
            await settle()
        client.socket.resume()
        await settle()
        received = [got.get("n", ("gap", got.get("dropped"))) for got in client.socket.events]
        assert 3 in received
        before, after = received[: received.index(3)], received[received.index(3) + 1 :]
        # On the event loop the first was being written, and so out of reach.
        assert before == ([("gap", 2)] if rig.native else [1, ("gap", 1)])
        assert isinstance(after[0], tuple)
        # Everything is accounted for: received, or counted by the gap in whose place it stood.
        assert after[0][1] == 8 - 3 - len(after[1:])
        assert after[1:] == list(range(9 - len(after[1:]), 9))


async def test_a_client_that_leaves_only_critical_events_waiting_is_closed_as_overloaded(kind: Kind) -> None:
    async with running(kind, room_for(5)) as rig:
        slow, healthy = rig.connect(KITCHEN, keys=("user:1",)), rig.connect(KITCHEN)
        slow.socket.stall()
        for n in range(9):
            rig.submit(n, position=f"{n}-1/00000000", padding=PADDING)
            await settle()
        assert rig.fanout.count(1, "user:1") == 0
        slow.socket.resume()
        await settle()
        # What waited is of no use to one who resumes from history, so the close comes at once.
        assert slow.socket.numbers == ([] if rig.native else [0])
        assert slow.socket.close_code == 1013
        assert await slow.served == 1013
        assert healthy.socket.numbers == list(range(9))
        assert healthy.socket.close_code is None


async def test_events_that_a_close_throws_away_are_counted(kind: Kind) -> None:
    async with running(kind, room_for(5)) as rig:
        client = rig.connect(KITCHEN)
        client.socket.stall()
        for n in range(4):
            rig.submit(n, padding=PADDING)
            await settle()
        for n in range(4, 8):
            rig.submit(n, position=f"{n}-1/00000000", padding=2 * PADDING)
            await settle()
        client.socket.resume()
        await settle()
        assert client.socket.close_code == 1013
        assert rig.dropped == 4 - len(client.socket.numbers)


async def test_events_that_the_nodes_budget_throws_away_are_counted(kind: Kind) -> None:
    async with running(kind, FanoutLimits(node_outbox_bytes=20_000)) as rig:
        client = rig.connect(KITCHEN)
        client.socket.stall()
        for n in range(5):
            rig.submit(n, position="2-1/00000000" if n == 2 else None, padding=4_000)
            await settle()
        assert rig.fanout.stats().connections == 0
        client.socket.resume()
        await settle()
        assert client.socket.close_code == 1013
        assert rig.dropped == 4 - len(client.socket.numbers)


async def test_a_writer_that_is_stuck_is_cut_off_after_a_bounded_time(kind: Kind) -> None:
    async with running(kind, room_for(3)) as rig:
        client = rig.connect(KITCHEN)
        client.socket.stall()
        for n in range(5):
            rig.submit(n, position=f"{n}-1/00000000")
        await settle()
        rig.advance(LINGER_SECONDS - 0.01)
        await settle()
        assert not client.served.done()
        rig.advance(0.01)
        await settle()
        assert await client.served == 1013
        assert rig.listener.closed == [(client.id, 1013)]
        assert client.socket.sent == []
        assert rig.outbox_bytes == 0


async def test_above_the_nodes_budget_the_largest_outbox_is_closed(kind: Kind) -> None:
    async with running(kind, FanoutLimits(node_outbox_bytes=20_000)) as rig:
        large, small = rig.connect(KITCHEN), rig.connect(ADMIN)
        large.socket.stall()
        small.socket.stall()
        rig.submit(0, ADMIN, padding=4_000)
        await settle()
        for n in range(1, 5):
            rig.submit(n, KITCHEN, padding=4_000)
            await settle()
        small.socket.resume()
        large.socket.resume()
        await settle()
        assert large.socket.close_code == 1013
        assert small.socket.numbers == [0]
        assert small.socket.close_code is None


async def test_a_peer_whose_socket_fails_is_gone_and_harms_nobody(rig: Rig) -> None:
    broken, healthy = rig.connect(KITCHEN), rig.connect(KITCHEN)
    broken.socket.break_off(OSError("connection reset"))
    rig.submit(1)
    await settle()
    assert await broken.served == 1006
    assert rig.listener.closed == [(broken.id, 1006)]
    assert healthy.socket.numbers == [1]


# --- what clients say ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ping", ["ping", '{"type":"ping"}', ' { "type" : "ping" } '])
async def test_a_ping_is_answered_without_python(rig: Rig, ping: str) -> None:
    client = rig.connect(KITCHEN)
    client.socket.say(ping)
    await settle()
    assert client.socket.texts == [pong()]
    assert rig.listener.notices == []
    assert rig.pings == 1


async def test_anything_else_is_pythons_to_answer(rig: Rig) -> None:
    client = rig.connect(KITCHEN)
    client.socket.say("refresh_sectors")
    await settle()
    assert rig.listener.messages == [(client.id, "refresh_sectors")]
    assert rig.fanout.answer(client.id, "sectors_updated:1,2")
    await settle()
    assert client.socket.texts == ["sectors_updated:1,2"]
    assert rig.observer.kinds == ["control"]


async def test_a_client_is_not_read_until_its_message_is_answered(rig: Rig) -> None:
    client = rig.connect(KITCHEN)
    for text in ("one", "two", "ping"):
        client.socket.say(text)
    await settle()
    assert rig.listener.messages == [(client.id, "one")]
    assert client.socket.texts == []
    assert rig.fanout.answer(client.id, None)
    assert not rig.fanout.answer(client.id, "again: nothing is open")
    await settle()
    assert rig.listener.messages == [(client.id, "one"), (client.id, "two")]
    assert client.socket.texts == []
    assert rig.fanout.answer(client.id, "2")
    await settle()
    assert client.socket.texts == ["2", pong()]


async def test_events_go_on_while_a_message_is_unanswered(rig: Rig) -> None:
    client = rig.connect(KITCHEN)
    client.socket.say("one")
    rig.submit(1)
    await settle()
    assert client.socket.numbers == [1]


async def test_a_message_may_be_answered_from_within_the_notice(rig: Rig) -> None:
    def answer(notice: Notice) -> None:
        if isinstance(notice, MessageNotice):
            rig.fanout.answer(notice.connection, notice.text.upper())

    rig.listener.then = answer
    client = rig.connect(KITCHEN)
    for text in ("one", "two"):
        client.socket.say(text)
    await settle()
    assert client.socket.texts == ["ONE", "TWO"]


async def test_the_twenty_first_message_in_a_burst_closes(rig: Rig) -> None:
    client = rig.connect(KITCHEN)
    for _ in range(20):
        client.socket.say("ping")
    await settle()
    assert client.socket.close_code is None
    client.socket.say("ping")
    await settle()
    assert client.socket.texts == [pong()] * 20
    assert client.socket.close_code == 4029
    assert rig.rate_limited == 1


async def test_twenty_a_second_are_allowed(rig: Rig) -> None:
    client = rig.connect(KITCHEN)
    for _ in range(100):
        client.socket.say("ping")
        await settle()
        rig.advance(0.0625)
    assert len(client.socket.texts) == 100
    assert client.socket.close_code is None


async def test_a_rate_of_zero_is_unlimited(kind: Kind) -> None:
    async with running(kind, FanoutLimits(message_rate=0)) as rig:
        client = rig.connect(KITCHEN)
        for _ in range(500):
            client.socket.say("ping")
        await settle()
        assert len(client.socket.texts) == 500


@pytest.mark.parametrize("text", ["x" * 65_537, "\u00e9" * 32_769, "\U0001f600" * 16_385])
async def test_a_text_over_64_kib_of_utf8_closes(rig: Rig, text: str) -> None:
    client = rig.connect(KITCHEN)
    client.socket.say(text)
    await settle()
    assert client.socket.close_code == 1009
    assert rig.listener.messages == []


@pytest.mark.parametrize("text", ["x" * 65_536, "\u00e9" * 32_768, "\U0001f600" * 16_384])
async def test_a_text_of_64_kib_is_taken(rig: Rig, text: str) -> None:
    client = rig.connect(KITCHEN)
    client.socket.say(text)
    await settle()
    assert rig.listener.messages == [(client.id, text)]


async def test_a_binary_message_closes(rig: Rig) -> None:
    client = rig.connect(KITCHEN)
    client.socket.say_bytes(b"ping")
    await settle()
    assert client.socket.close_code == 1003


# --- time ------------------------------------------------------------------------------------------------------


async def test_silence_closes_between_60_and_90_seconds(rig: Rig) -> None:
    silent, alive = rig.connect(KITCHEN), rig.connect(KITCHEN)
    rig.advance(30.0)
    alive.socket.say("ping")
    await settle()
    rig.advance(29.5)
    await settle()
    assert silent.socket.close_code is None
    rig.advance(30.0)
    await settle()
    assert silent.socket.close_code == 1001
    assert alive.socket.close_code is None
    rig.advance(30.0)
    await settle()
    assert alive.socket.close_code == 1001


async def test_messages_to_a_client_are_no_sign_of_life(rig: Rig) -> None:
    client = rig.connect(KITCHEN)
    for n in range(9):
        rig.submit(n)
        await settle()
        rig.advance(10.0)
    await settle()
    assert client.socket.close_code == 1001


async def test_expiry_closes_exactly_at_its_second(rig: Rig) -> None:
    client = rig.connect(KITCHEN, expires_at=rig.clock.time() + 30.0)
    rig.advance(29.999)
    await settle()
    assert client.socket.close_code is None
    rig.advance(0.001)
    await settle()
    assert client.socket.close_code == 4001


async def test_an_expiry_by_the_wall_clock_follows_the_wall_clock(rig: Rig) -> None:
    client = rig.connect(KITCHEN, expires_at=rig.clock.time() + 3_600.0)
    rig.clock.step_wall(3_600.0)
    rig.fanout.tick()
    await settle()
    assert client.socket.close_code == 4001


async def test_a_refreshed_token_counts_from_now_on(rig: Rig) -> None:
    client = rig.connect(KITCHEN, keys=("jti:a",), expires_at=rig.clock.time() + 30.0)
    rig.fanout.set_identity(client.id, ConnectionIdentity(1, ("jti:b",), rig.clock.time() + 50.0, b"new"))
    rig.advance(40.0)
    await settle()
    assert client.socket.close_code is None
    assert rig.fanout.count(1, "jti:a") == 0
    assert rig.fanout.count(1, "jti:b") == 1
    rig.advance(10.0)
    await settle()
    assert client.socket.close_code == 4001
    [closed] = rig.listener.notices
    assert closed.identity.label == b"new"  # type: ignore[union-attr]


async def test_an_expiry_that_is_near_is_not_slept_over(rig: Rig) -> None:
    """The time-keeper sleeps until the next deadline; a sooner one must wake it, without anybody calling `tick`."""
    await settle()
    client = rig.connect(KITCHEN, expires_at=rig.clock.time() - 1.0)
    await settle()
    assert client.socket.close_code == 4001


# --- checks ----------------------------------------------------------------------------------------------------


async def keep_alive(rig: Rig, seconds: float, *clients: Client) -> None:
    """Let time pass, in which clients say that they are there."""
    for client in clients:
        client.socket.say("ping")
    await settle()
    rig.advance(seconds)
    await settle()


async def test_checks_come_first_after_half_a_period_to_a_whole_and_then_every_period(rig: Rig) -> None:
    client, other = rig.connect(KITCHEN, check_every=40.0), rig.connect(KITCHEN)
    await keep_alive(rig, 19.999, client, other)
    assert rig.listener.due == []
    waited = 19.999
    while not rig.listener.due:
        await keep_alive(rig, 0.25, client, other)
        waited += 0.25
    assert rig.listener.due == [client.id]
    assert waited <= 40.25
    await keep_alive(rig, 39.5, client, other)
    assert rig.listener.due == [client.id]
    await keep_alive(rig, 0.5, client, other)
    assert rig.listener.due == [client.id] * 2
    assert rig.listener.closed == []


async def test_those_who_came_together_are_checked_at_different_times_and_told_together(rig: Rig) -> None:
    clients = [rig.connect(KITCHEN, check_every=10.0) for _ in range(64)]
    rig.advance(4.999)
    await settle()
    assert rig.listener.due == []
    found = []
    for _ in range(10):
        rig.advance(0.5)
        await settle()
        found.append(len(rig.listener.due) - sum(found))
    rig.advance(0.001)
    await settle()
    assert sorted(rig.listener.due) == [client.id for client in clients]
    assert all(3 <= count <= 10 for count in found), found
    assert len(rig.listener.notices) <= 11 * max(1, rig.kind.reactors), "one notice for each look of an owner"


async def test_another_identity_begins_the_checks_anew(rig: Rig) -> None:
    client = rig.connect(KITCHEN, check_every=20.0)
    rig.advance(9.9)
    rig.fanout.set_identity(client.id, ConnectionIdentity(1, check_every=30.0))
    rig.advance(14.9)
    await settle()
    assert rig.listener.due == []
    rig.advance(15.1)
    await settle()
    assert rig.listener.due == [client.id]
    rig.fanout.set_identity(client.id, ConnectionIdentity(1))
    await keep_alive(rig, 50.0, client)
    await keep_alive(rig, 50.0, client)
    assert rig.listener.due == [client.id]
    assert rig.fanout.info(client.id).identity.check_every is None


async def test_nobody_is_checked_who_is_leaving(rig: Rig) -> None:
    gone = rig.connect(KITCHEN, check_every=1.0)
    expired = rig.connect(KITCHEN, check_every=1.0, expires_at=rig.clock.time() + 1.0)
    rig.fanout.close(gone.id, 1000)
    rig.advance(1.0)
    await settle()
    assert rig.listener.due == []
    assert expired.socket.close_code == 4001


@pytest.mark.parametrize("period", [0.0, -1.0, float("nan")])
async def test_a_period_that_is_none_is_refused(rig: Rig, period: float) -> None:
    with pytest.raises(ValueError, match="check_every is not a positive number"):
        rig.connect(KITCHEN, check_every=period)
    assert rig.fanout.stats().connections == 0
    client = rig.connect(KITCHEN)
    with pytest.raises(ValueError, match="check_every is not a positive number"):
        rig.fanout.set_identity(client.id, ConnectionIdentity(1, check_every=period))


async def test_a_period_is_given_back_with_the_identity(rig: Rig) -> None:
    client = rig.connect(KITCHEN, check_every=12.5)
    assert rig.fanout.info(client.id).identity.check_every == 12.5
    client.socket.hang_up()
    await settle()
    [closed] = rig.listener.notices
    assert closed.identity.check_every == 12.5  # type: ignore[union-attr]


# --- closing ---------------------------------------------------------------------------------------------------


async def test_a_close_stands_behind_what_was_queued_before(rig: Rig) -> None:
    client = rig.connect(KITCHEN)
    client.socket.stall()
    for n in range(5):
        rig.submit(n)
    await settle()
    rig.fanout.close(client.id, 4003)
    rig.submit(5)
    client.socket.resume()
    await settle()
    assert client.socket.numbers == [0, 1, 2, 3, 4]
    assert client.socket.close_code == 4003
    assert client.socket.sent[-1]["reason"] == "forbidden"
    assert await client.served == 4003


async def test_the_peers_close_code_is_told_once(rig: Rig) -> None:
    client = rig.connect(KITCHEN, keys=("user:12",))
    client.socket.hang_up(1000)
    await settle()
    assert await client.served == 1000
    assert rig.listener.closed == [(client.id, 1000)]
    assert rig.fanout.count(1, "user:12") == 0
    assert client.socket.sent == []


async def test_a_peer_that_gives_no_code_is_1005(rig: Rig) -> None:
    client = rig.connect(KITCHEN)
    client.socket.hang_up(None)
    await settle()
    assert await client.served == 1005


async def test_a_peer_that_leaves_while_the_close_is_on_its_way_is_told_once(rig: Rig) -> None:
    client = rig.connect(KITCHEN)
    client.socket.stall()
    rig.submit(1)
    await settle()
    rig.fanout.close(client.id, 4001)
    client.socket.hang_up(1001)
    await settle()
    assert await client.served == 1001
    rig.advance(100.0)
    await settle()
    assert rig.listener.closed == [(client.id, 1001)]


async def test_close_where_closes_those_who_carry_the_key_in_that_tenant(rig: Rig) -> None:
    ours = [rig.connect(KITCHEN, keys=("user:12", f"jti:{n}")) for n in range(3)]
    other = rig.connect(KITCHEN, keys=("user:13",))
    theirs = rig.connect(KITCHEN, room=OTHER_TENANT, keys=("user:12",))
    assert rig.fanout.close_where(1, "user:12", 4001) == 3
    assert rig.fanout.close_where(1, "user:12", 4001) == 0
    await settle()
    assert [client.socket.close_code for client in ours] == [4001] * 3
    assert other.socket.close_code is theirs.socket.close_code is None


# --- what is told ----------------------------------------------------------------------------------------------


async def test_occupancy_is_told_in_order_and_never_from_inside_a_call(rig: Rig) -> None:
    one = rig.connect(KITCHEN)
    two = rig.connect(KITCHEN, ADMIN)
    assert rig.listener.occupancies == []
    await turns(1)
    assert rig.listener.occupancies == [Occupancy((KITCHEN,), rooms_occupied=(ROOM,)), Occupancy((ADMIN,))]
    rig.listener.occupancies.clear()
    rig.fanout.close(one.id, 1000)
    rig.fanout.move(two.id, [Membership(ROOM, (WAITERS,))])
    assert rig.listener.occupancies == []
    await settle()
    assert [sorted(changed.occupied) for changed in rig.listener.occupancies] == [[WAITERS]]
    assert [sorted(changed.vacated) for changed in rig.listener.occupancies] == [[ADMIN, KITCHEN]]


async def test_the_first_and_the_last_of_a_room_are_told_with_their_audiences(rig: Rig) -> None:
    one, two = rig.connect(KITCHEN), rig.connect(ADMIN)
    await settle()
    rig.listener.occupancies.clear()
    rig.fanout.move(one.id, [Membership(OTHER_ROOM, (KITCHEN,))])
    await settle()
    assert rig.listener.occupancies == [Occupancy((KITCHEN,), (KITCHEN,), (OTHER_ROOM,), ())]
    rig.listener.occupancies.clear()
    rig.fanout.move(two.id, [Membership(ROOM, (WAITERS,)), Membership(OTHER_ROOM, (WAITERS,))])
    two.socket.hang_up()
    await settle()
    rig.fanout.close(one.id, 1000)
    await settle()
    rooms = [(changed.rooms_occupied, changed.rooms_vacated) for changed in rig.listener.occupancies]
    assert rooms == [((), ()), ((), (ROOM,)), ((), (OTHER_ROOM,))]


async def test_the_same_branch_of_two_tenants_is_two_rooms(rig: Rig) -> None:
    rig.connect(KITCHEN)
    theirs = rig.connect(KITCHEN, room=OTHER_TENANT)
    await settle()
    assert [changed.rooms_occupied for changed in rig.listener.occupancies] == [(ROOM,), (OTHER_TENANT,)]
    rig.fanout.close(theirs.id, 1000)
    await settle()
    assert rig.listener.occupancies[2:] == [Occupancy((), (KITCHEN,), (), (OTHER_TENANT,))]


async def test_notices_of_one_turn_come_in_one_call(rig: Rig) -> None:
    clients = [rig.connect(KITCHEN) for _ in range(10)]
    await settle()
    for client in clients:
        client.socket.hang_up()
    await settle()
    assert rig.listener.calls == 1
    assert len(rig.listener.closed) == 10


async def test_a_listener_that_raises_is_told_of_everything_else(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    def fail(notice: Notice) -> None:
        raise ZeroDivisionError

    rig.listener.then = fail
    clients = [rig.connect(KITCHEN) for _ in range(2)]
    for client in clients:
        client.socket.hang_up()
        await settle()
    assert len(rig.listener.closed) == 2
    assert "listener raised" in caplog.text


async def test_a_connections_rooms_and_identity_can_be_looked_at(rig: Rig) -> None:
    client = rig.connect(KITCHEN, ADMIN, keys=("user:12",))
    info = rig.fanout.info(client.id)
    assert info.identity.keys == ("user:12",)
    assert info.memberships == (Membership(ROOM, (KITCHEN, ADMIN)),)


async def test_connections_are_listed_in_pages_of_one_tenant(rig: Rig) -> None:
    ours = [rig.connect(KITCHEN) for _ in range(5)]
    rig.connect(KITCHEN, room=OTHER_TENANT)
    first, cursor = rig.fanout.list(tenant=1, limit=3)
    rest, end = rig.fanout.list(tenant=1, cursor=cursor, limit=3)
    assert [info.connection for info in [*first, *rest]] == [client.id for client in ours]
    assert end == 0
    assert len(rig.fanout.list()[0]) == 6


async def test_closing_connections_are_out_of_every_count(rig: Rig) -> None:
    client = rig.connect(KITCHEN, keys=("user:12",))
    client.socket.stall()
    rig.submit(1)
    await settle()
    rig.fanout.close(client.id, 1000)
    assert rig.fanout.count(1, "user:12") == 0
    assert rig.fanout.stats().connections == 0
    assert rig.fanout.list() == ([], 0)


# --- start and stop --------------------------------------------------------------------------------------------


async def test_stop_passes_what_was_accepted_and_closes_everybody_with_1001(rig: Rig) -> None:
    clients = [rig.connect(KITCHEN) for _ in range(3)]
    for n in range(20):
        rig.submit(n)
    await rig.stop(5.0)
    for client in clients:
        assert client.socket.numbers == list(range(20))
        assert client.socket.close_code == 1001
        assert await client.served == 1001
    assert sorted(rig.listener.closed) == [(client.id, 1001) for client in clients]
    assert rig.fanout.stats().connections == 0


async def test_stop_takes_a_stalled_client_no_longer_than_its_bounded_time(rig: Rig) -> None:
    stalled, healthy = rig.connect(KITCHEN), rig.connect(KITCHEN)
    stalled.socket.stall()
    rig.submit(1)
    await settle()
    stopping = asyncio.ensure_future(rig.stop(5.0))
    await settle()
    assert healthy.socket.close_code == 1001
    assert not stopping.done()
    rig.advance(LINGER_SECONDS)
    await settle()
    assert stopping.done()
    assert sorted(rig.listener.closed) == [(stalled.id, 1001), (healthy.id, 1001)]


async def test_stop_without_time_gives_every_permit_back(rig: Rig) -> None:
    clients = [rig.connect(KITCHEN) for _ in range(3 * SLICE)]
    for n in range(100):
        rig.submit(n)
    await turns(2)
    await rig.stop(0.0)
    assert rig.fanout.stats().broadcasts_in_flight == 0
    for client in clients:
        assert client.socket.close_code == 1001
        assert client.socket.numbers == list(range(len(client.socket.numbers)))


async def test_after_stop_nothing_is_taken_any_more(rig: Rig) -> None:
    rig.connect(KITCHEN)
    await rig.stop(1.0)
    assert not rig.submit(1)
    with pytest.raises(RuntimeError, match="stopping"):
        rig.connect(KITCHEN)
    await rig.stop(1.0)
