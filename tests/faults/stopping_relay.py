"""A node whose relay can be stopped for good between any two steps, or brought down by an event.

`python -m tests.faults.stopping_relay serve …` is `gateway serve` with one class exchanged. What happens is told it by
files in the folder that `FAULTS_FOLDER` names; `StopSwitch` is the other end.
"""

from __future__ import annotations

import asyncio
import functools
import os
import secrets
import signal
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final

import gateway.wiring.ways_in
from gateway.broker.streams_base import RelayResult, RoomBatch
from gateway.cli import main
from gateway.errors import LeaseLostError
from gateway.ingest.stream_consumer import StreamConsumer
from tests.faults.catalogue import STEPS

MODULE: Final = ("tests.faults.stopping_relay", "serve")
"""What a node runs."""

POISON: Final = "poison"
"""Stands in an event that brings the relay down, as a fault of ours would: an exception that nobody expects."""

LOOK_SECONDS: Final = 0.02


class StopSwitch:
    """Says where a node's relay stops, and sees that it has. Files, since the two are different processes.

    Args:
        folder: the node's.
    """

    def __init__(self, folder: Path) -> None:
        self._armed = folder / "armed"
        self._reached = folder / "reached"
        self._reborn = folder / "reborn"

    def arm(self, point: str, how: str = "hang") -> None:
        """Stop at `before <step>` or `after <step>`. `how`: `hang` for ever, or `die` with the whole process."""
        self._reached.unlink(missing_ok=True)
        self._reborn.unlink(missing_ok=True)
        # Renamed into place, so that the relay never reads half of it.
        (draft := self._armed.with_suffix(".new")).write_text(f"{how} {point}", "utf-8")
        draft.rename(self._armed)

    async def reached(self) -> None:
        """Return when the relay has stopped; it has not when nobody comes by in 60 s."""
        async with asyncio.timeout(60):
            while not self._reached.exists():
                await asyncio.sleep(LOOK_SECONDS)

    def give_birth(self) -> None:
        """A relay that hangs never goes on; let the node have a new one, as after a restart."""
        self._reborn.touch()

    # --- the relay's end ----------------------------------------------------------------------------------------

    def armed_for(self, point: str) -> str | None:
        """How to stop here; None for not at all. Takes the order away."""
        try:
            how, _, where = self._armed.read_text("utf-8").partition(" ")
        except FileNotFoundError:
            return None
        if where != point:
            return None
        self._armed.unlink()
        self._reached.touch()
        return how

    async def birth(self) -> None:
        """Wait for it."""
        while not self._reborn.exists():
            await asyncio.sleep(LOOK_SECONDS)
        self._reborn.unlink()


class StoppingRelay(StreamConsumer):
    """Looks at the switch before and after every step."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._switch = StopSwitch(Path(os.environ["FAULTS_FOLDER"]))

    async def take_lease(self) -> bool:
        await self.come_by("before take_lease")
        taken = await super().take_lease()
        if taken:  # standing by is not what is to be stopped
            await self.come_by("after take_lease")
        return taken

    async def write_rooms(self, batches: Sequence[RoomBatch], *, refeed: bool) -> list[RelayResult]:
        if any(POISON.encode() in entry.payload for batch in batches for entry in batch.entries):
            raise RuntimeError("a fault of ours, asked for by a test")
        return await super().write_rooms(batches, refeed=refeed)

    async def come_by(self, point: str) -> None:
        """Stop here, if it is said so: nothing of the step's caller is ever done."""
        match self._switch.armed_for(point):
            case None:
                return
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
        await self._switch.birth()
        self._forget()
        raise LeaseLostError("the relay was stopped for good by a test; this is another one")

    def _forget(self) -> None:
        """Know no more than a process that has just begun."""
        self._token = f"reborn:{secrets.token_hex(16)}"
        self._fence = 0
        self._had_group = False
        self._refeed_until = (0, 0)
        self._owed.clear()
        self._trim_at = 0.0


def _stopping(step: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(step)
    async def around(self: StoppingRelay, *args: Any, **options: Any) -> Any:
        await self.come_by(f"before {step.__name__}")
        result = await step(self, *args, **options)
        await self.come_by(f"after {step.__name__}")
        return result

    return around


for _name in STEPS[1:]:  # all but `take_lease`
    setattr(StoppingRelay, _name, _stopping(getattr(StoppingRelay, _name)))


if __name__ == "__main__":
    # The composition root names its classes as globals of its module.
    gateway.wiring.ways_in.StreamConsumer = StoppingRelay  # type: ignore[attr-defined]
    main()
