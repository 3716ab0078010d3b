"""Whom an event reaches: promises 2 to 4 and 6 of `fanout/base.py`, on each core."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.fanout.base import ConnectionIdentity, ConnectionInfo, Membership
from gateway.types import Room
from tests.support.cores import attach, every_core, leave, move, reached, ticket_of

if TYPE_CHECKING:
    from tests.support.cores import MakeCore

pytestmark = every_core

ROOM = Room(1, 5)
NEXT_ROOM = Room(1, 6)
FOREIGN_ROOM = Room(2, 5)
WAITERS, KITCHEN, ADMIN = "branch:5:waiters", "branch:5:kitchen", "branch:5:admin"


def test_an_event_reaches_its_audience_and_nobody_else(make_core: MakeCore) -> None:
    core = make_core()
    attach(core, 1, {ROOM: [WAITERS]})
    attach(core, 2, {ROOM: [KITCHEN]})
    attach(core, 3, {NEXT_ROOM: [WAITERS]})
    assert reached(core, ticket_of(core, ROOM, WAITERS)) == [1]


def test_an_event_of_another_tenant_with_the_same_branch_and_audience_reaches_nobody(make_core: MakeCore) -> None:
    core = make_core()
    attach(core, 1, {ROOM: [WAITERS]})
    attach(core, 2, {FOREIGN_ROOM: [WAITERS]})
    assert reached(core, ticket_of(core, ROOM, WAITERS)) == [1]
    assert reached(core, ticket_of(core, FOREIGN_ROOM, WAITERS)) == [2]


def test_one_who_is_in_several_of_the_audiences_is_reached_once(make_core: MakeCore) -> None:
    core = make_core()
    attach(core, 1, {ROOM: [WAITERS, KITCHEN, ADMIN]})
    attach(core, 2, {ROOM: [ADMIN]})
    for _ in range(3):  # the native core's marks must not remember the last broadcast
        assert reached(core, ticket_of(core, ROOM, KITCHEN, ADMIN, WAITERS)) == [1, 2]


def test_an_audience_that_the_event_names_twice_is_reached_once(make_core: MakeCore) -> None:
    core = make_core()
    attach(core, 1, {ROOM: [WAITERS]})
    assert reached(core, ticket_of(core, ROOM, WAITERS, WAITERS)) == [1]


def test_a_room_whose_members_are_in_none_of_the_audiences_gives_a_ticket_that_reaches_nobody(
    make_core: MakeCore,
) -> None:
    core = make_core()
    attach(core, 1, {ROOM: [WAITERS]})
    assert reached(core, ticket_of(core, ROOM, KITCHEN)) == []
    assert reached(core, ticket_of(core, ROOM)) == []


def test_who_attaches_after_the_submit_is_not_reached(make_core: MakeCore) -> None:
    core = make_core()
    attach(core, 1, {ROOM: [WAITERS]})
    before = ticket_of(core, ROOM, WAITERS, KITCHEN)
    attach(core, 2, {ROOM: [WAITERS, KITCHEN]})
    after = ticket_of(core, ROOM, WAITERS, KITCHEN)
    assert reached(core, before) == [1]
    assert reached(core, after) == [1, 2]
    assert not core.still_entitled(before, 2)
    assert core.still_entitled(after, 2)


def test_who_leaves_after_the_submit_is_not_reached(make_core: MakeCore) -> None:
    core = make_core()
    attach(core, 1, {ROOM: [WAITERS]})
    attach(core, 2, {ROOM: [WAITERS]})
    ticket = ticket_of(core, ROOM, WAITERS)
    leave(core, 1)
    assert reached(core, ticket) == [2]
    assert not core.still_entitled(ticket, 1)


def test_an_audience_lost_by_a_move_takes_with_it_what_was_submitted_before(make_core: MakeCore) -> None:
    core = make_core()
    attach(core, 1, {ROOM: [WAITERS, KITCHEN]})
    ticket = ticket_of(core, ROOM, WAITERS)
    both = ticket_of(core, ROOM, WAITERS, KITCHEN)
    move(core, 1, {ROOM: [KITCHEN]})
    assert reached(core, ticket) == []
    assert reached(core, both) == [1], "the other audience still entitles it"


def test_an_audience_kept_by_a_move_keeps_what_was_submitted_before(make_core: MakeCore) -> None:
    core = make_core()
    attach(core, 1, {ROOM: [WAITERS]})
    ticket = ticket_of(core, ROOM, WAITERS)
    move(core, 1, {NEXT_ROOM: [WAITERS], ROOM: [KITCHEN, WAITERS]})
    assert reached(core, ticket) == [1]
    assert core.still_entitled(ticket, 1)


def test_an_audience_joined_by_a_move_begins_with_the_next_event(make_core: MakeCore) -> None:
    core = make_core()
    attach(core, 1, {ROOM: [WAITERS]})
    attach(core, 2, {ROOM: [KITCHEN], NEXT_ROOM: [KITCHEN]})
    here, there = ticket_of(core, ROOM, KITCHEN), ticket_of(core, NEXT_ROOM, KITCHEN)
    move(core, 1, {ROOM: [WAITERS, KITCHEN], NEXT_ROOM: [KITCHEN]})
    assert reached(core, here) == [2]
    assert reached(core, there) == [2]
    assert reached(core, ticket_of(core, ROOM, KITCHEN)) == [1, 2]
    assert reached(core, ticket_of(core, NEXT_ROOM, KITCHEN)) == [1, 2]


def test_leaving_an_audience_and_coming_back_begins_anew(make_core: MakeCore) -> None:
    core = make_core()
    attach(core, 1, {ROOM: [WAITERS, KITCHEN]})
    ticket = ticket_of(core, ROOM, WAITERS)
    move(core, 1, {ROOM: [KITCHEN]})
    move(core, 1, {ROOM: [WAITERS, KITCHEN]})
    assert reached(core, ticket) == []


def test_moving_to_the_same_place_changes_nothing(make_core: MakeCore) -> None:
    core = make_core()
    attach(core, 1, {ROOM: [WAITERS, KITCHEN]})
    ticket = ticket_of(core, ROOM, WAITERS, KITCHEN)
    assert move(core, 1, {ROOM: [WAITERS, KITCHEN]}) == ((), ())
    assert reached(core, ticket) == [1]


def test_a_ticket_is_asked_as_often_as_one_likes_until_it_is_finished(make_core: MakeCore) -> None:
    core = make_core()
    attach(core, 1, {ROOM: [WAITERS]})
    ticket = ticket_of(core, ROOM, WAITERS)
    assert reached(core, ticket) == reached(core, ticket) == [1]
    core.finish(ticket)
    with pytest.raises(KeyError, match="no such ticket"):
        core.recipients(ticket)


def test_leaving_does_not_disturb_the_others_of_a_large_audience(make_core: MakeCore) -> None:
    core = make_core()
    for connection in range(1, 101):
        attach(core, connection, {ROOM: [WAITERS, KITCHEN] if connection % 2 else [KITCHEN, ADMIN]})
    for connection in range(3, 101, 3):
        leave(core, connection)
    stayed = [connection for connection in range(1, 101) if connection % 3]
    assert reached(core, ticket_of(core, ROOM, KITCHEN)) == stayed
    assert reached(core, ticket_of(core, ROOM, WAITERS)) == [one for one in stayed if one % 2]
    assert reached(core, ticket_of(core, ROOM, ADMIN, WAITERS)) == stayed


def test_occupancy_tells_first_members_and_last_ones(make_core: MakeCore) -> None:
    core = make_core()
    assert attach(core, 1, {ROOM: [WAITERS, KITCHEN]}) == ((WAITERS, KITCHEN), ())
    assert attach(core, 2, {ROOM: [KITCHEN, ADMIN]}) == ((ADMIN,), ())
    assert move(core, 1, {ROOM: [ADMIN]}) == ((), (WAITERS,))
    assert leave(core, 2) == ((), (KITCHEN,))
    assert leave(core, 1) == ((), (ADMIN,))


def test_occupancy_counts_an_audience_once_for_each_room(make_core: MakeCore) -> None:
    core = make_core()
    assert attach(core, 1, {ROOM: [WAITERS]}) == ((WAITERS,), ())
    assert attach(core, 2, {FOREIGN_ROOM: [WAITERS]}) == ((WAITERS,), ())
    assert attach(core, 3, {NEXT_ROOM: ["sector:9:waiters"], ROOM: ["sector:9:waiters", WAITERS]}) == (
        ("sector:9:waiters", "sector:9:waiters"),
        (),
    )
    assert leave(core, 3) == ((), ("sector:9:waiters", "sector:9:waiters"))
    assert leave(core, 2) == ((), (WAITERS,))


def test_an_audience_that_moves_from_one_room_to_another_is_occupied_there_and_vacated_here(
    make_core: MakeCore,
) -> None:
    core = make_core()
    attach(core, 1, {ROOM: [WAITERS]})
    assert move(core, 1, {NEXT_ROOM: [WAITERS]}) == ((WAITERS,), (WAITERS,))
    assert reached(core, ticket_of(core, NEXT_ROOM, WAITERS)) == [1]


def test_leaving_twice_and_leaving_unattached_change_nothing(make_core: MakeCore) -> None:
    core = make_core()
    attach(core, 1, {ROOM: [WAITERS]})
    leave(core, 1)
    for nobody in (1, 2, 0, -1, 2**70):
        assert leave(core, nobody) == ((), ())


def test_an_id_that_left_may_be_attached_again(make_core: MakeCore) -> None:
    core = make_core()
    attach(core, 1, {ROOM: [WAITERS]})
    ticket = ticket_of(core, ROOM, WAITERS)
    leave(core, 1)
    attach(core, 1, {ROOM: [WAITERS]})
    assert reached(core, ticket) == []


def test_info_gives_back_what_was_given(make_core: MakeCore) -> None:
    core = make_core()
    identity = ConnectionIdentity(1, ("user:12", "jti:ä", "user:12"), expires_at=17.25, label=b"\0\xff" * 64)
    given = (Membership(NEXT_ROOM, (KITCHEN, WAITERS)), Membership(ROOM, (ADMIN, KITCHEN)))
    core.attach(7, given, identity)
    assert core.info(7) == ConnectionInfo(7, identity, given)
    moved = (Membership(ROOM, (KITCHEN, WAITERS)), Membership(NEXT_ROOM, (WAITERS, ADMIN, KITCHEN)))
    core.move(7, moved)
    assert core.info(7) == ConnectionInfo(7, identity, moved)
    assert all(isinstance(membership.room, Room) for membership in core.info(7).memberships)
