"""The commands of the guide about the operator API do what the guide says, in its order."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.clients import welcomed
from tests.support.gateway import run_gateway
from tests.support.tokens import staff_token
from tests.support.valkey import ValkeyServer

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "operator-api.md"


def commands() -> list[str]:
    """Each command of the guide that is to be run, lines that go on joined."""
    found = "\n".join(re.findall(r"^```sh\n(.*?)^```", GUIDE.read_text("utf-8"), re.DOTALL | re.MULTILINE))
    return [line for line in found.replace("\\\n", " ").split("\n") if line.strip()]


async def run(command: str, port: int, **names: str) -> Any:
    """What a command prints, parsed."""
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", command.replace(":8001/", f":{port}/"), env=names, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(30):
        output, _ = await process.communicate()
    assert process.returncode == 0, command
    answer = json.loads(output)
    assert "error" not in answer, (command, answer)
    return answer


async def test_every_command_of_the_guide_works(own_valkey: ValkeyServer) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed, which the guide is written with")
    answers: list[Any] = []
    with run_gateway(own_valkey.url, drain_seconds=0.5) as gateway:
        async with welcomed(gateway.ws, "/ws/kitchen", staff_token("KITCHEN", user="12")) as peer:
            names = {
                "PATH": str(Path(curl).parent),
                "CONNECTION": peer.welcome["connection_id"],
                "EVENT_ID": "",
            }
            for command in commands():
                answer = await run(command, gateway.port, **names)
                answers.append(answer)
                if "/publish" in command:
                    assert answer == {"results": [{"nodes": 1}]}
                    assert (await peer.json())["type"] == "ROUND_READY"
                if "/emit" in command:
                    names["EVENT_ID"] = answer["results"][0]["event_id"]
                    assert (await peer.json())["event_id"] == names["EVENT_ID"]
                if command.endswith('/events/$EVENT_ID"'):
                    assert [(found["matched"], found["sent"]) for found in answer["nodes"]] == [(1, 1)]
            assert await peer.close_code() == 1008
    assert len(answers) == len(commands()) == 15, "no command is left out by mistake"
