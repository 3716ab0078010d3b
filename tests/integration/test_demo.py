"""`gateway demo` as a process: it proves its deliveries, and leaves nothing behind however it ends."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
from pathlib import Path

import httpx
import pytest

from tests.support.cli import Command, command
from tests.support.node import require_demo_page
from tests.support.serve import free_port


def _descendants(pid: int) -> set[int]:
    """Children of all threads of a process: the kernel lists them by the thread that started them."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        found |= {int(child) for child in (task / "children").read_text().split()}
    return found


def _alive(pids: set[int]) -> set[int]:
    """Those that still run; a zombie that nobody has looked at yet does not."""
    alive = set()
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state != "Z":
            alive.add(pid)
    return alive


async def _gone(pids: set[int]) -> None:
    async with asyncio.timeout(15):
        while _alive(pids):
            await asyncio.sleep(0.05)


async def _under_way(demo: Command) -> set[int]:
    """Wait until events are delivered; the gateway and the Valkey that serve them."""
    while not re.search(r"delivered [1-9]", line := await demo.line()):
        assert line, "the demo ended too early"
    children = _descendants(demo.pid)
    assert len(children) == 2
    return children


def _numbers(out: str) -> dict[str, int]:
    return {name: int(number) for name, number in re.findall(r"^(\w+) +(\d+)", out, re.MULTILINE)}


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An environment whose runtime files and logs are this test's own."""
    return {"XDG_RUNTIME_DIR": str(tmp_path), "TMPDIR": str(tmp_path)}


async def test_five_seconds_deliver_everything_that_is_expected(home: dict[str, str], tmp_path: Path) -> None:
    async with command("demo", "--seconds", "5", "--port", str(free_port()), **home) as demo:
        children = await _under_way(demo)
        status, out, err = await demo.end()
    numbers = _numbers(out)
    assert (status, err) == (0, ""), out
    assert numbers["expected"] == numbers["delivered"] > 100
    assert numbers["lost"] == numbers["wrong"] == 0
    assert out.splitlines()[-1] == "every delivery was expected, and every expected delivery came"
    assert "\x1b" not in out, "no control characters where no terminal reads"
    await _gone(children)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [], "no log and no runtime file is left"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_the_evening_with_its_summary(number: signal.Signals, home: dict[str, str]) -> None:
    async with command("demo", "--port", str(free_port()), **home) as demo:
        children = await _under_way(demo)
        demo.process.send_signal(number)
        status, out, err = await demo.end()
    numbers = _numbers(out)
    assert (status, err) == (0, "")
    assert numbers["expected"] == numbers["delivered"] > 0
    await _gone(children)


async def test_a_demo_that_is_killed_takes_gateway_and_valkey_with_it(home: dict[str, str]) -> None:
    async with command("demo", "--port", str(free_port()), **home) as demo:
        children = await _under_way(demo)
        demo.process.kill()
        await demo.process.wait()
        await _gone(children)


async def test_a_gateway_that_dies_fails_the_demo_with_a_sentence(home: dict[str, str]) -> None:
    async with command("demo", "--port", str(free_port()), **home) as demo:
        children = await _under_way(demo)
        [gateway] = [pid for pid in children if b"serve" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")]
        os.kill(gateway, signal.SIGKILL)
        status, _, err = await demo.end()
    assert status == 1
    assert "the gateway ended by itself with status -9; its log ends with:" in err
    assert "Traceback" not in err
    await _gone(children)


async def test_a_reader_that_goes_away_ends_it_without_a_word(home: dict[str, str]) -> None:
    async with command("demo", "--port", str(free_port()), **home) as demo:
        children = await _under_way(demo)
        # What `head` does: the reading end of the pipe is closed.
        demo.process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]
        async with asyncio.timeout(30):
            status = await demo.process.wait()
        assert demo.process.stderr is not None
        assert (status, await demo.process.stderr.read()) == (1, b"")
    await _gone(children)


async def test_the_page_is_served_where_it_is_said_to_be(home: dict[str, str]) -> None:
    require_demo_page()
    port = free_port()
    async with command("demo", "--port", str(port), **home) as demo:
        await demo.line()
        assert await demo.line() == f"In a browser: http://127.0.0.1:{port}/demo"
        async with httpx.AsyncClient() as browser:
            page = await browser.get(f"http://127.0.0.1:{port}/demo")
    assert page.status_code == 200
    assert "La Luna" in page.text


async def test_settings_that_no_gateway_starts_with_fail_it_with_the_gateways_reason(home: dict[str, str]) -> None:
    status, out, err = 0, "", ""
    async with command("demo", "--port", str(free_port()), GATEWAY_ENVIRONMENT="production", **home) as demo:
        status, out, err = await demo.end()
    assert (status, out) == (2, "")
    assert "GATEWAY_JWT_SECRET is missing" in err


async def test_a_port_that_is_taken_is_said_before_anything_starts(home: dict[str, str]) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = str(listener.getsockname()[1])
        async with command("demo", "--port", port, **home) as demo:
            status, out, err = await demo.end()
    assert (status, out) == (1, "")
    assert err == f"gateway: port {port} is taken; give another with --port, or leave it out to get a free one\n"
