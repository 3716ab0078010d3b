"""One client's network is cut, that of the others holds; a flood; and a gateway that goes and comes back."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect
from redis.asyncio import Redis

from gateway.client import AsyncPublisher
from tests.browser.test_evening import serve as bring
from tests.support.browser import PANES, DemoPage
from tests.support.serve import free_port, serve
from tests.support.valkey import ValkeyServer

REFUSED = re.compile("ERR_CONNECTION_(REFUSED|RESET)|ERR_SOCKET_NOT_CONNECTED|WebSocket connection to .* failed|503")
"""What a browser says by itself of a server that is away, whatever a page does about it."""


@pytest.mark.timeout(180)
async def test_a_cut_client_gets_what_it_missed_in_order_and_marked(demo: DemoPage) -> None:
    await demo.open()
    began = time.monotonic()
    await demo.press("kitchen", "cut")
    await expect(demo.pane("kitchen").locator(".status")).to_contain_text("no network")
    for table, waiter in ((2, "ana"), (6, "bruno")):
        await demo.order(table, "flan")
        await demo.press(waiter, "confirm", table)
        await demo.press(waiter, "submit", table)
        await demo.hears("manager", "ROUND_SUBMITTED", table=table)
    await demo.press("manager", "cancel", 6)
    await demo.hears("manager", "ROUND_CANCELED", table=6)
    await demo.online(*(pane for pane in PANES if pane != "kitchen"))
    assert await demo.heard("kitchen", table=2) == await demo.heard("kitchen", table=6) == []

    await demo.online("kitchen")
    assert time.monotonic() - began >= 20
    # ROUND_CANCELED is nothing to the kitchen: the two rounds that were sent to it are what it missed.
    await expect(demo.pane("kitchen").locator(".absence")).to_contain_text("2 missed events delivered, in order")
    missed = await demo.pane("kitchen").locator(".events .missed").all_inner_texts()
    assert [re.sub(r"\s+", " ", row).strip() for row in missed] == [
        "ROUND_SUBMITTED T2 missed",
        "ROUND_SUBMITTED T6 missed",
    ]
    # It is as if nothing had been, and what is new is not marked.
    await demo.press("kitchen", "start", 2)
    await demo.hears("kitchen", "ROUND_SUBMITTED", "ROUND_IN_KITCHEN", table=2)
    assert await demo.heard("kitchen", table=2, missed=True) == ["ROUND_SUBMITTED"]


async def test_without_a_network_nothing_is_sent_and_restoring_ends_the_cut(demo: DemoPage) -> None:
    await demo.open()
    await demo.order(2, "flan")
    await expect(demo.button("ana", "confirm", 2)).to_be_visible()
    await demo.press("ana", "cut")
    await demo.press("ana", "confirm", 2)
    await expect(demo.pane("ana").locator(".events")).to_contain_text("no network: nothing was sent")
    await expect(demo.page.locator("#announcer")).to_have_text("Ana: no network: nothing was sent")
    await demo.press("ana", "restore")
    await demo.online("ana")
    await expect(demo.pane("ana").locator(".absence")).to_contain_text("Nothing critical was missed.")
    await demo.press("ana", "confirm", 2)
    await demo.hears("manager", "ROUND_PENDING", "ROUND_CONFIRMED", table=2)


async def test_a_client_that_comes_back_too_late_fetches_its_state(demo: DemoPage, own_valkey: ValkeyServer) -> None:
    await demo.open()
    await demo.press("kitchen", "cut")
    async with Redis.from_url(own_valkey.url) as redis:
        room = "{tenant:9000:branch:1}"
        assert await redis.delete(f"{room}:history", f"{room}:head") == 2
    await demo.order(6, "flan")
    await demo.press("bruno", "confirm", 6)
    await demo.press("bruno", "submit", 6)
    await demo.hears("manager", "ROUND_SUBMITTED", table=6)
    await demo.press("kitchen", "restore")
    await expect(demo.pane("kitchen").locator(".absence")).to_contain_text("too late to resume")
    assert await demo.heard("kitchen", table=6) == [], "nothing is made out to have been delivered"
    await demo.press("kitchen", "start", 6)
    await demo.hears("t6", "ROUND_IN_KITCHEN", table=6)


async def test_a_flood_reaches_the_manager_alone_and_delays_no_order(demo: DemoPage) -> None:
    await demo.open()
    await demo.page.get_by_role("button", name="Flood").click()
    await expect(demo.pane("manager").locator("meter")).to_be_visible()
    await demo.order(2, "flan")
    await bring(demo, 2, "ana")
    await demo.hears("t2", "ROUND_SERVED", table=2)
    label = demo.pane("manager").locator("label")
    await expect(label).to_have_text("Flood: 3,000 of 3,000 heard")
    flooded = {name: sum("ENTITY_UPDATED" in text for text in came) for name, came in demo.frames.items()}
    assert flooded == {"admin": 3000, "waiter": 0, "kitchen": 0, "diner": 0}


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["drained", "killed"])
async def test_every_client_comes_back_to_a_gateway_that_was_started_anew(
    how: signal.Signals, own_valkey: ValkeyServer, browser: Browser, tmp_path: Path
) -> None:
    port = free_port()
    settings = {"GATEWAY_REDIS_URL": own_valkey.url, "GATEWAY_DRAIN_SECONDS": "2", "GATEWAY_RELAY_LEASE": "1"}
    with serve(tmp_path, port=port, **settings) as first:
        demo = DemoPage(await (await browser.new_context()).new_page(), first.http)
        await demo.open()
        await demo.order(2, "flan")
        await expect(demo.button("ana", "confirm", 2)).to_be_visible()
        await demo.press("ana", "confirm", 2)
        await demo.hears("manager", "ROUND_CONFIRMED", table=2)
        first.process.send_signal(how)
        await expect(demo.pane("ana")).not_to_have_attribute("data-status", "open")
        first.process.wait(30)
    hinted = {name for name, came in demo.frames.items() if any('"reconnect"' in text for text in came)}
    assert hinted == ({"waiter", "kitchen", "admin", "diner"} if how is signal.SIGTERM else set())

    async with AsyncPublisher.from_url(own_valkey.url) as back_end:
        # Somebody pays while no gateway runs.
        paid = {"type": "CHECK_PAID", "tenant_id": 9000, "branch_id": 1, "sector_id": 1, "table": 3, "session_id": 5}
        await back_end.emit({**paid, "amount": 12_300, "at": 0})
    with serve(tmp_path, port=port, **settings):
        await demo.online()
        await demo.hears("manager", "CHECK_PAID", table=3)
        assert await demo.heard("manager", table=3, missed=True) == ["CHECK_PAID"]
        await demo.press("ana", "submit", 2)
        await demo.press("kitchen", "start", 2)
        await demo.hears("t2", "ROUND_IN_KITCHEN", table=2)
        for pane in ("ana", "manager"):
            rounds = [kind for kind in await demo.heard(pane, table=2) if kind.startswith("ROUND_")]
            assert rounds == ["ROUND_PENDING", "ROUND_CONFIRMED", "ROUND_SUBMITTED", "ROUND_IN_KITCHEN"], pane
        await demo.page.close()
    assert [fault for fault in demo.faults if not REFUSED.search(fault)] == []
