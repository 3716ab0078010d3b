"""The two examples, each run by the command that its first line names."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis

from tests.support.clients import welcomed
from tests.support.serve import environment, free_port
from tests.support.tokens import staff_token
from tests.support.valkey import ValkeyServer

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.mark.parametrize("name", ["standalone", "mounted"])
async def test_an_example_serves_events_by_the_command_it_names(
    name: str, tmp_path: Path, valkey: ValkeyServer
) -> None:
    source = (EXAMPLES / f"{name}.py").read_text("utf-8")
    command = re.search(r"`uvicorn (--app-dir examples \S+) --port 8001`", source)
    assert command is not None, "the example names the command that runs it"
    port = free_port()
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", *command[1].split(), "--port", str(port)],
            cwd=EXAMPLES.parent,
            env=environment(GATEWAY_REDIS_URL=valkey.url),
            stdout=log,
            stderr=log,
        )
    try:
        async with httpx.AsyncClient() as http, asyncio.timeout(30):
            while True:
                try:
                    await http.get(f"http://127.0.0.1:{port}/ws/health")
                    break
                except httpx.HTTPError:
                    await asyncio.sleep(0.05)
            if name == "mounted":
                assert (await http.get(f"http://127.0.0.1:{port}/orders/5")).json() == {"order_id": 5}
        token = staff_token("KITCHEN", tenant=77)
        async with welcomed(f"ws://127.0.0.1:{port}", "/ws/kitchen", token) as peer:
            event = {"type": "ROUND_READY", "tenant_id": 77, "branch_id": 5}
            redis = Redis.from_url(valkey.url)
            await redis.publish("branch:5:kitchen", json.dumps(event))
            await redis.aclose()
            assert await peer.json() == event
    finally:
        process.terminate()
        process.wait(20)
    log_text = (tmp_path / "log").read_text()
    assert token not in log_text, "uvicorn's own lines carry query strings; they are scrubbed under anybody's uvicorn"
    assert "Traceback" not in log_text
