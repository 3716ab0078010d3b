from __future__ import annotations

import asyncio

import pytest

from gateway.errors import RevokedError
from gateway.fanout.base import ConnectionIdentity, Membership
from gateway.hub import revocations
from gateway.hub.manager import JOIN_SECONDS
from gateway.hub.revalidation import BATCH
from gateway.hub.rights import MEMORY_SECONDS
from gateway.protocol.rights import Revocation
from gateway.types import Room
from tests.support.rights_rig import ISSUED, RightsRig, diner, rights_rig, waiter
from tests.support.settle import settle
from tests.support.sockets import FakeSocket

NOW = b"%d" % (ISSUED + 1)
JTI = Revocation(jti="t1")
USER = Revocation(tenant_id=7, user_id="12")
SESSION = Revocation(tenant_id=7, session_id=77)
TENANT = Revocation(tenant_id=7)


async def revoke(rig: RightsRig, revocation: Revocation, value: bytes = NOW) -> None:
    rig.redis.values[revocation.key] = value
    rig.watch.on_revoked(revocation)
    await settle()


async def test_each_scope_closes_whom_it_means_and_nobody_else() -> None:
    async with rights_rig() as rig:
        everybody = {
            "user": rig.connect(waiter("12", token_id="t1")),
            "user, other token": rig.connect(waiter("12", token_id="t2")),
            "other user": rig.connect(waiter("13", token_id="t3")),
            "session": rig.connect(diner(77)),
            "other session": rig.connect(diner(78)),
            "other tenant": rig.connect(waiter("12", tenant=8, token_id="t4")),
            "other tenant's session": rig.connect(diner(77, tenant=8)),
        }
        names = {connection: name for name, connection in everybody.items()}
        expected: set[str] = set()
        for revocation, means in (
            (JTI, {"user"}),
            (USER, {"user, other token"}),
            (SESSION, {"session"}),
            (TENANT, {"other user", "other session"}),
        ):
            await revoke(rig, revocation)
            expected |= means
            assert {names[connection] for connection in rig.closed} == expected
        assert set(rig.closed.values()) == {4001}
        for scope, closed in (("token", 1), ("user", 1), ("session", 1), ("tenant", 2)):
            assert rig.counted("revocations_total", scope=scope) == 1
            assert rig.counted("revoked_connections_total", scope=scope) == closed


async def test_a_token_is_found_in_whatever_tenant_it_is() -> None:
    async with rights_rig() as rig:
        rig.connect(waiter(tenant=7, token_id="a"))
        connection = rig.connect(waiter(tenant=4711, token_id="t1"))
        await revoke(rig, JTI)
        assert rig.closed == {connection: 4001}


@pytest.mark.parametrize("revocation", [USER, TENANT])
async def test_a_token_that_was_issued_later_stays(revocation: Revocation) -> None:
    async with rights_rig() as rig:
        old = rig.connect(waiter(issued_at=ISSUED))
        same = rig.connect(waiter(issued_at=ISSUED + 1, token_id="t2"))
        new = rig.connect(waiter(issued_at=ISSUED + 2, token_id="t3"))
        await revoke(rig, revocation, b"%d" % (ISSUED + 1))
        assert set(rig.closed) == {old, same}
        assert rig.fanout.info(new)


async def test_an_announcement_that_no_key_confirms_closes_nobody_and_is_counted() -> None:
    async with rights_rig() as rig:
        rig.connect(waiter())
        for revocation in (JTI, USER, TENANT):
            rig.watch.on_revoked(revocation)
        await settle()
        assert rig.closed == {}
        assert rig.counted("revocations_without_key_total") == 3


async def test_many_announcements_share_a_round_trip() -> None:
    async with rights_rig() as rig:
        for n in range(BATCH + 5):
            rig.watch.on_revoked(Revocation(jti=f"t{n}"))
        await settle()
        assert rig.redis.asked == [BATCH, 5]


async def test_a_tenant_of_thousands_is_closed_to_the_last() -> None:
    async with rights_rig() as rig:
        connections = {rig.connect(waiter(str(n), token_id=f"t{n}")) for n in range(3 * BATCH + 1)}
        spared = rig.connect(waiter("1", tenant=8, token_id="x"))
        await revoke(rig, TENANT)
        assert set(rig.closed) == connections
        assert rig.fanout.info(spared)


async def test_while_redis_is_away_it_waits_and_nothing_is_lost() -> None:
    async with rights_rig() as rig:
        user, guest = rig.connect(waiter()), rig.connect(diner())
        rig.redis.away = True
        await revoke(rig, USER)
        await revoke(rig, SESSION)
        await rig.wake()
        assert rig.closed == {}
        rig.redis.away = False
        await rig.wake()
        assert rig.closed == {user: 4001, guest: 4001}


async def test_an_announcement_that_comes_while_its_key_is_read_is_read_again() -> None:
    async with rights_rig() as rig:
        connection = rig.connect(waiter(issued_at=ISSUED + 5))
        rig.redis.gate = asyncio.Event()
        await revoke(rig, USER, b"%d" % ISSUED)
        await revoke(rig, USER, b"%d" % (ISSUED + 5))
        rig.redis.gate.set()
        await settle()
        assert rig.closed == {connection: 4001}


async def test_who_was_joining_when_it_came_is_refused_at_the_attach() -> None:
    async with rights_rig() as rig:
        await revoke(rig, USER, b"%d" % (ISSUED + 1))
        with pytest.raises(RevokedError):
            rig.connect(waiter())
        rig.connect(waiter(issued_at=ISSUED + 2))
        rig.connect(waiter("13"))
        await rig.advance(MEMORY_SECONDS)
        rig.connect(waiter()), "a join that asks Redis after this long hears it from Redis"


async def test_a_join_never_takes_as_long_as_an_announcement_is_remembered() -> None:
    assert 2 * JOIN_SECONDS < MEMORY_SECONDS


async def test_the_time_from_the_request_to_the_last_close_is_measured() -> None:
    async with rights_rig() as rig:
        rig.connect(waiter())
        await revoke(rig, USER, f"{rig.clock.time() - 0.25:.6f}".encode())
        assert rig.counted("revocation_seconds_sum") == pytest.approx(0.25, abs=0.001)
        await revoke(rig, TENANT, b"%d" % (rig.clock.time() + 3))
        assert rig.counted("revocation_seconds_sum") == pytest.approx(0.25, abs=0.001), (
            "clocks differ: not below nought"
        )
        await revoke(rig, JTI, b"1")
        assert rig.counted("revocation_seconds_count") == 2, "a value that is no time is not measured"


async def test_a_value_that_is_no_time_revokes() -> None:
    async with rights_rig() as rig:
        connection = rig.connect(waiter())
        await revoke(rig, USER, b"now")
        assert rig.closed == {connection: 4001}


async def test_connections_of_others_who_share_the_core_are_left_alone() -> None:
    async with rights_rig() as rig:
        membership = Membership(Room(7, 5), ("branch:5:admin",))
        other = rig.fanout.attach(FakeSocket(), [membership], ConnectionIdentity(7, ("user:12",)))
        await revoke(rig, USER)
        await revoke(rig, TENANT)
        assert rig.closed == {}
        rig.fanout.close(other, 1000)


async def test_a_queue_without_end_is_cut_and_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(revocations, "MAX_WAITING", 2)
    async with rights_rig() as rig:
        for n in range(3):
            rig.watch.on_revoked(Revocation(jti=f"t{n}"))
        assert "too many revocations" in caplog.text
        await settle()
        assert rig.redis.asked == [2]


async def test_one_that_fails_does_not_keep_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    async with rights_rig() as rig:
        connection = rig.connect(waiter())
        find = rig.fanout.find

        def broken(tenant: int | None, key: str) -> list[object]:
            if key == "session:77":
                raise RuntimeError("a bug")
            return find(tenant, key)  # type: ignore[return-value]

        monkeypatch.setattr(rig.fanout, "find", broken)
        for revocation in (SESSION, USER):
            rig.redis.values[revocation.key] = NOW
            rig.watch.on_revoked(revocation)
        await settle()
        assert rig.closed == {connection: 4001}
