from __future__ import annotations

from gateway.fanout.base import ClosedNotice, ConnectionIdentity, Notice, Occupancy
from gateway.fanout.outlet import NoticeOutlet
from gateway.types import ConnectionId
from tests.support.fanout_rig import RecordingListener
from tests.support.settle import settle, turns


def closed(connection: int) -> ClosedNotice:
    return ClosedNotice(ConnectionId(connection), 1000, ConnectionIdentity(1))


async def test_delivers_in_order_and_in_one_call_when_the_loop_comes_round() -> None:
    outlet, listener = NoticeOutlet(), RecordingListener()
    outlet.bind(listener)
    outlet.notice(closed(1))
    outlet.occupancy(Occupancy(("a",), ()))
    outlet.notice(closed(2))
    outlet.occupancy(Occupancy((), ("a",)))
    assert listener.calls == 0
    await turns(1)
    assert listener.calls == 1
    assert listener.notices == [closed(1), closed(2)]
    assert listener.occupancies == [Occupancy(("a",), ()), Occupancy((), ("a",))]


async def test_what_the_listener_causes_comes_with_the_next_delivery() -> None:
    outlet, listener = NoticeOutlet(), RecordingListener()
    outlet.bind(listener)

    def cause(notice: Notice) -> None:
        if notice == closed(1):
            outlet.notice(closed(2))

    listener.then = cause
    outlet.notice(closed(1))
    await turns(1)
    assert listener.notices == [closed(1)]
    await turns(1)
    assert listener.notices == [closed(1), closed(2)]


async def test_what_happens_before_a_listener_is_bound_waits_for_it() -> None:
    outlet, listener = NoticeOutlet(), RecordingListener()
    outlet.notice(closed(1))
    outlet.occupancy(Occupancy(("a",), ()))
    await settle()
    outlet.bind(listener)
    await settle()
    assert listener.notices == [closed(1)]
    assert listener.occupancies == [Occupancy(("a",), ())]


async def test_no_change_of_occupancy_is_not_told() -> None:
    outlet, listener = NoticeOutlet(), RecordingListener()
    outlet.bind(listener)
    outlet.occupancy(Occupancy())
    await settle()
    assert listener.occupancies == []
