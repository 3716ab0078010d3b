"""The composition root: the only file that builds concrete classes and wires them together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from fastapi import APIRouter, FastAPI

from gateway.auth.jwt import JwtVerifier
from gateway.auth.origin import OriginPolicy
from gateway.auth.revocation import RevocationCheck
from gateway.auth.table_token import TableTokenVerifier
from gateway.auth.verified_tokens import VerifiedTokens
from gateway.broker.base import Broker
from gateway.broker.embedded import EmbeddedServer
from gateway.broker.redis import create_broker
from gateway.broker.redis_commands import RedisCommands
from gateway.broker.redis_history import RedisHistory
from gateway.broker.redis_source import RedisSource
from gateway.broker.url import redact_url
from gateway.client import AsyncPublisher
from gateway.endpoints.catchup import catchup_router
from gateway.endpoints.demo.back_end import BackEnd
from gateway.endpoints.demo.router import Demo, demo_router
from gateway.endpoints.demo.tokens import TokenOffice
from gateway.endpoints.edge import Edge, WaysIn
from gateway.endpoints.handoff import Handoffs
from gateway.endpoints.health import health_router
from gateway.endpoints.metrics import metrics_router
from gateway.endpoints.websocket import websocket_router
from gateway.errors import BrokerError, GatewayError
from gateway.fanout import create_fanout
from gateway.fanout.base import Fanout, FanoutLimits
from gateway.hub.admission import Admission
from gateway.hub.authenticator import Authenticator
from gateway.hub.catchup import Catchup
from gateway.hub.manager import ConnectionManager
from gateway.hub.sectors import CachedSectorDirectory, RedisSectorDirectory
from gateway.ingest.drop_rate import EventDropRateTracker
from gateway.ingest.interest import Interest
from gateway.ingest.live_interest import LiveInterest
from gateway.ingest.live_subscriber import LiveSubscriber
from gateway.ingest.relay_base import RelayNumbers
from gateway.ingest.resumes import Resumes
from gateway.ingest.shared_reads import SharedReads
from gateway.ingest.stream_consumer import StreamConsumer
from gateway.ingest.subscriber import RedisSubscriber
from gateway.protocol.audiences import PATTERNS
from gateway.protocol.routing import RoutingTable
from gateway.resilience.circuit_breaker import CircuitBreaker
from gateway.resilience.jitter import DecorrelatedJitter
from gateway.server.keeper import ConnectionKeeper
from gateway.server.signals import drain_on_signal
from gateway.settings import Settings, connection_ceiling
from gateway.telemetry.logging import configure_logging, get_logger
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.redaction import install_redaction
from gateway.types import Clock, SystemClock

START_SECONDS = 5.0
"""How long a start waits for Redis. Longer would keep the liveness probe waiting; the subscriber goes on trying."""

STOP_SECONDS = 5.0
"""For each part that is stopped, but for the drain, which is a setting."""

OLDEST_REDIS = 7
"""Redis' first version with sharded Pub/Sub, which critical events will need. Valkey's versions begin above it."""

_log = get_logger("gateway")


@dataclass(slots=True)
class _Running:
    """What exists from start to stop."""

    edge: Edge
    ways_in: tuple[RedisSubscriber, LiveSubscriber, StreamConsumer]
    demo: Demo | None
    draining: asyncio.Task[None] | None = None


class Gateway:
    """The gateway, to be mounted in a FastAPI application: include `router`, and run `lifespan`.

    ```python
    gateway = Gateway(Settings.load())
    app = FastAPI(lifespan=gateway.lifespan)
    app.include_router(gateway.router)
    ```

    For one event loop. It may be started again after it has stopped, not twice at a time.
    """

    def __init__(self, settings: Settings | None = None, *, clock: Clock | None = None) -> None:
        """`settings`: None reads the environment.

        Raises:
            SettingsError: the settings are malformed or unsafe.
            RoutingError: the routing file is no routing table.
        """
        self.settings = settings or Settings.load()
        self.clock = clock or SystemClock()
        self.metrics = Metrics()
        self.routing = (
            RoutingTable.load(Path(self.settings.routing_file)) if self.settings.routing_file else RoutingTable()
        )
        self._origins = OriginPolicy(self.settings.allowed_origins, allow_any=not self.settings.allowed_origins)
        self._running: _Running | None = None
        self._keeper = ConnectionKeeper(self._on_server_shutdown)
        self._goodbye: asyncio.Task[None] | None = None  # held, since the loop itself holds tasks weakly
        self.router = APIRouter()
        for part in (websocket_router, catchup_router, health_router, metrics_router):
            self.router.include_router(part(self._edge))

    def _edge(self) -> Edge:
        return self._started().edge

    def _started(self) -> _Running:
        if self._running is None:
            raise GatewayError(
                "the gateway is not running: pass gateway.lifespan to FastAPI(lifespan=…), or enter it in your own"
            )
        return self._running

    @property
    def demo_router(self) -> APIRouter:
        """The routes of the demo page, which are not among those of `router`.

        Raises:
            GatewayError: this is not development.
        """
        if not _development(self.settings):
            raise GatewayError("the demo page is for development: GATEWAY_ENVIRONMENT is something else")

        def demo() -> Demo:
            found = self._started().demo
            assert found is not None, "made at each start in development"  # noqa: S101
            return found

        return demo_router(demo)

    @property
    def fanout(self) -> Fanout:
        """The fan-out of the running gateway, for who submits events of their own.

        Raises:
            GatewayError: the gateway is not running.
        """
        return self._edge().fanout

    @asynccontextmanager
    async def lifespan(self, app: FastAPI | None = None) -> AsyncIterator[None]:  # noqa: ARG002 - FastAPI passes itself
        """Run the gateway: workers, subscriber, heartbeat; stopped in the reverse order, each with a time-out.

        Raises:
            EmbeddedServerError: no Redis URL is set, and the embedded server does not start.
            CoreMissingError: the native core is asked for, and the extension is not there.
        """
        if self._running is not None:
            raise GatewayError("the gateway is running already")
        install_redaction()
        try:
            async with AsyncExitStack() as stack:
                await self._start(stack)
                yield
        finally:
            self._running = None
        _log.info("gateway stopped")

    async def drain(self) -> None:
        """Admit nobody new, take no more events, pass on what was accepted, and close everybody with 1001.

        Returns when it is done, at the latest after `GATEWAY_DRAIN_SECONDS` and the seconds that a close may take.
        May be called again: everybody waits for the same drain.
        """
        if (running := self._running) is None:
            return
        if running.draining is None:
            running.edge.draining = True
            self.metrics.draining.set(1)
            running.draining = asyncio.create_task(self._drain(running), name="gateway-drain")
        # Shielded: one caller that is cancelled must not stop it for the others.
        await asyncio.shield(running.draining)

    def _on_server_shutdown(self) -> None:
        """The server that handed sockets over shuts down, and waits until the keeper says that nobody is left."""
        self._goodbye = asyncio.get_running_loop().create_task(self._say_goodbye(), name="gateway-goodbye")

    async def _say_goodbye(self) -> None:
        try:
            await self.drain()
        finally:
            self._keeper.empty()

    async def _drain(self, running: _Running) -> None:
        _log.info("draining", connections=running.edge.fanout.stats().connections)
        await asyncio.gather(*(way_in.stop(STOP_SECONDS) for way_in in running.ways_in))
        await running.edge.fanout.stop(self.settings.drain_seconds)

    # --- start ---------------------------------------------------------------------------------------------------

    async def _start(self, stack: AsyncExitStack) -> None:
        settings, metrics, clock = self.settings, self.metrics, self.clock
        for sentence in (*settings.warnings, *settings.unknown):
            _log.warning(sentence)

        url = settings.redis_url or await self._start_embedded(stack)
        breaker = self._breaker("commands")
        broker = create_broker(url, breaker=breaker)
        stack.push_async_callback(broker.close)
        # One breaker, since it is one server that both ask for a moment's answer.
        reading = RedisCommands(url, breaker)
        stack.push_async_callback(reading.close)
        # The relay's waits for events, and must be one connection: see decision 11.
        relay_breaker = self._breaker("relay")
        relaying = RedisCommands(url, relay_breaker, max_connections=1)
        stack.push_async_callback(relaying.close)

        limits = FanoutLimits(
            max_broadcasts=settings.broadcast_queue,
            message_rate=settings.message_rate,
            max_message_bytes=settings.max_message_bytes,
            heartbeat_timeout=settings.heartbeat_timeout,
            workers=settings.broadcast_workers,
        )
        fanout = create_fanout(
            settings.fanout,
            limits,
            metrics,
            clock,
            production=not _development(settings),
            reactors=settings.reactors,
        )
        metrics.bind_core(fanout.stats)
        interest = Interest(patterns=PATTERNS if settings.pubsub == "patterns" else ())
        rooms = LiveInterest(clock)
        sectors = CachedSectorDirectory(RedisSectorDirectory(broker), clock, metrics)
        admission = Admission(
            fanout,
            node=connection_ceiling(settings),
            per_user=settings.max_connections_per_user,
            per_session=settings.max_connections_per_session,
        )
        authenticator = Authenticator(
            VerifiedTokens(JwtVerifier(settings.jwt_keys, settings.token_max_age, clock), clock),
            VerifiedTokens(TableTokenVerifier(settings.table_token_keys, settings.token_max_age, clock), clock),
            RevocationCheck(broker),
        )
        reads = SharedReads(self._history(reading))
        resumes = Resumes(rooms, reads, fanout, observer=metrics.resumes, clock=clock)
        manager = ConnectionManager(
            fanout,
            admission=admission,
            authenticator=authenticator,
            sectors=sectors,
            interest=interest,
            rooms=rooms,
            resumption=resumes,
            observer=metrics,
            clock=clock,
            heartbeat=settings.heartbeat_interval,
        )
        fanout.bind(manager)
        drop_rate = EventDropRateTracker(
            clock,
            share=settings.drop_alert_share / 100,
            window=settings.drop_alert_window,
            cooldown=settings.drop_alert_every,
            on_alert=lambda _alert: metrics.drop_alerts.inc(),
        )
        subscriber = RedisSubscriber(
            broker,
            interest,
            self.routing,
            fanout,
            breaker=self._breaker("pubsub"),
            jitter=DecorrelatedJitter(),
            drop_rate=drop_rate,
            observer=metrics.ingest,
            clock=clock,
        )
        live = LiveSubscriber(
            broker,
            self._history(reading),
            rooms,
            fanout,
            breaker=self._breaker("live"),
            jitter=DecorrelatedJitter(),
            drop_rate=drop_rate,
            observer=metrics.live,
            clock=clock,
        )
        relay = StreamConsumer(
            RedisSource(relaying, lease_seconds=settings.relay_lease),
            self._history(relaying),
            self.routing,
            node=manager.node,
            breaker=relay_breaker,
            jitter=DecorrelatedJitter(),
            observer=metrics.critical,
            clock=clock,
            numbers=RelayNumbers(
                lease=settings.relay_lease, history_events=settings.history_events, tries=settings.dlq_tries
            ),
        )
        metrics.redis_up.set_function(lambda: float(subscriber.live))

        edge = Edge(
            fanout=fanout,
            handoffs=Handoffs(self._keeper, wanted=fanout.takes_sockets),
            manager=manager,
            catchup=Catchup(authenticator, sectors, reads),
            admission=admission,
            origins=self._origins,
            observer=metrics,
            metrics=metrics,
            broker=broker,
            operator_key=settings.operator_key.get_secret_value() if settings.operator_key else None,
            development=_development(settings),
            ways_in=WaysIn(
                pubsub=lambda: subscriber.live,
                live=lambda: live.live,
                relay=lambda: relay.active,
                lost_at_source=lambda: relay.lost_at_source,
            ),
        )
        self._running = _Running(edge, (subscriber, live, relay), self._demo(url, stack))
        stack.push_async_callback(resumes.stop)
        stack.push_async_callback(manager.stop)
        stack.push_async_callback(self.drain)
        # The seed's order: workers, subscriber, stream consumer. Whoever passes events on is there before events come.
        await fanout.start()
        for way_in in self._running.ways_in:
            await way_in.start()
        await self._greet(broker, subscriber, live, url)

    async def _start_embedded(self, stack: AsyncExitStack) -> str:
        server = EmbeddedServer()
        url = await server.start()
        stack.push_async_callback(server.stop)
        return url

    async def _greet(self, broker: Broker, subscriber: RedisSubscriber, live: LiveSubscriber, url: str) -> None:
        """Wait a moment for Redis, look at what it is, and log what is switched on."""
        settings = self.settings
        redis = redact_url(url) if settings.redis_url else "embedded"
        try:
            async with asyncio.timeout(START_SECONDS):
                await subscriber.wait_live()
                await live.wait_live()
                info = await broker.info()
        except (BrokerError, TimeoutError):
            info = {}
            _log.warning("Redis is not there yet; not ready until it is", redis=redis)
        server_version = info.get("valkey_version") or info.get("redis_version", "unknown")
        major = info.get("redis_version", "").partition(".")[0]
        if major.isdigit() and int(major) < OLDEST_REDIS:
            _log.warning("Redis is too old: version 7 or newer, or Valkey, is needed", version=server_version)
        if (policy := info.get("maxmemory_policy", "noeviction")) != "noeviction":
            _log.warning(
                "Redis may evict keys, revocations among them: set maxmemory-policy to noeviction", policy=policy
            )
        self.metrics.set_build(version("fanout-gateway"), self._edge().fanout.name)
        _log.info(
            "gateway started",
            version=version("fanout-gateway"),
            environment=settings.environment,
            fanout=self._edge().fanout.name,
            sockets="native" if self._edge().fanout.takes_sockets else "asgi",
            reactors=settings.reactors,
            pubsub=settings.pubsub,
            redis=redis,
            redis_version=server_version,
            max_connections=connection_ceiling(settings),
            event_types=len(self.routing.rules),
            allowed_origins=list(settings.allowed_origins) or "any",
            operator_endpoints="key"
            if settings.operator_key
            else "loopback"
            if settings.environment == "development"
            else "closed",
        )

    def _demo(self, url: str, stack: AsyncExitStack) -> Demo | None:
        """The demo page's back end, which connects when it is first used; in development alone."""
        settings, clock = self.settings, self.clock
        if not _development(settings):
            return None
        publisher = AsyncPublisher.from_url(url, routing=self.routing)
        stack.push_async_callback(publisher.close)
        return Demo(
            BackEnd(publisher, redact_url(url), clock),
            TokenOffice(settings.jwt_keys, settings.table_token_keys, settings.token_max_age, clock),
        )

    def _history(self, commands: RedisCommands) -> RedisHistory:
        settings = self.settings
        return RedisHistory(
            commands,
            events=settings.history_events,
            history_seconds=settings.history_ttl,
            head_seconds=settings.head_ttl,
        )

    def _breaker(self, duty: str) -> CircuitBreaker:
        settings = self.settings
        return CircuitBreaker(
            duty,
            self.clock,
            failures=settings.breaker_failures,
            open_seconds=settings.breaker_open,
            trials=settings.breaker_trials,
            on_change=self.metrics.on_breaker,
        )


def create_app(settings: Settings | None = None) -> FastAPI:
    """The whole gateway as an application of its own; `app.state.gateway` is the `Gateway`.

    Raises:
        SettingsError: see `Gateway`.
    """
    gateway = Gateway(settings)
    return _application(gateway, gateway.lifespan)


def create_app_from_environment() -> FastAPI:
    """What `gateway serve` runs in each process: logging is set up, and a signal drains before uvicorn stops.

    Raises:
        SettingsError: see `Gateway`.
    """
    configure_logging()
    gateway = Gateway()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with gateway.lifespan(app):
            with drain_on_signal(gateway.drain):
                yield

    return _application(gateway, lifespan)


def _application(gateway: Gateway, lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]]) -> FastAPI:
    # No interactive pages: they load scripts from elsewhere. The schema itself is there.
    app = FastAPI(
        title="Fanout Gateway", version=version("fanout-gateway"), lifespan=lifespan, docs_url=None, redoc_url=None
    )
    app.include_router(gateway.router)
    if _development(gateway.settings):
        app.include_router(gateway.demo_router)
    app.state.gateway = gateway
    return app


def _development(settings: Settings) -> bool:
    return settings.environment == "development"
