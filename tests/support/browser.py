"""Chromium with the demo page in it: what is on it, what is pressed, and what went wrong."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from playwright.async_api import Browser, Locator, WebSocket, async_playwright, expect

from scripts import browser as needs
from tests.support.watched_page import SECONDS, WatchedPage, require

PANES = ("ana", "bruno", "t2", "t6", "kitchen", "manager")


def require_browser() -> None:
    """Skip the test where Chromium or the client is not there; where everything must be there (CI), fail."""
    require(needs.missing())


@dataclass
class DemoPage(WatchedPage):
    """The page, opened. `faults` is everything that a developer's console would show, and every stray request."""

    frames: dict[str, list[str]] = field(default_factory=dict)
    """Endpoint to every message that came on its sockets."""

    async def open(self, *, fragment: str = "", width: int = 1440, height: int = 900) -> None:
        """Load it, and wait until all six clients are connected."""
        await self.page.set_viewport_size({"width": width, "height": height})
        await self.page.goto(f"{self.url}/demo{fragment}")
        await self.online()

    async def online(self, *panes: str) -> None:
        """Wait until these clients, or all, are connected."""
        for pane in panes or PANES:
            await expect(self.pane(pane)).to_have_attribute("data-status", "open")

    def pane(self, name: str) -> Locator:
        return self.page.locator(f"#{name}")

    def button(self, pane: str, action: str, table: int | None = None) -> Locator:
        """The first button of a pane for this action (and this table)."""
        about = "" if table is None else f'[data-table="{table}"]'
        return self.pane(pane).locator(f"button[data-action={action}]{about}").first

    async def press(self, pane: str, action: str, table: int | None = None) -> None:
        await self.button(pane, action, table).click()

    async def order(self, table: int, *dishes: str) -> None:
        """A round from the phone of a table, by way of its cart."""
        phone = f"t{table}"
        for number, dish in enumerate(dishes, 1):
            await self.pane(phone).locator(f'button[data-action=add][data-dish="{dish}"]').click()
            await expect(self.pane(phone).locator("output")).to_have_count(number)
        await self.press(phone, "order")

    async def hears(self, pane: str, *types: str, table: int) -> None:
        """Wait until a client's last events of a table are these."""
        async with _soon(f"{pane} to hear {types}"):
            while (await self.heard(pane, table=table))[-len(types) :] != list(types):
                await self.page.wait_for_timeout(50)

    async def heard(self, pane: str, *, table: int, missed: bool = False) -> list[str]:
        """The types of what a client was sent of a table, in order; but for how its party began."""
        rows = await self.pane(pane).locator(".events li" + (".missed" if missed else "")).all_inner_texts()
        found = [re.match(rf"([A-Z_]+)\s+T{table}\b", row) for row in rows]
        return [match[1] for match in found if match and match[1] != "TABLE_SESSION_STARTED"]

    def on_websocket(self, socket: WebSocket) -> None:
        came = self.frames.setdefault(socket.url.partition("?")[0].rpartition("/")[2], [])
        socket.on("framereceived", lambda text: came.append(str(text)))


@asynccontextmanager
async def _soon(what: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(SECONDS):
            yield
    except TimeoutError:
        raise AssertionError(f"waited {SECONDS:g} s for {what}") from None


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A headless browser, the distribution's own."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=needs.chromium())
        try:
            yield browser
        finally:
            await browser.close()
