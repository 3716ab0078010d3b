"""Nodes that ask each other, over Redis: questions by Pub/Sub, answers in a list with a time to live."""

from __future__ import annotations

from typing import Any, Final, cast

from gateway.broker.redis_commands import RedisCommands
from gateway.broker.script import load_script
from gateway.protocol.node_keys import NODES_CHANNEL, ROSTER, answers_key

ROSTER_SECONDS: Final = 30.0
"""How long a node that died is still expected to answer. Names are entered again three times in that time."""

ANSWER_SECONDS: Final = 10
"""How long an answer waits for who asked, which is a second or so, or never if the asker died."""


class RedisNodeBoard:
    """Keeps `nodes_base.NodeBoard`. For one event loop, not thread-safe.

    Answers stand in a list and do not come by Pub/Sub: they are large, and a cluster passes every publication on to
    all its servers.
    """

    def __init__(self, commands: RedisCommands, *, lease: float = ROSTER_SECONDS) -> None:
        """`lease`: seconds that a name stands without being entered again."""
        self._commands = commands
        self._lease = round(lease * 1000)
        self._roster = load_script("roster")

    async def enter(self, name: str) -> None:
        """See `NodeBoard.enter`."""
        async with self._commands.asking(background=True) as client:
            await self._roster.run(client, [ROSTER], [name, self._lease])

    async def leave(self, name: str) -> None:
        """See `NodeBoard.leave`."""
        async with self._commands.asking() as client:
            await client.zrem(ROSTER, name)

    async def names(self) -> frozenset[str]:
        """See `NodeBoard.names`."""
        async with self._commands.asking() as client:
            names = await self._roster.run(client, [ROSTER], ["", self._lease])
        return frozenset(name.decode("ascii", "replace") for name in names)

    async def ask(self, question: bytes) -> None:
        """See `NodeBoard.ask`."""
        async with self._commands.asking() as client:
            await client.publish(NODES_CHANNEL, question)

    async def answer(self, question_id: str, answer: bytes) -> None:
        """See `NodeBoard.answer`."""
        key = answers_key(question_id)
        async with self._commands.asking() as client:
            pipeline: Any = client.pipeline(transaction=True)
            pipeline.rpush(key, answer)
            pipeline.expire(key, ANSWER_SECONDS)
            await pipeline.execute()

    async def next_answer(self, question_id: str, seconds: float) -> bytes | None:
        """See `NodeBoard.next_answer`."""
        async with self._commands.asking(seconds) as client:
            call: Any = client
            # Redis takes 0 for "for ever".
            found = await call.blpop([answers_key(question_id)], timeout=max(seconds, 0.001))
        return None if found is None else cast("bytes", found[1])
