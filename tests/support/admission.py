"""What the random histories of subscriptions have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Generic, TypeVar

Name = TypeVar("Name")


class Admission(Generic[Name]):
    """One `hold`: waiting, then inside, until it is told to leave or cancelled. Made in a running loop.

    Attributes:
        names: what it holds.
        entered_on: the number of the connection on which it was let in.
        leave: set, to let it go.
    """

    def __init__(
        self, names: Iterable[Name], hold: AbstractAsyncContextManager[None], connection_number: Callable[[], int]
    ) -> None:
        self.names = set(names)
        self.entered_on: int | None = None
        self.leave = asyncio.Event()
        self.task = asyncio.get_running_loop().create_task(self._run(hold, connection_number))

    async def _run(self, hold: AbstractAsyncContextManager[None], connection_number: Callable[[], int]) -> None:
        async with hold:
            self.entered_on = connection_number()
            await self.leave.wait()


def end_loop(loop: asyncio.AbstractEventLoop, last: Coroutine[object, object, None]) -> None:
    """Run the last thing in a machine's loop, then cancel whatever is left in it, and close it."""
    try:
        loop.run_until_complete(last)
    finally:
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.wait(tasks))
        loop.close()
