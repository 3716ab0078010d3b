"""A real gateway under a real uvicorn, in a thread of the test's process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn

from gateway.app import Gateway, create_app
from gateway.server.bounded_http import BoundedHttpProtocol
from gateway.settings import Settings

START_SECONDS = 20.0


@dataclass(frozen=True)
class RunningGateway:
    """Where a gateway listens, and what it is made of."""

    port: int
    gateway: Gateway
    loop: asyncio.AbstractEventLoop

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Run something on the gateway's own loop, which is another thread's, and wait for it."""
        asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(START_SECONDS)

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.port}"


@contextmanager
def run_gateway(redis_url: str, **settings: Any) -> Iterator[RunningGateway]:
    """Serve on a free port until the block ends; `settings` are fields of `Settings`."""
    loaded = Settings.load({}, redis_url=redis_url, **settings)
    app = create_app(loaded)
    # As `gateway serve` does it.
    ws = "gateway.server.handoff:HandoffProtocol" if loaded.reactors else "websockets-sansio"
    options = {"ws": ws, "http": BoundedHttpProtocol, "ws_max_size": loaded.max_message_bytes}
    with run_uvicorn(app, ws_ping_interval=None, proxy_headers=False, **options) as (port, loop):
        yield RunningGateway(port, app.state.gateway, loop)


@contextmanager
def run_uvicorn(app: Any, **options: Any) -> Iterator[tuple[int, asyncio.AbstractEventLoop]]:
    """Run any ASGI application; yields its port and loop. The server has started, and its lifespan with it."""
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            **{
                "host": "127.0.0.1",
                "port": 0,
                "log_config": None,
                "lifespan": "on",
                "ws": "websockets-sansio",
                "timeout_graceful_shutdown": 5,
                **options,
            },
        )
    )
    # Not the main thread: uvicorn leaves the signals of the test run alone there.
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        ready = threading.Event()
        waited = 0.0
        while not server.started and thread.is_alive() and waited < START_SECONDS:
            ready.wait(0.01)
            waited += 0.01
        assert server.started, "uvicorn did not start; see its log above"
        listener = server.servers[0]
        yield listener.sockets[0].getsockname()[1], listener.get_loop()
    finally:
        server.should_exit = True
        thread.join(timeout=START_SECONDS)
        assert not thread.is_alive(), "uvicorn did not stop in time"
