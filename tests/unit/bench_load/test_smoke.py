"""Every contender and every scenario with a few clients: what they say is checked, not how fast they are."""

from __future__ import annotations

import pytest

from benches.load.binaries import Binaries
from benches.load.client import LoadClient
from benches.load.contenders import Bench
from benches.load.pair import Pair
from benches.load.scenarios import joins, responsiveness, stalled, throughput
from tests.support.valkey import ValkeyServer

CLIENTS = 50


@pytest.fixture
def bench(binaries: Binaries, valkey: ValkeyServer) -> Bench:
    return Bench(binaries, valkey.url, "asgi", rounds=1)


@pytest.mark.parametrize("contender", ["bare", "fastapi", "gateway"])
def test_a_contender_delivers_single_events_and_bursts_to_every_client(bench: Bench, contender: str) -> None:
    with Pair(bench, contender, CLIENTS) as pair:
        assert pair.send(3, 1) > 0
        assert pair.send(40, 16) > 0  # the last burst is a shorter one
        summary = pair.taken()
    assert summary["events"] == 43 * CLIENTS
    assert summary["latency_us"]["count"] == 43 * CLIENTS


def test_a_client_that_comes_later_expects_only_what_comes_after_it(bench: Bench) -> None:
    with Pair(bench, "bare", CLIENTS) as pair:
        pair.send(5, 1)
        with LoadClient(bench.binaries, pair.server.port, ["/"], 2, size=bench.size, first=6) as late:
            late.joined()
            late.expect(6)
            pair.client.expect(6)
            pair.server.begin_send(1, 1)
            pair.server.end_send(CLIENTS + 2)
            pair.client.reached()
            late.reached()
            late.finish()


@pytest.mark.parametrize("contender", ["fastapi", "gateway"])
def test_heartbeats_are_answered_and_timed(bench: Bench, contender: str) -> None:
    with Pair(bench, contender, CLIENTS) as pair:
        pair.client.say("ping 10 20")
        pair.send(50, 1)
        pair.client.say("ping 0 1")
        summary = pair.taken()
    assert 0 < summary["heartbeat_us"]["count"] <= summary["pings"]
    assert summary["heartbeat_us"]["p99"] >= summary["heartbeat_us"]["p50"] > 0


def test_the_loop_lag_is_measured_only_between_start_and_stop(bench: Bench) -> None:
    with bench.server("fastapi") as server:
        assert server.ask("lag start", "lag", 5)["samples"] == 0
        assert server.ask("lag stop", "lag", 5)["p99"] >= 0
        server.say("lag stop")
        assert "lag stop" in server.answer("error", 5)["error"]


def test_a_gateway_connection_without_identity_is_a_member_too(bench: Bench) -> None:
    with (
        bench.server("gateway") as server,
        LoadClient(bench.binaries, server.port, ["/bare"], CLIENTS, size=bench.size) as client,
    ):
        client.joined()
        client.expect(2)
        server.begin_send(2, 2)
        server.end_send(CLIENTS)
        client.reached()
        server.kill()  # before its clients go: see scenarios/memory.py


def test_joins_are_measured_on_both_sides_and_with_known_tokens(bench: Bench) -> None:
    measured = {one.contender: one.spread.median for one in joins.measure(bench, CLIENTS)}
    assert measured.keys() == {"gateway", "gateway-cached", "fastapi"}
    assert all(value > 0 for value in measured.values())


def test_a_stalled_client_stalls_and_the_others_get_everything(bench: Bench) -> None:
    measured = {one.contender: one.spread.median for one in stalled.measure(bench, CLIENTS)}
    assert measured.keys() == {"stalled", "undisturbed"}
    assert all(value > 0 for value in measured.values())


def test_throughput_and_responsiveness_give_one_value_per_round(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throughput, "_ROUND_DELIVERIES", {1: 200, 16: 200, 64: 200})
    monkeypatch.setattr(responsiveness, "FAN_OUT_SECONDS", 0.2)
    measured = throughput.measure(bench, CLIENTS) + responsiveness.measure(bench, CLIENTS)
    assert {len(one.values) for one in measured} == {1}
    assert {(one.scenario, one.contender) for one in measured} == {
        *((scenario, who) for scenario in ("single", "burst-16", "burst-64") for who in ("bare", "fastapi", "gateway")),
        *((scenario, who) for scenario in ("lag", "heartbeat") for who in ("gateway", "gateway-idle")),
    }
