"""The console in Chromium, before a gateway of the test's own. It needs nothing that Node builds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser
from redis.asyncio import Redis

from tests.support.console_page import ConsolePage, require_chromium
from tests.support.gateway import RunningGateway
from tests.support.valkey import ValkeyServer


@pytest.fixture(autouse=True)
def _needs() -> None:
    """Less than the demo page needs, whose fixture of this name this one stands for."""
    require_chromium()


@pytest.fixture
async def redis(own_valkey: ValkeyServer) -> AsyncIterator[Redis]:
    connection = Redis.from_url(own_valkey.url)
    yield connection
    await connection.aclose()


@pytest.fixture
async def console(gateway: RunningGateway, browser: Browser, context: dict[str, Any]) -> AsyncIterator[ConsolePage]:
    """The page, not opened yet; at the end the developer's tools must have nothing to show."""
    page = ConsolePage(await (await browser.new_context(**context)).new_page(), gateway.http)
    yield page
    assert page.faults == []
