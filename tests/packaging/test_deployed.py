"""The installed gateway as the files of deploy/ run it: compose's Valkey and secrets, and nginx in front."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import signal
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import trustme
from redis.asyncio import Redis
from websockets.asyncio.client import connect

from gateway.auth.jwt import issue_staff_token
from gateway.types import SystemClock
from tests.support.deploy_files import DEPLOY
from tests.support.installed import SECONDS, Installed
from tests.support.serve import ServeProcess, free_port, serve
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.timeout(3 * SECONDS)

EVENT = {"type": "ROUND_READY", "tenant_id": 1, "branch_id": 5}
ORIGIN = "https://app.example.com"


class ComposeValkey(ValkeyServer):
    """With the configuration and the users of compose; its own password is that of a user who may do everything."""

    def __init__(self, directory: Path, secrets: Path) -> None:
        users = directory / "users.acl"
        config = dict(
            line.split(" ", 1)
            for line in (DEPLOY / "compose" / "valkey.conf").read_text("utf-8").splitlines()
            if line and not line.startswith("#")
        )
        super().__init__(directory, {**config, "aclfile": str(users), "dir": str(directory)})
        text = (secrets / "users_acl").read_text("utf-8")
        assert text.startswith("user default off\n")
        # The fixture asks whether the server is there, and the test publishes; the gateway has its own user.
        open_default = f"user default on >{self.password} ~* &* +@all"
        users.write_text(text.replace("user default off", open_default, 1), "utf-8")


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """As compose's script makes them."""
    folder = tmp_path / "secrets"
    subprocess.run(["sh", str(DEPLOY / "compose" / "make-secrets.sh"), str(folder)], check=True, capture_output=True)
    return folder


@pytest.fixture
def valkey(secrets: Path, tmp_path: Path) -> Iterator[ValkeyServer]:
    server = ComposeValkey(tmp_path, secrets)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def settings(secrets: Path, valkey: ValkeyServer) -> dict[str, str]:
    """Compose's, with the address of this Valkey."""
    url = secrets / "redis_url"
    url.write_text(url.read_text("utf-8").replace("@valkey:6379", f"@127.0.0.1:{valkey.port}"), "utf-8")
    named = ("redis_url", "jwt_secret", "table_token_secret", "operator_key")
    return {f"GATEWAY_{name.upper()}_FILE": str(secrets / name) for name in named} | {
        "GATEWAY_ENVIRONMENT": "production",
        "GATEWAY_ALLOWED_ORIGINS": ORIGIN,
    }


@pytest.fixture
def running(installed: Installed, settings: dict[str, str], tmp_path: Path) -> Iterator[ServeProcess]:
    """Ready, as the image's probe sees it with the operator key."""
    with serve(tmp_path, ready=False, program=[installed.gateway], **settings) as gateway:
        here = {**settings, "GATEWAY_PORT": str(gateway.port)}
        deadline = time.monotonic() + 30
        probe = ("python", "-I", str(DEPLOY / "docker" / "probe.py"), "/ws/health/detailed")
        while (probed := installed.run(*probe, **here)).returncode != 0:
            assert time.monotonic() < deadline, probed.stderr + gateway.log_text()
            time.sleep(0.1)
        yield gateway


def kitchen_token(secrets: Path) -> str:
    return issue_staff_token(
        (secrets / "jwt_secret").read_text("utf-8"),
        tenant=1,
        user="12",
        branches=[5],
        roles=["KITCHEN"],
        sectors=(),
        expires_in=600,
        clock=SystemClock(),
    )


async def test_a_gateway_works_with_what_compose_gives_it(
    running: ServeProcess, valkey: ValkeyServer, secrets: Path
) -> None:
    token = kitchen_token(secrets)
    async with connect(f"{running.ws}/ws/kitchen?token={token}", origin=ORIGIN) as client, asyncio.timeout(30):
        assert json.loads(await client.recv())["type"] == "welcome"
        async with Redis.from_url(valkey.url) as redis:
            await redis.publish("branch:5:kitchen", json.dumps(EVENT))
            assert json.loads(await client.recv()) == EVENT
            await redis.xadd("events:critical", {"event": json.dumps(EVENT)})
            critical = json.loads(await client.recv())
            assert critical.pop("event_id")
            assert critical.pop("position")
            assert critical == EVENT
            assert (await redis.config_get("maxmemory-policy"))["maxmemory-policy"] == "noeviction"
            assert (await redis.info("persistence"))["aof_enabled"] == 1
    running.process.send_signal(signal.SIGTERM)
    await asyncio.to_thread(running.process.wait, 30)
    log = running.log_text()
    # Neither that its Redis user lacks a right, nor that Redis or a setting is not as it should be.
    assert {json.loads(line)["level"] for line in log.splitlines()} == {"info"}, log
    for name in ("redis_password", "jwt_secret", "table_token_secret", "operator_key"):
        assert (secrets / name).read_text("utf-8") not in log


# --- behind nginx ----------------------------------------------------------------------------------------------------

needs_nginx = pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not on PATH")


@contextmanager
def nginx(folder: Path, upstream: int, authority: trustme.CA) -> Iterator[int]:
    """nginx with the configuration of deploy/, on free ports of 127.0.0.1 and as who runs the test; the TLS port."""
    port, plain = free_port(), free_port()
    tls = folder / "tls"
    tls.mkdir()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(tls / "privkey.pem")
    for pem in certificate.cert_chain_pems:
        pem.write_to_path(tls / "fullchain.pem", append=True)
    text = (DEPLOY / "nginx" / "nginx.conf").read_text("utf-8")
    for pattern, replacement in (
        (r"\nuser [^;]+;", "\ndaemon off;\nmaster_process off;"),
        (r"/etc/nginx/tls", str(tls)),
        (r"/var/log/nginx", str(folder)),
        (r"/run/nginx.pid", str(folder / "nginx.pid")),
        (r"\n *listen \[::\][^;]*;", ""),
        (r"listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        (r"listen 80;", f"listen 127.0.0.1:{plain};"),
        (r"127\.0\.0\.1:8001", f"127.0.0.1:{upstream}"),
        (r"worker_(connections|rlimit_nofile) \d+", r"worker_\1 1024"),
    ):
        text, times = re.subn(pattern, replacement, text)
        assert times, pattern
    (folder / "nginx.conf").write_text(text, "utf-8")
    process = subprocess.Popen(["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"])
    try:
        deadline = time.monotonic() + 20
        while True:
            assert process.poll() is None, "nginx did not start"
            try:
                assert httpx.get(f"http://127.0.0.1:{plain}/").status_code == 426
                break
            except httpx.ConnectError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(20)


@needs_nginx
async def test_nginx_lets_websockets_through_and_logs_no_token(
    running: ServeProcess, valkey: ValkeyServer, secrets: Path, tmp_path: Path
) -> None:
    token = kitchen_token(secrets)
    authority = trustme.CA()
    context = ssl.create_default_context()
    authority.configure_trust(context)
    operator = {"Authorization": f"Bearer {(secrets / 'operator_key').read_text('utf-8')}"}
    with nginx(tmp_path, running.port, authority) as port:
        here = f"127.0.0.1:{port}"
        async with (
            connect(f"wss://{here}/ws/kitchen?token={token}", ssl=context, origin=ORIGIN) as by_query,
            connect(
                f"wss://{here}/ws/kitchen", ssl=context, origin=ORIGIN, subprotocols=["bearer", token]
            ) as by_subprotocol,
            asyncio.timeout(30),
        ):
            clients = (by_query, by_subprotocol)
            for client in clients:
                assert json.loads(await client.recv())["type"] == "welcome"
            async with Redis.from_url(valkey.url) as redis:
                await redis.publish("branch:5:kitchen", json.dumps(EVENT))
            for client in clients:
                assert json.loads(await client.recv()) == EVENT
        async with httpx.AsyncClient(base_url=f"https://{here}", verify=context, headers=operator) as http:
            assert (await http.get("/ws/health")).json() == {"status": "ok"}
            for path in ("/ws/metrics", "/ws/health/detailed", "/openapi.json"):
                assert (await http.get(path)).status_code == 404
            # Nobody is there any more: what nginx has to say about that holds the request line.
            running.process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(running.process.wait, 30)
            assert (await http.get(f"/ws/catchup?branch_id=5&token={token}")).status_code == 502
    logged = [json.loads(line) for line in (tmp_path / "access.log").read_text("utf-8").splitlines()]
    assert [line["path"] for line in logged if line["status"] == 101] == ["/ws/kitchen"] * 2
    assert logged[-1]["path"] == "/ws/catchup"
    for name in ("access.log", "error.log"):
        text = (tmp_path / name).read_text("utf-8")
        assert token not in text
        assert token.rpartition(".")[2] not in text
        assert "token=" not in text
