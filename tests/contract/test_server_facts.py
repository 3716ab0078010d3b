"""What `gateway doctor` asks of Redis, of every kind of server; and that asking leaves nothing behind."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.broker.permissions import PROBES, denied
from gateway.broker.redis_commands import RedisCommands
from gateway.broker.server_facts import server_facts
from gateway.errors import BrokerError
from gateway.redis_url import parse_redis_url
from gateway.resilience.circuit_breaker import CircuitBreaker
from gateway.types import SystemClock
from tests.support.kinds import Place
from tests.support.valkey import ValkeyServer, run_valkey

SECURITY = (Path(__file__).parents[2] / "SECURITY.md").read_text("utf-8")
GATEWAY_LINE = next(line for line in SECURITY.splitlines() if line.startswith("ACL SETUSER gateway on"))


def opened(url: str) -> RedisCommands:
    return RedisCommands(url, CircuitBreaker("commands", SystemClock()))


@pytest.fixture
async def commands(place: Place) -> AsyncIterator[RedisCommands]:
    made = opened(place.url)
    yield made
    await made.close()


async def test_every_data_server_says_what_it_is(commands: RedisCommands, place: Place) -> None:
    facts = await server_facts(commands)
    assert len(facts) == len(place.servers)
    for fact in facts:
        assert fact.software == "Valkey"
        assert re.match(r"\d+\.\d+\.\d+", fact.version)
        assert (fact.policy, fact.role, fact.append_only, fact.write_faults) == ("noeviction", "master", False, ())
        assert fact.used_memory > 0
        assert fact.clustered == place.clustered
        assert fact.replicas == ("sentinel" in place.kind)
        assert abs(fact.ahead) <= fact.doubt + 0.05, "the same machine"
        assert 0 <= fact.doubt < 5
        assert parse_redis_url(place.url).plain not in fact.where


async def test_a_clock_that_is_off_is_seen(commands: RedisCommands) -> None:
    clock = SystemClock()
    for fact in await server_facts(commands, lambda: clock.time() - 100):
        assert fact.ahead == pytest.approx(100, abs=fact.doubt + 0.05)


async def test_whoever_may_do_everything_is_denied_nothing_and_nothing_is_left(
    commands: RedisCommands, place: Place
) -> None:
    before = [_keys(server) for server in place.servers]
    assert await denied(commands) == []
    assert [_keys(server) for server in place.servers] == before


def _keys(server: ValkeyServer) -> set[str]:
    with server.admin() as admin:
        return set(admin.keys("*"))


async def test_the_user_of_the_security_page_may_do_everything() -> None:
    with run_valkey() as server:
        with server.admin() as admin:
            admin.execute_command(*GATEWAY_LINE.split())
        commands = opened(_as(server, "gateway"))
        assert await denied(commands) == []
        assert len(await server_facts(commands)) == 1
        await commands.close()


_ALL = "allkeys allchannels +@all"


@pytest.mark.parametrize(
    ("rules", "purposes"),
    [
        (f"{_ALL} -xreadgroup", ["read the source as the relay"]),
        (f"{_ALL} -spublish", ["publish to a room"]),
        (f"{_ALL} -@scripting", ["run scripts"]),
        (
            "allchannels +@all ~{events:critical}:* ~events:* ~{tenant:0:* ~{tenant:0}:*",
            ["see revoked tokens"],
        ),
        (
            "allkeys +@all resetchannels &auth:* &branch:* &session:* &{tenant:*",
            ["hear best-effort events"],
        ),
        (
            "allkeys +@all resetchannels &*:waiters &branch:* &session:* &auth:*",
            ["publish to a room", "hear critical events"],
        ),
        ("allkeys +@all resetchannels &sector:* &branch:* &session:* &{tenant:*", ["hear of revocations and sectors"]),
    ],
)
async def test_what_is_not_permitted_is_found_by_its_purpose(
    valkey: ValkeyServer, rules: str, purposes: list[str]
) -> None:
    with valkey.admin() as admin:
        admin.execute_command("ACL", "SETUSER", "narrow", "reset", "on", ">password", *rules.split())
    commands = opened(_as(valkey, "narrow"))
    try:
        assert [what.purpose for what in await denied(commands)] == purposes
    finally:
        await commands.close()
        with valkey.admin() as admin:
            admin.execute_command("ACL", "DELUSER", "narrow")


async def test_a_user_who_may_do_nothing_is_told_of_everything(valkey: ValkeyServer) -> None:
    with valkey.admin() as admin:
        admin.execute_command("ACL", "SETUSER", "nobody", "reset", "on", ">password", "+@connection")
    commands = opened(_as(valkey, "nobody"))
    try:
        found = await denied(commands)
        assert len(found) == len(PROBES) + 3
        with pytest.raises(BrokerError, match="does not permit it"):
            await server_facts(commands)
    finally:
        await commands.close()
        with valkey.admin() as admin:
            admin.execute_command("ACL", "DELUSER", "nobody")


async def test_a_server_that_is_away_is_no_question_of_permissions() -> None:
    commands = opened("redis://127.0.0.1:1/0")
    with pytest.raises(BrokerError, match="cannot be reached"):
        await denied(commands)
    with pytest.raises(BrokerError, match="cannot be reached"):
        await server_facts(commands)


def _as(server: ValkeyServer, user: str) -> str:
    return f"redis://{user}:password@127.0.0.1:{server.port}/0"
