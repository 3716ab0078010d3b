"""Who is connected, page by page, and put together over nodes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from gateway.fanout.base import ConnectionIdentity, FanoutLimits, Membership
from gateway.fanout.facade import NodeFanout
from gateway.fanout.pure import PureCore
from gateway.hub import census as census_module
from gateway.hub.census import Census, Wanted, connection_number
from gateway.hub.census_views import Group, Presence, RoomsFound, RoomView, merge_presence, merge_rooms
from gateway.hub.label import Label
from gateway.protocol.positions import Position
from gateway.types import Room
from tests.support.clock import FakeClock
from tests.support.fanout_rig import RecordingListener
from tests.support.sockets import FakeSocket

POSITION = Position("1-0/01234567")


class TickingClock(FakeClock):
    """Moves by `tick` with each look at it."""

    tick = 0.0

    def monotonic(self) -> float:
        self.advance(self.tick)
        return super().monotonic()


class Node:
    """A fan-out with connections, and a census of it with small pages."""

    def __init__(self) -> None:
        self.clock = TickingClock()
        self.fanout = NodeFanout(PureCore(), "pure", FanoutLimits(), RecordingListener())
        self.census = Census(self.fanout, "n1", lambda room: POSITION if room.branch == 5 else None, self.clock, page=2)

    def come(
        self,
        tenant: int,
        key: str,
        branches: Sequence[int] = (5,),
        *,
        audience: str = "waiters",
        endpoint: str = "waiter",
    ) -> int:
        label = Label(endpoint, sectors_from_token=True, since=17, issued_at=1.0, place=0)
        memberships = [Membership(Room(tenant, branch), (f"branch:{branch}:{audience}",)) for branch in branches]
        identity = ConnectionIdentity(tenant, (key, "jti:x"), 99.0, label.encode())
        return self.fanout.attach(FakeSocket(), memberships, identity)

    async def numbers(self, wanted: Wanted, after: int = 0, limit: int = 100) -> list[int]:
        found = await self.census.connections(wanted, after, limit)
        return [int(view.connection.removeprefix("n1-")) for view in found.connections]


@pytest.fixture
def node() -> Node:
    return Node()


async def test_pages_show_everybody_once_in_their_order(node: Node) -> None:
    ids = [node.come(1, f"user:{number}") for number in range(7)]
    assert await node.numbers(Wanted()) == ids
    assert await node.numbers(Wanted(), limit=3) == ids[:3]
    assert await node.numbers(Wanted(), after=ids[2], limit=3) == ids[3:6]
    assert await node.numbers(Wanted(), after=ids[6]) == []


async def test_each_filter_narrows(node: Node) -> None:
    ann = node.come(1, "user:ann", (5, 6))
    bob = node.come(1, "user:bob", (6,), audience="kitchen", endpoint="kitchen")
    table = node.come(1, "session:77", endpoint="diner")
    other = node.come(2, "user:ann")
    assert await node.numbers(Wanted(tenant=1)) == [ann, bob, table]
    assert await node.numbers(Wanted(tenant=1, branch=6)) == [ann, bob]
    assert await node.numbers(Wanted(tenant=1, user="ann")) == [ann]
    assert await node.numbers(Wanted(tenant=1, user="ann", branch=5)) == [ann]
    assert await node.numbers(Wanted(tenant=1, user="ann", endpoint="kitchen")) == []
    assert await node.numbers(Wanted(tenant=1, session=77)) == [table]
    assert await node.numbers(Wanted(tenant=1, session=77, user="ann")) == []
    assert await node.numbers(Wanted(endpoint="waiter")) == [ann, other]
    assert await node.numbers(Wanted(tenant=1, user="ann"), after=ann) == []
    assert await node.numbers(Wanted(tenant=3, user="ann")) == []


async def test_a_look_that_takes_too_long_says_how_far_it_came(node: Node) -> None:
    ids = [node.come(1, f"user:{number}", endpoint="kitchen" if number == 5 else "waiter") for number in range(7)]
    kitchen = Wanted(endpoint="kitchen")
    node.clock.tick = 0.2  # each look at the clock
    found = await node.census.connections(kitchen, 0, 10)
    assert (found.connections, found.looked_up_to) == ([], ids[2])
    found = await node.census.connections(kitchen, ids[2], 10)
    assert ([view.connection for view in found.connections], found.looked_up_to) == ([f"n1-{ids[5]}"], ids[5])
    found = await node.census.connections(kitchen, ids[5], 10)
    assert (found.connections, found.looked_up_to) == ([], None)


async def test_a_view_says_what_is_known(node: Node) -> None:
    node.come(1, "user:ann", (5, 6))
    [view] = (await node.census.connections(Wanted(), 0, 10)).connections
    assert (view.node, view.tenant, view.subject, view.endpoint) == ("n1", 1, "user:ann", "waiter")
    assert (view.branches, view.audiences) == ([5, 6], ["branch:5:waiters", "branch:6:waiters"])
    assert (view.since, view.expires_at, view.positions) == (17, 99.0, {})


async def test_a_connection_that_another_application_attached_is_shown_as_such(node: Node) -> None:
    node.fanout.attach(FakeSocket(), [Membership(Room(1, 5), ("x",))], ConnectionIdentity(1))
    [view] = (await node.census.connections(Wanted(), 0, 10)).connections
    assert (view.subject, view.endpoint, view.since) == ("", None, None)
    assert (await node.census.presence(Room(1, 5))).users == {"": Group({"other": 1}, ("n1",))}


async def test_rooms_are_counted_with_their_audiences(node: Node) -> None:
    node.come(1, "user:ann", (5, 6))
    node.come(1, "user:bob", (5,), audience="kitchen")
    node.come(2, "user:eve", (5,))
    rooms = (await node.census.rooms(None, Room(0, 0), 10)).rooms
    assert rooms == [
        RoomView(1, 5, 2, {"branch:5:kitchen": 1, "branch:5:waiters": 1}, POSITION),
        RoomView(1, 6, 1, {"branch:6:waiters": 1}, None),
        RoomView(2, 5, 1, {"branch:5:waiters": 1}, POSITION),
    ]
    assert await node.census.rooms(1, Room(0, 0), 10) == RoomsFound(rooms[:2])
    assert await node.census.rooms(None, Room(1, 5), 1) == RoomsFound(rooms[1:2])


async def test_rooms_of_all_tenants_are_counted_once_for_many_who_ask(node: Node) -> None:
    node.come(1, "user:ann")
    before = await node.census.rooms(None, Room(0, 0), 10)
    node.come(1, "user:bob")
    assert await node.census.rooms(None, Room(0, 0), 10) == before
    assert [room.connections for room in (await node.census.rooms(1, Room(0, 0), 10)).rooms] == [2], "of one it is anew"
    node.clock.advance(1.0)
    assert [room.connections for room in (await node.census.rooms(None, Room(0, 0), 10)).rooms] == [2]


async def test_presence_is_of_one_room(node: Node) -> None:
    for endpoint in ("waiter", "waiter", "admin"):
        node.come(1, "user:ann", endpoint=endpoint)
    node.come(1, "session:77", endpoint="diner")
    node.come(1, "user:bob", (6,))
    node.come(2, "user:eve")
    assert await node.census.presence(Room(1, 5)) == Presence(
        {"user:ann": Group({"waiter": 2, "admin": 1}, ("n1",))}, {77: Group({"diner": 1}, ("n1",))}
    )


def test_rooms_of_several_nodes_are_added_up_and_cut_where_they_are_complete() -> None:
    def room(branch: int, count: int, position: str | None = None) -> RoomView:
        return RoomView(1, branch, count, {"a": count}, position)

    def found(*rooms: RoomView, cut: bool = False) -> RoomsFound:
        return RoomsFound(list(rooms), is_cut=cut)

    one, other = found(room(1, 1), room(3, 1, "p")), found(room(2, 4), room(3, 2, "q"))
    assert merge_rooms([one, other], 3) == ([room(1, 1), room(2, 4), room(3, 3, "p")], False)
    assert merge_rooms([one, other], 2) == ([room(1, 1), room(2, 4)], True)
    assert merge_rooms([], 5) == ([], False)
    # What is behind the end of a list that was cut may be in the rest of it.
    assert merge_rooms([found(room(1, 1), cut=True), other], 5) == ([room(1, 1)], True)
    assert merge_rooms([found(room(2, 1), cut=True), other], 5) == ([room(2, 5)], True)


async def test_of_a_crowd_some_are_left_out_and_that_is_said(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(census_module, "MOST_PRESENT", 2)
    for number in (1, 2, 1, 2):
        node.come(1, f"user:{number}")
        node.come(1, f"session:{number}", endpoint="diner")
    found = await node.census.presence(Room(1, 5))
    assert (len(found.users), len(found.sessions), found.is_cut) == (2, 2, False)
    node.come(1, "session:3", endpoint="diner")
    found = await node.census.presence(Room(1, 5))
    assert (sorted(found.sessions), found.is_cut) == ([1, 2], True)
    node.come(2, "user:1")
    other = await node.census.presence(Room(2, 5))
    assert merge_presence([other, found]).is_cut


async def test_answers_are_cut_before_they_are_too_long(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [node.come(1, f"user:{number}", (number,)) for number in range(1, 6)]
    monkeypatch.setattr(census_module, "MOST_BYTES", 300)
    found = await node.census.connections(Wanted(), 0, 10)
    assert (len(found.connections), found.looked_up_to) == (2, ids[1])
    rest = await node.census.connections(Wanted(), ids[3], 10)
    assert (len(rest.connections), rest.looked_up_to) == (1, None)
    monkeypatch.setattr(census_module, "MOST_BYTES", 150)
    rooms = await node.census.rooms(1, Room(0, 0), 10)
    assert ([room.branch for room in rooms.rooms], rooms.is_cut) == ([1, 2], True)
    last = await node.census.rooms(1, Room(1, 4), 10)
    assert ([room.branch for room in last.rooms], last.is_cut) == ([5], False)


def test_presence_of_several_nodes_is_put_together() -> None:
    one = Presence({"user:b": Group({"waiter": 1}, ("n1",))}, {7: Group({"diner": 1}, ("n1",))})
    other = Presence({"user:b": Group({"waiter": 2, "admin": 1}, ("n2",)), "user:a": Group({"admin": 1}, ("n2",))}, {})
    merged = merge_presence([one, other])
    assert list(merged.users.items()) == [
        ("user:a", Group({"admin": 1}, ("n2",))),
        ("user:b", Group({"waiter": 3, "admin": 1}, ("n1", "n2"))),
    ]
    assert merged.sessions == one.sessions


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("9f1c2ab4-17", ("9f1c2ab4", 17)),
        ("a-b-3", ("a-b", 3)),
        ("-3", None),
        ("a-", None),
        ("a", None),
        ("", None),
        ("a-x", None),
        ("a-²", None),
        ("a-" + "9" * 17, None),
    ],
)
def test_a_name_is_node_and_number(name: str, expected: tuple[str, int] | None) -> None:
    assert connection_number(name) == expected
