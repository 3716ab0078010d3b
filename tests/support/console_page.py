"""The console in a browser: opened, watched for whatever a developer's tools would show, and read."""

from __future__ import annotations

from dataclasses import dataclass, field

from playwright.async_api import Locator, WebSocket, expect

from scripts import browser as needs
from tests.support.watched_page import WatchedPage, require


def require_chromium() -> None:
    """Skip the test where there is no browser; where everything must be there (CI), fail."""
    require(needs.missing_browser())


@dataclass
class ConsolePage(WatchedPage):
    """`faults` is everything that a developer's tools would show, and every request to somebody else."""

    sockets: list[str] = field(default_factory=list)
    """The addresses of all WebSockets that were opened."""

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

    def on_websocket(self, socket: WebSocket) -> None:
        self.sockets.append(socket.url)
