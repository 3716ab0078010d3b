"""What the `gateway dlq` commands share: the queue, its letters in order, and how one is shown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import typer

from gateway.broker.dead_letters_base import DeadLetters, KeptLetter
from gateway.broker.redis_commands import RedisCommands
from gateway.broker.redis_dead_letters import RedisDeadLetters
from gateway.cli.event_argument import producer_settings
from gateway.cli.redis_url import find_redis_url
from gateway.cli.routing import routing_of
from gateway.protocol.positions import parse_id
from gateway.resilience.circuit_breaker import CircuitBreaker
from gateway.types import SystemClock

PAGE = 200
"""Letters of one request: at most 13 MB, if each is as long as it may be."""


def with_queue(redis_url: str | None, work: Callable[[DeadLetters], Awaitable[None]]) -> None:
    """Do something with the queue of the Redis that option and settings name.

    Raises:
        SettingsError: the settings are malformed.
        RoutingError: the routing file is no routing table.
        BrokerError: Redis is away or refuses.
        EmbeddedServerError: no Redis URL is given, and there is no embedded server to find.
    """
    settings = producer_settings(redis_url)
    routing = routing_of(settings)
    url = find_redis_url(settings)

    async def run() -> None:
        commands = RedisCommands(url, CircuitBreaker("commands", SystemClock()))
        try:
            await work(RedisDeadLetters(commands, routing))
        finally:
            await commands.close()

    asyncio.run(run())


async def letters_of(
    queue: DeadLetters, *, reason: str | None = None, oldest_first: bool = False
) -> AsyncIterator[KeptLetter]:
    """Every letter that is there now, of one reason if one is named; those that come meanwhile are left out.

    Without that a replayed event that is refused again would be replayed for ever.
    """
    newest = (await queue.list(limit=1)).letters
    cursor: str | None = None
    while newest:
        page = await queue.list(cursor, PAGE, oldest_first=oldest_first)
        for letter in page.letters:
            if parse_id(letter.id) <= parse_id(newest[0].id) and reason in (None, letter.reason):
                yield letter
        if (cursor := page.cursor) is None:
            return


def checked_id(letter_id: str) -> str:
    """Callback of an argument: a stream id.

    Raises:
        BadParameter: it is none.
    """
    try:
        parse_id(letter_id)
    except ValueError as error:
        raise typer.BadParameter(f"{error}; `gateway dlq list` shows the ids") from None
    return letter_id


def checked_ids(letter_ids: list[str] | None) -> list[str]:
    """The same for several: none of them is touched when one of them is no id."""
    return [checked_id(letter_id) for letter_id in letter_ids or ()]


def as_json(letter: KeptLetter) -> dict[str, Any]:
    """A letter as the operator API gives it; bytes that are no UTF-8 are escaped."""
    return letter._asdict() | {"event": event_text(letter)}


def event_text(letter: KeptLetter) -> str | None:
    """The event as it was written; None where there was none."""
    return None if letter.event is None else letter.event.decode("utf-8", "backslashreplace")


class _Summary(msgspec.Struct):
    """What a list shows of an event that may be anything."""

    type: Any = ""
    tenant_id: Any = ""
    branch_id: Any = ""


_decode = msgspec.json.Decoder(_Summary).decode

HEADER = ("letter", "when (UTC)", "reason", "tenant", "branch", "event", "why")


def row(letter: KeptLetter) -> tuple[str, ...]:
    """A letter's line in a list, by `HEADER`."""
    try:
        summary = _decode(letter.event or b"{}")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        summary = _Summary()
    return (
        letter.id,
        when(letter.time),
        letter.reason,
        str(summary.tenant_id),
        str(summary.branch_id),
        str(summary.type),
        letter.error,
    )


def when(seconds: float) -> str:
    """Unix seconds as a date and a time, to the second, UTC; as they are where no calendar reaches."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return f"{seconds:.0f}"
