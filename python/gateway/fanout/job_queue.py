"""What waits for a broadcast worker."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import NamedTuple

from gateway.types import Room


class Job(NamedTuple):
    """An admitted event, or what is announced in the place of one."""

    ticket: int
    room: Room
    payload: bytes
    position: str | None
    is_event: bool = True


class TenantTurns:
    """Jobs that wait for one worker: those of a tenant in their order, and tenants one job in turn. Event loop only.

    Without turns an event of a quiet tenant would wait for all that a noisy one has submitted before it.
    """

    def __init__(self) -> None:
        self._jobs: dict[int, deque[Job]] = {}  # in the order of their turns; none is empty
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def append(self, job: Job) -> None:
        """Put a job behind the others of its tenant."""
        self._jobs.setdefault(job.room.tenant, deque()).append(job)
        self._length += 1

    def popleft(self) -> Job:
        """Take the first job of the tenant whose turn it is.

        Raises:
            StopIteration: there is none.
        """
        tenant = next(iter(self._jobs))
        jobs = self._jobs.pop(tenant)
        job = jobs.popleft()
        if jobs:
            self._jobs[tenant] = jobs  # behind the others
        self._length -= 1
        return job


class JobQueue(asyncio.Queue[Job]):
    """A queue in which tenants take turns."""

    _queue: TenantTurns  # which can all that the base class asks of a deque

    def _init(self, maxsize: int) -> None:  # noqa: ARG002 - the base class' own hook
        self._queue = TenantTurns()
