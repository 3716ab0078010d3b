"""The code in the guides about clients does what the guides say."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.client import Client
from gateway.settings import Settings
from scripts.clients import PACKAGE
from tests.integration.conftest import Producer
from tests.support.clients import welcomed
from tests.support.gateway import RunningGateway, run_uvicorn
from tests.support.node import require_typescript_client
from tests.support.tokens import staff_token
from tests.support.valkey import ValkeyServer

GUIDES = Path(__file__).resolve().parents[2] / "docs" / "guides"
SECONDS = 30.0


def blocks(guide: str, language: str) -> str:
    """The code of one language, without what is marked `no-run`."""
    text = (GUIDES / f"{guide}.md").read_text("utf-8")
    found = re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert found, f"{guide} shows no {language}"
    return "\n".join(found)


def python(guide: str) -> dict[str, Any]:
    """What the guide's Python defines."""
    names: dict[str, Any] = {}
    exec(blocks(guide, "python"), names)
    return names


# --- JavaScript and TypeScript ---------------------------------------------------------------------------------------

# What a page has, and the guides take for granted.
PAGE = """
import { WebSocket } from "ws";
const say = (what) => process.stdout.write(`${JSON.stringify(what)}\\n`);
const items = new Map();
Object.assign(globalThis, {
  WebSocket,
  localStorage: { getItem: (key) => items.get(key) ?? null, setItem: (key, value) => items.set(key, value) },
  fetchToken: () => process.env.TOKEN,
  fetchState: (stale) => say({ stale }),
  showState: (state) => say({ state }),
  showRound: (round) => say({ round }),
  showLogin: (code) => say({ code }),
});
console.log = console.warn = (text) => say({ text });
await import("./guide.mjs");
"""


@asynccontextmanager
async def page(guide: str, gateway: RunningGateway, token: str) -> AsyncIterator[asyncio.Queue[dict[str, Any]]]:
    """Run the guide's script against a gateway; what it shows."""
    require_typescript_client()
    folder = PACKAGE / "build" / f"guide-{guide}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "page.mjs").write_text(PAGE)
    (folder / "guide.mjs").write_text(blocks(guide, "js").replace("ws://127.0.0.1:8001", gateway.ws))
    process = await asyncio.create_subprocess_exec(
        "node", str(folder / "page.mjs"), env={**os.environ, "TOKEN": token}, stdout=asyncio.subprocess.PIPE
    )
    shown: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def read() -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            shown.put_nowait(json.loads(line))

    reading = asyncio.create_task(read())
    try:
        async with asyncio.timeout(SECONDS):
            yield shown
    finally:
        process.kill()
        await process.wait()
        await reading


async def test_the_browser_guides_script(gateway: RunningGateway, producer: Producer) -> None:
    token = staff_token("KITCHEN", tenant=7201, user="guide-1")
    async with page("browser-client", gateway, token) as shown:
        while await shown.get() != {"state": "open"}:
            pass
        while (await _connections(gateway)) < 2:  # the second client is the one with the storage
            await asyncio.sleep(0.05)
        await producer.publish(
            "branch:5:kitchen", {"type": "ROUND_READY", "tenant_id": 7201, "branch_id": 5, "round": 3}
        )
        assert [await shown.get(), await shown.get()] == [{"round": 3}, {"text": "ROUND_READY"}]


async def _connections(gateway: RunningGateway) -> int:
    async with httpx.AsyncClient() as http:
        return int((await http.get(f"{gateway.http}/ws/health/detailed")).json()["connections"])


async def test_the_socketio_guides_script(gateway: RunningGateway, valkey: ValkeyServer) -> None:
    back_end = python("coming-from-socketio")
    token = staff_token("KITCHEN", tenant=1, branches=[72], user="guide-2")
    async with page("coming-from-socketio", gateway, token) as shown:
        while True:  # the script does not say when it is connected
            await back_end["round_is_ready"](valkey.url, 72, 4)
            try:
                async with asyncio.timeout(0.5):
                    assert await shown.get() == {"round": 4}
                    break
            except TimeoutError:
                pass


# What the README of the package takes for granted.
README_TYPES = """
declare function fetchState(branch: number): void;
declare function ring(event: { type: string }): void;
"""


@pytest.mark.parametrize(("page", "given"), [("browser-client", ""), ("../../clients/typescript/README", README_TYPES)])
def test_a_pages_types(page: str, given: str) -> None:
    require_typescript_client()
    # Inside the package, where its name is found.
    folder = PACKAGE / "build" / f"types-{Path(page).name}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "guide.ts").write_text(given + blocks(page, "ts"))
    done = subprocess.run(
        [
            "node_modules/.bin/tsc",
            "--ignoreConfig",
            "--noEmit",
            "--strict",
            "--module",
            "nodenext",
            folder / "guide.ts",
        ],
        cwd=PACKAGE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


# --- Python ----------------------------------------------------------------------------------------------------------


class Kitchen:
    """What the Python guide's service serves."""

    def __init__(self) -> None:
        self.rounds: asyncio.Queue[int] = asyncio.Queue()

    async def ring(self, number: int) -> None:
        self.rounds.put_nowait(number)

    async def fetch_state(self, branches: tuple[int, ...]) -> None:
        raise AssertionError(f"nothing was lost, but {branches} are stale")


async def test_the_python_guides_service(gateway: RunningGateway, producer: Producer) -> None:
    guide, kitchen = python("python-client"), Kitchen()
    token = staff_token("KITCHEN", tenant=7202, user="guide-3")
    service = asyncio.create_task(guide["watch_kitchen"](gateway.ws, lambda: token, kitchen))
    event = {"type": "ROUND_READY", "tenant_id": 7202, "branch_id": 5}
    async with asyncio.timeout(SECONDS):
        while kitchen.rounds.empty():
            await producer.publish("branch:5:kitchen", event | {"type": "ROUND_SERVED"})
            await producer.publish("branch:5:kitchen", event | {"round": 5})
            await asyncio.sleep(0.1)
    assert await kitchen.rounds.get() == 5
    service.cancel()
    await asyncio.wait({service})


async def test_the_python_guides_service_that_is_refused(gateway: RunningGateway) -> None:
    token = staff_token("WAITER", tenant=7202, user="guide-4")
    async with asyncio.timeout(SECONDS):
        assert await python("python-client")["watch_until_refused"](gateway.ws, lambda: token, Kitchen()) == 4003


async def test_the_python_guides_position_file(gateway: RunningGateway, tmp_path: Path) -> None:
    storage = python("python-client")["PositionFile"](tmp_path / "positions.json")
    assert storage.load() is None
    storage.save({"5": "0-0"})
    token = staff_token("KITCHEN", tenant=7203, user="guide-5")
    async with Client(gateway.ws, "kitchen", token=token, storage=storage) as client:
        assert client.positions == {"5": "0-0"}


async def test_the_fastapi_guides_application(valkey: ValkeyServer) -> None:
    app = python("coming-from-fastapi")["make_app"](Settings.load({}, redis_url=valkey.url), valkey.url)
    with run_uvicorn(app, ws="gateway.server.handoff:HandoffProtocol", ws_ping_interval=None) as (port, _loop):
        token = staff_token("KITCHEN", tenant=1, user="guide-6")
        async with welcomed(f"ws://127.0.0.1:{port}", "/ws/kitchen", token) as peer, httpx.AsyncClient() as http:
            answer = await http.post(f"http://127.0.0.1:{port}/rounds/6/ready")
            assert answer.status_code == 200
            assert await peer.json() == {"type": "ROUND_READY", "tenant_id": 1, "branch_id": 5, "round": 6}
