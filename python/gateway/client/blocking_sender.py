"""What senders that block have in common: a client of redis-py, their own or somebody else's."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from redis import Redis

from gateway.client.connecting import BlockingClient, blocking_client


class BlockingSender:
    """Holds a client; one from a URL is closed by `close`, with the clients of its Sentinels.

    As thread-safe as the client; redis-py's is.

    Args:
        client: of redis-py; the caller closes it.
    """

    def __init__(self, client: BlockingClient) -> None:
        self._client = client
        self._sentinels: list[Redis] = []

    @classmethod
    def _opened(cls, url: str, options: Mapping[str, Any], **own: Any) -> Self:
        """One with a client of its own; `own` is for the class.

        Raises:
            ValueError, redis.RedisError: see `blocking_client`.
        """
        client, sentinels = blocking_client(url, options)
        sender = cls(client, **own)
        sender._sentinels = sentinels
        return sender

    def close(self) -> None:
        """Close the client."""
        self._client.close()
        for sentinel in self._sentinels:
            sentinel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
