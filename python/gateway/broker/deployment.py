"""The port of one kind of Redis: how its servers are found, and what has to be done differently there.

`redis_single.py`, `redis_sentinel.py` and `redis_cluster.py` keep it. All of it is for one event loop, and raises the
client library's errors: `redis_commands.py` is who turns them into ours.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, Protocol

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from gateway.broker.base import PubSubConnection
from gateway.errors import SettingsError
from gateway.redis_url import RedisUrl, parse_redis_url

OnConnect = Callable[[AbstractConnection], Awaitable[None]]


class Opening(NamedTuple):
    """What a deployment is made of.

    Attributes:
        address: which servers.
        timeout: seconds for a connection attempt, with its login.
        max_connections: for commands, to one server; who needs more waits.
        on_connect: called with each new connection for commands; is to call its `on_connect`.
    """

    address: RedisUrl
    timeout: float
    max_connections: int
    on_connect: OnConnect


class Deployment(Protocol):
    """The servers behind one URL."""

    @property
    def client(self) -> Redis:
        """Of redis-py; where it is a cluster's, it keeps the part of this class that is used here."""
        ...

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Entered around whatever is done with the client; waits while too much is under way."""
        ...

    async def connect(self) -> None:
        """Connect to every server that commands may go to, and have it answer."""
        ...

    async def drop(self) -> None:
        """Cut every connection; the next command finds the servers anew. May raise, and has done it all the same."""
        ...

    async def ping(self) -> None:
        """Return when every server that commands may go to answers."""
        ...

    async def pubsub(self, timeout: float) -> PubSubConnection:
        """A new connection in subscriber mode; raises our own errors."""
        ...

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """The values of string keys of any slots, in one round trip per server."""
        ...

    async def info(self) -> dict[str, str]:
        """`INFO server` and `INFO memory`."""
        ...

    async def on_each(self, *command: str | int) -> dict[str, Any]:
        """The answers of every server that commands may go to, by its name."""
        ...

    async def replicas_with(self, replicas: int, seconds: float) -> int:
        """Wait until so many replicas have all that was written over these connections; how many have."""
        ...


def understand(url: str) -> RedisUrl:
    """`parse_redis_url`, for who is given a URL by settings.

    Raises:
        SettingsError: it is malformed.
    """
    try:
        return parse_redis_url(url)
    except ValueError as error:
        raise SettingsError(f"the Redis URL cannot be used: {error}") from None


def connection_options(opening: Opening) -> dict[str, Any]:
    """redis-py's options for every connection to a data server.

    Raises:
        ValueError: an option of the URL has a value that cannot be read.
    """
    return {
        "socket_connect_timeout": opening.timeout,
        # Whoever asks has a time-out around all of it, which also knows how long a command waits by itself.
        "socket_timeout": None,
        # Not `from_url`, with which the URL's query would win over what is fixed.
        **parse_url(opening.address.plain),
        # Tried once: a retry inside the library would hide failures from the breaker and stretch every time-out.
        "retry": Retry(NoBackoff(), 0),
        "retry_on_timeout": False,
        "decode_responses": False,
        # RESP2 throughout: the Pub/Sub reader is written for it, and nothing here needs RESP3.
        "protocol": 2,
    }


def unusable(address: RedisUrl, error: Exception) -> SettingsError:
    """The error for a URL with an option that the client library does not know or cannot use."""
    return SettingsError(f"the Redis URL {address.shown} has a part that cannot be used: {error}")


async def info_of(client: Redis, **target: Any) -> dict[str, str]:
    """Two commands: servers before version 7 take one section at a time."""
    call: Any = client
    server = await call.info("server", **target)
    memory = await call.info("memory", **target)
    return {name: str(value) for name, value in (server | memory).items()}
