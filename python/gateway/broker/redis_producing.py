"""Producing to Redis from inside the gateway: the same commands as `gateway.client`, behind the breaker of commands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.broker.producing_base import Emission, Publication
from gateway.broker.redis_commands import RedisCommands
from gateway.broker.script import Script
from gateway.client.emission import EMIT, SEEN_SECONDS, entry_id_in, idempotency_key
from gateway.client.revoking import WRITE, lifetime, written
from gateway.protocol.keys import SOURCE
from gateway.protocol.rights import REVOKED_CHANNEL, Revocation, encode_revocation


class RedisProducing:
    """Keeps `producing_base.Producing`. For one event loop, not thread-safe.

    One command after the other and no pipeline: a cluster knows none for Pub/Sub, and a batch of a thousand, the most
    that the API takes, is some 100 ms.
    """

    def __init__(self, commands: RedisCommands, *, token_max_age: int) -> None:
        """`token_max_age`: seconds that a token may live, 0 for unlimited; revocations outlive it."""
        self._commands = commands
        self._emit = Script("emit", EMIT)
        self._write = Script("revoke", WRITE)
        self._lifetime = lifetime(token_max_age)

    async def publish(self, publications: Sequence[Publication]) -> list[int]:
        """See `Producing.publish`."""
        heard: list[int] = []
        if not publications:
            return heard
        async with self._commands.asking() as client:
            call: Any = client
            for channel, payload, sharded in publications:
                heard.append(int(await (call.spublish if sharded else call.publish)(channel, payload)))
        return heard

    async def emit(self, emissions: Sequence[Emission]) -> list[str]:
        """See `Producing.emit`."""
        keys = [None if key is None else idempotency_key(key) for _, key in emissions]
        ids: list[str] = []
        if not emissions:
            return ids
        async with self._commands.asking() as client:
            for (payload, _), key in zip(emissions, keys, strict=True):
                if key is None:
                    answer = await client.xadd(SOURCE, {"event": payload})
                else:
                    answer = await self._emit.run(client, [SOURCE, key], [payload, SEEN_SECONDS])
                ids.append(entry_id_in(answer))
        return ids

    async def revoke(self, revocation: Revocation, at: float) -> tuple[float, int]:
        """See `Producing.revoke`."""
        announcement = encode_revocation(revocation)
        async with self._commands.asking() as client:
            kept = await self._write.run(client, [revocation.key], [written(at), self._lifetime])
            # Behind it, so that whoever hears it finds the key.
            return float(kept), int(await client.publish(REVOKED_CHANNEL, announcement))
