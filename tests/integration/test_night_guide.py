"""The guide for the night finds what it says it finds: its commands, in order, on a gateway with a lost order."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from pathlib import Path

from redis.asyncio import Redis

from gateway.protocol.keys import DLQ, SOURCE
from tests.support.clients import welcomed
from tests.support.gateway import run_gateway
from tests.support.serve import environment
from tests.support.tokens import staff_token
from tests.support.valkey import run_valkey

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "at-night.md"
_PATIENT = "\nuntil gateway delivery $EVENT --url $GATEWAY; do sleep 0.2; done\n"
ROUTING = "[events.ORDER_PLACED]\nkitchen = true\n"


def commands() -> list[str]:
    """Every block that is not marked `no-run`."""
    return re.findall(r"```sh\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)


def order(number: int) -> bytes:
    return json.dumps({"type": "ORDER_PLACED", "tenant_id": 1, "branch_id": 5, "order": number}).encode()


async def test_the_night_shift_finds_the_order_and_sends_it_again(tmp_path: Path) -> None:
    routing = tmp_path / "routing.toml"
    script = "\n".join(["set -e", *(f"{block}\necho ==" for block in commands())])
    # A person is slower than the relay; a script is not.
    script = script.replace("\ngateway delivery $EVENT --url $GATEWAY\n", _PATIENT)
    with run_valkey() as server:
        async with Redis.from_url(server.url) as redis:
            # The evening before: a gateway that does not know the type yet.
            with run_gateway(server.url):
                await _until(redis, "ws_gateway_group")
                await redis.xadd(SOURCE, {"event": b"{"})
                for number in (1, 2):
                    await redis.xadd(SOURCE, {"event": order(number)})
                await _letters(redis, 3)
            routing.write_text(ROUTING)
            with run_gateway(server.url, routing_file=str(routing)) as gateway:
                async with welcomed(gateway.ws, "/ws/kitchen", staff_token("KITCHEN", tenant=1)) as kitchen:
                    out = await _run(
                        script.replace("http://127.0.0.1:8001", gateway.http),
                        GATEWAY_REDIS_URL=server.url,
                        GATEWAY_ROUTING_FILE=str(routing),
                    )
                    heard = [await kitchen.json() for _ in range(3)]
            assert await redis.xlen(DLQ) == 0
    steps = [step.strip() for step in out.split("==\n")]
    look = json.loads(steps[1].partition("\n")[0])
    assert look["troubles"] == ["3 dead letters: see `gateway dlq list`"]
    assert "3 critical events could not be delivered" in steps[1]
    assert "branch:5:kitchen=1" in steps[2]
    assert kitchen.welcome["connection_id"] in steps[2]
    assert [row.split("\t")[2] for row in steps[3].splitlines()] == ["unknown_type", "unknown_type", "bad_json"]
    reached, got_it = steps[5].splitlines()
    assert reached.split("\t")[1] == "1"
    assert got_it.startswith("yes\t")
    assert heard[0]["type"] == "TICKET_READY"
    assert "reason: unknown_type" in steps[6]
    # The newest was replayed by its id, the other with all that are left.
    assert [event.get("order") for event in heard[1:]] == [2, 1]
    assert steps[7].split("\t")[1] == heard[1]["event_id"]


async def _run(script: str, **settings: str) -> str:
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-c",
        script,
        env=environment(**settings) | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(100):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


async def _until(redis: Redis, group: str) -> None:
    """Return when the relay has made its group: what is emitted before is nobody's."""
    async with asyncio.timeout(20):
        while not await redis.exists(SOURCE) or group.encode() not in {
            found["name"] for found in await redis.xinfo_groups(SOURCE)
        }:
            await asyncio.sleep(0.02)


async def _letters(redis: Redis, count: int) -> None:
    async with asyncio.timeout(20):
        while await redis.xlen(DLQ) < count:
            await asyncio.sleep(0.02)
