"""The demo page in Chromium, before a gateway of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from playwright.async_api import Browser

from tests.support.browser import DemoPage, chromium, require_browser
from tests.support.gateway import RunningGateway, run_gateway
from tests.support.valkey import ValkeyServer, run_valkey


@pytest.fixture(autouse=True)
def _needs() -> None:
    require_browser()


@pytest.fixture
def own_valkey() -> Iterator[ValkeyServer]:
    """An evening of the test's own: the page begins with what has happened before."""
    with run_valkey() as server:
        yield server


@pytest.fixture
def gateway(own_valkey: ValkeyServer) -> Iterator[RunningGateway]:
    with run_gateway(own_valkey.url) as running:
        yield running


@pytest.fixture
async def browser(_needs: None) -> AsyncIterator[Browser]:
    async with chromium() as launched:
        yield launched


@pytest.fixture
def context() -> dict[str, Any]:
    """Options of the browser's context; a test may parametrize it."""
    return {}


@pytest.fixture
async def demo(gateway: RunningGateway, browser: Browser, context: dict[str, Any]) -> AsyncIterator[DemoPage]:
    """The page, not opened yet; at the end its console must be clean."""
    page = DemoPage(await (await browser.new_context(**context)).new_page(), gateway.http)
    yield page
    assert page.faults == []
