"""What nobody waits for opens no breaker; what somebody waits for does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from gateway.broker.limits_base import Claim, PlaceLimit
from gateway.broker.redis_commands import RedisCommands
from gateway.broker.redis_limits import RedisLimits
from gateway.broker.redis_nodes import RedisNodeBoard
from gateway.broker.redis_reader import RedisNumbers
from gateway.errors import BrokerError
from gateway.protocol.limit_keys import abuse_key, presence_key
from gateway.resilience.circuit_breaker import BreakerState, CircuitBreaker
from gateway.types import SystemClock

PLACES = presence_key(1, "user:12")
AWAY = "redis://127.0.0.1:1/0"

Asking = Callable[[RedisCommands], Awaitable[object]]

BACKGROUND: dict[str, Asking] = {
    "beat": lambda commands: RedisLimits(commands).beat("run", 1),
    "renewal": lambda commands: RedisLimits(commands).renew({PLACES: ["run:1"]}),
    "places given up": lambda commands: RedisLimits(commands).give_up({PLACES: ["run:1"]}),
    "penalties": lambda commands: RedisLimits(commands).penalise({abuse_key(1, "user:12"): 60}),
    "roster": lambda commands: RedisNodeBoard(commands).enter("node"),
    "memory": lambda commands: RedisNumbers(commands).memory(),
    "slow log": lambda commands: RedisNumbers(commands).slow_commands(),
    "source": lambda commands: RedisNumbers(commands).source(),
}
FOREGROUND: dict[str, Asking] = {
    "join": lambda commands: RedisLimits(commands).ask(["key"], Claim("run:1", (PlaceLimit(PLACES, 3),), ())),
    "holders": lambda commands: RedisLimits(commands).holders(PLACES),
    "beats": lambda commands: RedisLimits(commands).beats(["run"]),
    "names": lambda commands: RedisNodeBoard(commands).names(),
    "readiness": lambda commands: commands.ping(),
}


async def state_after(asking: Asking) -> BreakerState:
    """Of a breaker that opens at the first failure, with a server that is away."""
    breaker = CircuitBreaker("commands", SystemClock(), failures=1)
    commands = RedisCommands(AWAY, breaker)
    try:
        with pytest.raises(BrokerError, match="cannot be reached"):
            await asking(commands)
        return breaker.state
    finally:
        await commands.close()


@pytest.mark.parametrize("asking", BACKGROUND.values(), ids=BACKGROUND)
async def test_what_nobody_waits_for_opens_nothing(asking: Asking) -> None:
    assert await state_after(asking) is BreakerState.CLOSED


@pytest.mark.parametrize("asking", FOREGROUND.values(), ids=FOREGROUND)
async def test_what_somebody_waits_for_opens_it(asking: Asking) -> None:
    assert await state_after(asking) is BreakerState.OPEN
