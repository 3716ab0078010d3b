"""Both clients behind one face: what each does, in the words of the behaviour table."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from gateway.client import Client, Endpoint, Event, GaveUpError, Stale, Throttled, Timing
from scripts.clients import PACKAGE

SECONDS = 30.0

Json = dict[str, Any]
Tokens = Callable[[], str]


@dataclass
class Sdk:
    """A running client."""

    reactions: asyncio.Queue[Json] = field(default_factory=asyncio.Queue)
    seen: list[Json] = field(default_factory=list)
    """Everything so far, but what nobody has waited for yet."""

    async def next(self) -> Json:
        """The next thing that it does."""
        async with asyncio.timeout(SECONDS):
            reaction = await self.reactions.get()
        self.seen.append(reaction)
        return reaction

    async def until(self, word: str, value: Any = None) -> Any:
        """Go on to a reaction of this word (and value)."""
        while True:
            reaction = await self.next()
            if word in reaction and value in (None, reaction[word]):
                return reaction[word]

    def all(self, word: str) -> list[Any]:
        """The values of a word, in what has been seen."""
        return [reaction[word] for reaction in self.seen if word in reaction]

    async def close(self) -> None:
        raise NotImplementedError


@asynccontextmanager
async def python(url: str, endpoint: Endpoint, tokens: Tokens, **timing: float) -> AsyncIterator[Sdk]:
    """`gateway.client.Client`."""

    class Python(Sdk):
        async def close(self) -> None:
            await client.close()

    sdk = Python()

    def ask() -> str:
        sdk.reactions.put_nowait({"ask": "token"})
        return tokens()

    client = Client(
        url,
        endpoint,
        token=ask,
        timing=Timing(**timing),  # type: ignore[arg-type]
        on_state=lambda state: sdk.reactions.put_nowait({"state": state.value}),
    )

    async def hear() -> None:
        try:
            async for message in client:
                match message:
                    case Event():
                        sdk.reactions.put_nowait({"event": message.data})
                    case Stale():
                        sdk.reactions.put_nowait({"stale": list(message.branches)})
                    case Throttled():
                        sdk.reactions.put_nowait({"throttled": message.dropped})
        except GaveUpError as error:
            sdk.reactions.put_nowait({"giveUp": {"code": error.code, "attempts": error.attempts}})

    async with client:
        hearing = asyncio.create_task(hear())
        yield sdk
    await hearing


@asynccontextmanager
async def typescript(url: str, endpoint: Endpoint, tokens: Tokens, **timing: float) -> AsyncIterator[Sdk]:
    """`fanout-client`, as built, under Node."""
    options = {
        "url": url,
        "endpoint": endpoint,
        "timing": {re.sub(r"_(\w)", lambda m: m[1].upper(), name): value for name, value in timing.items()},
    }
    process = await asyncio.create_subprocess_exec(
        "node",
        "test/drive.mjs",
        json.dumps(options),
        cwd=PACKAGE,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    # Bound after the assertions, so that the functions below know that they are there.
    stdin, stdout = process.stdin, process.stdout

    class TypeScript(Sdk):
        async def close(self) -> None:
            stdin.write(b'{"do": "close"}\n')

    sdk = TypeScript()

    async def hear() -> None:
        while line := await stdout.readline():
            reaction = json.loads(line)
            sdk.reactions.put_nowait(reaction)
            if "ask" in reaction:
                stdin.write(json.dumps({"token": tokens()}).encode() + b"\n")

    hearing = asyncio.create_task(hear())
    try:
        yield sdk
    finally:
        stdin.close()
        try:
            async with asyncio.timeout(SECONDS):
                await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            await hearing


CLIENTS = {"python": python, "typescript": typescript}
