"""What the native core has beyond the contract: its absence is explained, and any thread may call it."""

from __future__ import annotations

import importlib
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.errors import CoreMissingError
from gateway.fanout.native import NativeCore
from gateway.types import Room
from tests.support.cores import UNLIMITED, attach, leave, reached, ticket_of

ROOM = Room(1, 5)


def test_a_missing_extension_says_how_to_build_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gateway._fanout_core", None)  # what the import system reads as "not there"
    monkeypatch.delattr("gateway._fanout_core")
    monkeypatch.delitem(sys.modules, "gateway.fanout.native")
    with pytest.raises(CoreMissingError, match="build it with `make setup`, or set GATEWAY_FANOUT=pure"):
        importlib.import_module("gateway.fanout.native")


def test_threads_that_share_a_core_see_each_change_whole() -> None:
    core = NativeCore(UNLIMITED)
    attach(core, 1, {ROOM: ["a", "b"]})

    def live(first: int) -> None:
        for connection in range(first, first + 200):
            attach(core, connection, {ROOM: ["a", "b"]}, "user:1")
            ticket = ticket_of(core, ROOM, "a", "b")
            found = reached(core, ticket)
            assert {1, connection} <= set(found)
            assert len(found) == len(set(found))
            leave(core, connection)
            assert connection not in core.recipients(ticket)
            core.finish(ticket)
            assert core.stats().connections <= 5

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(live, (1_000, 2_000, 3_000, 4_000)))
    stats = core.stats()
    assert (stats.connections, stats.rooms, stats.broadcasts_in_flight, stats.submitted) == (1, 1, 0, 800)
    assert core.count(1, "user:1") == 0
