"""Metrics: every number that the gateway shows, in one table."""

from __future__ import annotations

import threading
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from gateway.protocol.close_codes import WSCloseCode
from gateway.protocol.events import DropReason
from gateway.protocol.messages import ErrorCode
from gateway.telemetry.core_collector import CoreCollector, MeasuredCore
from gateway.telemetry.critical_metrics import CriticalMetrics
from gateway.telemetry.limit_metrics import LimitMetrics
from gateway.telemetry.loop_lag import LAG_BUCKETS
from gateway.telemetry.redis_metrics import RedisMetrics
from gateway.telemetry.resume_metrics import ResumeMetrics
from gateway.telemetry.rights_metrics import RightsMetrics

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gateway.fanout.base import BroadcastReport, CoreStats, SocketStats, Submission

PREFIX = "gateway_"

ENDPOINTS = ("waiter", "kitchen", "admin", "diner")
HANDSHAKE_OUTCOMES = (
    "accepted",
    "bad_origin",
    "no_token",
    "too_many_attempts",
    "node_full",
    "busy",
    "draining",
    "auth_failed",
    "forbidden",
    "too_many_connections",
    "penalised",
    "tenant_busy",
    "bad_resume",
    "too_many_resumes",
    "redis_away",
    "keys_away",
    "timed_out",
    "disconnected",
    "error",
)
EVENT_SOURCES = ("pubsub", "live")
CLIENT_MESSAGES = ("ping", "control", "rate_limited")
BREAKER_DUTIES = ("commands", "pubsub", "live", "relay", "announcements")
PERMITS = ("broadcasts", "bytes", "room_broadcasts")
SECTOR_OUTCOMES = ("token", "cached", "directory", "failed")
BREAKER_STATES = {"closed": 0, "half_open": 1, "open": 2}

CLOSE_CODES = frozenset(int(code) for code in WSCloseCode)

OTHER = "other"
"""The label of whatever a client may choose freely, so that no client can make series without end."""


class CatalogueEntry(NamedTuple):
    """One metric, for the documentation. `name` is as scraped, of a histogram without its endings."""

    name: str
    type: str
    labels: tuple[str, ...]
    help: str


class Metrics:
    """The gateway's metrics in a registry of their own, so that several applications share a process.

    The attributes are the metrics, to be incremented in place; it observes broadcasts as
    `fanout.base.BroadcastObserver`. Thread-safe, as the library's metrics are. Series of known labels exist from the
    start, at 0, so that a rate over them is right from the first event on.

    It keeps `hub.base.HubObserver` too; `ingest` is what keeps `ingest.base.IngestObserver`, whose `on_dropped` is
    about events, while the fan-out's is about one slow connection's outbox; `live` is the same for live channels, and
    `critical` keeps `ingest.relay_base.RelayObserver`, `resumes` keeps `ingest.resume_base.ResumeObserver`,
    `rights` counts what has to do with revocations, `limits` keeps `hub.base.LimitObserver`, and `redis` is what
    `RedisMonitor` tells.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._catalogue: list[CatalogueEntry] = []
        # Registered first: it is asked first, and what it learns stands in the counters when these are asked.
        self._core = CoreCollector(self._absorb)
        self.registry.register(self._core)
        self._absorbing = threading.Lock()
        self._absorbed: SocketStats | None = None
        one = self._counter
        self.connections = self._gauge("connections", "Connections that are open.", endpoint=ENDPOINTS)
        self.handshakes = one(
            "handshakes_total",
            "Handshakes by how they ended.",
            endpoint=ENDPOINTS,
            outcome=HANDSHAKE_OUTCOMES,
        )
        self.closes = one(
            "closes_total",
            "Connections that ended, by close code.",
            code=(*map(str, sorted(CLOSE_CODES)), OTHER),
        )
        self.events_received = one("events_received_total", "Events that came in, good or bad.", source=EVENT_SOURCES)
        self.events_dropped = one(
            "events_dropped_total",
            "Events that were not delivered.",
            source=EVENT_SOURCES,
            reason=tuple(DropReason),
        )
        self.events_submitted = one("events_submitted_total", "Events that the core accepted.", source=EVENT_SOURCES)
        self.outbox_dropped = one(
            "outbox_dropped_total", "Best-effort events dropped from the outboxes of slow connections."
        )
        self.outbox_overflows = one(
            "outbox_overflows_total", "Connections closed with 1013, because they were too slow to be kept."
        )
        self.client_messages = one("client_messages_total", "Messages of clients.", kind=(*CLIENT_MESSAGES, OTHER))
        self.client_errors = one("client_errors_total", "Error messages sent to clients.", code=tuple(ErrorCode))
        self.pubsub_interruptions = one(
            "pubsub_interruptions_total", "Cuts of the Pub/Sub connection; events were missed, nobody knows how many."
        )
        self.pubsub_reconnects = one("pubsub_reconnects_total", "Pub/Sub connections that were made again.")
        self.pubsub_away_seconds = one(
            "pubsub_away_seconds_total", "Seconds from each cut until all subscriptions stood again."
        )
        self.breaker_state = self._gauge(
            "breaker_state", "Circuit breakers: 0 closed, 1 half-open, 2 open.", duty=BREAKER_DUTIES
        )
        self.drop_alerts = one("drop_alerts_total", "Alerts that too large a share of events was dropped.")
        self.sector_lookups = one("sector_lookups_total", "Where users' sectors came from.", outcome=SECTOR_OUTCOMES)
        self.redis_up = self._gauge("redis_up", "1 while Redis answers.")
        self.draining = self._gauge("draining", "1 while the gateway is stopping.")
        self._build = Gauge(
            *self._entry("build_info", "gauge", ("version", "fanout"), "1, with what is running as labels."),
            labelnames=("version", "fanout"),
            registry=self.registry,
        )
        self.loop_lag = self._histogram(
            "loop_lag_seconds", "By how much the event loop woke too late, twice a second.", LAG_BUCKETS
        )
        self.permits_limit = self._gauge("core_permits_limit", "How much may be in flight; 0 is unlimited.", of=PERMITS)
        self.redis = RedisMetrics(self._counter, self._gauge)
        self.critical = CriticalMetrics(self._counter, self._gauge)
        self.resumes = ResumeMetrics(self._counter, self._gauge)
        self.rights = RightsMetrics(self._counter, self._histogram)
        self.limits = LimitMetrics(self._counter, self._gauge)
        self.ingest = IngestMetrics(self, "pubsub")
        self.live = LiveMetrics(self, "live")
        # Open descriptors and memory, which the connections limit is about.
        ProcessCollector(registry=self.registry)

    # --- what is more than one increment ------------------------------------------------------------------

    def set_build(self, version: str, fanout: str) -> None:
        """Say what runs: the gateway's version, and the core, `pure` or `native`."""
        self._build.clear()
        self._build.labels(version=version, fanout=fanout).set(1)

    def bind_core(self, core: MeasuredCore) -> None:
        """Ask this core for what it counts at each scrape, on the thread that scrapes."""
        with self._absorbing:
            self._absorbed = None  # a new core counts from nought
        self._core.bind(core)

    def set_permits(self, *, broadcasts: int, payload_bytes: int, room_broadcasts: int) -> None:
        """How much may be in flight: on the node, and of one room; 0 is unlimited."""
        for of, limit in zip(PERMITS, (broadcasts, payload_bytes, room_broadcasts), strict=True):
            self.permits_limit.labels(of=of).set(limit)

    def on_breaker(self, duty: str, state: str) -> None:
        """A circuit breaker changed to `closed`, `half_open` or `open`."""
        self.breaker_state.labels(duty=duty).set(BREAKER_STATES[state])

    # --- fanout.base.BroadcastObserver --------------------------------------------------------------------

    def watches(self, event: Submission) -> bool:  # noqa: ARG002 - see the port
        """See `BroadcastObserver`: none, since the core counts them all."""
        return False

    def on_passed(self, report: BroadcastReport) -> None:
        """See `BroadcastObserver`; never called."""

    def on_overflow(self) -> None:
        """See `BroadcastObserver`."""
        self.outbox_overflows.inc()

    def on_dropped(self, events: int) -> None:
        """See `BroadcastObserver`."""
        self.outbox_dropped.inc(events)

    def on_client_message(self, kind: str) -> None:
        """See `BroadcastObserver`."""
        self.client_messages.labels(kind=kind if kind in CLIENT_MESSAGES else OTHER).inc()

    # --- hub.base.HubObserver -----------------------------------------------------------------------------

    def on_handshake(self, endpoint: str, outcome: str) -> None:
        """See `HubObserver`."""
        self.handshakes.labels(endpoint=endpoint, outcome=outcome).inc()

    def on_connected(self, endpoint: str) -> None:
        """See `HubObserver`."""
        self.connections.labels(endpoint=endpoint).inc()

    def on_disconnected(self, endpoint: str, code: int) -> None:
        """See `HubObserver`; codes of a client's own making are one series."""
        self.connections.labels(endpoint=endpoint).dec()
        self.closes.labels(code=str(int(code)) if code in CLOSE_CODES else OTHER).inc()

    def on_client_error(self, code: str) -> None:
        """See `HubObserver`."""
        self.client_errors.labels(code=code).inc()

    def on_sector_lookup(self, outcome: str) -> None:
        """See `HubObserver`."""
        self.sector_lookups.labels(outcome=outcome).inc()

    # --- out ------------------------------------------------------------------------------------------------

    def render(self) -> tuple[bytes, str]:
        """The body of a scrape in Prometheus' text format, and its content type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST

    def _absorb(self, stats: CoreStats) -> None:
        """Add what native sockets did since the last scrape: one series counts the clients of both kinds.

        Reactors call no observer, since that would be Python for every recipient; they count for themselves.
        """
        now = stats.sockets
        if now is None:
            return
        # Two scrapes at a time must not both add the same difference.
        with self._absorbing:
            before, self._absorbed = self._absorbed, now
            for counter, name in (
                (self.outbox_dropped, "dropped"),
                (self.outbox_overflows, "slow_closes"),
                (self.client_messages.labels(kind="ping"), "pings"),
                (self.client_messages.labels(kind="rate_limited"), "rate_limited"),
            ):
                # A snapshot that was taken earlier may come here later; a counter never goes back.
                counter.inc(max(0, getattr(now, name) - (getattr(before, name) if before else 0)))

    def catalogue(self) -> Iterator[CatalogueEntry]:
        """Every metric of the gateway's own, in the order of the table above; the process' own are left out."""
        yield from self._catalogue
        for family in self._core.families():
            ending = "_total" if family.type == "counter" else ""
            yield CatalogueEntry(family.name + ending, family.type, (), family.documentation)

    # --- declaring ------------------------------------------------------------------------------------------

    def _entry(self, name: str, kind: str, labels: tuple[str, ...], text: str) -> tuple[str, str]:
        self._catalogue.append(CatalogueEntry(PREFIX + name, kind, labels, text))
        return PREFIX + name, text

    def _counter(self, name: str, text: str, **labels: Sequence[str]) -> Counter:
        counter = Counter(*self._entry(name, "counter", tuple(labels), text), tuple(labels), registry=self.registry)
        if labels:
            for values in product(*labels.values()):
                counter.labels(*map(str, values))
        return counter

    def _gauge(self, name: str, text: str, **labels: Sequence[str]) -> Gauge:
        gauge = Gauge(*self._entry(name, "gauge", tuple(labels), text), tuple(labels), registry=self.registry)
        for label, values in labels.items():
            for value in values:
                gauge.labels(**{label: value})
        return gauge

    def _histogram(self, name: str, text: str, buckets: Sequence[float]) -> Histogram:
        return Histogram(*self._entry(name, "histogram", (), text), buckets=buckets, registry=self.registry)


class IngestMetrics:
    """What `ingest` tells of events on their way in: `ingest.base.IngestObserver`. Thread-safe."""

    def __init__(self, metrics: Metrics, source: str) -> None:
        """`source`: the way in that this one tells of."""
        self._metrics = metrics
        self._source = source

    def on_received(self, source: str, events: int) -> None:
        """See `IngestObserver`."""
        self._metrics.events_received.labels(source=source).inc(events)

    def on_dropped(self, reason: str, events: int) -> None:
        """See `IngestObserver`."""
        self._metrics.events_dropped.labels(source=self._source, reason=str(reason)).inc(events)

    def on_submitted(self, events: int) -> None:
        """See `IngestObserver`."""
        self._metrics.events_submitted.labels(source=self._source).inc(events)

    def on_interruption(self) -> None:
        """See `IngestObserver`."""
        self._metrics.pubsub_interruptions.inc()

    def on_reconnected(self, seconds: float) -> None:
        """See `IngestObserver`."""
        self._metrics.pubsub_reconnects.inc()
        self._metrics.pubsub_away_seconds.inc(seconds)


class LiveMetrics(IngestMetrics):
    """What the live channels tell: `ingest.live_base.LiveObserver`. Thread-safe."""

    def on_interruption(self) -> None:
        """See `IngestObserver`; critical events of that time are repaired from history."""
        self._metrics.critical.live_interruptions.inc()

    def on_reconnected(self, seconds: float) -> None:
        """See `IngestObserver`."""

    def on_repair(self, cause: str) -> None:
        """See `LiveObserver`."""
        self._metrics.critical.repairs.labels(cause=str(cause)).inc()

    def on_gap(self) -> None:
        """See `LiveObserver`."""
        self._metrics.critical.gaps.inc()

    def on_behind(self, rooms: int) -> None:
        """See `LiveObserver`."""
        self._metrics.critical.rooms_behind.set(rooms)
