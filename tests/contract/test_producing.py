"""What the API sends, on Redis of every kind."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest

from gateway.broker.producing_base import Emission, Publication
from gateway.broker.redis_commands import RedisCommands
from gateway.broker.redis_producing import RedisProducing
from gateway.errors import BrokerError, BrokerFullError
from gateway.protocol.keys import live_channel
from gateway.protocol.rights import REVOKED_CHANNEL, Revocation
from gateway.resilience.circuit_breaker import CircuitBreaker
from gateway.types import Room, SystemClock
from tests.support.kinds import Place
from tests.support.valkey import run_valkey

ROOM = Room(7, 5)


@pytest.fixture
async def commands(place: Place) -> AsyncIterator[RedisCommands]:
    opened = RedisCommands(place.url, CircuitBreaker("commands", SystemClock()))
    yield opened
    await opened.close()


@pytest.fixture
def producing(commands: RedisCommands) -> RedisProducing:
    return RedisProducing(commands, token_max_age=600)


async def test_publications_come_in_their_order_on_channels_of_both_kinds(
    producing: RedisProducing, commands: RedisCommands
) -> None:
    channel = f"branch:{secrets.randbelow(10**9)}:kitchen"
    pubsub = await commands.pubsub()
    try:
        await pubsub.subscribe([channel])
        await pubsub.ssubscribe([live_channel(ROOM)])
        confirmed: set[str] = set()
        async with asyncio.timeout(10):
            while len(confirmed) < 2:
                confirmed |= set((await pubsub.read()).subscribed)
            sent = [
                Publication(channel, b"1"),
                Publication(live_channel(ROOM), b"2", sharded=True),
                Publication(channel, b"3"),
                Publication("branch:1:nobody", b"4"),
            ]
            heard = await producing.publish(sent)
            messages = []
            while len(messages) < 3:
                messages += (await pubsub.read()).messages
        assert heard[3] == 0
        assert heard[1] == 1
        # Channels of one kind keep their order; in a cluster the two come by two connections.
        assert [payload for name, payload in messages if name == channel] == [b"1", b"3"]
        assert [payload for name, payload in messages if name != channel] == [b"2"]
    finally:
        await pubsub.close()


async def test_emissions_are_added_in_their_order_and_once_for_a_key(place: Place, producing: RedisProducing) -> None:
    key = secrets.token_hex(8)
    ids = await producing.emit(
        [Emission(b"1", key), Emission(b"2"), Emission(b"3", key), Emission(b"4", f"{key}-other")]
    )
    assert ids[0] == ids[2]
    assert (await producing.emit([Emission(b"5", key)])) == [ids[0]]
    async with place.plain() as redis:
        entries = await redis.xrange("events:critical", min=ids[0], max=ids[3])
        assert [(number.decode(), fields[b"event"]) for number, fields in entries] == [
            (ids[0], b"1"),
            (ids[1], b"2"),
            (ids[3], b"4"),
        ]
        assert 0 < await redis.ttl(f"{{events:critical}}:seen:{key}") <= 86_400


async def test_nothing_is_sent_of_nothing_or_with_a_bad_key(producing: RedisProducing) -> None:
    assert await producing.publish([]) == []
    assert await producing.emit([]) == []
    with pytest.raises(ValueError, match="idempotency key"):
        await producing.emit([Emission(b"1"), Emission(b"2", "")])


async def test_a_revocation_is_written_and_announced(place: Place, producing: RedisProducing) -> None:
    user = secrets.token_hex(4)
    revocation = Revocation(tenant_id=7, user_id=user)
    at, _ = await producing.revoke(revocation, 1_000.5)
    assert at == 1_000.5
    assert (await producing.revoke(revocation, 900.0))[0] == 1_000.5, "a clock that is behind takes nothing back"
    async with place.plain() as redis:
        assert float(await redis.get(revocation.key)) == 1_000.5
        assert 0 < await redis.ttl(revocation.key) <= 900
    assert REVOKED_CHANNEL == "auth:revoked"


async def test_a_full_server_is_told_from_one_that_is_away() -> None:
    with run_valkey({"maxmemory": "1"}) as full:
        commands = RedisCommands(full.url, CircuitBreaker("commands", SystemClock()))
        producing = RedisProducing(commands, token_max_age=600)
        for emission in (Emission(b"1"), Emission(b"1", "key")):
            with pytest.raises(BrokerFullError, match="maxmemory"):
                await producing.emit([emission])
        assert await producing.publish([Publication("branch:5:kitchen", b"1")]) == [0]
        await commands.close()
    away = RedisProducing(
        RedisCommands(full.url, CircuitBreaker("commands", SystemClock()), timeout=1.0), token_max_age=600
    )
    with pytest.raises(BrokerError) as caught:
        await away.emit([Emission(b"1")])
    assert not isinstance(caught.value, BrokerFullError)
