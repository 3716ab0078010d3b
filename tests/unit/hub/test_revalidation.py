from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from gateway.fanout.base import ConnectionIdentity, Membership
from gateway.fanout.check_schedule import first_check
from gateway.hub.profiles import WAITER
from gateway.hub.revalidation import BATCH
from gateway.types import ConnectionId, Room
from tests.support.rights_rig import INTERVALS, ISSUED, diner, rights_rig, waiter
from tests.support.settle import settle
from tests.support.sockets import FakeSocket

AT_ONCE = b"%d" % (ISSUED + 1)


async def test_a_silent_connection_is_checked_at_its_interval_and_closed_when_revoked() -> None:
    async with rights_rig() as rig:
        good, bad = rig.connect(waiter("12")), rig.connect(waiter("13", token_id="t2"))
        rig.redis.values["jwt:blacklist:t2"] = b"1"
        await rig.advance(INTERVALS.staff / 2 - 1)
        assert rig.redis.asked == []
        await rig.advance(INTERVALS.staff / 2 + 1)
        assert rig.closed == {bad: 4001}
        assert rig.counted("revalidations_total", outcome="passed") >= 1
        assert rig.counted("revalidations_total", outcome="revoked") == 1
        assert rig.fanout.info(good)


async def test_a_diner_is_checked_at_the_longer_interval_and_by_its_session() -> None:
    async with rights_rig() as rig:
        guest = rig.connect(diner(77))
        rig.redis.values["{tenant:7}:revoked:session:77"] = AT_ONCE
        await rig.advance(INTERVALS.diner / 2 - 1)
        assert rig.closed == {}
        await rig.advance(INTERVALS.diner / 2 + 1)
        assert rig.closed == {guest: 4001}


async def test_it_goes_on_period_after_period_without_any_traffic() -> None:
    async with rights_rig() as rig:
        rig.connect(waiter())
        for _ in range(5):
            await rig.advance(INTERVALS.staff)
        assert rig.counted("revalidations_total", outcome="passed") == 5
        rig.redis.values["{tenant:7}:revoked:all"] = AT_ONCE
        await rig.advance(INTERVALS.staff)
        assert rig.count() == Counter({4001: 1})


async def test_those_who_are_due_together_share_round_trips() -> None:
    async with rights_rig() as rig:
        connections = [rig.connect(waiter(str(n), token_id=f"t{n}")) for n in range(BATCH + 10)]
        rig.redis.values[f"jwt:blacklist:t{BATCH + 9}"] = b"1"
        rig.revalidation.on_due(connections)
        await settle()
        assert rig.redis.asked == [2 * BATCH + 1, 2 * 10 + 1], "the tenant's key stands in each once"
        assert rig.closed == {connections[-1]: 4001}


async def test_only_an_answer_closes_and_redis_away_puts_off_with_growing_waits() -> None:
    async with rights_rig() as rig:
        connection = rig.connect(waiter())
        rig.redis.values["{tenant:7}:revoked:user:12"] = AT_ONCE
        rig.redis.away = True
        await rig.advance(INTERVALS.staff)
        await rig.wake()
        await rig.wake()
        assert rig.closed == {}
        assert rig.counted("revalidations_total", outcome="put_off") == 3
        assert rig.waits == [3, 5, 5]
        rig.redis.away = False
        await rig.wake()
        assert rig.closed == {connection: 4001}
        assert rig.revalidation.waiting == 0


async def test_who_falls_due_again_while_put_off_waits_once() -> None:
    async with rights_rig() as rig:
        rig.connect(waiter())
        rig.redis.away = True
        for _ in range(4):
            await rig.advance(INTERVALS.staff)
        assert rig.revalidation.waiting == 1


async def test_expiry_holds_while_redis_is_away() -> None:
    async with rights_rig() as rig:
        connection = rig.connect(waiter(expires_at=rig.clock.time() + INTERVALS.staff + 1))
        rig.redis.away = True
        await rig.advance(INTERVALS.staff)
        await rig.advance(2)
        assert rig.closed == {connection: 4001}


async def test_who_left_meanwhile_is_passed_over() -> None:
    async with rights_rig() as rig:
        gone, here = rig.connect(waiter()), rig.connect(waiter("13", token_id="t2"))
        rig.sockets[gone].hang_up()
        await settle()
        rig.redis.values["{tenant:7}:revoked:all"] = AT_ONCE
        rig.revalidation.on_due([gone, here])
        await settle()
        assert rig.closed[here] == 4001


async def test_a_token_that_was_replaced_while_redis_was_asked_is_not_closed_for_the_old_one() -> None:
    async with rights_rig() as rig:
        connection = rig.connect(waiter(token_id="old"))
        rig.redis.values["jwt:blacklist:old"] = b"1"
        rig.redis.gate = asyncio.Event()
        rig.revalidation.on_due([connection])
        await settle()
        rig.fanout.set_identity(connection, rig.rights.grant(WAITER, waiter(token_id="new"), 0, 0))
        rig.redis.gate.set()
        await settle()
        assert rig.closed == {}


async def test_connections_of_others_who_share_the_core_are_left_alone() -> None:
    async with rights_rig() as rig:
        other = rig.fanout.attach(
            FakeSocket(), [Membership(Room(7, 5), ("branch:5:admin",))], ConnectionIdentity(7, (), check_every=300.0)
        )
        rig.redis.values["{tenant:7}:revoked:all"] = AT_ONCE
        await rig.advance(300)
        assert rig.closed == {}
        assert rig.redis.asked == []
        rig.fanout.close(other, 1000)


async def test_a_fault_of_ours_does_not_end_revalidation(monkeypatch: pytest.MonkeyPatch) -> None:
    async with rights_rig() as rig:
        connection = rig.connect(waiter())
        asked = rig.redis.get_many

        async def broken(keys: object) -> list[bytes | None]:
            raise RuntimeError("a bug")

        monkeypatch.setattr(rig.redis, "get_many", broken)
        rig.revalidation.on_due([connection])
        await settle()
        assert rig.closed == {}
        monkeypatch.setattr(rig.redis, "get_many", asked)
        rig.redis.values["{tenant:7}:revoked:all"] = AT_ONCE
        rig.revalidation.on_due([connection])
        await settle()
        assert rig.closed == {connection: 4001}


@pytest.mark.parametrize("first", [1, 40_000, 2**33])
@pytest.mark.parametrize("every", [INTERVALS.staff, INTERVALS.diner])
def test_ten_thousand_who_came_within_a_minute_never_come_due_together(every: float, first: int) -> None:
    due: Counter[int] = Counter()
    for n in range(10_000):
        came = 60 * n / 10_000
        at = came + first_check(ConnectionId(first + n), every)
        while at < 10 * every:
            due[int(at)] += 1
            at += every
    # Spread evenly it would be 10,000 over half the period and the minute, in each second.
    assert max(due.values()) <= 1.5 * 10_000 / (every / 2)
