"""What the gateway's Redis user may do, found out by trying, for `gateway doctor`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, NamedTuple

from redis.exceptions import NoPermissionError, ResponseError

from gateway.broker.base import PubSubConnection
from gateway.broker.redis_commands import RedisCommands
from gateway.errors import BrokerError
from gateway.protocol.keys import DLQ, LEASE, SOURCE

_NOBODY: Final = "{tenant:0}"
_NO_ROOM: Final = "{tenant:0:branch:0}"
_NONE: Final = "gateway-doctor"
# A server looks at the permission first. What it is asked here it could not do anyway, or it changes nothing: a wrong
# id, options that contradict each other, a group, a key or a tenant that does not exist.
_NO_ENTRY: Final = ("0-0", "event", "-")
_NO_VALUE: Final = ("-", "NX", "XX")

PROBES: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("read the source of critical events", ("XRANGE", SOURCE, "0-1", "0-1")),
    ("read the source as the relay", ("XREADGROUP", "GROUP", _NONE, _NONE, "COUNT", "1", "STREAMS", SOURCE, ">")),
    ("acknowledge critical events", ("XACK", SOURCE, _NONE, "0-1")),
    ("make the relay's consumer group", ("XGROUP", "DESTROY", SOURCE, _NONE)),
    ("trim the source", ("XTRIM", SOURCE, "MAXLEN", "-")),
    ("replay dead letters and emit", ("XADD", SOURCE, *_NO_ENTRY)),
    ("take the relay's lease", ("SET", LEASE, *_NO_VALUE)),
    ("write dead letters", ("XADD", DLQ, *_NO_ENTRY)),
    ("read dead letters", ("XRANGE", DLQ, "0-1", "0-1")),
    ("remove dead letters", ("XDEL", DLQ, "0-1")),
    ("run scripts", ("EVAL", "return 1", "1", SOURCE)),
    ("write a room's history", ("XADD", f"{_NO_ROOM}:history", *_NO_ENTRY)),
    ("write a room's head", ("SET", f"{_NO_ROOM}:head", *_NO_VALUE)),
    ("publish to a room", ("SPUBLISH", f"{_NO_ROOM}:live", "-")),
    ("keep places of users", ("ZADD", f"{_NOBODY}:presence:user:{_NONE}", "XX", "1", "-")),
    ("see revoked tokens", ("GET", f"jwt:blacklist:{_NONE}")),
    ("see revoked users", ("GET", f"{_NOBODY}:revoked:all")),
    ("read sectors", ("SMEMBERS", f"{_NOBODY}:sectors:user:{_NONE}")),
)
"""What for, and a command that tells whether it is permitted and does nothing."""

CHANNELS: Final = ("branch:0:waiters", "branch:0:kitchen", "branch:0:admin", "sector:0:waiters", "session:0")
"""Best-effort channels that nobody uses: one of each kind."""

ANNOUNCEMENTS: Final = ("auth:revoked", "auth:sectors")


class Denied(NamedTuple):
    """Something that the user may not do, and what the server said."""

    purpose: str
    answer: str


async def denied(commands: RedisCommands) -> list[Denied]:
    """Try everything that a gateway does.

    Raises:
        BrokerError: the server is away.
    """
    found = []
    for purpose, command in PROBES:
        async with commands.asking() as client:
            call: Any = client
            try:
                await call.execute_command(*command)
            except NoPermissionError as error:
                found.append(Denied(purpose, str(error)))
            except ResponseError:
                pass  # it may, and there was nothing to do
    subscriptions: tuple[tuple[str, Callable[[PubSubConnection], Awaitable[None]]], ...] = (
        ("hear best-effort events", lambda connection: connection.subscribe(CHANNELS)),
        ("hear of revocations and sectors", lambda connection: connection.subscribe(ANNOUNCEMENTS)),
        ("hear critical events", lambda connection: connection.ssubscribe([f"{_NO_ROOM}:live"])),
    )
    for purpose, subscribe in subscriptions:
        try:
            await _confirmed(commands, subscribe)
        except BrokerError as error:
            found.append(Denied(purpose, str(error)))
    return found


async def _confirmed(commands: RedisCommands, subscribe: Callable[[PubSubConnection], Awaitable[None]]) -> None:
    """Subscribe, and return when the server says so.

    Raises:
        BrokerError: it refuses, or says nothing.
    """
    connection = await commands.pubsub()
    try:
        await subscribe(connection)
        async with asyncio.timeout(commands.timeout):
            while not (await connection.read()).subscribed:
                pass
    except TimeoutError:
        raise BrokerError("the subscription was not confirmed in time") from None
    finally:
        with suppress(BrokerError):
            await connection.close()
