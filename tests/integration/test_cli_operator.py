"""`gateway connections`, `rooms`, `top` and `doctor --url` against two gateways that share a Valkey."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import struct
import sys
import termios
from collections.abc import Iterator
from fcntl import ioctl

import pytest

from tests.support.api import KEYS, OPERATOR, PUBLISH
from tests.support.cli import SECONDS, ended
from tests.support.clients import welcomed
from tests.support.gateway import RunningGateway, run_gateway
from tests.support.serve import environment
from tests.support.tokens import staff_token, table_token
from tests.support.valkey import ValkeyServer, run_valkey

Nodes = tuple[RunningGateway, RunningGateway]


@pytest.fixture(scope="module")
def server() -> Iterator[ValkeyServer]:
    """Its own: nodes of other files would be in the lists."""
    with run_valkey() as running:
        yield running


@pytest.fixture(scope="module")
def nodes(server: ValkeyServer) -> Iterator[Nodes]:
    with run_gateway(server.url, **KEYS) as first, run_gateway(server.url, sockets="asgi", **KEYS) as second:
        yield first, second


async def asked(gateway: RunningGateway, *arguments: str, key: str = OPERATOR) -> tuple[int, str, str]:
    return await ended(*arguments, "--url", gateway.http, GATEWAY_OPERATOR_KEY=key)


async def test_whoever_is_connected_anywhere_is_found(nodes: Nodes) -> None:
    async with (
        welcomed(nodes[0].ws, "/ws/kitchen", staff_token("KITCHEN", tenant=41, user="cook")) as cook,
        welcomed(nodes[1].ws, "/ws/waiter", staff_token(tenant=41, user="ann")) as ann,
        welcomed(nodes[1].ws, "/ws/diner", table_token(tenant=41, session=77)) as table,
    ):
        status, out, err = await asked(nodes[0], "connections", "--tenant", "41")
        assert (status, err) == (0, "")
        rows = {row[0]: row[1:] for row in (line.split("\t") for line in out.splitlines())}
        assert {name: row[:3] for name, row in rows.items()} == {
            cook.welcome["connection_id"]: ["41", "user:cook", "kitchen"],
            ann.welcome["connection_id"]: ["41", "user:ann", "waiter"],
            table.welcome["connection_id"]: ["41", "session:77", "diner"],
        }
        for filters, expected in (
            (("--user", "ann"), ann),
            (("--session", "77"), table),
            (("--branch", "5", "--endpoint", "kitchen"), cook),
        ):
            _, out, _ = await asked(nodes[1], "connections", "--tenant", "41", *filters, "--json")
            assert [json.loads(line)["connection"] for line in out.splitlines()] == [expected.welcome["connection_id"]]
        _, out, _ = await asked(nodes[0], "connections", "--tenant", "41", "--this-node")
        assert [line.split("\t")[0] for line in out.splitlines()] == [cook.welcome["connection_id"]]


async def test_rooms_are_counted_over_all_nodes(nodes: Nodes) -> None:
    async with (
        welcomed(nodes[0].ws, "/ws/kitchen", staff_token("KITCHEN", tenant=42, user="cook", branches=(5, 6))),
        welcomed(nodes[1].ws, "/ws/waiter", staff_token(tenant=42, user="ann", branches=(5,))),
    ):
        status, out, err = await asked(nodes[1], "rooms", "--tenant", "42")
    assert (status, err) == (0, "")
    assert [line.split("\t")[:4] for line in out.splitlines()] == [
        ["42", "5", "2", "branch:5:kitchen=1 branch:5:waiters=1"],
        ["42", "6", "1", "branch:6:kitchen=1"],
    ]


async def test_a_key_of_another_scope_is_refused_in_words(nodes: Nodes) -> None:
    for command in ("connections", "rooms", "top"):
        status, out, err = await asked(nodes[0], command, key=PUBLISH)
        assert (status, out) == (1, "")
        assert "read is needed" in err
        assert PUBLISH not in err


async def test_top_sees_both_nodes_and_what_passes_through_them(nodes: Nodes) -> None:
    status, out, err = await asked(nodes[0], "top", "--count", "2", "--interval", "0.3", "--json")
    assert (status, err) == (0, "")
    first, second = map(json.loads, out.splitlines())
    assert len(first["nodes"]) == len(second["nodes"]) == 2
    assert first["rates"]["deliveries"] is None
    assert second["rates"]["deliveries"] >= 0
    assert second["silent"] == []


async def test_top_draws_in_a_terminal_until_ctrl_c(nodes: Nodes) -> None:
    """A real terminal of 80 by 40: the picture is there, drawn again, and Ctrl-C ends it as done."""
    controller, terminal = pty.openpty()
    ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "top", "--interval", "0.2", "--url", nodes[0].http),
        env=environment(GATEWAY_OPERATOR_KEY=OPERATOR) | {"TERM": "xterm-256color"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    seen = b""
    try:
        async with asyncio.timeout(SECONDS):
            # A node that is slow to answer once is silent once.
            while seen.count(b"delivered/s") < 3 or b"2 nodes" not in seen:
                seen += await asyncio.to_thread(os.read, controller, 65_536)
            process.send_signal(signal.SIGINT)
            await _drained(controller)
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        os.close(controller)
    assert b"Traceback" not in seen
    assert OPERATOR.encode() not in seen


async def _drained(controller: int) -> None:
    """Read what is left: a terminal whose buffer is full would hold the command up. It ends with an error (EIO)."""
    try:
        while await asyncio.to_thread(os.read, controller, 65_536):
            pass
    except OSError:
        pass


async def test_doctor_finds_both_nodes_well(nodes: Nodes, server: ValkeyServer) -> None:
    status, out, _ = await asked(nodes[0], "doctor", "--json", "--redis-url", server.url)
    findings = [json.loads(line) for line in out.splitlines()]
    about = {finding["subject"]: finding for finding in findings if finding["subject"] in ("nodes", "clocks")}
    assert about["nodes"]["level"] == "ok", about
    assert about["nodes"]["found"].startswith("2 are ready")
    assert about["clocks"]["level"] == "ok", about
    assert "the 3 that were asked" in about["clocks"]["found"]
    assert status == 0
