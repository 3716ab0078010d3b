from __future__ import annotations

from gateway.hub.revalidation import BATCH
from gateway.hub.rights import MEMORY_SECONDS
from gateway.hub.sweep import PAUSE_SECONDS
from tests.support.rights_rig import ISSUED, diner, rights_rig, waiter
from tests.support.settle import settle

AT_ONCE = b"%d" % (ISSUED + 1)


async def test_who_was_revoked_while_nobody_heard_it_is_closed_page_by_page() -> None:
    async with rights_rig() as rig:
        connections = [rig.connect(waiter(str(n), token_id=f"t{n}")) for n in range(BATCH + 1)]
        rig.redis.values["{tenant:7}:revoked:user:0"] = AT_ONCE
        rig.redis.values[f"jwt:blacklist:t{BATCH}"] = b"1"
        rig.watch.on_listening()
        await settle()
        assert rig.closed == {}, "nodes that find Redis again together do not ask together"
        await rig.wake()
        assert rig.closed == {connections[0]: 4001}
        await rig.wake()
        assert rig.closed == {connections[0]: 4001, connections[-1]: 4001}
        assert rig.waits[1] == PAUSE_SECONDS
        assert rig.counted("rights_sweeps_total") == 1


async def test_who_joins_while_it_goes_on_is_seen_at_its_end() -> None:
    async with rights_rig() as rig:
        rig.connect(waiter())
        rig.watch.on_listening()
        await settle()
        await rig.wake()
        assert rig.waits[-1] == MEMORY_SECONDS
        late = rig.connect(diner())  # checked before the outage ended, attached after the first pass
        rig.redis.values["{tenant:7}:revoked:session:77"] = AT_ONCE
        await rig.wake()
        assert rig.closed == {late: 4001}
        assert not rig.sweep.under_way


async def test_sectors_that_changed_meanwhile_are_found() -> None:
    async with rights_rig() as rig:
        connection = rig.connect(waiter(), sectors=(1,))
        rig.redis.sets["{tenant:7}:sectors:user:12"] = frozenset([b"2"])
        rig.watch.on_listening()
        await settle()
        await rig.wake()
        assert rig.audiences(connection) == {"branch:5:waiters", "sector:2:waiters"}


async def test_redis_away_shows_the_same_page_again() -> None:
    async with rights_rig() as rig:
        connection = rig.connect(waiter())
        rig.redis.values["jwt:blacklist:t1"] = b"1"
        rig.redis.away = True
        rig.watch.on_listening()
        await settle()
        await rig.wake()
        await rig.wake()
        assert rig.closed == {}
        rig.redis.away = False
        await rig.wake()
        assert rig.closed == {connection: 4001}


async def test_a_second_outage_begins_it_anew() -> None:
    async with rights_rig() as rig:
        connection = rig.connect(waiter())
        rig.watch.on_listening()
        await settle()
        await rig.wake()
        rig.redis.values["jwt:blacklist:t1"] = b"1"
        rig.watch.on_listening()
        await settle()
        await rig.wake()
        assert rig.closed == {connection: 4001}
