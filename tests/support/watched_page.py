"""A page in Chromium, watched for whatever a developer's tools would show."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.async_api import ConsoleMessage, Page, Request, WebSocket, expect

SECONDS = 30.0
"""How long something on the page may take: the machine may be busy."""

expect.set_options(timeout=SECONDS * 1000)


def require(missing: str | None) -> None:
    """Skip the test where something is `missing`; where everything must be there (CI), fail."""
    if missing:
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)


@dataclass
class WatchedPage:
    """The page, opened. `faults` is everything that a developer's tools would show, and every stray request."""

    page: Page
    url: str
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.faults.append(f"exception: {error}"))
        self.page.on("request", self._on_request)
        self.page.on("websocket", self.on_websocket)

    def on_websocket(self, socket: WebSocket) -> None:
        """The page opened one."""
        raise NotImplementedError

    async def evaluate(self, script: str) -> Any:
        return await self.page.evaluate(script)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(f"{message.type}: {message.text}")

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith(self.url):
            self.faults.append(f"request elsewhere: {request.url}")
