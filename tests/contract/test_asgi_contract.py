"""What the owner of ASGI connections promises beyond the contract that it shares: serving, tasks, turns of the loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.errors import ConnectionGoneError
from gateway.fanout.asgi import LINGER_SECONDS
from gateway.fanout.base import ConnectionIdentity, Membership
from gateway.fanout.broadcaster import SLICE
from gateway.fanout.check_schedule import first_check
from gateway.protocol.close_codes import WSCloseCode
from gateway.types import ConnectionId
from tests.support.fanout_rig import ADMIN, KINDS, KITCHEN, ROOM, WAITERS, Rig, running
from tests.support.settle import settle, turns
from tests.support.sockets import FakeSocket


@pytest.fixture(params=[pytest.param(kind, id=kind.name) for kind in KINDS if not kind.reactors])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    async with running(request.param) as rig:
        yield rig


async def test_a_move_takes_effect_in_the_middle_of_a_job(rig: Rig) -> None:
    """A job of several slices yields between them; who moves away or closes meanwhile gets nothing."""
    clients = [rig.connect(KITCHEN, WAITERS) for _ in range(4 * SLICE)]
    for client in clients:
        client.socket.stall()  # so that the outbox can be told from what was sent
    rig.observer.watching = True
    rig.submit(1, KITCHEN)
    while not (reached := [client for client in clients if waiting(rig, client.id)]):
        await turns(1)
    untouched = [client for client in clients if client not in reached]
    assert len(untouched) == 3 * SLICE
    lost, gone, kept = untouched[0::3], untouched[1::3], untouched[2::3]
    for client in lost:
        rig.fanout.move(client.id, [Membership(ROOM, (WAITERS,))])
    for client in gone:
        rig.fanout.close(client.id, 1000)
    for client in kept[::2]:
        rig.fanout.move(client.id, [Membership(ROOM, (KITCHEN, ADMIN))])
    for client in clients:
        client.socket.resume()
    await settle()
    assert all(client.socket.numbers == [1] for client in [*reached, *kept])
    assert all(client.socket.numbers == [] for client in [*lost, *gone])
    assert [report.reach.matched for report in rig.observer.passed] == [len(reached) + len(kept)]


async def test_a_check_that_is_near_is_not_slept_over(rig: Rig) -> None:
    await settle()
    rig.connect(KITCHEN)
    await settle()
    assert not rig.fanout._timekeeper._sooner.is_set()
    client = rig.connect(KITCHEN, check_every=1.0)
    assert rig.fanout._timekeeper._sooner.is_set()
    assert rig.fanout._owner.seconds_to_next() == pytest.approx(first_check(client.id, 1.0))
    await settle()
    rig.fanout.set_identity(client.id, ConnectionIdentity(1, check_every=0.5))
    assert rig.fanout._timekeeper._sooner.is_set()


def waiting(rig: Rig, connection: ConnectionId) -> bool:
    return rig.fanout._owner._connections[connection].outbox.used > 0


async def test_a_burst_does_not_overflow_the_outbox_of_a_client_that_reads(rig: Rig) -> None:
    client = rig.connect(KITCHEN)
    assert all(rig.submit(n, padding=50_000) for n in range(400))  # 20 MB, into an outbox of 1 MiB
    await settle()
    assert client.socket.numbers == list(range(400))
    assert rig.dropped == 0


async def test_cancelling_serve_closes_with_1001(rig: Rig) -> None:
    client = rig.connect(KITCHEN)
    await settle()
    client.served.cancel()
    await settle()
    assert client.served.cancelled()
    assert client.socket.close_code == 1001
    assert rig.listener.closed == [(client.id, 1001)]


async def test_cancelling_serve_twice_waits_for_nobody(rig: Rig) -> None:
    client = rig.connect(KITCHEN)
    client.socket.stall()
    rig.submit(1)
    await settle()
    client.served.cancel()
    await settle()
    assert not client.served.done()
    client.served.cancel()
    await settle()
    assert client.served.cancelled()
    assert rig.listener.closed == [(client.id, 1001)]


async def test_a_connection_is_served_once(rig: Rig) -> None:
    client = rig.connect(KITCHEN)
    await settle()
    with pytest.raises(RuntimeError, match="served already"):
        await rig.fanout.serve(client.id)
    with pytest.raises(ConnectionGoneError):
        await rig.fanout.serve(ConnectionId(999))


async def test_codes_are_told_as_plain_numbers(rig: Rig) -> None:
    rig.connect(KITCHEN).socket.say_bytes(b"x")
    rig.connect(KITCHEN).socket.hang_up(1000)
    cancelled = rig.connect(KITCHEN)
    rig.fanout.close(rig.connect(KITCHEN).id, WSCloseCode.NORMAL)
    await settle()
    cancelled.served.cancel()
    await settle()
    assert [type(code) for _, code in rig.listener.closed] == [int] * 4
    sent = [message["code"] for client in rig.clients for message in client.socket.sent]
    assert sent
    assert {type(code) for code in sent} == {int}


async def test_one_who_is_closed_before_it_is_served_still_gets_its_close(rig: Rig) -> None:
    socket = FakeSocket()
    connection = rig.fanout.attach(socket, [Membership(ROOM, (KITCHEN,))], ConnectionIdentity(1))
    rig.fanout.close(connection, 4001)
    await settle()
    assert socket.sent == []
    assert await rig.fanout.serve(connection) == 4001
    assert socket.close_code == 4001


async def test_one_who_is_never_served_does_not_stay(rig: Rig) -> None:
    connection = rig.fanout.attach(FakeSocket(), [Membership(ROOM, (KITCHEN,))], ConnectionIdentity(1))
    rig.fanout.close(connection, 4001)
    rig.advance(LINGER_SECONDS)
    await settle()
    assert rig.listener.closed == [(connection, 4001)]


async def test_no_task_outlives_its_connection(rig: Rig) -> None:
    before = asyncio.all_tasks()
    clients = [rig.connect(KITCHEN) for _ in range(5)]
    clients[0].socket.stall()
    clients[1].socket.say("unanswered")
    rig.submit(1)
    await settle()
    for client in clients:
        client.socket.hang_up()
        rig.fanout.close(client.id, 1000)
    await settle()
    rig.advance(LINGER_SECONDS)
    await settle()
    assert asyncio.all_tasks() == before


class LingeringSocket(FakeSocket):
    """One whose server takes some turns of the loop to let go of a cancelled call."""

    let_go = 0

    async def receive(self) -> dict[str, Any]:
        try:
            return await super().receive()
        finally:
            await turns(3)
            self.let_go += 1

    async def send(self, message: Any) -> None:
        try:
            await super().send(message)
        finally:
            await turns(3)
            self.let_go += 1


async def test_serve_returns_when_nobody_uses_the_socket_any_more(rig: Rig) -> None:
    socket = LingeringSocket()
    connection = rig.fanout.attach(socket, [Membership(ROOM, (KITCHEN,))], ConnectionIdentity(1))
    served = asyncio.ensure_future(rig.fanout.serve(connection))
    socket.stall()
    rig.submit(1)
    await settle()
    rig.fanout.close(connection, 1000)
    rig.advance(LINGER_SECONDS)
    assert await served == 1000
    assert socket.let_go == 2


async def test_nothing_is_kept_of_a_connection_that_has_gone(rig: Rig) -> None:
    clients = [rig.connect(KITCHEN, expires_at=rig.clock.time() + 9_000.0) for _ in range(4)]
    clients[0].socket.hang_up()
    clients[1].socket.break_off(OSError())
    clients[2].socket.stall()
    rig.submit(1)
    await settle()
    rig.fanout.close(clients[2].id, 1000)
    rig.fanout.close(clients[3].id, 1000)
    rig.advance(LINGER_SECONDS)
    await settle()
    owner = rig.fanout._owner
    assert len(rig.listener.closed) == 4
    assert owner._connections == {}
    assert owner.budget.used == 0
    assert [len(kept) for kept in (owner._linger, owner._heartbeat._silence, owner._heartbeat._expiry)] == [0, 0, 0]


async def test_an_idle_connection_has_no_task_but_its_reader_and_no_queue(rig: Rig) -> None:
    before = asyncio.all_tasks()
    client = rig.connect(KITCHEN)
    rig.submit(1)
    await settle()
    assert len(asyncio.all_tasks() - before - {client.served}) == 1
    assert rig.fanout._owner._connections[client.id].outbox._entries is None


async def test_a_stalled_send_that_fails_at_last_ends_the_connection(rig: Rig) -> None:
    client = rig.connect(KITCHEN)
    client.socket.stall()
    rig.submit(1)
    await settle()
    client.socket.break_off(RuntimeError("the server says: closed"))
    await settle()
    assert await client.served == 1006
