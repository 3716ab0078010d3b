"""The publisher for back ends that run on asyncio."""

from __future__ import annotations

from typing import Any, Self

from gateway.client.asyncio_sender import AsyncioSender
from gateway.client.checked_event import JsonEvent, for_channel, for_stream
from gateway.client.connecting import AsyncioClient
from gateway.client.emission import EMIT, SEEN_SECONDS, entry_id_in, idempotency_key
from gateway.protocol.keys import SOURCE
from gateway.protocol.routing import RoutingTable


class AsyncPublisher(AsyncioSender):
    """`Publisher` with the same methods, to be awaited; what is said there holds here. For one event loop.

    A cancelled call is like one that timed out: nobody knows whether the command was carried out.

    ```python
    async with AsyncPublisher.from_url("redis://127.0.0.1:6379/0") as publisher:
        event = {"type": "CHECK_PAID", "tenant_id": 7, "branch_id": 5, "session_id": 77}
        await publisher.emit(event, key="outbox-4711")
    ```

    Args:
        client: of redis-py; the caller closes it. One that retries commands by itself may send an event twice.
        routing: the gateway's routing table, where a deployment has its own (`RoutingTable.load(path)`).
    """

    def __init__(self, client: AsyncioClient, *, routing: RoutingTable | None = None) -> None:
        super().__init__(client)
        self._routing = routing or RoutingTable()
        self._emit = client.register_script(EMIT)

    @classmethod
    def from_url(cls, url: str, *, routing: RoutingTable | None = None, **options: Any) -> Self:
        """A publisher with a client of its own, which `close` closes.

        Args:
            url: of any kind that the gateway takes: `redis://`, `rediss://`, `unix://`, `redis+sentinel://`,
                `redis+cluster://`.
            routing: see the class.
            options: of redis-py; commands are not retried unless `retry` is given here.

        Raises:
            ValueError: the URL is malformed, or the client does not know one of its options.
        """
        return cls._opened(url, options, routing=routing)

    async def publish(self, channel: str, event: JsonEvent) -> int:
        """See `Publisher.publish`, for what it raises too."""
        return int(await self._client.publish(channel, for_channel(self._routing, channel, event)))

    async def emit(self, event: JsonEvent, key: str | None = None) -> str:
        """See `Publisher.emit`, for what it raises too."""
        payload = for_stream(self._routing, event)
        if key is None:
            return entry_id_in(await self._client.xadd(SOURCE, {"event": payload}))
        return entry_id_in(await self._emit(keys=[SOURCE, idempotency_key(key)], args=[payload, SEEN_SECONDS]))
