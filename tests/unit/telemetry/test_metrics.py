from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.endpoints.catchup import STATUSES
from gateway.fanout.base import BroadcastObserver, CoreStats, SocketStats
from gateway.fanout.measures import (
    AUDIENCE_BUCKETS,
    BROADCAST_BUCKETS,
    END_TO_END_BUCKETS,
    Histogram,
    Measures,
)
from gateway.hub.base import HubObserver
from gateway.hub.manager import REFUSALS
from gateway.hub.profiles import PROFILES
from gateway.ingest.base import IngestObserver
from gateway.ingest.live_base import LiveObserver, RepairCause
from gateway.ingest.relay_base import RelayObserver
from gateway.ingest.resume_base import ResumeObserver, ResumeOutcome
from gateway.protocol.close_codes import WSCloseCode
from gateway.protocol.events import DropReason
from gateway.protocol.messages import ErrorCode
from gateway.resilience.circuit_breaker import BreakerState
from gateway.telemetry.metrics import Metrics

STATS = CoreStats(connections=3, rooms=2, broadcasts_in_flight=1, bytes_in_flight=100, submitted=50, refused=4)


def nothing() -> Measures:
    """Of a core that has passed no event."""
    return Measures(*(Histogram(one).counted() for one in (BROADCAST_BUCKETS, END_TO_END_BUCKETS, AUDIENCE_BUCKETS)))


class Core:
    """Keeps `core_collector.MeasuredCore`."""

    def __init__(self, stats: Callable[[], CoreStats] = lambda: STATS, measures: Measures | None = None) -> None:
        self.stats = stats
        self._measures = measures or nothing()

    def measures(self) -> Measures:
        return self._measures

    def outbox_bytes(self) -> int:
        return 7


def scrape(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    body, content_type = metrics.render()
    assert content_type.startswith("text/plain; version=")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return scrape(metrics)[f"gateway_{name}", tuple(sorted(labels.items()))]


def test_it_keeps_the_ports_of_whoever_tells_it() -> None:
    metrics = Metrics()
    broadcasts: BroadcastObserver = metrics
    hub: HubObserver = metrics
    ingest: IngestObserver = metrics.ingest
    live: LiveObserver = metrics.live
    relay: RelayObserver = metrics.critical
    resumes: ResumeObserver = metrics.resumes
    assert live is metrics.live
    assert relay is metrics.critical
    assert resumes is metrics.resumes
    assert broadcasts is hub
    assert ingest is metrics.ingest


KNOWN = {
    "events_received_total": {"source": ("pubsub", "live")},
    "events_submitted_total": {"source": ("pubsub", "live")},
    "core_permits_limit": {"of": ("broadcasts", "bytes", "room_broadcasts")},
    "closes_total": {"code": (*(str(int(code)) for code in WSCloseCode), "other")},
    "client_errors_total": {"code": tuple(ErrorCode)},
    "connections": {"endpoint": ("waiter", "kitchen", "admin", "diner")},
    "client_messages_total": {"kind": ("ping", "control", "rate_limited", "other")},
    "resumes_total": {"outcome": tuple(ResumeOutcome)},
    "catchups_total": {"status": ("200", *(str(int(status)) for status in STATUSES.values()))},
    "breaker_state": {"duty": ("commands", "pubsub", "live", "relay", "announcements")},
    "revalidations_total": {"outcome": ("passed", "revoked", "put_off")},
    "revocations_total": {"scope": ("token", "user", "session", "tenant")},
    "revoked_connections_total": {"scope": ("token", "user", "session", "tenant")},
    "announcements_total": {"kind": ("revoked", "sectors", "malformed")},
    "room_repairs_total": {"cause": tuple(RepairCause)},
    "relay_events_total": {"outcome": ("added", "repeat")},
    "relay_dead_letters_total": {"reason": (*DropReason, "failed")},
    "sector_lookups_total": {"outcome": ("token", "cached", "directory", "failed")},
}


@pytest.mark.parametrize("name", KNOWN)
def test_series_of_known_labels_exist_from_the_start(name: str) -> None:
    series = scrape(Metrics())
    ((label, values),) = KNOWN[name].items()
    found = {key[1]: number for key, number in series.items() if key[0] == f"gateway_{name}"}
    assert found == {((label, str(known)),): 0 for known in values}


def test_handshakes_of_every_endpoint_and_outcome_exist_from_the_start() -> None:
    metrics = Metrics()
    refusals = {outcome for _, outcome in REFUSALS.values()}
    for endpoint in PROFILES:
        for outcome in {"accepted", "bad_origin", "no_token", "draining", "node_full", "disconnected"} | refusals:
            assert value(metrics, "handshakes_total", endpoint=endpoint, outcome=outcome) == 0


def test_plain_numbers_exist_from_the_start() -> None:
    series = scrape(Metrics())
    for name in (
        "drop_alerts_total",
        "redis_up",
        "draining",
        "broadcast_seconds_count",
        "deliveries_total",
    ):
        assert series[f"gateway_{name}", ()] == 0


def test_two_applications_do_not_share_numbers() -> None:
    first, second = Metrics(), Metrics()
    first.on_connected("waiter")
    assert value(first, "connections", endpoint="waiter") == 1
    assert value(second, "connections", endpoint="waiter") == 0


def test_broadcasts_are_shown_as_the_core_measures_them() -> None:
    metrics = Metrics()
    passing, end_to_end, audience = (
        Histogram(one) for one in (BROADCAST_BUCKETS, END_TO_END_BUCKETS, AUDIENCE_BUCKETS)
    )
    for seconds, recipients in ((0.0002, 3), (0.3, 0), (0.3, 20_000)):
        passing.record(seconds)
        audience.record(recipients)
    end_to_end.record(1.5)
    measures = Measures(passing.counted(), end_to_end.counted(), audience.counted())
    metrics.bind_core(Core(measures=measures))
    assert value(metrics, "broadcasts_total") == 3
    assert value(metrics, "deliveries_total") == 20_003
    assert value(metrics, "broadcast_seconds_sum") == pytest.approx(0.6002)
    assert value(metrics, "broadcast_seconds_bucket", le="0.00025") == 1
    assert value(metrics, "broadcast_seconds_bucket", le="0.5") == 3
    assert value(metrics, "end_to_end_seconds_bucket", le="1.0") == 0
    assert value(metrics, "end_to_end_seconds_bucket", le="2.5") == 1
    assert value(metrics, "audience_size_bucket", le="0.0") == 1
    assert value(metrics, "audience_size_bucket", le="10000.0") == 2
    assert value(metrics, "audience_size_bucket", le="+Inf") == value(metrics, "audience_size_count") == 3


def test_what_slow_connections_cost_is_counted() -> None:
    metrics = Metrics()
    metrics.on_dropped(7)
    metrics.on_overflow()
    assert value(metrics, "outbox_dropped_total") == 7
    assert value(metrics, "outbox_overflows_total") == 1


def test_connections_come_and_go() -> None:
    metrics = Metrics()
    metrics.on_handshake("waiter", "accepted")
    metrics.on_connected("waiter")
    metrics.on_connected("diner")
    metrics.on_disconnected("waiter", WSCloseCode.GOING_AWAY)
    assert value(metrics, "handshakes_total", endpoint="waiter", outcome="accepted") == 1
    assert value(metrics, "connections", endpoint="waiter") == 0
    assert value(metrics, "connections", endpoint="diner") == 1
    assert value(metrics, "closes_total", code="1001") == 1


def test_no_client_makes_series_without_end() -> None:
    metrics = Metrics()
    before = len(scrape(metrics))
    for code in range(3000, 5000):
        metrics.on_connected("waiter")
        metrics.on_disconnected("waiter", code)
    for kind in ("a", "b"):
        metrics.on_client_message(kind)
    assert len(scrape(metrics)) == before
    known = sum(3000 <= code < 5000 for code in WSCloseCode)
    assert value(metrics, "closes_total", code="other") == 2000 - known
    assert value(metrics, "client_messages_total", kind="other") == 2


def test_client_messages_errors_and_lookups_are_counted_by_kind() -> None:
    metrics = Metrics()
    metrics.on_client_message("ping")
    metrics.on_client_error(ErrorCode.BAD_JSON)
    metrics.on_sector_lookup("cached")
    assert value(metrics, "client_messages_total", kind="ping") == 1
    assert value(metrics, "client_errors_total", code="bad_json") == 1
    assert value(metrics, "sector_lookups_total", outcome="cached") == 1


def test_ingest_is_counted() -> None:
    metrics = Metrics()
    metrics.ingest.on_received("pubsub", 10)
    metrics.ingest.on_dropped(DropReason.QUEUE_FULL, 3)
    metrics.ingest.on_submitted(7)
    metrics.ingest.on_interruption()
    metrics.ingest.on_reconnected(2.5)
    assert value(metrics, "events_received_total", source="pubsub") == 10
    assert value(metrics, "events_dropped_total", source="pubsub", reason="queue_full") == 3
    assert value(metrics, "events_dropped_total", source="live", reason="queue_full") == 0
    assert value(metrics, "events_submitted_total", source="pubsub") == 7
    assert value(metrics, "pubsub_interruptions_total") == 1
    assert value(metrics, "pubsub_reconnects_total") == 1
    assert value(metrics, "pubsub_away_seconds_total") == 2.5


@pytest.mark.parametrize(("state", "number"), [("closed", 0), ("half_open", 1), ("open", 2)])
def test_a_breakers_state_is_a_number(state: str, number: int) -> None:
    metrics = Metrics()
    metrics.on_breaker("pubsub", BreakerState(state))
    assert value(metrics, "breaker_state", duty="pubsub") == number
    assert value(metrics, "breaker_state", duty="commands") == 0


def test_the_build_is_one_series_whatever_was_said_before() -> None:
    metrics = Metrics()
    metrics.set_build("0.1.0", "pure")
    metrics.set_build("0.1.0", "native")
    builds = [labels for name, labels in scrape(metrics) if name == "gateway_build_info"]
    assert builds == [(("fanout", "native"), ("version", "0.1.0"))]


def test_the_core_is_asked_at_each_scrape() -> None:
    metrics = Metrics()
    assert not [name for name, _ in scrape(metrics) if name == "gateway_core_connections"]
    answers = iter([STATS, CoreStats(9, 9, 9, 9, 9, 9)])
    metrics.bind_core(Core(lambda: next(answers)))
    first, second = scrape(metrics), scrape(metrics)
    names = ("connections", "rooms", "broadcasts_in_flight", "bytes_in_flight", "submitted_total", "refused_total")
    assert [first[f"gateway_core_{name}", ()] for name in names] == [3, 2, 1, 100, 50, 4]
    assert [second[f"gateway_core_{name}", ()] for name in names] == [9] * 6


def test_the_process_itself_is_shown() -> None:
    names = {name for name, _ in scrape(Metrics())}
    assert {"process_open_fds", "process_max_fds", "process_resident_memory_bytes"} <= names


def test_the_catalogue_is_what_is_scraped() -> None:
    metrics = Metrics()
    metrics.bind_core(Core())
    metrics.set_build("0.1.0", "pure")
    body, _ = metrics.render()
    scraped = {
        family.name + ("_total" if family.type == "counter" else ""): family
        for family in text_string_to_metric_families(body.decode())
        if family.name.startswith("gateway_") and not family.name.endswith("_created")
    }
    entries = {entry.name: entry for entry in metrics.catalogue()}
    assert entries.keys() == scraped.keys()
    for name, entry in entries.items():
        family = scraped[name]
        assert (entry.type, entry.help) == (family.type, family.documentation)
        assert set(entry.labels) == set(family.samples[0].labels) - {"le"}


def test_what_native_sockets_did_is_added_to_the_same_series_once() -> None:
    metrics = Metrics()
    sockets = SocketStats(
        dropped=3,
        slow_closes=1,
        frames_in=9,
        pings=4,
        messages=5,
        rate_limited=1,
        sends=18,
        bytes_out=4_000,
        sockets=10,
        outbox_bytes=7,
        lag_micros=2_000,
    )
    current = [sockets]
    metrics.bind_core(Core(lambda: replace(STATS, sockets=current[0])))
    metrics.on_dropped(5)
    metrics.on_overflow()
    assert value(metrics, "outbox_dropped_total") == 8
    assert value(metrics, "outbox_dropped_total") == 8, "a second scrape adds nothing"
    current[0] = replace(sockets, dropped=30, pings=6)
    assert value(metrics, "outbox_dropped_total") == 35
    assert value(metrics, "outbox_overflows_total") == 2
    assert value(metrics, "client_messages_total", kind="ping") == 6
    assert value(metrics, "client_messages_total", kind="control") == 0, "Python is told of those"
    assert value(metrics, "native_lag_seconds") == 0.002
    assert value(metrics, "native_sockets") == 10


def test_a_new_core_counts_from_nought() -> None:
    metrics = Metrics()
    zero = dict.fromkeys(SocketStats.__dataclass_fields__, 0)
    for _ in range(2):
        metrics.bind_core(Core(lambda: replace(STATS, sockets=SocketStats(**zero | {"dropped": 10}))))
        metrics.render()
    assert value(metrics, "outbox_dropped_total") == 20


def test_a_node_without_native_sockets_shows_their_series_at_nought() -> None:
    metrics = Metrics()
    metrics.bind_core(Core())
    assert value(metrics, "native_sockets") == 0
    assert value(metrics, "outbox_bytes") == 7
    assert value(metrics, "native_bytes_out_total") == 0


def test_critical_events_are_counted() -> None:
    metrics = Metrics()
    metrics.critical.on_lease(held=True)
    metrics.critical.on_relayed(5, 2)
    metrics.critical.on_refed(9, 1)
    metrics.critical.on_history_begun(1)
    metrics.critical.on_dead_letter(DropReason.BAD_JSON, 3)
    metrics.critical.on_lost_at_source(4)
    metrics.critical.on_lag(7)
    metrics.live.on_repair(RepairCause.CHECK)
    metrics.live.on_gap()
    metrics.live.on_behind(2)
    metrics.live.on_interruption()
    assert value(metrics, "relay_active") == 1
    assert value(metrics, "relay_events_total", outcome="added") == 6
    assert value(metrics, "relay_events_total", outcome="repeat") == 2
    assert value(metrics, "relay_refed_total") == 9
    assert value(metrics, "relay_dead_letters_total", reason="bad_json") == 3
    assert value(metrics, "critical_lost_at_source_total") == 4
    assert value(metrics, "relay_lag") == 7
    assert value(metrics, "room_repairs_total", cause="check") == 1
    assert value(metrics, "critical_gaps_total") == 1
    assert value(metrics, "rooms_behind") == 2
    assert value(metrics, "live_interruptions_total") == 1
    assert value(metrics, "pubsub_interruptions_total") == 0
    metrics.critical.on_lag(None)
    assert value(metrics, "relay_lag") != value(metrics, "relay_lag")


def test_what_may_be_in_flight_is_shown_beside_what_is() -> None:
    metrics = Metrics()
    metrics.set_permits(broadcasts=5_000, payload_bytes=64, room_broadcasts=500)
    limits = [value(metrics, "core_permits_limit", of=of) for of in ("broadcasts", "bytes", "room_broadcasts")]
    assert limits == [5_000, 64, 500]
