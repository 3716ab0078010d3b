"""A pause that Ctrl-C ends."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interruptible_pause() -> Iterator[Callable[[float], None]]:
    """A sleep that Ctrl-C ends, with KeyboardInterrupt, and nothing else that it hits.

    Python raises it wherever the program is, also where it is lost: in a destructor, or while the terminal is put back.
    A second Ctrl-C does that, for who does not want to wait for an answer. Main thread only.
    """
    pressed = threading.Event()

    def press(_signal: int, _frame: FrameType | None) -> None:
        pressed.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def pause(seconds: float) -> None:
        if pressed.wait(seconds):
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, press)
    try:
        yield pause
    finally:
        signal.signal(signal.SIGINT, before)
