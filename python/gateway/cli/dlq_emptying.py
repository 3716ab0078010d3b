"""`gateway dlq replay` and `gateway dlq discard`."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from typing import Annotated

import typer

from gateway.broker.dead_letters_base import DeadLetters
from gateway.cli.dead_letters import letters_of, with_queue
from gateway.cli.dlq import LetterIds, Reason
from gateway.cli.exits import ExitStatus
from gateway.cli.options import RedisUrl
from gateway.cli.speech import examples, note, result
from gateway.errors import DeadLetterGoneError, EventRefusedError

REPLAY_EXAMPLES = examples(
    "gateway dlq replay 1732449000000-0",
    "gateway dlq replay --all --reason unknown_type",
)
DISCARD_EXAMPLES = examples(
    "gateway dlq discard 1732449000000-0",
    "gateway dlq discard --all --reason bad_json --yes",
)

All = Annotated[bool, typer.Option("--all", help="Every letter that is there now, oldest first.")]


def replay(
    letters: LetterIds = None,
    *,
    all_: All = False,
    reason: Reason = None,
    redis_url: RedisUrl = None,
) -> None:
    """Emit events of the dead-letter queue once more, and print for each letter its id, a tab, and the new event_id.

    An event goes to the end of the stream, as if it were emitted now, and its letter leaves the queue. Repeating it is
    safe: within a day a letter is emitted once, and its event_id is printed again. What the gateway would refuse again,
    by its shape or by the routing table, stays where it is and is explained; after a change of GATEWAY_ROUTING_FILE
    restart the gateways first, and give this command the same file.

    Raises:
        BadParameter: neither letters nor --all, or both.
        SettingsError: the settings are malformed.
        RoutingError: the routing file is no routing table.
        BrokerError: Redis is away or refuses.
        EmbeddedServerError: no Redis URL is given, and there is no embedded server to find.
    """
    chosen = _chosen(letters, all_=all_, reason=reason)
    failed = 0

    async def work(queue: DeadLetters) -> None:
        nonlocal failed
        async for letter_id in _ids(queue, chosen, reason):
            try:
                result(f"{letter_id}\t{await queue.replay(letter_id)}")
            except (EventRefusedError, DeadLetterGoneError) as error:
                failed += 1
                note(f"{letter_id} was not replayed: {error}")

    with_queue(redis_url, work)
    if failed:
        raise typer.Exit(ExitStatus.FAILED)


def discard(
    letters: LetterIds = None,
    *,
    all_: All = False,
    reason: Reason = None,
    yes: Annotated[bool, typer.Option("--yes", help="With --all: do not ask.")] = False,
    redis_url: RedisUrl = None,
) -> None:
    """Take letters out of the dead-letter queue for good, and print the id of each. Nobody ever gets their events.

    Raises:
        BadParameter: neither letters nor --all, or both; --all without --yes where nobody can be asked.
        SettingsError: the settings are malformed.
        BrokerError: Redis is away or refuses.
        EmbeddedServerError: no Redis URL is given, and there is no embedded server to find.
    """
    chosen = _chosen(letters, all_=all_, reason=reason)
    if all_ and not yes:
        if not sys.stdin.isatty():
            raise typer.BadParameter("discarding every letter wants --yes, since nobody can be asked here")
        typer.confirm("Discard all of these events for good?", abort=True, err=True)
    missing = 0

    async def work(queue: DeadLetters) -> None:
        nonlocal missing
        async for letter_id in _ids(queue, chosen, reason):
            if await queue.discard(letter_id):
                result(letter_id)
            else:
                missing += 1
                note(f"there is no letter {letter_id}, or not any more; see `gateway dlq list`")

    with_queue(redis_url, work)
    if missing:
        raise typer.Exit(ExitStatus.FAILED)


def _chosen(letters: list[str] | None, *, all_: bool, reason: str | None) -> list[str] | None:
    """The letters to take one by one; None for all."""
    if bool(letters) == all_:
        raise typer.BadParameter("say which letters, by their ids or with --all, and not both")
    if reason is not None and not all_:
        raise typer.BadParameter("it narrows --all; letters that are named need none", param_hint="--reason")
    return None if all_ else letters


async def _ids(queue: DeadLetters, chosen: list[str] | None, reason: str | None) -> AsyncIterator[str]:
    if chosen is not None:
        for letter_id in chosen:
            yield letter_id
        return
    async for letter in letters_of(queue, reason=reason, oldest_first=True):
        yield letter.id
