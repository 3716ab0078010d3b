"""Running the loop until nobody has anything left to do, instead of sleeping."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_TURNS = 100_000

others: list[Callable[[], bool]] = []
"""What else comes to rest beside the loop: threads, and clients that read. Each call waits until its own has, and says
whether it had anything left to do; a rig registers its own while it runs."""


async def settle() -> None:
    """Return when every task waits for something that only the test can bring about: I/O, a timer, a resumed fake.

    Goes by the ready queue of asyncio's own loop, which is what tests run on.
    """
    quiet = 0
    while quiet < 2:
        busy = [other() for other in others]  # a list, since every one of them has to have its turn
        await _settle_loop()
        # A second round, since what the loop did last may have given the others something to do.
        quiet = 0 if any(busy) else quiet + 1
        if not others:
            return


async def _settle_loop() -> None:
    loop = asyncio.get_running_loop()
    quiet = 0
    for _ in range(_TURNS):
        await asyncio.sleep(0)
        # Empty when we run means: nothing was ready beside us. Twice, since our own turn may have been the first.
        quiet = quiet + 1 if not loop._ready else 0  # type: ignore[attr-defined]
        if quiet == 2:
            return
    raise AssertionError(f"the loop is still busy after {_TURNS} turns; something spins")


async def turns(count: int) -> None:
    """Let the loop go round so many times."""
    for _ in range(count):
        await asyncio.sleep(0)
