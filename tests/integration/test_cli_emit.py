"""`gateway emit` on a real Valkey."""

from __future__ import annotations

import secrets

from redis.asyncio import Redis

from gateway.protocol.keys import SOURCE
from tests.support.cli import ended
from tests.support.valkey import ValkeyServer

READY = '{"type":"ROUND_READY", "tenant_id":921, "branch_id":5}'


async def test_it_prints_the_stream_id_and_sends_the_bytes_as_they_are(valkey: ValkeyServer, redis: Redis) -> None:
    status, out, err = await ended("emit", READY, "--redis-url", valkey.url)
    assert (status, err) == (0, "")
    number = out.removesuffix("\n")
    assert await redis.xrange(SOURCE, number, number) == [(number.encode(), {b"event": READY.encode()})]


async def test_a_repeated_key_prints_the_first_id_and_adds_nothing(valkey: ValkeyServer, redis: Redis) -> None:
    key = secrets.token_hex(8)
    first = await ended("emit", "-", "--key", key, stdin=READY.encode(), GATEWAY_REDIS_URL=valkey.url)
    length = await redis.xlen(SOURCE)
    assert await ended("emit", READY, "--key", key, "--redis-url", valkey.url) == first
    assert first[0] == 0
    assert await redis.xlen(SOURCE) == length


async def test_a_wrong_password_is_a_sentence_without_the_password(valkey: ValkeyServer) -> None:
    url = valkey.url.replace(valkey.password, "wr0ng-password")
    status, out, err = await ended("emit", READY, "--redis-url", url)
    assert (status, out) == (1, "")
    assert err.startswith("gateway: ")
    assert "wr0ng-password" not in err
    assert "Traceback" not in err
