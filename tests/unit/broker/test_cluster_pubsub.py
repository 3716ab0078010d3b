"""Pub/Sub in a cluster, among nodes in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.crc import key_slot

from gateway.broker.base import PubSubBatch
from gateway.broker.cluster_pubsub import SILENCE_SECONDS, ClusterPubSubConnection, Server
from gateway.errors import BrokerError
from tests.support.fake_pubsub import FakePubSubConnection
from tests.support.settle import settle

ONE, TWO = ("10.0.0.1", 1), ("10.0.0.2", 2)
A, B, C = "{a}:live", "{b}:live", "{c}:live"


def slot(name: str) -> int:
    return key_slot(name.encode())


class Cluster:
    """Two masters. What the map says is as old as the last `refresh`."""

    def __init__(self) -> None:
        self.truth: dict[int, Server] = {slot(A): ONE, slot(B): TWO, slot(C): TWO}
        self.down: set[Server] = set()
        self.refreshes = 0
        self.links: dict[Server, list[FakePubSubConnection]] = {ONE: [], TWO: []}
        self.waits: list[tuple[float, asyncio.Event]] = []
        self._map: dict[int, Server] = {}

    def owner(self, slot: int) -> Server | None:
        return self._map.get(slot)

    def masters(self) -> list[Server]:
        return [ONE, TWO]

    async def refresh(self) -> None:
        self.refreshes += 1
        if self.down >= {ONE, TWO}:
            raise BrokerError("the cluster cannot be reached")
        self._map = dict(self.truth)

    async def open(self, server: Server, timeout: float) -> FakePubSubConnection:
        if server in self.down:
            raise BrokerError(f"{server[0]} is down")
        self.links[server].append(FakePubSubConnection())
        return self.links[server][-1]

    async def sleep(self, seconds: float) -> None:
        self.waits.append((seconds, asyncio.Event()))
        await self.waits[-1][1].wait()

    async def pass_time(self, silence: bool) -> None:
        """End the waits for silence, or those before another attempt."""
        due = [wait for wait in self.waits if (wait[0] == SILENCE_SECONDS) is silence]
        assert due, "nobody waits"
        for wait in due:
            self.waits.remove(wait)
            wait[1].set()
        await settle()

    def link(self, server: Server) -> FakePubSubConnection:
        return self.links[server][-1]

    def kill(self, server: Server) -> None:
        self.down.add(server)
        self.link(server).cut(f"{server[0]} was killed")


class Rig:
    def __init__(self, cluster: Cluster, connection: ClusterPubSubConnection) -> None:
        self.cluster = cluster
        self.connection = connection

    async def read(self) -> PubSubBatch:
        async with asyncio.timeout(5):
            return await self.connection.read()

    async def silent(self) -> bool:
        """Whether there is nothing to read, however long one waits."""
        reading = asyncio.create_task(self.connection.read())
        await settle()
        silent = not reading.done()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        return silent

    async def subscribed(self, *names: str) -> None:
        await self.connection.ssubscribe(names)
        await settle()
        for links in self.cluster.links.values():
            if links and links[-1].unanswered:
                links[-1].answer()
        heard: list[str] = []
        while len(heard) < len(names):
            heard += (await self.read()).subscribed
        assert sorted(heard) == sorted(names)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    cluster = Cluster()
    connection = await ClusterPubSubConnection.connect(cluster, "redis+cluster://test", 5.0, sleep=cluster.sleep)
    await settle()
    yield Rig(cluster, connection)
    await connection.close()
    assert all(link.closed for links in cluster.links.values() for link in links)


async def test_channels_go_to_their_owners_each_slot_in_a_command_of_its_own(rig: Rig) -> None:
    await rig.connection.ssubscribe([A, B, C])
    await settle()
    assert rig.cluster.link(ONE).commands == [("ssubscribe", (A,))]
    assert sorted(rig.cluster.link(TWO).commands) == [("ssubscribe", (B,)), ("ssubscribe", (C,))]
    await rig.connection.ssubscribe(["{a}:more"])
    assert rig.cluster.link(ONE).commands[-1] == ("ssubscribe", ("{a}:more",)), "at once, since there is a link"


async def test_what_all_nodes_say_is_read(rig: Rig) -> None:
    await rig.subscribed(A, B)
    rig.cluster.link(ONE).publish((A, b"one"))
    rig.cluster.link(TWO).publish((B, b"two"))
    heard = []
    while len(heard) < 2:
        heard += [message.payload for message in (await rig.read()).messages]
    assert sorted(heard) == [b"one", b"two"]
    assert await rig.silent()


async def test_a_cancelled_read_loses_nothing(rig: Rig) -> None:
    await rig.subscribed(A)
    assert await rig.silent()
    rig.cluster.link(ONE).publish((A, b"one"))
    assert [message.payload for message in (await rig.read()).messages] == [b"one"]


async def test_a_ping_is_answered_once_when_every_node_has_answered_behind_its_subscriptions(rig: Rig) -> None:
    await rig.connection.ssubscribe([A, B])
    await rig.connection.ping()
    for server in (ONE, TWO):
        assert [command for command, _ in rig.cluster.link(server).commands] == ["ssubscribe", "ping"]
    rig.cluster.link(ONE).answer()
    assert (await rig.read()).pongs == 0
    rig.cluster.link(TWO).answer()
    assert await rig.read() == PubSubBatch([], [B], [], 1)


async def test_a_dead_node_loses_its_own_channels_and_no_others(rig: Rig) -> None:
    await rig.subscribed(A, B)
    rig.cluster.kill(TWO)
    assert await rig.read() == PubSubBatch([], [], [], 0, (B,))
    rig.cluster.link(ONE).publish((A, b"still here"))
    assert (await rig.read()).messages == [(A, b"still here")]


async def test_a_lost_channel_that_is_asked_for_again_is_written_to_its_new_owner(rig: Rig) -> None:
    await rig.subscribed(A, B)
    rig.cluster.kill(TWO)
    await rig.read()
    await rig.connection.ssubscribe([B])
    await settle()
    assert await rig.silent(), "its owner is down, as far as the map knows"
    rig.cluster.truth[slot(B)] = ONE
    await rig.cluster.pass_time(silence=False)
    assert rig.cluster.link(ONE).commands[-1] == ("ssubscribe", (B,))
    rig.cluster.link(ONE).answer()
    assert (await rig.read()).subscribed == [B]


async def test_a_slot_that_moved_is_looked_for_anew(rig: Rig) -> None:
    await rig.subscribed(A)
    refreshes = rig.cluster.refreshes
    rig.cluster.truth[slot(A)] = TWO
    rig.cluster.link(ONE).end(A)
    assert (await rig.read()).lost == (A,)
    await rig.connection.ssubscribe([A])
    await settle()
    assert rig.cluster.refreshes == refreshes + 1
    assert rig.cluster.link(TWO).commands == [("ssubscribe", (A,))]


async def test_what_is_left_while_its_master_is_down_is_lost_and_not_asked_for_any_more(rig: Rig) -> None:
    rig.cluster.down.add(TWO)
    await rig.connection.ssubscribe([B])
    await settle()
    await rig.connection.sunsubscribe([B])
    assert (await rig.read()).lost == (B,)
    rig.cluster.down.clear()
    await rig.cluster.pass_time(silence=False)
    assert rig.cluster.links[TWO] == [] or rig.cluster.link(TWO).commands == []


async def test_the_end_of_a_subscription_goes_to_where_it_stands(rig: Rig) -> None:
    await rig.subscribed(A, B)
    await rig.connection.sunsubscribe([A, B])
    assert rig.cluster.link(ONE).commands[-1] == ("sunsubscribe", (A,))
    rig.cluster.link(ONE).answer()
    assert await rig.read() == PubSubBatch([], [], [A], 0)
    rig.cluster.kill(TWO)
    assert (await rig.read()).lost == (B,), "no answer will come"


async def test_plain_channels_have_one_home_and_its_end_is_the_end(rig: Rig) -> None:
    await rig.connection.subscribe(["session:1", "session:2"])
    await rig.connection.psubscribe(["branch:*"])
    assert [command for command, _ in rig.cluster.link(ONE).commands] == ["subscribe", "psubscribe"]
    assert rig.cluster.links[TWO] == []
    rig.cluster.kill(ONE)
    with pytest.raises(BrokerError, match="was killed"):
        await rig.read()
    with pytest.raises(BrokerError, match="was killed"):
        await rig.connection.subscribe(["session:3"])


async def test_another_node_is_taken_where_the_first_is_down() -> None:
    cluster = Cluster()
    cluster.down.add(ONE)
    connection = await ClusterPubSubConnection.connect(cluster, "redis+cluster://test", 5.0, sleep=cluster.sleep)
    await connection.subscribe(["session:1"])
    assert cluster.link(TWO).commands == [("subscribe", ("session:1",))]
    await connection.close()
    cluster.down.add(TWO)
    with pytest.raises(BrokerError, match="cannot be reached"):
        await ClusterPubSubConnection.connect(cluster, "redis+cluster://test", 5.0, sleep=cluster.sleep)


async def test_a_cluster_that_is_gone_ends_the_connection(rig: Rig) -> None:
    await rig.subscribed(A)
    rig.cluster.kill(ONE)
    rig.cluster.down.add(TWO)
    assert (await rig.read()).lost == (A,)
    await rig.connection.ssubscribe([A])
    with pytest.raises(BrokerError, match="the cluster cannot be reached"):
        await rig.read()
    with pytest.raises(BrokerError, match="the cluster cannot be reached"):
        await rig.connection.ping()


async def test_a_ping_that_nobody_lived_to_answer_proves_nothing(rig: Rig) -> None:
    await rig.subscribed(A)
    await rig.connection.ping()
    rig.cluster.kill(ONE)
    assert await rig.read() == PubSubBatch([], [], [], 0, (A,))
    assert await rig.silent()


async def test_a_node_that_falls_silent_is_cut_though_others_speak(rig: Rig) -> None:
    await rig.subscribed(A, B)
    await rig.cluster.pass_time(silence=True)  # both have spoken since
    for _ in range(2):
        rig.cluster.link(ONE).publish((A, b"alive"))
        await rig.read()
        await rig.cluster.pass_time(silence=True)
    assert rig.cluster.link(TWO).commands[-1][0] == "ping"
    assert "ping" not in [command for command, _ in rig.cluster.link(ONE).commands]
    assert (await rig.read()).lost == (B,)
    assert rig.cluster.link(TWO).closed


async def test_a_silent_node_that_answers_stays(rig: Rig) -> None:
    await rig.subscribed(A)
    for _ in range(3):
        await rig.cluster.pass_time(silence=True)
        if rig.cluster.link(ONE).unanswered:
            rig.cluster.link(ONE).answer()
            assert await rig.silent(), "our own ping is nobody's business"
    assert not rig.cluster.link(ONE).closed


async def test_after_close_everything_says_so(rig: Rig) -> None:
    reading = asyncio.create_task(rig.connection.read())
    await settle()
    await rig.connection.close()
    with pytest.raises(BrokerError, match="was closed"):
        await reading
    for call in (rig.connection.ping(), rig.connection.ssubscribe([A]), rig.connection.sunsubscribe([A])):
        with pytest.raises(BrokerError, match="was closed"):
            await call
