"""The console in a browser: opened, watched for whatever a developer's tools would show, and read."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.async_api import ConsoleMessage, Locator, Page, Request, WebSocket, expect

from scripts import browser as needs

SECONDS = 30.0
"""How long something on the page may take: the machine may be busy."""

expect.set_options(timeout=SECONDS * 1000)


def require_chromium() -> None:
    """Skip the test where there is no browser; where everything must be there (CI), fail."""
    if why := needs.missing_browser():
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)


@dataclass
class ConsolePage:
    """`faults` is everything that a developer's tools would show, and every request to somebody else."""

    page: Page
    url: str
    faults: list[str] = field(default_factory=list)
    sockets: list[str] = field(default_factory=list)
    """The addresses of all WebSockets that were opened."""

    def __post_init__(self) -> None:
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.faults.append(f"exception: {error}"))
        self.page.on("request", self._on_request)
        self.page.on("websocket", self._on_websocket)

    async def open(self, *, width: int = 1440, height: int = 900, live: bool = True) -> None:
        """Load it, and wait until it is connected (`live`)."""
        await self.page.set_viewport_size({"width": width, "height": height})
        await self.page.goto(f"{self.url}/console")
        if live:
            await self.live()

    async def live(self) -> None:
        """Wait until the first numbers are shown."""
        await expect(self.page.locator("#link")).to_have_text("Live")
        await expect(self.tile("State")).not_to_have_text("–")

    def tile(self, label: str) -> Locator:
        """The number in a tile."""
        return self.page.locator("#tiles > div").filter(has=self.page.get_by_text(label, exact=True)).locator(".value")

    def section(self, name: str) -> Locator:
        return self.page.get_by_role("region", name=name, exact=True)

    async def evaluate(self, script: str) -> Any:
        return await self.page.evaluate(script)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(f"{message.type}: {message.text}")

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith(self.url):
            self.faults.append(f"request elsewhere: {request.url}")

    def _on_websocket(self, socket: WebSocket) -> None:
        self.sockets.append(socket.url)
