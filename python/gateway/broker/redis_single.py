"""One Redis or Valkey server, by TCP, TLS or a Unix socket."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, cast

from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis

from gateway.broker.base import PubSubConnection
from gateway.broker.deployment import Opening, connection_options, info_of, unusable
from gateway.broker.redis_pubsub import RedisPubSubConnection


class SingleServer:
    """Keeps `deployment.Deployment`.

    Raises:
        SettingsError: the URL has an option that the client library does not know or cannot use.
    """

    def __init__(self, opening: Opening) -> None:
        self._where = opening.address.shown
        try:
            self._pool = self._open(opening, connection_options(opening))
            # Connects nothing, but looks at every option, so that a misspelt one is reported here and not at the first
            # command.
            self._pool.make_connection()  # type: ignore[no-untyped-call]
        except (TypeError, ValueError) as error:
            raise unusable(opening.address, error) from None
        self._client = Redis(connection_pool=self._pool)

    @property
    def client(self) -> Redis:
        """See `Deployment.client`."""
        return self._client

    def turn(self) -> AbstractAsyncContextManager[None]:
        """See `Deployment.turn`: it is the pool that waits."""
        return nullcontext()

    async def connect(self) -> None:
        """See `Deployment.connect`."""
        await self._client.ping()

    async def drop(self) -> None:
        """See `Deployment.drop`."""
        await self._pool.disconnect()

    async def ping(self) -> None:
        """See `Deployment.ping`."""
        await self._client.ping()

    async def pubsub(self, timeout: float) -> PubSubConnection:
        """See `Deployment.pubsub`."""
        return await RedisPubSubConnection.connect(
            self._pool.connection_class, self._pool.connection_kwargs, self._where, timeout
        )

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """See `Deployment.get_many`."""
        # The stubs cannot tell that nothing is decoded here (`decode_responses`).
        return cast("list[bytes | None]", await self._client.mget(keys))

    async def info(self) -> dict[str, str]:
        """See `Deployment.info`."""
        return await info_of(self._client)

    async def on_each(self, *command: str | int) -> dict[str, Any]:
        """See `Deployment.on_each`."""
        call: Any = self._client
        return {self._where: await call.execute_command(*command)}

    async def replicas_with(self, replicas: int, seconds: float) -> int:
        """See `Deployment.replicas_with`. Of use with one connection alone: WAIT looks at what that one wrote."""
        return int(await self._client.wait(replicas, round(seconds * 1_000)))

    @staticmethod
    def _open(opening: Opening, options: dict[str, Any]) -> ConnectionPool:
        options = {
            "max_connections": opening.max_connections,
            "timeout": opening.timeout,
            **options,
            "redis_connect_func": opening.on_connect,
        }
        return BlockingConnectionPool(**options)
