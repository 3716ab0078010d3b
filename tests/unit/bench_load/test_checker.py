"""A bench is worth what its checks find: each mistake that a server can make must end the run."""

from __future__ import annotations

import sys

import pytest

from benches.load import client as client_module
from benches.load.binaries import Binaries
from benches.load.client import LoadClient
from benches.load.contenders import Server
from benches.load.errors import BenchError
from tests.support.faulty_server import FAULTS

CONNECTIONS = 5
EVENTS = 4


def _run(binaries: Binaries, fault: str) -> None:
    command = [sys.executable, "-m", "tests.support.faulty_server", fault, "--bytes=256"]
    with (
        Server("faulty", command) as server,
        LoadClient(binaries, server.port, ["/"], CONNECTIONS, size=256) as client,
    ):
        client.joined()
        client.expect(EVENTS)
        server.begin_send(EVENTS, 1)
        server.end_send(CONNECTIONS)
        client.reached()
        client.finish()


def test_a_server_without_a_mistake_passes(binaries: Binaries) -> None:
    _run(binaries, "none")


@pytest.mark.parametrize("fault", FAULTS)
def test_every_mistake_of_one_connection_ends_the_run(
    binaries: Binaries, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An event that never comes is found by waiting for it.
    monkeypatch.setattr(client_module, "RECEIVE_SECONDS", 1.0 if fault == "drop-last" else 20.0)
    complaint = "did not say 'reached' in time" if fault == "drop-last" else "delivery was not exact"
    with pytest.raises(BenchError, match=complaint):
        _run(binaries, fault)


def test_the_last_event_missing_is_in_the_report_too(binaries: Binaries, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LoadClient, "reached", lambda _self: None)
    with pytest.raises(BenchError, match=r"'short': [1-9]"):
        _run(binaries, "drop-last")


def test_a_refused_handshake_names_the_answer(binaries: Binaries) -> None:
    command = [sys.executable, "-m", "benches.load.peers.fastapi_loop", "--bytes=256"]
    with (
        Server("fastapi", command) as server,
        LoadClient(binaries, server.port, ["/ws?token=forged"], 3, size=256) as client,
        pytest.raises(BenchError, match=r"3 connections were not admitted.*403"),
    ):
        client.joined()


def test_a_server_that_is_gone_says_its_last_words() -> None:
    with pytest.raises(BenchError, match="no-such-module"):
        Server("absent", [sys.executable, "-m", "no-such-module"])
    with pytest.raises(BenchError, match="cannot be started"):
        Server("absent", ["/no/such/program"])
