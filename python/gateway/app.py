"""The composition root: with `gateway.wiring` the only place that builds concrete classes and wires them together."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from fastapi import APIRouter, FastAPI

from gateway.auth.issuers_file import load_issuers
from gateway.auth.origin import OriginPolicy
from gateway.auth.revocation import RevocationCheck
from gateway.endpoints.api.router import answer_nodes, api_router
from gateway.endpoints.attempts import Attempts
from gateway.endpoints.catchup import catchup_router
from gateway.endpoints.console.desk import Desk
from gateway.endpoints.console.page import console_page_router
from gateway.endpoints.console.socket import console_socket_router
from gateway.endpoints.console.token import console_token_router
from gateway.endpoints.demo.router import Demo, demo_router
from gateway.endpoints.edge import Edge, WaysIn
from gateway.endpoints.handoff import Handoffs
from gateway.endpoints.health import health_router
from gateway.endpoints.metrics import metrics_router
from gateway.endpoints.websocket import websocket_router
from gateway.errors import GatewayError
from gateway.fanout.base import Fanout
from gateway.hub.catchup import Catchup
from gateway.hub.census import Census
from gateway.hub.delivery_ring import DeliveryRing
from gateway.hub.drain import Drain
from gateway.hub.manager import ConnectionManager
from gateway.hub.sectors import CachedSectorDirectory, RedisSectorDirectory
from gateway.ingest.interest import Interest
from gateway.ingest.live_interest import LiveInterest
from gateway.ingest.resumes import Resumes
from gateway.ingest.shared_reads import SharedReads
from gateway.protocol.audiences import PATTERNS
from gateway.protocol.routing import RoutingTable
from gateway.server.keeper import ConnectionKeeper
from gateway.server.signals import drain_on_signal
from gateway.settings import Settings
from gateway.telemetry.logging import configure_logging, get_logger
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.redaction import install_redaction
from gateway.types import Clock, SystemClock
from gateway.wiring.api import api_parts
from gateway.wiring.console import console_desk
from gateway.wiring.core import fanout_core
from gateway.wiring.demo import demo_parts
from gateway.wiring.greeting import greet
from gateway.wiring.ground import Ground
from gateway.wiring.limits import limit_parts
from gateway.wiring.observation import broadcast_observers, start_observation
from gateway.wiring.redis import redis_parts
from gateway.wiring.rights import rights_parts
from gateway.wiring.tokens import authenticator_of
from gateway.wiring.ways_in import WayInParts, way_in_parts

STOP_SECONDS = 5.0
"""For each part that is stopped, but for the drain, which is a setting."""

_log = get_logger("gateway")


@dataclass(slots=True)
class _Running:
    """What exists from start to stop."""

    edge: Edge
    ways_in: WayInParts
    drain: Drain
    desk: Desk
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
        self.metrics = Metrics(self.settings.metrics_tenants)
        self.routing = (
            RoutingTable.load(Path(self.settings.routing_file)) if self.settings.routing_file else RoutingTable()
        )
        # Read here, so that a bad file ends the start and not a handshake.
        self._issuers = load_issuers(Path(self.settings.issuers_file), self.clock) if self.settings.issuers_file else ()
        self._origins = OriginPolicy(self.settings.allowed_origins, allow_any=not self.settings.allowed_origins)
        self._running: _Running | None = None
        self._keeper = ConnectionKeeper(self._on_server_shutdown)
        self._goodbye: asyncio.Task[None] | None = None  # held, since the loop itself holds tasks weakly
        self._draining: asyncio.Task[None] | None = None
        self.router = APIRouter()
        for part in (websocket_router, catchup_router, health_router, metrics_router, api_router):
            self.router.include_router(part(self._edge))
        for console in (console_page_router, console_token_router, console_socket_router):
            self.router.include_router(console(lambda: self._started().desk))

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
        if self.settings.environment != "development":
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
        """Run the gateway: workers, subscribers, relay; stopped in the reverse order, each with a time-out.

        Heartbeats are watched by the owners of connections, and so from their start on.

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

    async def drain(self, *, at_once: bool = False) -> None:
        """Admit nobody new, send everybody away, take no more events, pass on what was accepted, and close with 1001.

        Connections are told when to come back, over `GATEWAY_DRAIN_SECONDS`, and get their events until they leave;
        with `at_once` they are closed without that. Returns when it is done: at the latest after twice that time, for
        what is still to be passed on, and the seconds that a close may take. May be called again: everybody waits for
        the same drain, and `at_once` hurries it.
        """
        if (running := self._running) is None:
            return
        if at_once:
            running.drain.hurry()
        if running.draining is None:
            running.edge.draining = True
            self.metrics.draining.set(1)
            running.draining = asyncio.create_task(self._drain(running), name="gateway-drain")
        # Shielded: one caller that is cancelled must not stop it for the others.
        await asyncio.shield(running.draining)

    def _begin_drain(self) -> None:
        """Begin to drain without waiting for its end; for the operator API."""
        self._draining = asyncio.get_running_loop().create_task(self.drain(), name="gateway-drain-asked")

    def _on_server_shutdown(self) -> None:
        """The server that handed sockets over shuts down, and waits until the keeper says that nobody is left."""
        self._goodbye = asyncio.get_running_loop().create_task(self._say_goodbye(), name="gateway-goodbye")

    async def _say_goodbye(self) -> None:
        try:
            await self.drain(at_once=True)
        finally:
            self._keeper.empty()

    async def _drain(self, running: _Running) -> None:
        _log.info("draining", connections=running.edge.fanout.stats().connections)
        await running.drain.send_away(self.settings.drain_seconds)
        # Without its ways in it hears no question either: others are not to wait for its answers.
        await asyncio.gather(
            running.edge.api.talk.stop(), *(way_in.stop(STOP_SECONDS) for way_in in running.ways_in.in_order)
        )
        await running.edge.fanout.stop(self.settings.drain_seconds)

    # --- start ---------------------------------------------------------------------------------------------------

    async def _start(self, stack: AsyncExitStack) -> None:
        settings = self.settings
        for sentence in (*settings.warnings, *settings.unknown):
            _log.warning(sentence)
        ground = Ground(settings, self.metrics, self.clock, stack)
        redis = await redis_parts(ground)
        ring = DeliveryRing()
        fanout = fanout_core(ground, ring, *broadcast_observers(ground))
        interest = Interest(patterns=PATTERNS if settings.pubsub == "patterns" else ())
        rooms = LiveInterest(self.clock)
        sectors = CachedSectorDirectory(RedisSectorDirectory(redis.broker), self.clock, self.metrics)
        revocation = RevocationCheck(redis.broker)
        authenticator = await authenticator_of(ground, self._issuers, revocation)
        limits = limit_parts(ground, redis.commands, fanout)
        rights = rights_parts(ground, fanout, authenticator, revocation, sectors, interest=interest, rooms=rooms)
        reads = SharedReads(redis.history)
        resumes = Resumes(rooms, reads, fanout, observer=self.metrics.resumes, clock=self.clock)
        manager = ConnectionManager(
            fanout,
            admission=limits.admission,
            places=limits.places,
            penalties=limits.penalties,
            authenticator=authenticator,
            sectors=sectors,
            interest=interest,
            rooms=rooms,
            resumption=resumes,
            refresh=rights.refresh,
            rights=rights.rights,
            revalidation=rights.revalidation,
            observer=self.metrics,
            clock=self.clock,
            heartbeat=settings.heartbeat_interval,
        )
        fanout.bind(manager)
        api = api_parts(
            ground,
            redis,
            self.routing,
            history=reads,
            fanout=fanout,
            rooms=rooms,
            ring=ring,
            node=manager.node,
            drain=self._begin_drain,
        )
        ways_in = way_in_parts(
            ground,
            redis,
            fanout,
            self.routing,
            rights.watch,
            interest=interest,
            rooms=rooms,
            node=manager.node,
            on_question=api.talk.hear,
        )
        edge = Edge(
            fanout=fanout,
            handoffs=Handoffs(self._keeper, wanted=fanout.takes_sockets),
            manager=manager,
            catchup=Catchup(authenticator, sectors, reads),
            admission=limits.admission,
            attempts=Attempts(settings.attempt_rate, settings.trusted_proxies, self.clock),
            joins=limits.joins,
            origins=self._origins,
            observer=self.metrics,
            metrics=self.metrics,
            broker=redis.broker,
            operator_key=settings.operator_key.get_secret_value() if settings.operator_key else None,
            development=ground.development,
            ways_in=WaysIn(
                pubsub=lambda: ways_in.subscriber.live,
                live=lambda: ways_in.live.live,
                announcements=lambda: ways_in.announcements.live,
                relay=lambda: ways_in.relay.active,
                lost_at_source=lambda: ways_in.relay.lost_at_source,
            ),
            api=api,
        )
        answer_nodes(edge, Census(fanout, manager.node, rooms.position, self.clock))
        desk = console_desk(ground, edge, ways_in)
        demo = demo_parts(ground, redis.url, self.routing)
        self._running = _Running(edge, ways_in, Drain(fanout, self.metrics.limits), desk, demo)
        stack.push_async_callback(limits.beats.stop)
        stack.push_async_callback(limits.keeper.stop)
        stack.push_async_callback(resumes.stop)
        stack.push_async_callback(manager.stop)
        stack.push_async_callback(rights.watch.stop)
        stack.push_async_callback(api.talk.stop)
        # By itself only where no signal came first: under a server that is not `gateway serve`.
        stack.push_async_callback(self.drain, at_once=True)
        await start_observation(ground, redis.commands)
        await fanout.start()
        await limits.beats.start()
        await limits.keeper.start()
        await rights.watch.start()
        for way_in in ways_in.in_order:
            await way_in.start()
        await api.talk.start()
        await greet(ground, redis, ways_in, fanout, self.routing)


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
            # What stands by now stays: a look at it for cyclic garbage would stop the loop for some 70 ms each time.
            gc.collect()
            gc.freeze()
            with drain_on_signal(gateway.drain):
                yield

    return _application(gateway, lifespan)


def _application(gateway: Gateway, lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]]) -> FastAPI:
    # No interactive pages: they load scripts from elsewhere. The schema itself is there.
    app = FastAPI(
        title="Fanout Gateway", version=version("fanout-gateway"), lifespan=lifespan, docs_url=None, redoc_url=None
    )
    app.include_router(gateway.router)
    if gateway.settings.environment == "development":
        app.include_router(gateway.demo_router)
    app.state.gateway = gateway
    return app
