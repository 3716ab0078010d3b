"""Running the loop until nobody has anything left to do, instead of sleeping."""

from __future__ import annotations

import asyncio

_TURNS = 100_000


async def settle() -> None:
    """Return when every task waits for something that only the test can bring about: I/O, a timer, a resumed fake.

    Goes by the ready queue of asyncio's own loop, which is what tests run on.
    """
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
