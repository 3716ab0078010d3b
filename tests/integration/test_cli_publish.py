"""`gateway publish` on a real Valkey."""

from __future__ import annotations

import asyncio
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from redis.asyncio import Redis

from gateway.broker.embedded import EmbeddedServer
from gateway.cli import main
from tests.support.cli import ended
from tests.support.valkey import ValkeyServer

READY = '{"type":"ROUND_READY", "tenant_id":1, "branch_id":5}'


async def test_it_prints_how_many_heard_it_and_sends_the_bytes_as_they_are(valkey: ValkeyServer, redis: Redis) -> None:
    async with redis.pubsub(ignore_subscribe_messages=True) as listening:
        await listening.subscribe("branch:5:kitchen")
        assert await listening.get_message(timeout=5) is None  # the confirmation, which is ignored
        result = await ended("publish", "branch:5:kitchen", READY, "--redis-url", valkey.url)
        assert result == (0, "1\n", "")
        message = await listening.get_message(timeout=5)
        assert message is not None
        assert message["data"] == READY.encode()


async def test_that_nobody_heard_it_is_noted_beside_the_number(valkey: ValkeyServer) -> None:
    status, out, err = await ended(
        "publish", "branch:987654:kitchen", READY.replace("5}", "987654}"), GATEWAY_REDIS_URL=valkey.url
    )
    assert (status, out) == (0, "0\n")
    assert "nobody is subscribed to branch:987654:kitchen" in err


async def test_a_dash_reads_the_event_from_standard_input(valkey: ValkeyServer) -> None:
    status, out, _ = await ended(
        "publish",
        "branch:987654:kitchen",
        "-",
        stdin=READY.replace("5}", "987654}").encode(),
        GATEWAY_REDIS_URL=valkey.url,
    )
    assert (status, out) == (0, "0\n")


async def test_the_option_wins_over_the_environment(valkey: ValkeyServer) -> None:
    status, *_ = await ended(
        "publish", "branch:5:kitchen", READY, "--redis-url", valkey.url, GATEWAY_REDIS_URL="redis://127.0.0.1:1"
    )
    assert status == 0


async def test_a_wrong_password_is_a_sentence_without_the_password(valkey: ValkeyServer) -> None:
    url = valkey.url.replace(valkey.password, "wr0ng-password")
    status, out, err = await ended("publish", "branch:5:kitchen", READY, "--redis-url", url)
    assert (status, out) == (1, "")
    assert err.startswith("gateway: ")
    assert "wr0ng-password" not in err
    assert "Traceback" not in err


async def test_without_a_url_the_running_embedded_server_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    server = EmbeddedServer()
    await server.start()
    try:
        status, out, _ = await ended("publish", "branch:5:kitchen", READY)
        assert (status, out) == (0, "0\n")
    finally:
        await server.stop()
    status, out, err = await ended("publish", "branch:5:kitchen", READY)
    assert (status, out) == (1, "")
    assert "no embedded server is running" in err


async def test_a_mistake_of_every_kind_is_2_or_1_and_never_a_traceback() -> None:
    wrong = [
        ("nope",),
        ("serve", "--port", "x"),
        ("serve", "--workers", "0"),
        ("serve", "--redis-url", "http://x"),
        ("serve", "--host", "0.0.0.0"),
        ("token", "staff", "--tenant", "0"),
        ("publish", "x", "{}"),
        ("publish", "branch:5:kitchen"),
        ("tail",),
        ("tail", "--as", "diner", "--token", "x"),
        ("tail", "--table-token", "x", "--url", "http://x"),
        ("tail", "--table-token", "x", "--count", "0"),
        ("demo", "--seconds", "0"),
        ("demo", "--seconds", "inf"),
        ("demo", "--seconds", "nan"),
        ("demo", "--port", "0"),
    ]
    for arguments in wrong:
        status, out, err = await ended(*arguments)
        assert (status, out) == (2, ""), (arguments, out, err)
        assert err, arguments
        assert "Traceback" not in err, arguments


async def test_the_installed_command_is_this_one() -> None:
    [installed] = entry_points(group="console_scripts", name="gateway")
    assert installed.load() is main
    assert await asyncio.to_thread(main, ["--version"]) == 0
