"""Pub/Sub in a cluster: one connection to each master that owns a wanted channel, behind the port of one connection."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, Protocol, Self

from redis.crc import key_slot

from gateway.broker.base import PubSubBatch, PubSubConnection
from gateway.errors import BrokerError
from gateway.resilience.jitter import DecorrelatedJitter

Server = tuple[str, int]
"""Host and port of a node."""

MEND_SECONDS: Final = (0.1, 2.0)
"""Shortest and longest wait before channels are asked for again whose master could not be reached."""

SILENCE_SECONDS: Final = 15.0
"""After which a node is pinged; the same again without a word is a cut. Nodes that speak would hide one that died."""

_log = logging.getLogger("gateway.broker")


class ClusterMap(Protocol):
    """Who owns what; `redis_cluster.ClusterServers` keeps it."""

    def owner(self, slot: int) -> Server | None:
        """The master of a slot, as of the last `refresh`; None when nobody serves it."""
        ...

    def masters(self) -> list[Server]:
        """All masters, as of the last `refresh`, in an order of no meaning."""
        ...

    async def refresh(self) -> None:
        """Read the map anew, from any node.

        Raises:
            BrokerError: no node can be asked.
        """
        ...

    async def open(self, server: Server, timeout: float) -> PubSubConnection:
        """Connect to a node.

        Raises:
            BrokerError: it cannot be reached.
        """
        ...


class _Link:
    """The connection to one node, and what was asked for on it."""

    def __init__(self, connection: PubSubConnection, on_news: Callable[[], None]) -> None:
        self.connection = connection
        self.channels: set[str] = set()  # sharded ones, subscribed or about to be
        self.leaving: set[str] = set()  # their end was asked for, and is not confirmed
        self.pings: deque[_Ping | None] = deque()  # not answered yet; None: one of our own
        self.heard = True  # since the last look
        self._on_news = on_news
        self.reading: asyncio.Task[PubSubBatch]
        self.read()

    def read(self) -> None:
        """Begin the next read. One batch is read ahead at most, so a slow reader still slows the server down."""
        self.reading = asyncio.create_task(self.connection.read())
        self.reading.add_done_callback(lambda _: self._on_news())

    async def close(self) -> None:
        self.reading.cancel()
        await asyncio.gather(self.reading, return_exceptions=True)
        await self.connection.close()


class _Ping:
    """A ping of the user's: answered once every node has answered that had been asked."""

    def __init__(self, asked: Iterable[Server]) -> None:
        self.waiting = set(asked)
        self.answered = False


class ClusterPubSubConnection:
    """Keeps `broker.base.PubSubConnection`. For one event loop; one task reads, another may write.

    Plain channels and patterns go to one node, the *home*, since a cluster passes a plain publication on to all nodes;
    losing it ends this connection, and the next one chooses another. A sharded channel goes to the master of its slot,
    over a link to each such master. When a link is cut, or a node ends a subscription or refuses it because the slot is
    another's, only the channels concerned are `lost`. Whoever asks for them again is answered once their new owner has
    confirmed: until then the map is read anew and tried, again and again.

    Links are made when they are needed, and none is closed while it is good.
    """

    def __init__(
        self,
        cluster: ClusterMap,
        where: str,
        timeout: float,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._cluster = cluster
        self._where = where
        # Of `timeout` seconds, one half for making a link; so one that hangs delays nobody's first answer too long.
        self._timeout = timeout / 2
        self._sleep = sleep
        self._links: dict[Server, _Link] = {}
        self._home: Server | None = None  # once there are plain subscriptions
        self._deferred: dict[str, None] = {}  # asked for, and not written to any node yet
        self._lost: list[str] = []  # to be told by the next read
        self._stale = False  # the map has been wrong
        self._pings: deque[_Ping] = deque()
        self._news = asyncio.Event()
        self._wanting = asyncio.Event()  # there are deferred channels
        self._tried = asyncio.Event()  # and they have been tried at least once
        self._tried.set()
        self._failure: BrokerError | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._closing: set[asyncio.Task[None]] = set()

    @classmethod
    async def connect(
        cls,
        cluster: ClusterMap,
        where: str,
        timeout: float,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> Self:
        """Read the map and connect to one node.

        Args:
            cluster: where nodes are.
            where: the cluster's URL, redacted.
            timeout: seconds for making two links.
            sleep: waits for some seconds; tests hand in one that does not.

        Raises:
            BrokerError: no node can be reached.
        """
        await cluster.refresh()
        connection = cls(cluster, where, timeout, sleep)
        try:
            await connection._link_any()
        except BaseException:
            await connection.close()
            raise
        connection._tasks = [
            asyncio.create_task(connection._keep(connection._mend), name="cluster-pubsub-mend"),
            asyncio.create_task(connection._keep(connection._listen_for_silence), name="cluster-pubsub-silence"),
        ]
        return connection

    # --- the port -----------------------------------------------------------------------------------------------

    async def subscribe(self, channels: Sequence[str]) -> None:
        """See `PubSubConnection.subscribe`."""
        await (await self._at_home()).subscribe(channels)

    async def unsubscribe(self, channels: Sequence[str]) -> None:
        """See `PubSubConnection.unsubscribe`."""
        await (await self._at_home()).unsubscribe(channels)

    async def psubscribe(self, patterns: Sequence[str]) -> None:
        """See `PubSubConnection.psubscribe`."""
        await (await self._at_home()).psubscribe(patterns)

    async def ssubscribe(self, channels: Sequence[str]) -> None:
        """See `PubSubConnection.ssubscribe`. What cannot be written at once is written as soon as it can be."""
        self._check()
        self._deferred.update(dict.fromkeys(channels))
        if not self._stale:
            await self._write_deferred()
        if self._deferred:
            self._tried.clear()
            self._wanting.set()

    async def sunsubscribe(self, channels: Sequence[str]) -> None:
        """See `PubSubConnection.sunsubscribe`."""
        self._check()
        nowhere = set(channels)
        for server, link in list(self._links.items()):
            here = nowhere & link.channels
            nowhere -= here
            link.channels -= here
            link.leaving |= here
            for names in _by_slot(here).values():
                await self._told(server, link.connection.sunsubscribe(names))
        # What was lost, or not written yet, has no server to confirm its end.
        for name in nowhere:
            self._deferred.pop(name, None)
        self._lose(nowhere)
        for server, link in list(self._links.items()):
            if link.leaving & nowhere:
                # The answer to an earlier end is under way, and must not be taken for that of a later subscription.
                self._cut(server, BrokerError("a channel was left while it was entered again"))

    async def ping(self) -> None:
        """See `PubSubConnection.ping`: of every node to which there is a link, behind what was asked for so far."""
        self._check()
        await self._tried.wait()
        self._check()
        if not self._links:
            await self._link_any()
        ping = _Ping(self._links)
        self._pings.append(ping)
        for server, link in list(self._links.items()):
            link.pings.append(ping)
            await self._told(server, link.connection.ping())

    async def read(self) -> PubSubBatch:
        """See `PubSubConnection.read`."""
        while self._failure is None:
            batch = self._collect()
            if any(batch):
                return batch
            if self._failure is None:
                await self._news.wait()
                self._news.clear()
        raise self._failure

    async def close(self) -> None:
        """See `PubSubConnection.close`."""
        self._fail(BrokerError(f"the connection to Redis at {self._where} was closed"))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        links, self._links = self._links, {}
        await asyncio.gather(*(link.close() for link in links.values()), *self._closing)

    # --- reading ------------------------------------------------------------------------------------------------

    def _collect(self) -> PubSubBatch:
        """What the nodes have said since the last time."""
        whole = PubSubBatch([], [], [], 0)
        for server, link in list(self._links.items()):
            if not link.reading.done():
                continue
            try:
                batch = link.reading.result()
            except BrokerError as error:
                self._cut(server, error)
                continue
            link.heard = True
            link.read()
            link.leaving.difference_update(batch.unsubscribed, batch.lost)
            if batch.lost:
                link.channels.difference_update(batch.lost)
                self._stale = True
                self._lose(batch.lost)
            for _ in range(batch.pongs):
                self._answered(server, link.pings.popleft())
            whole.messages.extend(batch.messages)
            whole.subscribed.extend(batch.subscribed)
            whole.unsubscribed.extend(batch.unsubscribed)
        lost, self._lost = self._lost, []
        return whole._replace(pongs=self._take_pongs(), lost=tuple(dict.fromkeys(lost)))

    def _answered(self, server: Server, ping: _Ping | None) -> None:
        if ping is not None:
            ping.waiting.discard(server)
            ping.answered = True

    def _take_pongs(self) -> int:
        pongs = 0
        while self._pings and not self._pings[0].waiting:
            # One that no node lived to answer proves nothing.
            pongs += self._pings.popleft().answered
        return pongs

    # --- links --------------------------------------------------------------------------------------------------

    async def _link(self, server: Server) -> _Link:
        link = self._links.get(server)
        if link is None:
            connection = await self._cluster.open(server, self._timeout)
            if self._failure is not None:  # closed meanwhile
                await connection.close()
                raise self._failure
            link = self._links[server] = _Link(connection, self._news.set)
        return link

    async def _link_any(self) -> Server:
        error = BrokerError(f"the cluster at {self._where} has no master")
        for server in self._cluster.masters():
            try:
                await self._link(server)
            except BrokerError as why:
                error = why
            else:
                return server
        raise error

    async def _at_home(self) -> PubSubConnection:
        self._check()
        if self._home is None:
            self._home = next(iter(self._links), None) or await self._link_any()
        return self._links[self._home].connection

    async def _told(self, server: Server, written: Awaitable[None]) -> None:
        """Write to a link; one that fails is cut, which tells what was lost with it."""
        try:
            await written
        except BrokerError as error:
            self._cut(server, error)

    def _cut(self, server: Server, error: BrokerError) -> None:
        link = self._links.pop(server, None)
        if link is None:
            return
        closing = asyncio.create_task(link.close())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        for ping in link.pings:
            if ping is not None:
                ping.waiting.discard(server)
        if server == self._home:
            self._fail(error)
            return
        self._stale = True
        if names := link.channels | link.leaving:
            _log.warning(
                "a node of the cluster was lost, and its live channels with it: %s",
                error,
                extra={"channels": len(names)},
            )
            self._lose(names)

    def _lose(self, names: Iterable[str]) -> None:
        self._lost.extend(names)
        self._news.set()

    def _fail(self, error: BrokerError) -> None:
        self._failure = self._failure or error  # the first one says why
        self._news.set()
        self._tried.set()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    # --- tasks --------------------------------------------------------------------------------------------------

    async def _keep(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except BrokerError as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001 - a fault of ours: logged in full, and whoever reads connects anew
            _log.exception("Pub/Sub in the cluster failed")
            self._fail(BrokerError(f"Pub/Sub in the cluster failed: {error}"))

    async def _mend(self) -> None:
        """Write what is deferred as soon as its owner can be reached."""
        jitter = DecorrelatedJitter(*MEND_SECONDS)
        while True:
            await self._wanting.wait()
            self._wanting.clear()
            if self._stale:
                self._stale = False
                await self._cluster.refresh()
            servers = {owner for name in self._deferred if (owner := self._owner(name)) is not None}
            links = await asyncio.gather(*map(self._link, servers), return_exceptions=True)
            await self._write_deferred()
            self._tried.set()
            if not self._deferred:
                jitter.reset()
                continue
            why = next((link for link in links if isinstance(link, BaseException)), "nobody owns their slots")
            _log.warning("live channels wait for their master: %s", why, extra={"channels": len(self._deferred)})
            self._stale = True
            await self._sleep(jitter.next())
            self._wanting.set()

    async def _write_deferred(self) -> None:
        """Write what has a link to its owner."""
        for slot, listed in _by_slot(self._deferred).items():
            owner = self._cluster.owner(slot)
            link = self._links.get(owner) if owner is not None else None
            # Looked at again, since the last write has waited.
            names = [name for name in listed if name in self._deferred]
            if owner is None or link is None or not names:
                continue
            for name in names:
                del self._deferred[name]
            # Noted before the wait: if the link is cut meanwhile, they are lost with it.
            link.channels.update(names)
            await self._told(owner, link.connection.ssubscribe(names))

    async def _listen_for_silence(self) -> None:
        while True:
            await self._sleep(SILENCE_SECONDS)
            for server, link in list(self._links.items()):
                if not link.heard and None in link.pings:
                    self._cut(server, BrokerError(f"no answer to a ping within {SILENCE_SECONDS:g} s"))
                elif not link.heard:
                    link.pings.append(None)
                    await self._told(server, link.connection.ping())
                link.heard = False

    def _owner(self, name: str) -> Server | None:
        return self._cluster.owner(key_slot(name.encode()))


def _by_slot(names: Iterable[str]) -> dict[int, list[str]]:
    """By slot: a node takes one slot's channels in one command."""
    slots: defaultdict[int, list[str]] = defaultdict(list)
    for name in names:
        slots[key_slot(name.encode())].append(name)
    return slots
