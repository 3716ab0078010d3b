"""The demo page's routes on their own, with a back end that notes what it is asked to send."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
from fastapi import FastAPI

from gateway.auth.signing import Keys
from gateway.endpoints.demo.back_end import BackEnd
from gateway.endpoints.demo.router import Demo, demo_router
from gateway.endpoints.demo.tokens import TokenOffice
from gateway.settings import DEVELOPMENT_SECRET
from tests.support.clock import FakeClock

HOST = "127.0.0.1:8001"
KEYS: Keys = {None: DEVELOPMENT_SECRET}


class NotingPublisher:
    """Keeps `gateway.endpoints.demo.back_end.Publisher`; `fails` is raised by the next call."""

    def __init__(self) -> None:
        self.published: list[tuple[str, dict[str, object]]] = []
        self.emitted: list[tuple[dict[str, object], str | None]] = []
        self.fails: Exception | None = None

    async def publish(self, channel: str, event: dict[str, object]) -> int:
        self._fail()
        self.published.append((channel, event))
        return 1

    async def emit(self, event: dict[str, object], key: str | None = None) -> str:
        self._fail()
        self.emitted.append((event, key))
        return f"1700000000000-{len(self.emitted)}"

    def _fail(self) -> None:
        failure, self.fails = self.fails, None
        if failure is not None:
            raise failure


class Stage:
    """The routes, and a browser that asks them."""

    def __init__(self, staff_keys: Keys = KEYS) -> None:
        self.clock = FakeClock()
        self.publisher = NotingPublisher()
        demo = Demo(
            BackEnd(self.publisher, "redis://127.0.0.1:6379/0", self.clock),
            TokenOffice(staff_keys, KEYS, 0, self.clock),
        )
        self._app = FastAPI()
        self._app.include_router(demo_router(lambda: demo))

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        peer: str | None = "127.0.0.1",
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """One request; `peer` is the address that it seems to come from, None where the server does not know it."""
        transport = httpx.ASGITransport(self._app, client=(peer, 50_000))  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as browser:
            return await browser.request(method, path, json=body, headers=headers)
