"""The installed wheel runs by itself: its commands, a gateway on an embedded Valkey, a client that hears an event."""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.clients import welcomed
from tests.support.deploy_files import DEPLOY, ROOT
from tests.support.installed import SECONDS, Installed
from tests.support.serve import ServeProcess, serve

pytestmark = pytest.mark.timeout(3 * SECONDS)

VERSION = importlib.metadata.version("fanout-gateway")
EVENT = {"type": "ROUND_READY", "tenant_id": 1, "branch_id": 5}


@pytest.fixture
def running(installed: Installed, tmp_path: Path) -> Iterator[ServeProcess]:
    """With the embedded server, whose address stands in a folder that is the test's own."""
    with serve(tmp_path, program=[installed.gateway], XDG_RUNTIME_DIR=str(tmp_path)) as gateway:
        yield gateway


def test_it_is_the_wheel_that_is_tested(installed: Installed) -> None:
    where = installed.run("python", "-c", "import gateway; print(gateway.__file__)").stdout.strip()
    assert where.startswith(str(installed.home))
    path = installed.run("python", "-c", "import sys; print(sys.path)").stdout
    assert str(ROOT) not in path


def test_nothing_that_it_depends_on_is_missing_or_too_old(installed: Installed) -> None:
    checked = installed.run("python", "-m", "pip", "--disable-pip-version-check", "check")
    assert checked.returncode == 0, checked.stdout
    names = installed.run("python", "-m", "pip", "--disable-pip-version-check", "list", "--format=freeze").stdout
    assert "pytest" not in names, "what tests need is no dependency"


def test_version_and_help(installed: Installed) -> None:
    assert installed.run("gateway", "--version").stdout == f"{VERSION}\n"
    shown = installed.run("gateway", "--help")
    assert shown.returncode == 0
    for command in ("serve", "publish", "emit", "tail", "token", "demo"):
        assert command in shown.stdout


async def test_a_client_hears_what_is_published(installed: Installed, running: ServeProcess, tmp_path: Path) -> None:
    token = installed.run(
        "gateway", "token", "staff", "--tenant", "1", "--user", "12", "--branch", "5", "--role", "KITCHEN"
    ).stdout.strip()
    async with welcomed(running.ws, "/ws/kitchen", token) as client:
        published = await asyncio.to_thread(
            installed.run,
            "gateway",
            "publish",
            "branch:5:kitchen",
            json.dumps(EVENT),
            XDG_RUNTIME_DIR=str(tmp_path),
        )
        assert published.stdout == "1\n", published.stderr
        assert await client.json() == EVENT
        running.process.send_signal(signal.SIGTERM)
        assert await client.close_code() == 1001
    await asyncio.to_thread(running.process.wait, 30)
    lines = [json.loads(line) for line in running.log_text().splitlines()]
    started = next(line for line in lines if line["event"] == "gateway started")
    assert (started["fanout"], started["sockets"], started["version"]) == ("native", "native", VERSION)
    assert token not in running.log_text()


def test_the_images_probe_sees_that_it_lives(installed: Installed, running: ServeProcess, tmp_path: Path) -> None:
    probe = DEPLOY / "docker" / "probe.py"

    def probed(path: str, **settings: str) -> int:
        return installed.run("python", "-I", str(probe), path, **settings).returncode

    here = {"GATEWAY_PORT": str(running.port)}
    assert probed("/ws/health", **here) == 0
    assert probed("/ws/health/detailed", **here) == 0
    assert probed("/ws/nowhere", **here) == 1
    assert probed("ws/health", **here) == 2
    assert probed("/ws/health", **here, GATEWAY_OPERATOR_KEY_FILE=str(tmp_path / "missing")) == 1
    running.process.send_signal(signal.SIGTERM)
    running.process.wait(30)
    assert probed("/ws/health", **here) == 1
