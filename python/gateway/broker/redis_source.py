"""The source stream, the relay's lease and the dead-letter queue in Redis.

In a cluster stream, lease and fence share a slot; the dead-letter queue is in another: there no script touches both.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from gateway.broker.redis_commands import RedisCommands
from gateway.broker.script import RedisArgument, load_script
from gateway.broker.streams_base import DeadLetter, FencedRead, PendingEntry, SourceEntry
from gateway.errors import BrokerError, LeaseLostError
from gateway.protocol.events import MAX_EVENT_BYTES
from gateway.protocol.keys import CONSUMER, DLQ, DLQ_ENTRIES, FENCE, GROUP, LEASE, SOURCE

PAGE: Final = 1_000
"""Entries of a list that one script looks at: a millisecond of Redis' time."""

FENCE_SECONDS: Final = 604_800
"""How long the counter of leases outlives the last relay: as long as a room's head, which is compared with it."""

_Flat = list[bytes]


class RedisSource:
    """Keeps `streams_base.SourceStream`. For one event loop and one caller at a time; not thread-safe.

    Args:
        commands: the relay's own, with one connection to a server, so that one that is lost is noticed.
        lease_seconds: how long a lease lasts after the last look at it.
        wait_replicas: replicas that must have the rooms' writes before anything is acknowledged.
        wait_seconds: how long they have for it.
    """

    def __init__(
        self,
        commands: RedisCommands,
        *,
        lease_seconds: float = 10.0,
        wait_replicas: int = 0,
        wait_seconds: float = 1.0,
    ) -> None:
        self._commands = commands
        self._lease_ms = max(1, round(lease_seconds * 1_000))
        self._wait_replicas = wait_replicas
        self._wait_seconds = wait_seconds

    # --- session and lease --------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """See `SourceStream.connect`."""
        await self._commands.reconnect()

    async def disconnect(self) -> None:
        """See `SourceStream.disconnect`."""
        await self._commands.close()

    async def acquire(self, token: str) -> int | None:
        """See `SourceStream.acquire`."""
        number = await self._run("acquire", [LEASE, FENCE], [token, self._lease_ms, FENCE_SECONDS * 1_000])
        return None if number is None else int(number)

    async def raise_fence(self, token: str, above: int) -> int:
        """See `SourceStream.raise_fence`."""
        return int(await self._held("raise_fence", token, FENCE_SECONDS * 1_000, above, keys=[LEASE, FENCE]))

    async def release(self, token: str) -> None:
        """See `SourceStream.release`."""
        with suppress(BrokerError):
            await self._run("release", [LEASE], [token])

    # --- reading ------------------------------------------------------------------------------------------------

    async def ensure_group(self, token: str, *, from_start: bool) -> str | None:
        """See `SourceStream.ensure_group`."""
        answer: bytes = await self._held("ensure_group", token, GROUP, int(from_start))
        return answer.decode() or None

    async def pending(self, token: str) -> tuple[list[PendingEntry], int]:
        """See `SourceStream.pending`."""
        vanished = 0
        while True:
            taken, gone = await self._held("adopt", token, GROUP, CONSUMER, PAGE)
            vanished += gone
            if taken + gone == 0:
                break
        found: list[PendingEntry] = []
        while True:
            begin = f"({found[-1].entry_id}" if found else "-"
            flat = await self._held("pending", token, GROUP, CONSUMER, begin, PAGE)
            found += [PendingEntry(number.decode(), count) for number, count in zip(flat[::2], flat[1::2], strict=True)]
            if len(flat) < 2 * PAGE:
                return found, vanished

    async def claim(self, token: str, entry_id: str) -> SourceEntry | None:
        """See `SourceStream.claim`."""
        answer = await self._held("claim", token, GROUP, CONSUMER, entry_id)
        if not answer:
            return None
        return _entry(*answer) if len(answer) > 1 else SourceEntry(entry_id, None)

    async def excuse(self, token: str, entry_id: str) -> None:
        """See `SourceStream.excuse`."""
        await self._held("excuse", token, GROUP, CONSUMER, entry_id)

    async def read(self, token: str, count: int, done: Sequence[str] = ()) -> FencedRead:
        """See `SourceStream.read`."""
        if done:
            await self._wait_for_replicas()
        entries, last, lag, lost = await self._held("read", token, GROUP, CONSUMER, count, *done)
        return FencedRead([_entry(*entry) for entry in entries], last.decode(), None if lag < 0 else lag, lost)

    async def wait(self, after: str, seconds: float) -> None:
        """See `SourceStream.wait`."""
        async with self._commands.asking(seconds) as client:
            # BLOCK 0 would wait for ever.
            await client.xread({SOURCE: after}, count=1, block=max(1, round(seconds * 1_000)))

    async def recent(self, token: str, seconds: float, after: str | None, count: int) -> list[SourceEntry]:
        """See `SourceStream.recent`."""
        entries = await self._held("recent", token, GROUP, round(seconds), after or "", count)
        return [_entry(*entry) for entry in entries]

    # --- finishing ----------------------------------------------------------------------------------------------

    async def acknowledge(self, entry_ids: Sequence[str]) -> None:
        """See `SourceStream.acknowledge`."""
        if not entry_ids:
            return
        await self._wait_for_replicas()
        async with self._commands.asking() as client:
            await client.xack(SOURCE, GROUP, *entry_ids)

    async def _wait_for_replicas(self) -> None:
        if not self._wait_replicas:
            return
        reached = await self._commands.replicas_with(self._wait_replicas, self._wait_seconds)
        if reached < self._wait_replicas:
            raise BrokerError(
                f"{reached} of {self._wait_replicas} replicas have the last events after "
                f"{self._wait_seconds:g} s; they are not acknowledged and will be relayed again"
            )

    async def bury(self, letters: Sequence[DeadLetter]) -> Sequence[DeadLetter]:
        """See `SourceStream.bury`."""
        if not letters:
            return []
        fields = [letter_fields(letter) for letter in letters]
        if not self._commands.clustered:
            flat = [part for named in fields for pair in named.items() for part in pair]
            args: list[RedisArgument] = [GROUP, DLQ_ENTRIES, len(flat) // len(fields), *flat]
            done: list[bytes] = await self._run("bury", [SOURCE, DLQ], args)
            ids = {number.decode() for number in done}
            return [letter for letter in letters if letter.entry.entry_id in ids]
        async with self._commands.asking() as client:
            pipeline: Any = client.pipeline(transaction=False)
            for named in fields:
                pipeline.xadd(DLQ, named, maxlen=DLQ_ENTRIES, approximate=False)
            await pipeline.execute()
        return letters

    async def buried(self, since: str) -> frozenset[str]:
        """See `SourceStream.buried`."""
        ids: list[bytes] = await self._run("buried", [DLQ], [since.partition("-")[0]])
        return frozenset(number.decode("ascii", "replace") for number in ids)

    async def trim(self, token: str, keep_seconds: float) -> int:
        """See `SourceStream.trim`."""
        keys = [LEASE, SOURCE, FENCE]
        return int(await self._held("trim", token, GROUP, round(keep_seconds), FENCE_SECONDS * 1_000, keys=keys))

    # --- scripts ------------------------------------------------------------------------------------------------

    async def _held(self, name: str, token: str, *args: RedisArgument, keys: Sequence[str] = (LEASE, SOURCE)) -> Any:
        """Run a script that looks at the lease first.

        Raises:
            LeaseLostError: it is not the token's.
        """
        answer = await self._run(name, keys, [token, self._lease_ms, *args], held=True)
        if answer is None:
            raise LeaseLostError("the relay's lease is another node's by now, or was removed; it stands by")
        return answer

    async def _run(self, name: str, keys: Sequence[str], args: Sequence[RedisArgument], *, held: bool = False) -> Any:
        async with self._commands.asking() as client:
            return await load_script(name, behind="held" if held else None).run(client, keys, args)


def _entry(number: bytes, flat: _Flat) -> SourceEntry:
    return SourceEntry(number.decode(), dict(zip(flat[::2], flat[1::2], strict=True)))


def letter_fields(letter: DeadLetter) -> dict[Any, Any]:
    """What stands in the queue: of every letter as many fields, and the entry's id is the first."""
    fields = letter.entry.fields or {}
    if b"event" in fields:
        # The queue is bounded in letters, so a letter must be bounded in bytes; `error` says how long the event was.
        content = {"event": fields[b"event"][:MAX_EVENT_BYTES]}
    else:
        readable = {_text(name): _text(value) for name, value in fields.items()}
        content = {"fields": json.dumps(readable, ensure_ascii=False).encode()[:MAX_EVENT_BYTES]}
    return {
        "id": letter.entry.entry_id,
        **content,
        "reason": letter.reason,
        "error": letter.error,
        "tries": letter.tries,
        "node": letter.node,
        "time": f"{letter.time:.3f}",
    }


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")
