"""Counting, finding and listing connections, on each core."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.fanout.base import ConnectionIdentity
from gateway.types import Room
from tests.support.cores import attach, every_core, leave, move, reached, ticket_of

if TYPE_CHECKING:
    from gateway.fanout.base import FanoutCore
    from tests.support.cores import MakeCore

pytestmark = every_core

ROOM, FOREIGN_ROOM = Room(1, 5), Room(2, 5)
A = "branch:5:waiters"


def test_a_key_counts_and_finds_its_connections_oldest_first(make_core: MakeCore) -> None:
    core = make_core()
    for connection in (3, 1, 2):
        attach(core, connection, {ROOM: [A]}, "user:12", f"jti:{connection}")
    attach(core, 4, {ROOM: [A]}, "user:13")
    assert core.find(1, "user:12") == [1, 2, 3]
    assert core.count(1, "user:12") == 3
    assert core.find(1, "jti:2") == [2]


def test_a_key_has_meaning_inside_its_tenant_alone(make_core: MakeCore) -> None:
    core = make_core()
    attach(core, 1, {ROOM: [A]}, "user:12")
    attach(core, 2, {FOREIGN_ROOM: [A]}, "user:12")
    assert core.find(1, "user:12") == [1]
    assert core.find(2, "user:12") == [2]
    assert core.find(3, "user:12") == []


def test_a_key_can_be_looked_for_in_all_tenants(make_core: MakeCore) -> None:
    core = make_core()
    for connection, room in ((4, ROOM), (1, FOREIGN_ROOM), (3, ROOM), (2, Room(3, 5))):
        attach(core, connection, {room: [A]}, "user:12", f"jti:{connection % 2}")
    assert core.find(None, "user:12") == [1, 2, 3, 4]
    assert core.find(None, "jti:1") == [1, 3]
    assert core.find(None, "jti:2") == []
    leave(core, 1)
    assert core.find(None, "jti:1") == [3]


def test_a_key_that_nobody_carries_counts_zero(make_core: MakeCore) -> None:
    core = make_core()
    attach(core, 1, {ROOM: [A]}, "user:12")
    for tenant, key in ((1, "user:1"), (1, ""), (0, "user:12"), (-1, "user:12"), (2**70, "user:12")):
        assert core.count(tenant, key) == 0
        assert core.find(tenant, key) == []


def test_a_connection_that_carries_a_key_twice_counts_once(make_core: MakeCore) -> None:
    core = make_core()
    attach(core, 1, {ROOM: [A]}, "user:12", "user:12")
    assert core.count(1, "user:12") == 1
    leave(core, 1)
    assert core.count(1, "user:12") == 0


def test_who_left_is_not_found(make_core: MakeCore) -> None:
    core = make_core()
    attach(core, 1, {ROOM: [A]}, "user:12")
    attach(core, 2, {ROOM: [A]}, "user:12")
    leave(core, 1)
    assert core.find(1, "user:12") == [2]


def test_a_new_identity_replaces_the_keys_and_keeps_the_audiences(make_core: MakeCore) -> None:
    core = make_core()
    attach(core, 1, {ROOM: [A]}, "user:12", "jti:old")
    ticket = ticket_of(core, ROOM, A)
    identity = ConnectionIdentity(1, ("user:12", "jti:new"), expires_at=5.5, label=b"new")
    core.set_identity(1, identity)
    assert [core.count(1, key) for key in ("user:12", "jti:old", "jti:new")] == [1, 0, 1]
    assert core.info(1).identity == identity
    assert reached(core, ticket) == [1]
    leave(core, 1)
    assert [core.count(1, key) for key in ("user:12", "jti:old", "jti:new")] == [0, 0, 0]


def pages(core: FanoutCore, tenant: int | None, limit: int) -> list[list[int]]:
    """Every page of a listing, as ids."""
    found, cursor = [], 0
    while True:
        page, cursor = core.list(tenant, cursor, limit)
        found.append([info.connection for info in page])
        if not cursor:
            return found


def test_listing_gives_everybody_once_oldest_first(make_core: MakeCore) -> None:
    core = make_core()
    for connection in (5, 3, 4, 1, 2):
        attach(core, connection, {ROOM if connection % 2 else FOREIGN_ROOM: [A]})
    assert pages(core, None, 2) == [[1, 2], [3, 4], [5]]
    assert pages(core, None, 5) == [[1, 2, 3, 4, 5]], "a full last page has no next one"
    assert pages(core, 1, 2) == [[1, 3], [5]]
    assert pages(core, 2, 100) == [[2, 4]]
    assert pages(core, 3, 100) == [[]]


def test_listing_goes_on_when_the_connection_under_the_cursor_left(make_core: MakeCore) -> None:
    core = make_core()
    for connection in range(1, 6):
        attach(core, connection, {ROOM: [A]})
    _, cursor = core.list(limit=2)
    leave(core, cursor)
    leave(core, 3)
    assert [info.connection for info in core.list(cursor=cursor)[0]] == [4, 5]


def test_listing_tells_what_info_tells(make_core: MakeCore) -> None:
    core = make_core()
    attach(core, 1, {ROOM: [A]}, "user:12", label=b"x")
    move(core, 1, {ROOM: ["b", A]})
    assert core.list() == ([core.info(1)], 0)


def test_a_cursor_or_a_tenant_out_of_range_is_no_error(make_core: MakeCore) -> None:
    core = make_core()
    attach(core, 1, {ROOM: [A]})
    assert [info.connection for info in core.list(cursor=-5)[0]] == [1]
    for tenant, cursor in ((None, 2**70), (1, 2**70), (1, 2**63 - 1), (2**70, 0), (0, 0), (-1, 0)):
        assert core.list(tenant, cursor) == ([], 0)


@pytest.mark.parametrize("limit", [0, -1])
def test_a_page_of_nobody_is_refused(make_core: MakeCore, limit: int) -> None:
    with pytest.raises(ValueError, match=f"limit is {limit}; expected 1 or more"):
        make_core().list(limit=limit)
