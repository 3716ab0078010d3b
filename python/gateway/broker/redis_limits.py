"""Limits over all nodes, in Redis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from redis.exceptions import NoScriptError

from gateway.broker.failures import broker_error
from gateway.broker.limits_base import BEAT_KEPT_SECONDS, Claim, ClaimAnswer
from gateway.broker.redis_commands import RedisCommands
from gateway.broker.script import RedisArgument, Script, load_script
from gateway.protocol.limit_keys import beat_key

LEASE_SECONDS: Final = 60.0
"""How long the places of a node that died are counted. Renewed three times in that time."""

_Call = tuple[Script, list[str], list[RedisArgument]]


class RedisLimits:
    """Keeps `limits_base.LimitStore`. For one event loop.

    Places are members of sorted sets whose scores are the server's milliseconds at which they lapse: a node that
    crashes frees its places by doing nothing, and a set that nobody renews is gone with its last place.
    """

    def __init__(self, commands: RedisCommands, *, lease: float = LEASE_SECONDS) -> None:
        """`lease`: seconds that a place is held without being renewed."""
        self._commands = commands
        self._lease = round(lease * 1000)
        self._take = load_script("take_place")
        self._renew = load_script("renew_places")

    async def ask(self, keys: Sequence[str], claim: Claim | None) -> ClaimAnswer:
        """See `LimitStore.ask`."""
        calls: list[_Call] = []
        if claim is not None:
            limits = [limit.limit for limit in claim.limits]
            names = [limit.key for limit in claim.limits]
            calls.append((self._take, names, [claim.member, self._lease, *limits, *claim.gone]))
        values, answers = await self._run([("GET", key) for key in keys], calls)
        full = int(answers[0]) if answers else 0
        return ClaimAnswer(values, full - 1 if full else None)

    async def renew(self, places: Mapping[str, Sequence[str]]) -> None:
        """See `LimitStore.renew`."""
        await self._run([], [(self._renew, [key], [self._lease, *members]) for key, members in places.items()])

    async def give_up(self, places: Mapping[str, Sequence[str]]) -> None:
        """See `LimitStore.give_up`."""
        await self._run([("ZREM", key, *members) for key, members in places.items()], [])

    async def holders(self, key: str) -> list[str]:
        """See `LimitStore.holders`."""
        names, _ = await self._run([("ZRANGE", key, 0, -1)], [])
        return [name.decode() for name in names[0]]

    async def beat(self, run: str, number: int) -> None:
        """See `LimitStore.beat`."""
        await self._run([("SET", beat_key(run), number, "PX", round(BEAT_KEPT_SECONDS * 1000))], [])

    async def beats(self, runs: Sequence[str]) -> list[bytes | None]:
        """See `LimitStore.beats`."""
        numbers, _ = await self._run([("GET", beat_key(run)) for run in runs], [])
        return numbers

    async def penalise(self, keys: Mapping[str, float]) -> None:
        """See `LimitStore.penalise`."""
        await self._run([("SET", key, 1, "PX", round(seconds * 1000)) for key, seconds in keys.items()], [])

    async def _run(
        self, commands: Sequence[tuple[RedisArgument, ...]], calls: Sequence[_Call]
    ) -> tuple[list[Any], list[Any]]:
        """Run commands and scripts in one pipeline: one round trip, but for a server that does not know a script yet.

        Single keys and not MGET, so that in a cluster each goes to its own server.
        """
        if not commands and not calls:
            return [], []
        async with self._commands.asking() as client:
            pipeline: Any = client.pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command)
            for script, keys, args in calls:
                pipeline.execute_command("EVALSHA", script.sha, len(keys), *keys, *args)
            answers = await pipeline.execute(raise_on_error=False)
            for number, (script, keys, args) in enumerate(calls, start=len(commands)):
                if isinstance(answers[number], NoScriptError):
                    answers[number] = await script.run(client, keys, args)
        for answer in answers:
            if isinstance(answer, Exception):
                raise broker_error(self._commands.where, answer) from answer
        return answers[: len(commands)], answers[len(commands) :]
