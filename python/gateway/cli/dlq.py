"""`gateway dlq list` and `gateway dlq show`."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.broker.dead_letters_base import DeadLetters, KeptLetter
from gateway.cli.dead_letters import (
    HEADER,
    as_json,
    checked_id,
    checked_ids,
    event_text,
    letters_of,
    row,
    when,
    with_queue,
)
from gateway.cli.listing import AsJson, print_json, print_rows, printable
from gateway.cli.options import RedisUrl
from gateway.cli.speech import examples, note, result
from gateway.errors import DeadLetterGoneError

LIST_EXAMPLES = examples(
    "gateway dlq list",
    "gateway dlq list --reason unknown_type --limit 0",
    "gateway dlq list --json | jq -r .error | sort | uniq -c",
)
SHOW_EXAMPLES = examples("gateway dlq show 1732449000000-0")

Reason = Annotated[
    str | None,
    typer.Option(
        "--reason", metavar="REASON", show_default=False, help="Only letters of this reason, as failed or unknown_type."
    ),
]

LetterIds = Annotated[
    list[str] | None,
    typer.Argument(metavar="LETTER", callback=checked_ids, show_default=False, help="Ids, as the list shows them."),
]


def about_dlq() -> None:
    """Critical events that could not be delivered: find out why, and replay or discard them.

    The relay puts an event aside in the dead-letter queue events:dlq when the gateway would refuse it, or when it has
    failed too often. It keeps the last 10,000.
    """


def list_(
    *,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=0, help="At most so many of the newest; 0 shows all.")
    ] = 20,
    reason: Reason = None,
    json: AsJson = False,
    redis_url: RedisUrl = None,
) -> None:
    """List what is in the dead-letter queue, newest first, and why.

    In a pipe there is one row a line, without the header, its columns separated by tabs.

    Raises:
        SettingsError: the settings are malformed.
        BrokerError: Redis is away or refuses.
        EmbeddedServerError: no Redis URL is given, and there is no embedded server to find.
    """

    async def work(queue: DeadLetters) -> None:
        shown: list[KeptLetter] = []
        more = False
        async for letter in letters_of(queue, reason=reason):
            if more := limit > 0 and len(shown) == limit:
                break
            shown.append(letter)
        if json:
            for letter in shown:
                print_json(as_json(letter))
        elif shown:
            print_rows(HEADER, map(row, shown))
        else:
            note("the dead-letter queue holds no letter" + (f" of reason {printable(reason)}" if reason else ""))
        if more:
            note(f"there are more than {limit} ({await queue.length()} letters in all); --limit 0 shows every one")

    with_queue(redis_url, work)


def show(
    letter_id: Annotated[
        str,
        typer.Argument(metavar="LETTER", help="Its id, as the list shows it.", callback=checked_id),
    ],
    *,
    json: AsJson = False,
    redis_url: RedisUrl = None,
) -> None:
    """Show one letter: where the event came from, why it was put aside, and the event as its producer wrote it.

    Raises:
        DeadLetterGoneError: there is no such letter.
        SettingsError: the settings are malformed.
        BrokerError: Redis is away or refuses.
        EmbeddedServerError: no Redis URL is given, and there is no embedded server to find.
    """

    async def work(queue: DeadLetters) -> None:
        letter = await queue.get(letter_id)
        if letter is None:
            raise DeadLetterGoneError(
                f"there is no letter {letter_id} in the dead-letter queue, or not any more; see `gateway dlq list`"
            )
        if json:
            print_json(as_json(letter))
            return
        lines = {
            "letter": letter.id,
            "id in events:critical": letter.entry_id or "unknown",
            "put aside": f"{when(letter.time)} UTC by {letter.node or 'unknown'}",
            "deliveries": str(letter.tries),
            "reason": letter.reason,
            "why": letter.error,
            "event" if letter.fields is None else "fields": event_text(letter) or letter.fields or "",
        }
        for name, value in lines.items():
            result(f"{name}: {printable(value)}")

    with_queue(redis_url, work)
