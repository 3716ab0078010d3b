"""Which processor core does what: one for the server, one for everything else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

SERVER_CORE = 0
"""The server under test, all its threads, and nothing of ours."""

CLIENT_CORE = 1
"""Clients, Redis and the orchestration."""


_ALLOWED = frozenset(os.sched_getaffinity(0))
"""Asked once, before anything is pinned."""


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Start processes and threads on this core; they stay there, since affinity is inherited."""
    before = os.sched_getaffinity(0)
    # With a single core there is nothing to choose; the record of the machine says so.
    os.sched_setaffinity(0, {core} & _ALLOWED or _ALLOWED)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
