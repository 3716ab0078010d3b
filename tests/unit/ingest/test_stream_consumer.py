"""How the relay waits. What it does with entries is asked of a real server, in `tests/integration/test_relay.py`."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.errors import BrokerError, LeaseLostError
from gateway.ingest.relay_base import RelayNumbers
from gateway.ingest.stream_consumer import StreamConsumer
from gateway.protocol.routing import RoutingTable
from gateway.resilience.circuit_breaker import CircuitBreaker
from gateway.resilience.jitter import DecorrelatedJitter
from tests.support.clock import FakeClock
from tests.support.relay_rig import CountingObserver
from tests.support.settle import settle


class Script:
    """A source that answers what it was told to, and writes down what it was asked."""

    def __init__(self, **answers: list[Any]) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.released: list[str] = []

    def __getattr__(self, name: str) -> Any:
        async def answer(*args: object, **_kwargs: object) -> Any:
            self.asked.append(name)
            if name == "release":
                self.released.append(str(args[0]))
            waiting = self.answers.get(name)
            if not waiting:
                return None
            value = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            if isinstance(value, BaseException):
                raise value
            return value

        return answer


class Sleeps:
    """Waits that the test ends."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._turn = asyncio.Semaphore(0)

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await self._turn.acquire()

    async def end(self, times: int = 1) -> None:
        for _ in range(times):
            self._turn.release()
            await settle()


def consumer(source: Script, sleeps: Sleeps, clock: FakeClock, breaker: CircuitBreaker | None = None) -> StreamConsumer:
    return StreamConsumer(
        source,  # type: ignore[arg-type]
        Script(relay=[[]]),  # type: ignore[arg-type]
        RoutingTable(),
        node="node-1",
        breaker=breaker or CircuitBreaker("relay", clock),
        jitter=DecorrelatedJitter(base=1, cap=100, uniform=lambda _low, high: high),
        observer=CountingObserver(),
        clock=clock,
        numbers=RelayNumbers(lease=9),
        sleep=sleeps,
    )


async def test_attempts_are_spaced_by_the_jitter_and_not_shorter_than_the_breaker_is_open() -> None:
    sleeps, clock = Sleeps(), FakeClock()
    breaker = CircuitBreaker("relay", clock, failures=1, open_seconds=30)
    relay = consumer(Script(connect=[BrokerError("away")]), sleeps, clock, breaker)
    await relay.start()
    await settle()
    await sleeps.end(2)
    assert sleeps.seconds == [3, 9, 27]
    breaker.acquire().fail()
    clock.advance(1)
    await sleeps.end()
    assert sleeps.seconds[-1] == 81
    await relay.stop()


async def test_an_open_breaker_is_waited_for() -> None:
    sleeps, clock = Sleeps(), FakeClock()
    breaker = CircuitBreaker("relay", clock, failures=1, open_seconds=30)
    for _ in range(5):
        clock.advance(breaker.retry_after())
        breaker.acquire().fail()
    relay = consumer(Script(connect=[BrokerError("open")]), sleeps, clock, breaker)
    await relay.start()
    await settle()
    assert sleeps.seconds == [16], "and not 3, which the jitter gives"
    await relay.stop()


async def test_a_node_that_stands_by_asks_three_times_a_lease_and_knows_that_there_is_a_group() -> None:
    sleeps, source = Sleeps(), Script(acquire=[None])
    relay = consumer(source, sleeps, FakeClock())
    await relay.start()
    await settle()
    await sleeps.end(2)
    assert sleeps.seconds == [3, 3, 3]
    assert source.asked == ["connect", "acquire", "acquire", "acquire"], "one connection, and nothing else is touched"
    assert not relay.active
    await relay.stop()


async def test_a_lost_lease_ends_the_session_and_a_stop_gives_it_up() -> None:
    sleeps, lost = Sleeps(), LeaseLostError("lost")
    source = Script(acquire=[1], pending=[([], 0)], recent=[[]], read=[lost])
    relay = consumer(source, sleeps, FakeClock())
    await relay.start()
    await settle()
    assert source.asked[-2:] == ["read", "disconnect"]
    assert not relay.active
    assert relay._observer.held == [True, False]  # type: ignore[attr-defined]
    await relay.stop()
    await relay.stop()
    assert len(source.released) == 1
    assert source.released[0].startswith("node-1:")


async def test_an_unexpected_fault_is_logged_and_begins_a_new_session(caplog: pytest.LogCaptureFixture) -> None:
    sleeps = Sleeps()
    source = Script(acquire=[1], pending=[RuntimeError("ours"), ([], 0)], recent=[[]], read=[LeaseLostError("lost")])
    relay = consumer(source, sleeps, FakeClock())
    await relay.start()
    await settle()
    assert "the relay failed and begins a new session" in caplog.text
    await sleeps.end()
    assert source.asked.count("connect") == 2
    assert source.asked.count("read") == 1
    await relay.stop()


async def test_two_relays_never_share_a_token() -> None:
    tokens = {consumer(Script(), Sleeps(), FakeClock())._token for _ in range(20)}
    assert len(tokens) == 20


@pytest.mark.parametrize(("history", "batch"), [(2, 1), (3, 1), (100, 50), (1_000, 500), (100_000, 500)])
def test_a_batch_is_at_most_half_of_what_history_keeps(history: int, batch: int) -> None:
    assert RelayNumbers(history_events=history).batch == batch
