from __future__ import annotations

import asyncio
import json

import pytest

from gateway.fanout.base import Submission
from gateway.hub.profiles import KITCHEN, WAITER
from gateway.hub.rights import MEMORY_SECONDS
from gateway.protocol.messages import ErrorCode
from gateway.protocol.rights import Revocation, SectorChange
from gateway.types import ConnectionId, Room
from tests.support.rights_rig import RightsRig, rights_rig, waiter
from tests.support.settle import settle

CHANGE = SectorChange(7, "12")
KEY = "{tenant:7}:sectors:user:12"


def told(rig: RightsRig, connection: ConnectionId) -> list[list[int]]:
    return [message["sectors"] for message in map(json.loads, rig.sockets[connection].texts)]


async def announce(rig: RightsRig, *sectors: int) -> None:
    rig.redis.sets[KEY] = frozenset(str(sector).encode() for sector in sectors)
    rig.watch.on_sectors(CHANGE)
    await settle()


async def test_all_connections_of_the_user_are_moved_and_told_and_nobody_else() -> None:
    async with rights_rig() as rig:
        one, two = rig.connect(waiter(), sectors=(1,)), rig.connect(waiter(token_id="t2"), sectors=(1,))
        others = [
            rig.connect(waiter("13", token_id="t3"), sectors=(1,)),
            rig.connect(waiter(tenant=8, token_id="t4"), sectors=(1,)),
            rig.connect(waiter(token_id="t5", sectors=(1,))),
        ]
        await announce(rig, 2, 3)
        for connection in (one, two):
            assert rig.audiences(connection) == {"branch:5:waiters", "sector:2:waiters", "sector:3:waiters"}
            assert told(rig, connection) == [[2, 3]]
        for connection in others:
            assert rig.audiences(connection) == {"branch:5:waiters", "sector:1:waiters"}
            assert told(rig, connection) == []
        assert rig.counted("sector_changes_total") == 2


async def test_nothing_that_only_the_old_sectors_allowed_follows_the_message() -> None:
    async with rights_rig() as rig:
        connection = rig.connect(waiter(), sectors=(1,))
        rig.sockets[connection].stall()
        old = Submission(Room(7, 5), ("sector:1:waiters",), b'{"n":1}')
        rig.fanout.submit_many([old])
        await announce(rig, 2)
        rig.fanout.submit_many([old])
        rig.sockets[connection].resume()
        await settle()
        texts = rig.sockets[connection].texts
        assert '{"type":"sectors_updated","sectors":[2]}' in texts
        assert '{"n":1}' not in texts[texts.index('{"type":"sectors_updated","sectors":[2]}') :]


async def test_who_has_them_already_is_not_told() -> None:
    async with rights_rig() as rig:
        connection = rig.connect(waiter(), sectors=(1,))
        await announce(rig, 1)
        assert told(rig, connection) == []
        assert rig.counted("sector_changes_total") == 0


async def test_endpoints_without_sectors_are_not_concerned() -> None:
    async with rights_rig() as rig:
        cook = rig.connect(waiter(), KITCHEN)
        await announce(rig, 2)
        assert rig.audiences(cook) == {"branch:5:kitchen"}


async def test_the_next_join_is_given_the_new_sectors_and_not_the_remembered_ones() -> None:
    async with rights_rig() as rig:
        rig.redis.sets[KEY] = frozenset([b"1"])
        assert await rig.sectors.of_identity(WAITER, waiter()) == (1,)
        await announce(rig, 2)
        assert await rig.sectors.of_identity(WAITER, waiter()) == (2,)


async def test_who_was_joining_with_the_old_sectors_is_moved_behind_the_attach() -> None:
    async with rights_rig() as rig:
        await announce(rig, 2)
        connection = rig.connect(waiter(), sectors=(1,))  # read before the announcement
        await settle()
        assert "sector:2:waiters" in rig.audiences(connection)
        assert "sector:1:waiters" not in rig.audiences(connection)
        await rig.advance(MEMORY_SECONDS)
        late = rig.connect(waiter(token_id="t2"), sectors=(9,))
        await settle()
        assert "sector:9:waiters" in rig.audiences(late), "by then every join reads what the announcement was about"


async def test_an_answer_from_before_the_announcement_does_not_undo_it() -> None:
    async with rights_rig() as rig:
        connection = rig.connect(waiter(), sectors=(1,))
        rig.redis.sets[KEY] = frozenset([b"1"])
        rig.redis.gate = slow = asyncio.Event()
        asking = asyncio.create_task(rig.refresh.sectors(connection, bare=True))
        await settle()
        rig.redis.gate = None
        await announce(rig, 2)
        slow.set()
        assert await asking == "sectors_updated:2"
        assert await rig.sectors.of_identity(WAITER, waiter()) == (2,)
        assert "sector:1:waiters" not in rig.audiences(connection)


async def test_an_answer_from_before_an_announcement_about_nobody_here_is_not_remembered() -> None:
    async with rights_rig() as rig:
        rig.redis.sets[KEY] = frozenset([b"1"])
        rig.redis.gate = slow = asyncio.Event()
        joining = asyncio.create_task(rig.sectors.of_identity(WAITER, waiter()))
        await settle()
        rig.redis.gate = None
        await announce(rig, 2)
        slow.set()
        assert await joining == (1,)
        assert await rig.sectors.of_identity(WAITER, waiter()) == (2,)


async def test_while_redis_is_away_it_waits_and_then_moves() -> None:
    async with rights_rig() as rig:
        connection = rig.connect(waiter(), sectors=(1,))
        rig.redis.away = True
        await announce(rig, 2)
        await rig.wake()
        assert "sector:1:waiters" in rig.audiences(connection), "nothing is known yet"
        rig.redis.away = False
        await rig.wake()
        assert told(rig, connection) == [[2]]


async def test_a_subscription_that_is_not_confirmed_does_not_keep_a_lost_sector() -> None:
    async with rights_rig() as rig:
        connections = [rig.connect(waiter(token_id=f"t{n}"), sectors=(1, 4)) for n in range(3)]
        rig.interest.deaf = True
        await announce(rig, 2, 4)
        for connection in connections:
            assert rig.audiences(connection) == {"branch:5:waiters", "sector:4:waiters"}
        rig.interest.deaf = False
        await rig.wake()
        for connection in connections:
            assert rig.audiences(connection) == {"branch:5:waiters", "sector:4:waiters", "sector:2:waiters"}
            assert told(rig, connection) == [[2, 4]]


async def test_a_token_that_was_refreshed_meanwhile_keeps_its_branches() -> None:
    async with rights_rig() as rig:
        connection = rig.connect(waiter(branches=(5, 6)), sectors=(1,))
        rig.verified["new"] = waiter(token_id="t9", branches=(5,))
        rig.redis.sets[KEY] = frozenset([b"1"])
        rig.redis.gate = slow = asyncio.Event()
        rig.watch.on_sectors(CHANGE)
        await settle()
        rig.redis.gate = None
        refreshing = asyncio.create_task(rig.refresh.token(connection, "new"))
        slow.set()
        assert "token_refreshed" in await refreshing
        await settle()
        assert rig.audiences(connection) == {"branch:5:waiters", "sector:1:waiters"}
        assert [room.room.branch for room in rig.fanout.info(connection).memberships] == [5]


async def test_a_token_revoked_while_it_was_being_refreshed_is_a_bad_one() -> None:
    async with rights_rig() as rig:
        connection = rig.connect(waiter(token_id="old"), sectors=(1,))
        rig.verified["new"] = waiter(token_id="t9", branches=(6,))
        rig.redis.sets[KEY] = frozenset()
        rig.redis.gate = slow = asyncio.Event()
        refreshing = asyncio.create_task(rig.refresh.token(connection, "new"))
        await settle()
        rig.redis.gate = None
        rig.redis.values["jwt:blacklist:t9"] = b"1"
        rig.watch.on_revoked(Revocation(jti="t9"))
        await settle()
        slow.set()
        assert await refreshing == ErrorCode.BAD_TOKEN
        assert rig.fanout.info(connection).identity.keys == ("user:12", "jti:old")
        assert rig.audiences(connection) == {"branch:5:waiters", "sector:1:waiters"}


async def test_a_fault_of_ours_does_not_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async with rights_rig() as rig:
        connection = rig.connect(waiter(), sectors=(1,))
        user = rig.refresh.user

        async def broken(_tenant: int, _user: str) -> int:
            raise RuntimeError("a bug")

        monkeypatch.setattr(rig.refresh, "user", broken)
        await announce(rig, 3)
        monkeypatch.setattr(rig.refresh, "user", user)
        await announce(rig, 2)
        assert told(rig, connection) == [[2]]
