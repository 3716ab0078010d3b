"""Limits over all nodes, in Redis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from redis.exceptions import NoScriptError, ResponseError

from gateway.broker.failures import broker_error
from gateway.broker.limits_base import BEAT_KEPT_SECONDS, Claim, ClaimAnswer
from gateway.broker.redis_commands import RedisCommands
from gateway.broker.redis_questions import Question, SharedQuestions
from gateway.broker.script import RedisArgument, Script, load_script
from gateway.protocol.limit_keys import beat_key

LEASE_SECONDS: Final = 60.0
"""How long the places of a node that died are counted. Renewed three times in that time."""

_Command = tuple[RedisArgument, ...]
_Call = tuple[Script, list[str], list[RedisArgument]]


class RedisLimits:
    """Keeps `limits_base.LimitStore`. For one event loop. Joins that ask together share a round trip.

    Places are members of sorted sets whose scores are the server's milliseconds at which they lapse: a node that
    crashes frees its places by doing nothing, and a set that nobody renews is gone with its last place.

    What is written here is written in the background, but for the claim of a join; joins wait for what is read.
    """

    def __init__(self, commands: RedisCommands, *, lease: float = LEASE_SECONDS) -> None:
        """`lease`: seconds that a place is held without being renewed."""
        self._commands = commands
        self._lease = round(lease * 1000)
        self._take = load_script("take_place")
        self._renew = load_script("renew_places")
        self._questions = SharedQuestions(self._ask_all)

    async def ask(self, keys: Sequence[str], claim: Claim | None) -> ClaimAnswer:
        """See `LimitStore.ask`."""
        return await self._questions.ask(Question(keys, claim))

    async def renew(self, places: Mapping[str, Sequence[str]]) -> None:
        """See `LimitStore.renew`."""
        calls: list[_Call] = [(self._renew, [key], [self._lease, *members]) for key, members in places.items()]
        await self._run([], calls, background=True)

    async def give_up(self, places: Mapping[str, Sequence[str]]) -> None:
        """See `LimitStore.give_up`."""
        await self._run([("ZREM", key, *members) for key, members in places.items()], background=True)

    async def holders(self, key: str) -> list[str]:
        """See `LimitStore.holders`."""
        (names,) = await self._run([("ZRANGE", key, 0, -1)])
        return [name.decode() for name in names]

    async def beat(self, run: str, number: int) -> None:
        """See `LimitStore.beat`."""
        command = ("SET", beat_key(run), number, "PX", round(BEAT_KEPT_SECONDS * 1000))
        await self._run([command], background=True)

    async def beats(self, runs: Sequence[str]) -> list[bytes | None]:
        """See `LimitStore.beats`."""
        return await self._run([("GET", beat_key(run)) for run in runs])

    async def penalise(self, keys: Mapping[str, float]) -> None:
        """See `LimitStore.penalise`."""
        commands = [("SET", key, 1, "PX", round(seconds * 1000)) for key, seconds in keys.items()]
        await self._run(commands, background=True)

    async def _ask_all(self, questions: Sequence[Question]) -> list[ClaimAnswer | Exception]:
        """An answer for each, or the error of its own commands: one that fails harms no other."""
        commands: list[_Command] = [("GET", key) for keys, _ in questions for key in keys]
        calls = [self._call(claim) for _, claim in questions if claim is not None]
        answers = await self._execute(commands, calls)
        values, taken = iter(answers[: len(commands)]), iter(answers[len(commands) :])
        found: list[ClaimAnswer | Exception] = []
        for keys, claim in questions:
            own = [next(values) for _ in keys]
            full = 0 if claim is None else next(taken)
            failed = next((answer for answer in (*own, full) if isinstance(answer, Exception)), None)
            if failed is None:
                found.append(ClaimAnswer(own, int(full) - 1 if full else None))
            else:
                found.append(broker_error(self._commands.where, failed))
        return found

    def _call(self, claim: Claim) -> _Call:
        limits = [limit.limit for limit in claim.limits]
        names = [limit.key for limit in claim.limits]
        return self._take, names, [claim.member, self._lease, *limits, *claim.gone]

    async def _run(
        self, commands: Sequence[_Command], calls: Sequence[_Call] = (), *, background: bool = False
    ) -> list[Any]:
        """The answers; one that is an error is an error of all."""
        answers = await self._execute(commands, calls, background=background)
        for answer in answers:
            if isinstance(answer, Exception):
                raise broker_error(self._commands.where, answer) from answer
        return answers

    async def _execute(
        self, commands: Sequence[_Command], calls: Sequence[_Call], *, background: bool = False
    ) -> list[Any]:
        """Run commands and scripts in one pipeline: one round trip, but for a server that does not know a script yet.

        Single keys and not MGET, so that in a cluster each goes to its own server.

        Returns:
            the answers, or errors, of the commands and then of the scripts.
        """
        if not commands and not calls:
            return []
        async with self._commands.asking(background=background) as client:
            pipeline: Any = client.pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command)
            for script, keys, args in calls:
                pipeline.execute_command("EVALSHA", script.sha, len(keys), *keys, *args)
            answers: list[Any] = await pipeline.execute(raise_on_error=False)
            for number, (script, keys, args) in enumerate(calls, start=len(commands)):
                if isinstance(answers[number], NoScriptError):
                    try:
                        answers[number] = await script.run(client, keys, args)
                    except ResponseError as error:
                        answers[number] = error
        return answers
