"""What a fan-out promises to a connection that resumes, on every core: history in pages, then what came since."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gateway.fanout.base import FanoutLimits, Membership, Notice, PageEntry, PageNotice
from gateway.fanout.broadcaster import SLICE
from gateway.fanout.message import ENTRY_OVERHEAD
from gateway.types import ConnectionId, Room
from tests.support.fanout_rig import (
    ADMIN,
    KINDS,
    KITCHEN,
    ROOM,
    WAITERS,
    Client,
    Kind,
    Rig,
    event,
    past,
    past_position,
    running,
)
from tests.support.settle import settle, turns

OTHER_ROOM = Room(1, 6)
PONG = '{"type":"pong","positions":{}}'


@pytest.fixture(params=[pytest.param(kind, id=kind.name) for kind in KINDS])
def kind(request: pytest.FixtureRequest) -> Kind:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
async def rig(kind: Kind) -> AsyncIterator[Rig]:
    async with running(kind) as rig:
        yield rig


def text(text: str) -> PageEntry:
    """A message of the gateway's own on a page."""
    return PageEntry(text.encode(), None)


def kinds_of(client: Client) -> list[object]:
    """What the client has got: numbers of events, types of everything else."""
    return [received.get("n", received["type"]) for received in client.socket.events]


# --- history, then what was held -------------------------------------------------------------------------------


async def test_history_comes_first_and_what_was_submitted_since_follows_it(rig: Rig) -> None:
    rig.submit(1, position=past_position(1))
    client = rig.connect(resuming=True, positions={5: past_position(1)})
    rig.submit(2, position=past_position(2))
    rig.submit(3)
    await settle()
    assert client.socket.texts == []
    assert rig.page(client, past(-1), past(0))
    await settle()
    assert client.socket.numbers == [-1, 0]
    rig.submit(4)
    assert rig.page(client, past(1), last=True)
    rig.submit(5, position=past_position(5))
    await settle()
    rig.submit(6)
    await settle()
    assert client.socket.numbers == [-1, 0, 1, 2, 3, 4, 5, 6]


async def test_a_page_of_critical_events_and_texts_goes_out_as_live_ones_do(rig: Rig) -> None:
    client = rig.connect(resuming=True)
    payload = ' { "type" : "X",\t"name":"caf\u00e9 \U0001f600", "n":1e0 } '.encode()
    gap = '{"type":"gap","branch":5,"critical":true}'
    rig.page(client, PageEntry(payload, "17-3/0123abcd"), text(gap), last=True)
    await settle()
    spliced = '{"event_id":"17-3","position":"17-3/0123abcd", "type" : "X",\t"name":"caf\u00e9 \U0001f600", "n":1e0 } '
    assert client.socket.texts == [spliced, gap]


async def test_a_last_page_without_entries_makes_live_at_once(rig: Rig) -> None:
    client = rig.connect(resuming=True)
    rig.submit(1)
    rig.page(client, last=True)
    rig.submit(2)
    await settle()
    assert client.socket.numbers == [1, 2]


async def test_the_welcome_comes_before_history(rig: Rig) -> None:
    client = rig.connect(resuming=True, welcome=lambda connection: f'{{"type":"welcome","id":{connection}}}')
    rig.submit(2)
    await settle()
    assert kinds_of(client) == ["welcome"]
    rig.page(client, past(1), last=True)
    await settle()
    assert kinds_of(client) == ["welcome", 1, 2]


async def test_answers_and_messages_stand_behind_the_events_before_them(rig: Rig) -> None:
    client = rig.connect(resuming=True)
    client.socket.say("refresh_sectors")
    await settle()
    rig.submit(1)
    await settle()
    rig.fanout.answer(client.id, '{"type":"answer"}')
    rig.submit(2)
    await settle()
    rig.fanout.send(client.id, '{"type":"message"}')
    client.socket.say("again")
    await settle()
    assert client.socket.texts == []
    assert [said for _, said in rig.listener.messages] == ["refresh_sectors", "again"]
    rig.page(client, past(0), last=True)
    rig.submit(3)
    await settle()
    rig.fanout.answer(client.id, '{"type":"later"}')
    await settle()
    assert kinds_of(client) == [0, 1, "answer", 2, "message", 3, "later"]


async def test_an_announcement_is_held_too(rig: Rig) -> None:
    client = rig.connect(resuming=True)
    rig.submit(1)
    rig.fanout.announce(ROOM, '{"type":"notice"}', past_position(2))
    rig.submit(3)
    rig.page(client, past(0), last=True)
    await settle()
    assert kinds_of(client) == [0, 1, "notice", 3]


async def test_all_rooms_are_held_until_the_one_last_page(rig: Rig) -> None:
    both = [Membership(ROOM, (KITCHEN,)), Membership(OTHER_ROOM, (KITCHEN,))]
    client = rig.connect(memberships=both, resuming=True)
    rig.submit(1, room=OTHER_ROOM)
    rig.submit(2, room=ROOM, position=past_position(2))
    rig.page(client, past(-2))  # one room's history
    await settle()
    rig.submit(3, room=OTHER_ROOM)
    rig.page(client, past(-1), last=True)  # and the other's
    await settle()
    # Between two rooms there is no order to keep; in each of them there is.
    assert client.socket.numbers[:2] == [-2, -1]
    assert sorted(client.socket.numbers[2:]) == [1, 2, 3]
    assert [n for n in client.socket.numbers if n in (1, 3)] == [1, 3]


async def test_others_are_not_held_up(rig: Rig) -> None:
    resuming, live = rig.connect(resuming=True), rig.connect()
    for n in range(5):
        rig.submit(n)
        await settle()
        assert live.socket.numbers == list(range(n + 1))
    rig.page(resuming, last=True)
    await settle()
    assert resuming.socket.numbers == list(range(5))


async def test_order_holds_though_jobs_are_cut_while_some_become_live(rig: Rig) -> None:
    crowd = [rig.connect(resuming=n % 3 == 0) for n in range(2 * SLICE + 3)]
    for n in range(1, 13):
        rig.fanout.submit_many([event(2 * n), event(2 * n + 1)])
        for client in crowd[n * 6 :: 78]:
            if client in crowd[::3]:
                rig.page(client, past(1), last=True)
        await turns(1)
        if n == 6:
            await settle()
    await settle()
    for number, client in enumerate(crowd):
        expected = list(range(2, 26))
        if client.socket.numbers:
            expected = ([1] if number % 3 == 0 else []) + expected
            assert client.socket.numbers == expected
    left = [client for client in crowd if not client.socket.numbers]
    assert left
    for client in left:
        rig.page(client, past(1), last=True)
    await settle()
    assert all(client.socket.numbers == list(range(1, 26)) for client in left)


async def test_a_burst_is_held_from_the_attach_on_and_no_earlier(rig: Rig) -> None:
    early = rig.connect()
    for n in range(1, 11):
        rig.submit(n)
    late = rig.connect(resuming=True)
    for n in range(11, 21):
        rig.submit(n)
    rig.page(late, *(past(n) for n in range(1, 11)), last=True)
    for n in range(21, 31):
        rig.submit(n)
    await settle()
    assert late.socket.numbers == early.socket.numbers == list(range(1, 31))


# --- the notice that asks for the next page --------------------------------------------------------------------


async def test_the_next_page_is_asked_for_once_after_each_but_the_last(rig: Rig) -> None:
    client = rig.connect(resuming=True)
    await settle()
    assert rig.listener.pages == []
    for n in range(1, 4):
        rig.page(client, past(n))
        await settle()
        assert rig.listener.pages == [client.id] * n
    rig.page(client, past(4), last=True)
    rig.submit(5)
    await settle()
    assert rig.listener.pages == [client.id] * 3
    assert client.socket.numbers == [1, 2, 3, 4, 5]


async def test_the_next_page_is_not_asked_for_before_the_client_takes_this_one(rig: Rig) -> None:
    client = rig.connect(resuming=True)
    client.socket.stall()
    rig.page(client, past(1), past(2))
    rig.submit(3)
    await settle()
    assert rig.listener.pages == []
    client.socket.resume()
    await settle()
    assert rig.listener.pages == [client.id]
    assert client.socket.numbers == [1, 2]


async def test_an_empty_page_is_noticed_at_once(rig: Rig) -> None:
    client = rig.connect(resuming=True)
    await settle()
    rig.page(client)
    await settle()
    assert rig.listener.pages == [client.id]
    assert client.socket.texts == []


async def test_an_empty_page_waits_for_what_was_given_before(rig: Rig) -> None:
    client = rig.connect(resuming=True, welcome=lambda _: '{"type":"welcome"}')
    client.socket.stall()
    await settle()
    client.socket.say("ping")
    await settle()
    rig.page(client)
    await settle()
    # On native sockets the welcome went out before the way was full.
    assert rig.listener.pages == []
    client.socket.resume()
    await settle()
    assert rig.listener.pages == [client.id]


async def test_the_next_page_may_be_given_from_within_the_notice(rig: Rig) -> None:
    client = rig.connect(resuming=True)
    given = iter(range(2, 6))

    def give(notice: Notice) -> None:
        if isinstance(notice, PageNotice):
            n = next(given)
            rig.page(client, past(n), last=n == 5)

    rig.listener.then = give
    rig.page(client, past(1))
    rig.submit(6)
    await settle()
    assert client.socket.numbers == [1, 2, 3, 4, 5, 6]
    assert rig.listener.pages == [client.id] * 4


# --- what is refused -------------------------------------------------------------------------------------------


async def test_a_live_connection_takes_no_page(rig: Rig) -> None:
    live, was_resuming = rig.connect(), rig.connect(resuming=True)
    rig.page(was_resuming, last=True)
    await settle()
    for client in (live, was_resuming):
        with pytest.raises(ValueError, match="is live"):
            rig.page(client, past(1))
        with pytest.raises(ValueError, match="is live"):
            rig.page(client, last=True)
    await settle()
    assert live.socket.texts == was_resuming.socket.texts == []
    assert rig.listener.pages == []


async def test_one_page_is_taken_at_a_time(rig: Rig) -> None:
    client = rig.connect(resuming=True)
    client.socket.stall()
    rig.page(client, past(1))
    for last in (False, True):
        with pytest.raises(ValueError, match="taking a page already"):
            rig.page(client, past(2), last=last)
    await settle()
    with pytest.raises(ValueError, match="taking a page already"):
        rig.page(client, past(2))
    client.socket.resume()
    await settle()
    rig.page(client, past(3), last=True)
    await settle()
    assert client.socket.numbers == [1, 3]


@pytest.mark.parametrize(
    "bad",
    [
        PageEntry(b"[]", "1-0/0000000a"),
        PageEntry(b'{"n":1}', "1-0"),
        PageEntry(b'{"n":1}', "0-0"),
        PageEntry(b'{"n":"\xff"}', "1-0/0000000a"),
        PageEntry(b"\xed\xa0\x80", None),
    ],
)
async def test_a_page_with_an_entry_that_cannot_be_sent_is_refused_whole(rig: Rig, bad: PageEntry) -> None:
    client = rig.connect(resuming=True)
    rig.submit(2)
    for last in (False, True):
        with pytest.raises(ValueError, match=r"\S"):
            rig.page(client, past(1), bad, last=last)
    await settle()
    assert client.socket.texts == []
    assert rig.listener.pages == []
    rig.page(client, past(1), last=True)
    await settle()
    assert client.socket.numbers == [1, 2]


async def test_who_has_left_takes_no_page_and_that_is_no_error(rig: Rig) -> None:
    gone, closing = rig.connect(resuming=True), rig.connect(resuming=True)
    gone.socket.hang_up()
    await settle()
    rig.fanout.close(closing.id, 1000)
    assert not rig.page(gone, past(1))
    assert not rig.page(closing, past(1), last=True)
    assert not rig.fanout.page(ConnectionId(999), [PageEntry(b"\xff", None)], last=False)
    await settle()
    assert gone.socket.texts == closing.socket.texts == []
    assert rig.listener.pages == []


# --- heartbeats and positions ----------------------------------------------------------------------------------


LONG_PING = f'{{"type":"p\\u0069ng","pad":"{"x" * 100}"}}'


@pytest.mark.parametrize("ping", ["ping", '{"type":"ping"}', '{"type":"ping","since":1}', LONG_PING])
async def test_a_pong_is_not_held_and_shows_no_positions_until_the_last_page(rig: Rig, ping: str) -> None:
    client = rig.connect(resuming=True, positions={5: past_position(1)})
    rig.submit(2, position=past_position(2))
    await settle()
    client.socket.say(ping)
    await settle()
    assert client.socket.texts == [PONG]
    assert rig.fanout.positions(client.id) == {}
    rig.page(client, past(1))
    client.socket.say(ping)
    await settle()
    assert client.socket.texts.count(PONG) == 2
    rig.page(client, last=True)
    await settle()
    # Behind what was held, so it may count it.
    client.socket.say(ping)
    await settle()
    assert client.socket.numbers == [1, 2]
    assert client.socket.events[-1] == {"type": "pong", "positions": {"5": past_position(2)}}
    assert rig.fanout.positions(client.id) == {5: past_position(2)}
    assert rig.pings == 3


async def test_a_pong_does_not_overtake_held_events_that_it_counts(rig: Rig) -> None:
    client = rig.connect(resuming=True)
    rig.submit(2, position=past_position(2))
    await settle()
    client.socket.stall()
    rig.page(client, past(1), last=True)
    await settle()
    client.socket.say("ping")
    await settle()
    client.socket.resume()
    await settle()
    assert kinds_of(client) == [1, 2, "pong"]
    assert client.socket.events[-1]["positions"] == {"5": past_position(2)}


async def test_others_positions_count_what_is_held(rig: Rig) -> None:
    rig.connect(resuming=True, positions={5: past_position(1)})
    live = rig.connect()
    rig.submit(2, position=past_position(2))
    await settle()
    live.socket.say("ping")
    await settle()
    assert live.socket.events[-1] == {"type": "pong", "positions": {"5": past_position(2)}}


# --- moving and leaving ----------------------------------------------------------------------------------------


async def test_a_move_takes_nothing_that_is_held_and_what_is_new_is_held_too(rig: Rig) -> None:
    client = rig.connect(KITCHEN, resuming=True)
    rig.submit(1, KITCHEN)
    rig.submit(2, ADMIN)
    await settle()
    rig.fanout.move(client.id, [Membership(ROOM, (ADMIN,)), Membership(OTHER_ROOM, (WAITERS,))])
    rig.submit(3, KITCHEN)
    rig.submit(4, ADMIN)
    rig.submit(5, WAITERS, room=OTHER_ROOM)
    await settle()
    rig.page(client, past(0), last=True)
    rig.submit(6, ADMIN)
    await settle()
    assert client.socket.numbers[0] == 0
    assert sorted(client.socket.numbers[1:]) == [1, 4, 5, 6]
    assert [n for n in client.socket.numbers if n != 5] == [0, 1, 4, 6]


async def test_a_close_throws_away_what_is_held_and_stands_behind_what_was_given(rig: Rig) -> None:
    client = rig.connect(resuming=True, keys=("user:1",))
    client.socket.stall()
    rig.page(client, past(1))
    rig.submit(2, position=past_position(2))
    rig.submit(3)
    await settle()
    assert rig.fanout.close(client.id, 4001)
    assert rig.fanout.count(1, "user:1") == 0
    await settle()
    # The page and the close wait for a client that does not read; what was held is gone.
    assert rig.outbox_bytes < 3 * ENTRY_OVERHEAD + len(past(1).payload)
    client.socket.resume()
    await settle()
    assert client.socket.numbers == [1]
    assert client.socket.close_code == 4001
    assert await client.served == 4001
    assert rig.listener.pages == []
    assert rig.dropped == 1  # the best-effort one: the critical one is in history
    assert rig.outbox_bytes == 0


async def test_a_peer_that_leaves_before_its_first_page_leaves_nothing_behind(rig: Rig) -> None:
    client = rig.connect(resuming=True)
    for n in range(20):
        rig.submit(n, position=past_position(n) if n % 2 else None, padding=100)
    await settle()
    assert rig.outbox_bytes > 20 * ENTRY_OVERHEAD
    client.socket.hang_up()
    await settle()
    assert await client.served == 1000
    stats = rig.fanout.stats()
    assert (stats.connections, stats.broadcasts_in_flight, stats.bytes_in_flight) == (0, 0, 0)
    assert rig.dropped == 10  # the best-effort half
    assert rig.outbox_bytes == 0
    assert client.socket.texts == []


async def test_a_socket_that_fails_while_resuming_leaves_nothing_behind(rig: Rig) -> None:
    client = rig.connect(resuming=True)
    rig.submit(2)
    await settle()
    client.socket.break_off(OSError("connection reset"))
    rig.page(client, past(1))
    await settle()
    assert await client.served == 1006
    assert rig.listener.pages == []
    assert rig.dropped == 1
    assert rig.outbox_bytes == 0


async def test_silence_and_expiry_close_one_that_resumes_too(rig: Rig) -> None:
    silent, expired = rig.connect(resuming=True), rig.connect(resuming=True, expires_at=rig.clock.time() + 10)
    rig.submit(1)
    await settle()
    rig.advance(10)
    await settle()
    assert expired.socket.close_code == 4001
    rig.advance(80)
    await settle()
    assert silent.socket.close_code == 1001
    assert rig.dropped == 2  # each of the two held the one event
    assert rig.outbox_bytes == 0


async def test_held_events_hold_no_permits(kind: Kind) -> None:
    async with running(kind, FanoutLimits(max_broadcasts=2, max_room_broadcasts=1)) as rig:
        client = rig.connect(resuming=True)
        for n in range(10):
            assert rig.submit(n)
            await settle()
        assert rig.fanout.stats().broadcasts_in_flight == 0
        rig.page(client, last=True)
        await settle()
        assert client.socket.numbers == list(range(10))


async def test_stop_closes_one_that_resumes(rig: Rig) -> None:
    client = rig.connect(resuming=True)
    rig.submit(1)
    await settle()
    await rig.stop(1.0)
    assert await client.served == 1001
    assert client.socket.numbers == []
    assert rig.dropped == 1
    assert rig.outbox_bytes == 0


# --- what is held is bounded -----------------------------------------------------------------------------------

PADDING = 100
SIZE = len(event(1, padding=PADDING).payload) + ENTRY_OVERHEAD


def room_for(events: float) -> FanoutLimits:
    """Outboxes that hold so many `event(n, padding=PADDING)` of one digit."""
    return FanoutLimits(outbox_bytes=int(events * SIZE))


async def test_the_oldest_held_events_are_dropped_and_a_gap_stands_in_their_place(kind: Kind) -> None:
    async with running(kind, room_for(5)) as rig:
        client, live = rig.connect(resuming=True), rig.connect()
        for n in range(9):
            rig.submit(n, padding=PADDING)
            await settle()
        assert rig.dropped == 5
        assert rig.outbox_bytes <= 5 * SIZE
        rig.page(client, last=True)
        await settle()
        assert [received.get("n", received) for received in client.socket.events] == [
            {"type": "gap", "dropped": 5},
            5,
            6,
            7,
            8,
        ]
        assert live.socket.numbers == list(range(9))
        assert rig.outbox_bytes == 0


async def test_held_critical_events_that_do_not_fit_close_as_overloaded(kind: Kind) -> None:
    async with running(kind, room_for(5)) as rig:
        client, live = rig.connect(resuming=True), rig.connect()
        rig.submit(0, padding=PADDING)
        for n in range(1, 9):
            rig.submit(n, position=past_position(n), padding=PADDING)
            await settle()
        assert client.socket.texts == []
        assert client.socket.close_code == 1013
        assert await client.served == 1013
        assert rig.dropped == 1
        assert not rig.page(client, last=True)
        assert live.socket.numbers == list(range(9))
        assert rig.outbox_bytes == 0


async def test_a_page_that_is_not_taken_and_what_is_held_share_one_limit(kind: Kind) -> None:
    async with running(kind, room_for(6)) as rig:
        client = rig.connect(resuming=True)
        client.socket.stall()
        for n in range(2, 8):
            rig.submit(n, padding=PADDING)
        await settle()
        assert rig.dropped == 0
        # Of what is held, best-effort events make room for history.
        rig.page(client, past(1, padding=PADDING))
        await settle()
        assert 0 < rig.dropped <= 3
        assert rig.outbox_bytes <= 6 * SIZE
        # And while the page waits, there is that much less room to hold anything.
        rig.submit(8, padding=PADDING)
        await settle()
        dropped = rig.dropped
        assert rig.outbox_bytes <= 6 * SIZE
        client.socket.resume()
        await settle()
        rig.page(client, last=True)
        await settle()
        assert [received.get("n", received) for received in client.socket.events] == [
            1,
            {"type": "gap", "dropped": dropped},
            *range(2 + dropped, 9),
        ]


async def test_a_page_that_has_no_room_closes_as_overloaded(kind: Kind) -> None:
    async with running(kind, room_for(4)) as rig:
        client = rig.connect(resuming=True)
        client.socket.stall()
        for n in range(3):
            rig.submit(n, position=past_position(n) if n else None, padding=PADDING)
        await settle()
        assert rig.page(client, *(past(n, padding=PADDING) for n in range(4)))
        await settle()
        assert rig.fanout.stats().connections == 0
        client.socket.resume()
        await settle()
        assert client.socket.close_code == 1013
        assert rig.listener.pages == []
        assert rig.dropped == 1
        assert rig.outbox_bytes == 0


async def test_a_page_that_is_larger_than_any_outbox_closes_as_overloaded(kind: Kind) -> None:
    async with running(kind, room_for(2)) as rig:
        client = rig.connect(resuming=True)
        assert rig.page(client, *(past(n, padding=PADDING) for n in range(4)), last=True)
        await settle()
        assert await client.served == 1013
        assert rig.outbox_bytes == 0


async def test_what_is_held_counts_in_the_nodes_budget(kind: Kind) -> None:
    async with running(kind, FanoutLimits(node_outbox_bytes=20_000)) as rig:
        client, small = rig.connect(KITCHEN, resuming=True), rig.connect(ADMIN, resuming=True)
        rig.submit(0, ADMIN, padding=4_000)
        for n in range(5):
            rig.submit(n, position=past_position(n) if n == 2 else None, padding=4_000)
            await settle()
        assert client.socket.close_code == 1013
        assert rig.dropped == 3
        rig.page(small, last=True)
        await settle()
        assert small.socket.numbers == [0]
        assert rig.outbox_bytes == 0


async def test_what_was_held_gives_way_like_anything_else_after_the_last_page(kind: Kind) -> None:
    async with running(kind, room_for(6)) as rig:
        client = rig.connect(resuming=True)
        client.socket.stall()
        for n in range(1, 8):
            rig.submit(n, position=past_position(n) if n == 4 else None, padding=PADDING)
            await settle()
        rig.page(client, past(0), last=True)
        for n in (8, 9):
            rig.submit(n, padding=PADDING)
            await settle()
        client.socket.resume()
        await settle()
        received = [got.get("n", ("gap", got.get("dropped"))) for got in client.socket.events]
        assert received[0] == 0
        numbers = [got for got in received if isinstance(got, int)]
        assert numbers == sorted(numbers)
        assert 4 in numbers
        # Everything is accounted for: received, or counted by a gap in whose place it stood.
        lost = {n for n in range(10) if n not in numbers}
        assert sum(got[1] for got in received if isinstance(got, tuple)) == len(lost) == rig.dropped
        assert rig.outbox_bytes == 0
