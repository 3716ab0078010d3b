"""What native sockets have beyond the contract: detaching, refusing, two owners in one room."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.errors import ConnectionGoneError
from gateway.fanout import create_fanout
from gateway.fanout.base import ConnectionIdentity, DetachedSocket, FanoutLimits, Membership
from gateway.fanout.budget import SharedBudget
from gateway.fanout.native_sockets import start_core
from tests.support.fanout_rig import KINDS, KITCHEN, ROOM, Client, Rig, event, running
from tests.support.native_client import NativeClient
from tests.support.settle import settle
from tests.support.sockets import FakeSocket

[SOCKETS] = [kind for kind in KINDS if kind.reactors]
IDENTITY = ConnectionIdentity(1)
MEMBERSHIPS = [Membership(ROOM, (KITCHEN,))]


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with running(SOCKETS) as rig:
        yield rig


def connect_asgi(rig: Rig, audience: str = KITCHEN) -> Client:
    socket = FakeSocket()
    connection = rig.fanout.attach(socket, [Membership(ROOM, (audience,))], IDENTITY)
    client = Client(connection, socket, asyncio.ensure_future(rig.fanout.serve(connection)))
    rig.clients.append(client)
    return client


async def test_a_refused_socket_gets_its_code_and_is_nobodys(rig: Rig) -> None:
    socket = rig.new_socket()
    assert isinstance(socket, NativeClient)
    rig.fanout.refuse(socket, 4001)
    await settle()
    assert socket.sent == [{"type": "websocket.close", "code": 4001, "reason": "auth failed"}]
    assert socket.ended
    assert rig.fanout.stats().connections == 0
    assert rig.listener.notices == []


async def test_what_came_early_is_read_before_what_comes_later(rig: Rig) -> None:
    socket = NativeClient(early=b"\x81\x83\0\0\0\0one")
    rig.sockets.append(socket)
    connection = rig.fanout.attach(socket, MEMBERSHIPS, IDENTITY)
    socket.say("two")
    await settle()
    rig.fanout.answer(connection, None)
    await settle()
    assert [text for _, text in rig.listener.messages] == ["one", "two"]


@pytest.mark.parametrize("ping", ['{"type":"ping","n":1}', '{"type":"\\u0070ing", "of":"ping", "x":"ping"}'])
async def test_an_odd_spelling_of_a_heartbeat_is_answered_too(rig: Rig, ping: str) -> None:
    client = rig.connect(KITCHEN)
    client.socket.say(ping)
    client.socket.say("ping")
    await settle()
    assert client.socket.texts == ['{"type":"pong","positions":{}}'] * 2
    assert rig.listener.messages == []
    assert rig.pings == 2


async def test_a_socket_that_the_server_has_lost_attaches_nobody(rig: Rig) -> None:
    class Lost(NativeClient):
        def detach(self) -> DetachedSocket:
            raise ConnectionGoneError("the peer has gone")

    socket = Lost()
    rig.sockets.append(socket)
    with pytest.raises(ConnectionGoneError):
        rig.fanout.attach(socket, MEMBERSHIPS, IDENTITY)
    with pytest.raises(ConnectionGoneError):
        rig.fanout.refuse(socket, 1013)
    assert rig.fanout.stats().connections == 0


async def test_an_attach_that_is_refused_closes_the_socket(rig: Rig) -> None:
    socket = NativeClient()
    with pytest.raises(ValueError, match="no room"):
        rig.fanout.attach(socket, [], IDENTITY)
    socket._server.close()  # the duplicate was the core's, and it has let go of it
    assert socket.pump()
    assert socket.ended
    socket.close()


async def test_a_welcome_that_fails_leaves_the_socket_with_its_server(rig: Rig) -> None:
    socket = rig.new_socket()
    with pytest.raises(ZeroDivisionError):
        rig.fanout.attach(socket, MEMBERSHIPS, IDENTITY, lambda connection: str(connection / 0))
    assert isinstance(socket, NativeClient)
    assert not socket._detached


async def test_a_room_with_both_kinds_of_members_is_one_room(rig: Rig) -> None:
    native, asgi = rig.connect(KITCHEN), connect_asgi(rig)
    for n in range(5):
        assert rig.submit(n)
    rig.fanout.close(native.id, 1000)
    assert rig.submit(5)
    await settle()
    assert asgi.socket.numbers == [0, 1, 2, 3, 4, 5]
    assert native.socket.numbers == []
    assert native.socket.close_code == 1000
    assert rig.fanout.stats().broadcasts_in_flight == 0
    assert rig.fanout.stats().rooms == 1


async def test_the_permits_of_an_event_are_free_when_its_last_owner_has_passed_it() -> None:
    async with running(SOCKETS, FanoutLimits(max_room_broadcasts=1)) as rig:
        rig.connect(KITCHEN)
        connect_asgi(rig)
        assert rig.submit(1)
        # Not through `settle`, which lets the reactors go on: the event loop alone has passed it then.
        for _ in range(10):
            await asyncio.sleep(0)
        assert rig.fanout.stats().broadcasts_in_flight == 1
        assert not rig.submit(2)
        await settle()
        assert rig.submit(3)


async def test_occupancy_is_told_of_either_owner_in_the_order_of_changes(rig: Rig) -> None:
    native = rig.connect(KITCHEN)
    await settle()
    native.socket.hang_up()
    await settle()
    rig.connect(KITCHEN)
    await settle()
    told = [(changed.occupied, changed.vacated) for changed in rig.listener.occupancies]
    assert told == [((KITCHEN,), ()), ((), (KITCHEN,)), ((KITCHEN,), ())]


async def test_outboxes_of_both_owners_share_the_nodes_budget() -> None:
    async with running(SOCKETS, FanoutLimits(node_outbox_bytes=20_000)) as rig:
        native, asgi = rig.connect("branch:5:native"), connect_asgi(rig)
        await settle()
        native.socket.stall()
        asgi.socket.stall()
        rig.submit(1, "branch:5:native", padding=12_000)
        await settle()
        idle = connect_asgi(rig, "branch:5:idle")
        rig.submit(2, padding=6_000)
        await settle()
        assert rig.outbox_bytes > 12_000 + 6_000
        rig.submit(3, padding=6_000)
        await settle()
        for client in (asgi, native, idle):
            client.socket.resume()
        await settle()
        # Each owner closes the largest of its own: this one came over the limit on the event loop.
        assert asgi.socket.close_code == 1013
        assert native.socket.numbers == [1]
        assert idle.socket.close_code is None


def test_a_shared_budget_charges_the_node_what_it_grows_by() -> None:
    core = start_core(FanoutLimits(), 1)
    try:
        budget = SharedBudget(100, core)
        budget.used += 70
        core.charge(30)
        assert not budget.exceeded
        core.charge(1)
        assert budget.exceeded
        budget.used -= 70
        assert (budget.used, core.outbox_bytes(), budget.exceeded) == (0, 31, False)
    finally:
        core.stop()


def reactors() -> list[Path]:
    """The reactors' threads, as the kernel knows them: by the first 15 characters of their names."""
    tasks = Path("/proc/self/task").iterdir()
    return [task for task in tasks if (task / "comm").read_text().startswith("fanout-reactor")]


def test_reactors_leave_signals_to_the_main_thread_and_end_with_their_core() -> None:
    core = start_core(FanoutLimits(), 2)
    try:
        assert core.settle(20.0)  # a thread names itself when it begins
        assert len(reactors()) == 2
        for task in reactors():
            [blocked] = [line for line in (task / "status").read_text().splitlines() if line.startswith("SigBlk:")]
            assert int(blocked.split()[1], 16) >> (signal.SIGTERM - 1) & 1
        assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    finally:
        core.stop()
    assert reactors() == []


async def test_the_choice_starts_reactors_for_the_native_core_alone() -> None:
    fanout = create_fanout("native", FanoutLimits(), reactors=1)
    assert fanout.takes_sockets
    await fanout.start()
    await fanout.stop(1.0)
    assert not create_fanout("native", FanoutLimits()).takes_sockets
    with pytest.raises(ValueError, match="pure core owns no native sockets"):
        create_fanout("pure", FanoutLimits(), reactors=1)
    with pytest.raises(ValueError, match="64 reactors cannot be"):
        create_fanout("native", FanoutLimits(), reactors=64)


async def test_a_detachable_socket_is_refused_where_there_are_no_reactors() -> None:
    fanout = create_fanout("native", FanoutLimits())
    socket = NativeClient()
    with pytest.raises(TypeError, match="takes no detachable socket"):
        fanout.attach(socket, MEMBERSHIPS, IDENTITY)
    with pytest.raises(TypeError, match="takes no detachable socket"):
        fanout.refuse(socket, 1013)
    assert not socket._detached
    socket.close()


async def test_stop_waits_for_clients_to_hang_up_and_cuts_off_who_does_not() -> None:
    fanout = create_fanout("native", FanoutLimits(), reactors=1)
    await fanout.start()
    socket = NativeClient()
    fanout.attach(socket, MEMBERSHIPS, IDENTITY)
    assert fanout.submit_many([event(1)]) == [True]
    stopping = asyncio.ensure_future(fanout.stop(1.0))
    async with asyncio.timeout(5.0):
        while not socket.ended:
            socket.pump()
            await asyncio.sleep(0)
    assert not stopping.done()
    assert (socket.numbers, socket.close_code) == ([1], 1001)
    socket.close()
    await asyncio.wait_for(stopping, 1.0)
