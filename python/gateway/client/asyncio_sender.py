"""What senders on asyncio have in common: a client of redis.asyncio, their own or somebody else's."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from redis.asyncio import Redis

from gateway.client.connecting import AsyncioClient, asyncio_client


class AsyncioSender:
    """Holds a client; one from a URL is closed by `close`, with the clients of its Sentinels. For one event loop.

    Args:
        client: of redis.asyncio; the caller closes it.
    """

    def __init__(self, client: AsyncioClient) -> None:
        self._client = client
        self._sentinels: list[Redis] = []

    @classmethod
    def _opened(cls, url: str, options: Mapping[str, Any], **own: Any) -> Self:
        """One with a client of its own; `own` is for the class.

        Raises:
            ValueError: see `asyncio_client`.
        """
        client, sentinels = asyncio_client(url, options)
        sender = cls(client, **own)
        sender._sentinels = sentinels
        return sender

    async def close(self) -> None:
        """Close the client."""
        await self._client.aclose()
        for sentinel in self._sentinels:
            await sentinel.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()
