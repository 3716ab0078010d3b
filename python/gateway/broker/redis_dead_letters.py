"""The dead-letter queue in Redis."""

from __future__ import annotations

from typing import Any, Final

from gateway.broker.dead_letters_base import KeptLetter, LetterPage
from gateway.broker.redis_commands import RedisCommands
from gateway.broker.script import RedisArgument, load_script
from gateway.errors import DeadLetterGoneError
from gateway.protocol.events import DropReason, parse_event, refuse
from gateway.protocol.keys import DLQ, GROUP, SOURCE, seen_key
from gateway.protocol.positions import parse_id, position_of
from gateway.protocol.routing import RoutingTable

REPLAYED_SECONDS: Final = 86_400
"""How long it is remembered that a letter was replayed: as long as a producer's idempotency key."""

# Beside a method `list`, a class cannot name the type.
_Answers = list[tuple[bytes, dict[bytes, bytes]]]
_Arguments = list[RedisArgument]


class RedisDeadLetters:
    """Keeps `dead_letters_base.DeadLetters`. For one event loop.

    Replaying and removing are one atomic step, but in a cluster, where queue and source are in different slots: there
    the event is emitted first and the letter removed second; whoever repeats what broke in between gets the same id.

    Args:
        commands: of duty `commands`.
        routing: the gateway's table, so that nothing is replayed which it would refuse again.
    """

    def __init__(self, commands: RedisCommands, routing: RoutingTable | None = None) -> None:
        self._commands = commands
        self._routing = routing or RoutingTable()
        self._replay = load_script("replay", behind="forget")
        self._discard = load_script("discard", behind="forget")

    async def list(self, cursor: str | None = None, limit: int = 100, *, oldest_first: bool = False) -> LetterPage:
        """See `DeadLetters.list`."""
        if limit < 1:
            raise ValueError(f"a page has at least 1 letter, got {limit}")
        if cursor is not None:
            parse_id(cursor)
        start = f"({cursor}" if cursor is not None else None
        async with self._commands.asking() as client:
            call: Any = client
            # One more than asked for: whether there is a next page.
            if oldest_first:
                answers: _Answers = await call.xrange(DLQ, min=start or "-", count=limit + 1)
            else:
                answers = await call.xrevrange(DLQ, max=start or "+", count=limit + 1)
        letters = [_letter(*answer) for answer in answers[:limit]]
        return LetterPage(letters, letters[-1].id if len(answers) > limit else None)

    async def get(self, letter_id: str) -> KeptLetter | None:
        """See `DeadLetters.get`."""
        parse_id(letter_id)
        async with self._commands.asking() as client:
            call: Any = client
            answers: _Answers = await call.xrange(DLQ, min=letter_id, max=letter_id)
        return _letter(*answers[0]) if answers else None

    async def replay(self, letter_id: str) -> str:
        """See `DeadLetters.replay`."""
        letter = await self.get(letter_id)
        if letter is None:
            return await self._replayed(letter_id)
        event = self._checked(letter)
        keys = [SOURCE, _seen(letter_id), _seen(_origin(letter))]
        args: _Arguments = [event, REPLAYED_SECONDS, GROUP, letter.entry_id, letter_id]
        async with self._commands.asking() as client:
            if self._commands.clustered:
                event_id = await self._replay.run(client, keys, args)
                await client.xdel(DLQ, letter_id)
            else:
                event_id = await self._replay.run(client, [*keys, DLQ], args)
        if event_id is None:
            raise _gone(letter_id)
        return _text(event_id)

    async def discard(self, letter_id: str) -> bool:
        """See `DeadLetters.discard`."""
        letter = await self.get(letter_id)
        if letter is None:
            return False
        args: _Arguments = [letter.event or b"", GROUP, letter.entry_id, letter_id]
        async with self._commands.asking() as client:
            if self._commands.clustered:
                await self._discard.run(client, [SOURCE], args)
                return bool(await client.xdel(DLQ, letter_id))
            return bool(await self._discard.run(client, [SOURCE, DLQ], args))

    async def length(self) -> int:
        """See `DeadLetters.length`."""
        async with self._commands.asking() as client:
            return int(await client.xlen(DLQ))

    async def _replayed(self, letter_id: str) -> str:
        async with self._commands.asking() as client:
            event_id: Any = await client.get(_seen(letter_id))
        if event_id is None:
            raise _gone(letter_id)
        return _text(event_id)

    def _checked(self, letter: KeptLetter) -> bytes:
        """The event, which the gateway would take.

        Raises:
            EventRefusedError: it would not.
        """
        if letter.event is None:
            raise refuse(DropReason.BAD_SHAPE, "the stream entry had no field `event`; its producer must emit it anew")
        if letter.reason == DropReason.TOO_BIG:
            raise refuse(DropReason.TOO_BIG, "only its beginning was kept; its producer must emit less, anew")
        self._routing.route(parse_event(letter.event))
        return letter.event


def _letter(number: bytes, fields: dict[bytes, bytes]) -> KeptLetter:
    def text(name: bytes) -> str:
        return _text(fields.get(name, b""))

    letter_id, entry_id = _text(number), text(b"id")
    return KeptLetter(
        id=letter_id,
        entry_id=entry_id if _is_id(entry_id) else "",
        event=fields.get(b"event"),
        fields=text(b"fields") if b"fields" in fields else None,
        reason=text(b"reason"),
        error=text(b"error"),
        tries=int(tries) if (tries := text(b"tries")).isdecimal() else 0,
        node=text(b"node"),
        time=_seconds(text(b"time"), parse_id(letter_id)[0] / 1_000),
    )


def _origin(letter: KeptLetter) -> str:
    """What two letters of one entry have in common: in a cluster a relay that stops in between buries it twice."""
    return position_of(letter.entry_id, letter.event or b"") if letter.entry_id else letter.id


def _seen(what: str) -> str:
    return seen_key(f"dlq:{what}")


def _gone(letter_id: str) -> DeadLetterGoneError:
    return DeadLetterGoneError(
        f"there is no letter {letter_id} in the dead-letter queue: it was discarded or replayed, or made room for "
        "newer ones; the list says which are there"
    )


def _is_id(text: str) -> bool:
    try:
        parse_id(text)
    except ValueError:
        return False
    return True


def _seconds(text: str, otherwise: float) -> float:
    try:
        seconds = float(text)
    except ValueError:
        return otherwise
    return seconds if 0 <= seconds < float("inf") else otherwise


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")
