"""A second SIGTERM for several workers: their parent waits for them after the first, and passes no more on."""

from __future__ import annotations

import multiprocessing
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def second_signal_reaches_workers() -> Iterator[None]:
    """Within the block, from the second SIGTERM or SIGINT on, each is passed on to the child processes as SIGTERM.

    uvicorn's supervisor sends its workers SIGTERM at the first, and then does nothing but wait for them, however long
    they drain; its handlers go on collecting signals that nobody looks at. Which signals came is read from the wake-up
    descriptor, which Python writes to whoever has installed the handlers. For the main thread.
    """
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    watcher = threading.Thread(target=_pass_on, args=(ours,), name="second-signal", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        theirs.close()  # the watcher reads its end
        watcher.join()
        ours.close()


def _pass_on(signals: socket.socket) -> None:
    seen = 0
    while numbers := signals.recv(64):
        for number in numbers:
            if number not in _SIGNALS:
                continue
            seen += 1
            if seen > 1:
                for child in multiprocessing.active_children():
                    child.terminate()  # which is SIGTERM, and nothing for one that has ended
