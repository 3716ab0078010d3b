"""What attach, move and set_identity refuse, on each core: the documented error, and nothing is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.fanout.base import MAX_LABEL_BYTES, ConnectionIdentity, Membership
from gateway.types import MAX_ID, Room
from tests.support.cores import attach, every_core, leave, reached, submit, ticket_of

if TYPE_CHECKING:
    from gateway.fanout.base import FanoutCore
    from tests.support.cores import MakeCore

pytestmark = every_core

ROOM, NEXT_ROOM, FOREIGN_ROOM = Room(1, 5), Room(1, 6), Room(2, 5)
A, B = "branch:5:waiters", "branch:5:kitchen"
IDENTITY = ConnectionIdentity(1, ("user:12",), label=b"waiter")

BAD_MEMBERSHIPS = [
    pytest.param([], "has no room", id="no room"),
    pytest.param([Membership(ROOM, (B,)), Membership(ROOM, (A,))], "named twice", id="a room twice"),
    pytest.param([Membership(ROOM, ())], "has no audience", id="no audience"),
    pytest.param([Membership(NEXT_ROOM, (B,)), Membership(ROOM, (B, ""))], "empty name", id="an empty name"),
    pytest.param([Membership(ROOM, (B, A, B))], "an audience twice", id="an audience twice"),
    pytest.param(
        [Membership(ROOM, (B,)), Membership(FOREIGN_ROOM, (A,))],
        "room 2/5 is not of tenant 1",
        id="a foreign room",
    ),
    pytest.param([Membership(Room(1, 0), (A,))], "room 1/0 is out of range", id="branch 0"),
    pytest.param([Membership(Room(-1, 5), (A,))], "room -1/5 is out of range", id="tenant -1"),
    pytest.param([Membership(Room(1, MAX_ID + 1), (A,))], "is out of range", id="branch 2^53"),
    pytest.param([Membership(Room(1, 2**64 + 5), (A,))], "is out of range", id="branch over a word"),
    pytest.param([Membership(ROOM, (B, "branch:\ud800"))], "surrogates not allowed", id="no UTF-8"),
]

BAD_IDENTITIES = [
    pytest.param(ConnectionIdentity(0), "tenant 0 is out of range", id="tenant 0"),
    pytest.param(ConnectionIdentity(2**64 + 1), "is out of range", id="tenant over a word"),
    pytest.param(ConnectionIdentity(1, label=b"x" * (MAX_LABEL_BYTES + 1)), "label has 129 bytes", id="label too long"),
    pytest.param(ConnectionIdentity(1, ("user:1", "jti:\ud800")), "surrogates not allowed", id="no UTF-8"),
]


def populated(make_core: MakeCore) -> FanoutCore:
    core = make_core()
    core.attach(1, [Membership(ROOM, (A,))], IDENTITY)
    return core


def assert_unchanged(core: FanoutCore) -> None:
    """Connection 1 alone, in one audience of one room, as `populated` left it."""
    [info], following = core.list()
    assert (info.connection, info.identity, following) == (1, IDENTITY, 0)
    assert info.memberships == (Membership(ROOM, (A,)),)
    assert (core.stats().connections, core.stats().rooms) == (1, 1)
    assert core.find(1, "user:12") == [1]
    assert core.count(1, "user:1") == 0
    assert submit(core, [(NEXT_ROOM, [B], 1), (FOREIGN_ROOM, [A], 1)]) == [0, 0]
    assert reached(core, ticket_of(core, ROOM, A, B)) == [1]
    assert leave(core, 1) == ((), (A,))
    assert attach(core, 2, {ROOM: [A, B]}) == ((A, B), ())


@pytest.mark.parametrize(("memberships", "message"), BAD_MEMBERSHIPS)
def test_attach_refuses_memberships_and_changes_nothing(
    make_core: MakeCore, memberships: list[Membership], message: str
) -> None:
    core = populated(make_core)
    with pytest.raises(ValueError, match=message):
        core.attach(2, memberships, ConnectionIdentity(1, ("user:1",)))
    assert_unchanged(core)


@pytest.mark.parametrize(("memberships", "message"), BAD_MEMBERSHIPS)
def test_move_refuses_memberships_and_changes_nothing(
    make_core: MakeCore, memberships: list[Membership], message: str
) -> None:
    core = populated(make_core)
    ticket = ticket_of(core, ROOM, A)
    with pytest.raises(ValueError, match=message):
        core.move(1, memberships)
    assert reached(core, ticket) == [1]
    assert_unchanged(core)


@pytest.mark.parametrize(("identity", "message"), BAD_IDENTITIES)
def test_attach_refuses_an_identity_and_changes_nothing(
    make_core: MakeCore, identity: ConnectionIdentity, message: str
) -> None:
    core = populated(make_core)
    with pytest.raises(ValueError, match=message):
        core.attach(2, [Membership(ROOM, (A, B))], identity)
    assert_unchanged(core)


@pytest.mark.parametrize(("identity", "message"), BAD_IDENTITIES)
def test_set_identity_refuses_an_identity_and_changes_nothing(
    make_core: MakeCore, identity: ConnectionIdentity, message: str
) -> None:
    core = populated(make_core)
    with pytest.raises(ValueError, match=message):
        core.set_identity(1, identity)
    assert_unchanged(core)


def test_set_identity_refuses_another_tenant(make_core: MakeCore) -> None:
    core = populated(make_core)
    with pytest.raises(ValueError, match="is of tenant 1 and cannot become one of tenant 2"):
        core.set_identity(1, ConnectionIdentity(2, ("user:1",)))
    assert_unchanged(core)


@pytest.mark.parametrize("connection", [0, -1, MAX_ID + 1, 2**70])
def test_attach_refuses_an_id_out_of_range(make_core: MakeCore, connection: int) -> None:
    core = populated(make_core)
    with pytest.raises(ValueError, match=r"connection id -?\d+ is out of range; expected 1 to 9007199254740991"):
        core.attach(connection, [Membership(ROOM, (B,))], IDENTITY)
    assert_unchanged(core)


def test_attach_refuses_an_id_in_use(make_core: MakeCore) -> None:
    core = populated(make_core)
    with pytest.raises(ValueError, match="connection 1 is attached already"):
        core.attach(1, [Membership(ROOM, (B,))], ConnectionIdentity(1, ("user:1",)))
    assert_unchanged(core)


@pytest.mark.parametrize("connection", [2, 0, -1, 2**70])
def test_a_connection_that_is_not_there_is_a_key_error(make_core: MakeCore, connection: int) -> None:
    core = populated(make_core)
    for ask in (
        lambda: core.move(connection, [Membership(ROOM, (B,))]),
        lambda: core.move(connection, []),
        lambda: core.set_identity(connection, IDENTITY),
        lambda: core.info(connection),
    ):
        with pytest.raises(KeyError, match="no such connection"):
            ask()
    assert_unchanged(core)


def test_the_largest_ids_and_the_longest_label_are_accepted(make_core: MakeCore) -> None:
    core = make_core()
    room = Room(MAX_ID, MAX_ID)
    attach(core, MAX_ID, {room: [A]}, "user:1", label=b"x" * MAX_LABEL_BYTES)
    assert reached(core, ticket_of(core, room, A)) == [MAX_ID]
    assert core.find(MAX_ID, "user:1") == [MAX_ID]
