"""How the fan-out tells Python what happened: collected, and delivered once per turn of the loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial

from gateway.fanout.base import FanoutListener, Notice, Occupancy

logger = logging.getLogger("gateway.fanout")


class NoticeOutlet:
    """Holds notices and changes of occupancy back until no call of `Fanout` is on the stack. Event loop only.

    The first of them schedules one delivery with `call_soon`. A delivery reports every change of occupancy, in the
    order in which they happened, then all notices in one call; what the listener causes by that goes into the next.
    What comes before a listener is bound waits for it.
    """

    def __init__(self) -> None:
        self._listener: FanoutListener | None = None
        self._notices: list[Notice] = []
        self._occupancies: list[Occupancy] = []
        self._scheduled = False

    def bind(self, listener: FanoutListener) -> None:
        """Set who is told; from now on nobody else is."""
        self._listener = listener
        if self._notices or self._occupancies:
            self._schedule()

    def notice(self, notice: Notice) -> None:
        """Tell of something."""
        self._notices.append(notice)
        self._schedule()

    def occupancy(self, occupancy: Occupancy) -> None:
        """Tell of a change of occupancy, unless nothing changed."""
        if occupancy != Occupancy():
            self._occupancies.append(occupancy)
            self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled and self._listener is not None:
            asyncio.get_running_loop().call_soon(self._deliver)
            self._scheduled = True

    def _deliver(self) -> None:
        # Taken out first: the listener may call `Fanout` again, and that belongs to the next delivery.
        self._scheduled = False
        notices, self._notices = self._notices, []
        occupancies, self._occupancies = self._occupancies, []
        listener = self._listener
        if listener is None:  # unreachable: nothing is scheduled without a listener
            return
        for occupancy in occupancies:
            _guarded(partial(listener.on_occupancy, occupancy))
        if notices:
            _guarded(partial(listener.on_notices, notices))


def _guarded(call: Callable[[], None]) -> None:
    """A listener must not raise; if it does, the others' notices must still arrive."""
    try:
        call()
    except Exception:
        logger.exception("the fan-out's listener raised; its other notices are delivered all the same")
