"""TLS: in this process, and in front of it."""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import trustme
from redis.asyncio import Redis
from websockets.exceptions import InvalidStatus

from tests.support.clients import welcomed
from tests.support.gateway import run_gateway
from tests.support.serve import environment, free_port
from tests.support.tokens import staff_token
from tests.support.valkey import ValkeyServer

EVENT = {"type": "ROUND_READY", "tenant_id": 1, "branch_id": 5}


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path, ssl.SSLContext]:
    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    for blob in server.cert_chain_pems:
        blob.write_to_path(chain, append=True)
    server.private_key_pem.write_to_path(key)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return chain, key, context


async def test_gateway_serve_ends_tls_itself(
    certificate: tuple[Path, Path, ssl.SSLContext], tmp_path: Path, valkey: ValkeyServer
) -> None:
    chain, key, context = certificate
    port = free_port()
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "serve", "--port", str(port), "--redis-url", valkey.url),
            *("--ssl-certfile", str(chain), "--ssl-keyfile", str(key)),
            env=environment(GATEWAY_DRAIN_SECONDS="0.1"),
            stdout=output,
            stderr=output,
        )
    try:
        async with asyncio.timeout(60), httpx.AsyncClient(verify=context) as http:
            while True:
                try:
                    if (await http.get(f"https://127.0.0.1:{port}/ws/health/detailed")).status_code == 200:
                        break
                except httpx.HTTPError:
                    assert process.returncode is None, log.read_text()
                    await asyncio.sleep(0.05)
        url = f"wss://127.0.0.1:{port}"
        async with welcomed(url, "/ws/kitchen", staff_token("KITCHEN"), ssl=context) as peer:
            async with Redis.from_url(valkey.url) as redis:
                await redis.publish("branch:5:kitchen", json.dumps(EVENT))
            assert await peer.json() == EVENT
            process.send_signal(signal.SIGTERM)
            assert (await peer.json())["type"] == "reconnect"
            assert await peer.close_code() == 1001
        async with asyncio.timeout(20):
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.usefixtures("certificate")
@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("--ssl-keyfile", "key.pem"), 2, "--ssl-certfile"),
        (("--ssl-certfile", "missing.pem"), 2, "missing.pem"),
        (("--ssl-certfile", "key.pem"), 1, "did not start"),
    ],
)
def test_a_certificate_that_cannot_be_used_ends_with_a_sentence(
    arguments: tuple[str, str], status: int, says: str, tmp_path: Path, valkey: ValkeyServer
) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "gateway", "serve", "--port", "0", "--redis-url", valkey.url, *arguments],
        env=environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == status, ended.stderr
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr


async def test_behind_a_proxy_that_ends_tls_the_pages_own_origin_is_what_counts(valkey: ValkeyServer) -> None:
    headers = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "Host": "gateway.internal"}
    with run_gateway(
        valkey.url, allowed_origins=("https://app.example.com",), trusted_proxies=("127.0.0.0/8",)
    ) as gateway:
        options = {"additional_headers": headers, "origin": "https://app.example.com"}
        async with welcomed(gateway.ws, "/ws/waiter", staff_token(), **options):
            pass
        # Neither the scheme nor the host that the proxy forwards makes another origin good.
        for origin in ("http://app.example.com", "https://gateway.internal"):
            with pytest.raises(InvalidStatus, match="403"):
                async with welcomed(gateway.ws, "/ws/waiter", staff_token(), **{**options, "origin": origin}):
                    pass
        async with httpx.AsyncClient() as http:
            for path in ("/ws/metrics", "/ws/health/detailed"):
                assert (await http.get(gateway.http + path, headers=headers)).status_code == 403, (
                    "not from this machine"
                )
                assert (await http.get(gateway.http + path)).status_code == 200
