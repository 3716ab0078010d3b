"""Shell examples of the README and the guides, typed as a reader types them; only port and place are others."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis

from gateway.broker.runtime_file import find_embedded_url
from gateway.client import AsyncPublisher
from scripts.clients import DEMO_MODULE
from tests.support.clients import welcomed
from tests.support.documents import ROOT, blocks
from tests.support.serve import free_port
from tests.support.terminal import Terminal, commands, shows, terminal
from tests.support.tokens import staff_token
from tests.support.valkey import ValkeyServer, run_valkey

README = ROOT / "README.md"
GUIDES = ROOT / "docs" / "guides"
EVENT = {"type": "ROUND_READY", "tenant_id": 1, "branch_id": 5}


def shell(page: Path) -> list[list[str]]:
    """The commands of each of a page's shell blocks that is to be run."""
    return [commands(block.code) for block in blocks(page) if block.language == "sh" and block.runs]


def code(page: Path) -> str:
    """A page's Python."""
    return "\n".join(block.code for block in blocks(page) if block.language == "python" and block.runs)


async def up(port: int) -> None:
    """Wait until a gateway is ready."""
    async with httpx.AsyncClient() as http, asyncio.timeout(40):
        while True:
            try:
                if (await http.get(f"http://127.0.0.1:{port}/ws/health/detailed")).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            await asyncio.sleep(0.05)


async def listen(shell: Terminal, command: str, port: int) -> Path:
    """Run the guide's `gateway tail` against another port than the default, until it is welcomed."""
    assert "gateway tail" in command
    log = await shell.start(command.replace("gateway tail", f"gateway tail --url ws://127.0.0.1:{port}"))
    await shows(log, '"welcome"')
    return log


async def test_the_readmes_first_command_shows_an_evening(tmp_path: Path) -> None:
    [[run], *_] = shell(README)
    async with terminal(tmp_path) as prompt:
        shown = await prompt.run(f"{run} ARGS='--seconds 5 --port {free_port()}'")
    assert "deliver" in shown


async def test_the_demo_guide_shows_an_evening_and_where_the_page_is(tmp_path: Path) -> None:
    [[build, demo]] = shell(GUIDES / "demo.md")
    port = free_port()
    async with terminal(tmp_path) as prompt:
        # `make clients` runs before these tests, and its own in it.
        assert "scripts.clients" in await prompt.run(f"{build.partition('#')[0]} --dry-run")
        shown = await prompt.run(f"{demo.partition('#')[0]} --seconds 5 --port {port} 2>&1")
    assert "deliver" in shown
    # Where there is no Node, the page cannot have been built, and is not promised.
    assert ("/demo" if DEMO_MODULE.exists() else "make clients") in shown


async def test_the_readmes_second_command_is_what_runs_this(tmp_path: Path) -> None:
    [_, [test], *_] = shell(README)
    async with terminal(tmp_path) as prompt:
        # It runs this very test: make says what it would do.
        assert "scripts.run_tests" in await prompt.run(f"{test} --dry-run")


async def test_the_readmes_commands_deliver_an_event(tmp_path: Path) -> None:
    [_, _, [serve, token, tail, publish]] = shell(README)
    port = free_port()
    async with terminal(tmp_path, GATEWAY_PORT=str(port)) as prompt:
        await prompt.start(serve)
        await up(port)
        await prompt.run(token)
        log = await listen(prompt, tail, port)
        await prompt.run(publish)
        await shows(log, '"ROUND_READY"')


async def test_the_first_event_guide_delivers_its_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [[setup, serve], [token, tail], [publish]] = shell(GUIDES / "first-event.md")
    port = free_port()
    async with terminal(tmp_path, GATEWAY_PORT=str(port)) as first, terminal(tmp_path) as second:
        await first.run(setup)
        await first.start(serve)
        await up(port)
        await second.run(token)
        log = await listen(second, tail, port)
        assert (await second.run(publish)).strip() == "1"
        await shows(log, '"round":1')
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "runtime"))
        back_end = code(GUIDES / "first-event.md").replace("redis://127.0.0.1:6379/0", find_embedded_url())
        await asyncio.to_thread(exec, back_end, {})
        await shows(log, '"round":1', times=2)


async def test_the_mounting_guides_command_serves_its_application(tmp_path: Path, valkey: ValkeyServer) -> None:
    [[uvicorn]] = shell(GUIDES / "your-own-fastapi.md")
    (tmp_path / "app.py").write_text(code(GUIDES / "your-own-fastapi.md"))
    port = free_port()
    token = staff_token("KITCHEN", tenant=7301)
    async with terminal(tmp_path, cwd=tmp_path, GATEWAY_REDIS_URL=valkey.url) as prompt:
        log = await prompt.start(f"{uvicorn} --port {port}")
        await up(port)
        async with welcomed(f"ws://127.0.0.1:{port}", "/ws/kitchen", token) as peer:
            async with AsyncPublisher.from_url(valkey.url) as publisher:
                await publisher.publish("branch:5:kitchen", EVENT | {"tenant_id": 7301})
            assert (await peer.json())["tenant_id"] == 7301
        assert "Traceback" not in log.read_text("utf-8")


async def test_the_security_pages_revocations_are_written(tmp_path: Path) -> None:
    [revocations] = shell(ROOT / "docs" / "concepts" / "security.md")
    with run_valkey() as server:
        async with terminal(tmp_path, GATEWAY_REDIS_URL=server.url) as prompt:
            for revocation in revocations:
                await prompt.run(revocation)
        async with Redis.from_url(server.url, decode_responses=True) as redis:
            assert set(await redis.keys()) == {
                "jwt:blacklist:5f0c7b0a9d6e4f1c8f0e2b7d1a3c4e5f",
                "{tenant:1}:revoked:user:12",
                "{tenant:1}:revoked:session:77",
                "{tenant:1}:revoked:all",
            }


async def test_the_readmes_application_is_a_gateway(tmp_path: Path, valkey: ValkeyServer) -> None:
    (tmp_path / "app.py").write_text(code(README))
    port = free_port()
    async with terminal(tmp_path, cwd=tmp_path, GATEWAY_REDIS_URL=valkey.url) as prompt:
        await prompt.start(f"uvicorn app:app --port {port}")
        await up(port)
        async with welcomed(f"ws://127.0.0.1:{port}", "/ws/admin", staff_token("ADMIN", tenant=7302)) as peer:
            async with Redis.from_url(valkey.url) as redis:
                event = {"type": "ENTITY_CREATED", "tenant_id": 7302, "branch_id": 5}
                await redis.publish("branch:5:admin", json.dumps(event))
            assert await peer.json() == event
