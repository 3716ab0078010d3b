from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.errors import BrokerError
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.redis_base import MemoryUse, RedisReader, SlowCommands, SourceUse
from gateway.telemetry.redis_monitor import RedisMonitor
from tests.support.settle import settle


class FakeReader:
    """Keeps `RedisReader`; a part of it is refused."""

    def __init__(self) -> None:
        self.refused: dict[str, str] = {}
        self.memory_use = MemoryUse(1_000, 5_000, 10)
        self.slow = SlowCommands(0, 0.0)
        self.source_use = SourceUse(9, 2, 3, 1)
        self.readings = 0

    def _ask(self, what: str) -> None:
        if what in self.refused:
            raise BrokerError(self.refused[what])

    async def memory(self) -> MemoryUse:
        self.readings += 1
        self._ask("memory")
        return self.memory_use

    async def slow_commands(self) -> SlowCommands:
        self._ask("slow")
        return self.slow

    async def source(self) -> SourceUse:
        self._ask("source")
        return self.source_use


class Rig:
    def __init__(self) -> None:
        self.reader = FakeReader()
        kept: RedisReader = self.reader
        self.metrics = Metrics()
        self.waits: list[float] = []
        self.wake = asyncio.Event()
        self.monitor = RedisMonitor(
            kept, self.metrics.redis, sleep=self.sleep, uniform=lambda least, most: (least + most) / 2
        )

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.wake.clear()
        await self.wake.wait()

    async def next(self) -> None:
        """Let the time of the next reading come."""
        self.wake.set()
        await settle()

    def value(self, name: str) -> float | None:
        """None where it is NaN: not known."""
        value = self.metrics.registry.get_sample_value(f"gateway_{name}")
        assert value is not None
        return None if math.isnan(value) else value


@asynccontextmanager
async def started() -> AsyncIterator[Rig]:
    rig = Rig()
    rig.monitor.start()
    await settle()
    try:
        yield rig
    finally:
        await rig.monitor.stop()


async def test_it_reads_at_once_and_every_fifteen_seconds() -> None:
    async with started() as rig:
        assert rig.reader.readings == 1
        assert rig.value("redis_memory_bytes") == 1_000
        assert rig.value("redis_memory_limit_bytes") == 5_000
        assert rig.value("source_entries") == 9
        assert rig.value("source_pending") == 2
        assert rig.value("source_waiting") == 3
        assert rig.value("dead_letters") == 1
        rig.reader.memory_use = MemoryUse(2_000, 0, 10)
        await rig.next()
        assert rig.value("redis_memory_bytes") == 2_000
        assert rig.waits == [15.0, 15.0]
    assert rig.reader.readings == 2


async def test_evictions_and_slow_commands_are_counted_from_the_first_reading_on() -> None:
    async with started() as rig:
        assert rig.value("redis_evicted_keys_total") == 0, "what was before is nobody's to count"
        rig.reader.memory_use = MemoryUse(0, 0, 14)
        rig.reader.slow = SlowCommands(3, 0.25)
        await rig.next()
        assert rig.value("redis_evicted_keys_total") == 4
        assert rig.value("redis_slow_commands_total") == 3
        assert rig.value("redis_slowest_command_seconds") == 0.25
        rig.reader.memory_use = MemoryUse(0, 0, 2)
        rig.reader.slow = SlowCommands(1, 0.1)
        await rig.next()
        assert rig.value("redis_evicted_keys_total") == 6, "a restarted server counts from nought"
        assert rig.value("redis_slow_commands_total") == 4


async def test_what_cannot_be_read_is_not_shown_as_if_it_were_and_leaves_the_rest(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    async with started() as rig:
        rig.reader.refused["slow"] = "it is not permitted"
        rig.reader.refused["source"] = "away"
        for _ in range(3):
            await rig.next()
        for name in ("redis_slowest_command_seconds", "source_entries", "source_pending", "dead_letters"):
            assert rig.value(name) is None
        assert rig.value("redis_memory_bytes") == 1_000
        assert rig.value("redis_readings_failed_total") == 6
        assert caplog.text.count("it is not permitted") == 1, "said once, not every fifteen seconds"
        del rig.reader.refused["source"]
        await rig.next()
        assert rig.value("source_entries") == 9


async def test_redis_not_telling_a_number_is_not_nought() -> None:
    async with started() as rig:
        rig.reader.source_use = SourceUse(0, None, None, 0)
        await rig.next()
        assert rig.value("source_entries") == 0
        for name in ("source_pending", "source_waiting"):
            assert rig.value(name) is None


async def test_a_fault_of_ours_does_not_end_the_readings(caplog: pytest.LogCaptureFixture) -> None:
    async with started() as rig:
        rig.reader.memory_use = None  # type: ignore[assignment]
        rig.reader.source_use = "strange"  # type: ignore[assignment]
        await rig.next()
        assert "could not be looked at" in caplog.text
        rig.reader.source_use = SourceUse(5, 0, 0, 0)
        await rig.next()
        assert rig.value("source_entries") == 5
