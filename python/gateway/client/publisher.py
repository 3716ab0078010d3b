"""The publisher for back ends that block."""

from __future__ import annotations

from typing import Any, Self

from gateway.client.blocking_sender import BlockingSender
from gateway.client.checked_event import JsonEvent, for_channel, for_stream
from gateway.client.connecting import BlockingClient
from gateway.client.emission import EMIT, SEEN_SECONDS, entry_id_in, idempotency_key
from gateway.protocol.keys import SOURCE
from gateway.protocol.routing import RoutingTable


class Publisher(BlockingSender):
    """Sends events to the gateway; what the gateway would refuse raises here and is not sent.

    As thread-safe as the client that it is given; redis-py's is. Errors of the client come through as they are:
    `redis.RedisError`, and `redis.exceptions.RedisClusterException` for a cluster that cannot be reached. After a
    connection that broke or a time-out nobody knows whether the command was carried out. Repeat `emit` with the *same*
    key then; without a key a repetition may put the event into the stream twice.

    ```python
    with Publisher.from_url("redis://127.0.0.1:6379/0") as publisher:
        publisher.emit({"type": "CHECK_PAID", "tenant_id": 7, "branch_id": 5, "session_id": 77}, key="outbox-4711")
    ```

    Args:
        client: of redis-py; the caller closes it. One that retries commands by itself may send an event twice.
        routing: the gateway's routing table, where a deployment has its own (`RoutingTable.load(path)`).
    """

    def __init__(self, client: BlockingClient, *, routing: RoutingTable | None = None) -> None:
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
            redis.exceptions.RedisClusterException: no node of a cluster can be reached; only a cluster is asked here.
        """
        return cls._opened(url, options, routing=routing)

    def publish(self, channel: str, event: JsonEvent) -> int:
        """Publish a best-effort event on a channel of the gateway, as `branch:5:kitchen`: at most once for each call.

        Returns:
            how many subscriptions heard it: gateways, not clients. 0 is no error: nobody is in that audience. Of a
            cluster only the node that took it is counted, though all pass it on.

        Raises:
            EventRefusedError: the gateway would drop it; nothing was sent.
            TypeError: the mapping holds what JSON cannot say; nothing was sent.
            redis.RedisError: Redis is away or refuses; whether it was published is not known. Who calls again may have
                sent it twice.
        """
        return int(self._client.publish(channel, for_channel(self._routing, channel, event)))

    def emit(self, event: JsonEvent, key: str | None = None) -> str:
        """Put a critical event into the stream: every entitled client gets it, or is told that it may have missed one.

        Args:
            event: goes, once, to every audience that the routing table gives its type.
            key: an idempotency key. A second `emit` with the same key within 24 h adds nothing, whatever its event.

        Returns:
            the stream id, which clients see as `event_id`; for a repeated key that of the first time.

        Raises:
            EventRefusedError: the gateway would refuse it; nothing was sent.
            TypeError: the mapping holds what JSON cannot say; nothing was sent.
            ValueError: the key is empty or longer than 256 bytes; nothing was sent.
            redis.RedisError: Redis is away or refuses; whether the event is in the stream is not known.
        """
        payload = for_stream(self._routing, event)
        if key is None:
            return entry_id_in(self._client.xadd(SOURCE, {"event": payload}))
        return entry_id_in(self._emit(keys=[SOURCE, idempotency_key(key)], args=[payload, SEEN_SECONDS]))
