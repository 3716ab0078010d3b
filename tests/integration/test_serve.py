"""`gateway serve` as a process: signals, workers, logs, and when it refuses to start."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.support.clients import client, welcomed
from tests.support.serve import environment, serve
from tests.support.tokens import staff_token, table_token
from tests.support.valkey import ValkeyServer, run_valkey

STRONG = {
    "GATEWAY_ENVIRONMENT": "production",
    "GATEWAY_JWT_SECRET": "a secret for staff tokens, long enough",
    "GATEWAY_TABLE_TOKEN_SECRET": "a secret for table tokens, long enough",
    "GATEWAY_ALLOWED_ORIGINS": "https://app.example.com",
}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_signal_closes_clients_with_1001_and_ends_the_process(
    number: signal.Signals, workers: str, tmp_path: Path, valkey: ValkeyServer
) -> None:
    with serve(tmp_path, "--workers", workers, "--redis-url", valkey.url) as gateway:
        async with AsyncExitStack() as stack:
            peers = [
                await stack.enter_async_context(welcomed(gateway.ws, "/ws/diner", table_token(session=n + 1)))
                for n in range(8)
            ]
            gateway.process.send_signal(number)
            assert await asyncio.gather(*(peer.close_code() for peer in peers)) == [1001] * 8
        status = await asyncio.to_thread(gateway.process.wait, 20)
    # uvicorn passes the signal on to itself when all is shut down: that is the status a supervisor expects.
    assert status in (0, -number, 128 + number)
    assert "Traceback" not in gateway.log_text()


async def test_an_embedded_server_is_shared_by_workers_and_ends_with_them(tmp_path: Path) -> None:
    with serve(tmp_path, "--workers", "2", XDG_RUNTIME_DIR=str(tmp_path)) as gateway:
        found = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "gateway", "publish", "branch:5:kitchen", READY],
            env=environment(XDG_RUNTIME_DIR=str(tmp_path)),
            capture_output=True,
            text=True,
            check=True,
        )
        assert found.stdout == "0\n"
        async with AsyncExitStack() as stack:
            peers = [
                await stack.enter_async_context(
                    welcomed(gateway.ws, "/ws/kitchen", staff_token("KITCHEN", user=f"cook-{n}"))
                )
                for n in range(12)
            ]
            heard = await asyncio.to_thread(
                subprocess.run,
                [sys.executable, "-m", "gateway", "publish", "branch:5:kitchen", READY],
                env=environment(XDG_RUNTIME_DIR=str(tmp_path)),
                capture_output=True,
                text=True,
                check=True,
            )
            # One subscription per worker that has somebody; with twelve connections that is both but for bad luck.
            assert heard.stdout in ("1\n", "2\n")
            for peer in peers:
                assert await peer.json() == json.loads(READY)
        gateway.process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(gateway.process.wait, 20)
    assert list(tmp_path.rglob("*.json")) == [], "the file that names the embedded server is removed"


READY = '{"type":"ROUND_READY","tenant_id":1,"branch_id":5}'


async def test_no_token_is_in_any_log(tmp_path: Path, valkey: ValkeyServer) -> None:
    good, bad = staff_token(user="logged"), staff_token("KITCHEN", user="refused")
    diner, forged = table_token(), table_token(secret="x" * 40)
    with serve(tmp_path, "--redis-url", valkey.url) as gateway:
        async with welcomed(gateway.ws, "/ws/waiter", good) as peer:
            await peer.send({"type": "refresh_token", "token": bad})
            assert await peer.close_code() == 4003
        for path, token, code in (("/ws/waiter", bad, 4003), ("/ws/diner", forged, 4001)):
            async with client(gateway.ws, path, token) as peer:
                assert await peer.close_code() == code
        async with welcomed(gateway.ws, "/ws/diner", diner, subprotocols=["bearer", diner]):
            pass
        gateway.process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(gateway.process.wait, 20)
    log = gateway.log_text()
    assert "connected" in log
    assert "refused" in log
    assert "token=" not in log
    for token in (good, bad, diner, forged):
        for part in token.split("."):
            # The header and the version say nothing; claims and signature must not be there.
            assert len(part) < 40 or part not in log


async def test_the_log_is_json_lines_where_no_terminal_reads_it(tmp_path: Path, valkey: ValkeyServer) -> None:
    with serve(tmp_path, "--redis-url", valkey.url) as gateway:
        gateway.process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(gateway.process.wait, 20)
    lines = [json.loads(line) for line in gateway.log_text().splitlines()]
    started = next(line for line in lines if line["event"] == "gateway started")
    assert started["fanout"] == "native"
    assert started["pubsub"] == "exact"
    assert started["environment"] == "development"
    assert any("development secret" in line["event"] for line in lines)
    assert lines[-1]["event"] != "gateway started"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"GATEWAY_JWT_SECRET": ""}, "GATEWAY_JWT_SECRET"),
        ({"GATEWAY_JWT_SECRET": "short"}, "GATEWAY_JWT_SECRET"),
        ({"GATEWAY_TABLE_TOKEN_SECRET": "fanout-gateway-development-secret-for-loopback-only"}, "development secret"),
        ({"GATEWAY_ALLOWED_ORIGINS": ""}, "GATEWAY_ALLOWED_ORIGINS"),
        ({"GATEWAY_PORT": "eighty"}, "GATEWAY_PORT"),
        ({"GATEWAY_ROUTING_FILE": "/does/not/exist.toml"}, "routing file"),
        ({"GATEWAY_REDIS_URL": "http://127.0.0.1"}, "GATEWAY_REDIS_URL"),
    ],
)
def test_settings_that_are_unsafe_or_malformed_end_with_2_and_a_sentence(change: dict[str, str], says: str) -> None:
    settings = {name: value for name, value in {**STRONG, **change}.items() if value}
    ended = subprocess.run(
        [sys.executable, "-m", "gateway", "serve"],
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 2
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


def test_a_port_in_use_ends_with_1_and_says_so(tmp_path: Path, valkey: ValkeyServer) -> None:
    with serve(tmp_path, "--redis-url", valkey.url) as gateway:
        ended = subprocess.run(
            [sys.executable, "-m", "gateway", "serve", "--port", str(gateway.port), "--redis-url", valkey.url],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert ended.returncode == 1
    assert str(gateway.port) in ended.stderr
    assert "Traceback" not in ended.stderr


async def test_it_serves_before_redis_is_there_and_becomes_ready_when_it_comes(tmp_path: Path) -> None:
    with run_valkey() as own:
        own.kill()
        with serve(tmp_path, "--redis-url", own.url, ready=False, GATEWAY_BREAKER_OPEN="0.2") as gateway:
            async with client(gateway.ws, "/ws/waiter", staff_token()) as early:
                assert await early.close_code() == 1013
            own.start()
            redis = Redis.from_url(own.url)
            async with asyncio.timeout(20):
                while True:
                    async with client(gateway.ws, "/ws/waiter", staff_token()) as peer:
                        try:
                            assert (await peer.json())["type"] == "welcome"
                        except Exception:  # noqa: BLE001 - refused with 1013 until Redis is seen to be back
                            await asyncio.sleep(0.1)
                        else:
                            break
            await redis.aclose()
