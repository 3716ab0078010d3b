"""Metrics of Redis itself, as this node sees it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import Counter, Gauge

    from gateway.telemetry.redis_base import MemoryUse, SlowCommands, SourceUse


class RedisMetrics:
    """What `RedisMonitor` reads. Thread-safe.

    A gauge is NaN while its number is not known: a number that Redis said once would look like one that it says now.
    """

    def __init__(self, counter: Callable[..., Counter], gauge: Callable[..., Gauge]) -> None:
        """`counter` and `gauge` declare a metric: name, text, and the known values of a label."""
        self._memory = gauge("redis_memory_bytes", "Memory that Redis uses; of a cluster, its masters together.")
        self._limit = gauge("redis_memory_limit_bytes", "The most that it may use; 0 where nothing limits it.")
        self._evicted = counter("redis_evicted_keys_total", "Keys that Redis threw away to make room.")
        self._slow = counter("redis_slow_commands_total", "Commands that came into Redis' slow log.")
        self._slowest = gauge("redis_slowest_command_seconds", "The slowest of those since the last reading.")
        self._entries = gauge("source_entries", "Entries of the stream of critical events.")
        self._pending = gauge("source_pending", "Those of them that a relay was given and has not acknowledged.")
        self._waiting = gauge("source_waiting", "Those of them that no relay was given yet.")
        self._dead_letters = gauge("dead_letters", "Entries of the dead-letter queue.")
        self._failures = counter("redis_readings_failed_total", "Readings of these numbers that Redis did not answer.")
        self._evicted_before: int | None = None
        self.on_memory(None)
        self.on_slow_commands(None)
        self.on_source(None)

    def on_memory(self, use: MemoryUse | None) -> None:
        """What was read; None when it could not be. Evictions count from the first reading on."""
        self._memory.set(math.nan if use is None else use.used)
        self._limit.set(math.nan if use is None else use.limit)
        if use is not None:
            if self._evicted_before is not None:
                # Redis counts from its start: less than before means that it is a new one.
                self._evicted.inc(use.evicted - (self._evicted_before if use.evicted >= self._evicted_before else 0))
            self._evicted_before = use.evicted

    def on_slow_commands(self, slow: SlowCommands | None) -> None:
        """What was read; None when it could not be."""
        self._slowest.set(math.nan if slow is None else slow.slowest)
        if slow is not None:
            self._slow.inc(slow.commands)

    def on_source(self, use: SourceUse | None) -> None:
        """What was read; None when it could not be."""
        self._entries.set(_number(None if use is None else use.entries))
        self._pending.set(_number(None if use is None else use.pending))
        self._waiting.set(_number(None if use is None else use.waiting))
        self._dead_letters.set(_number(None if use is None else use.dead_letters))

    def on_failed(self) -> None:
        """One reading failed."""
        self._failures.inc()


def _number(value: int | None) -> float:
    return math.nan if value is None else value
