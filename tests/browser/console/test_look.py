"""How the console looks and is used: widths, themes, contrast, names, keyboard, and a gateway that goes away."""

from __future__ import annotations

import json
import re
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, expect
from redis.asyncio import Redis

from tests.browser.test_look import CONTRAST, SHOTS
from tests.support.clients import welcomed
from tests.support.console_page import ConsolePage
from tests.support.critical import emit_all
from tests.support.gateway import RunningGateway
from tests.support.serve import free_port, serve
from tests.support.tokens import staff_token
from tests.support.valkey import ValkeyServer

_ANYTHING = re.compile(r"\S")

REACHABLE = """() => [...document.querySelectorAll("a[href], button, input, select, textarea, [tabindex='0']")]
  .filter((e) => !e.disabled && e.checkVisibility({ visibilityProperty: true }) && !e.closest("dialog"))
  .filter((e) => e.type !== "radio" || e.checked)"""
"""What Tab must come by: of several radio buttons the chosen one, as the keyboard works."""

NAME_OF = "(e) => e.dataset.focus || e.id || e.getAttribute('aria-label') || e.name || e.textContent.trim()"
"""Not the element itself, which a list that is fetched anew replaces."""

READY = {"type": "ROUND_READY", "tenant_id": 1, "branch_id": 5, "round_id": 4711}


async def furnish(console: ConsolePage, redis: Redis) -> None:
    """Something of everything that a page with one kitchen can show."""
    await redis.publish("branch:5:kitchen", json.dumps(READY))
    await emit_all(redis, [READY])
    letter = {"event": json.dumps(READY), "reason": "failed", "error": "it was tried alone", "tries": 3, "time": 1e9}
    await redis.xadd("events:dlq", {"id": "17-0", **letter})
    await expect(console.page.locator("#tail tr[data-event]")).to_have_count(2)
    await console.page.locator("#tail button").first.click()
    for name in ("letters", "connections", "nodes", "rooms"):
        await console.page.locator(f"#{name}").scroll_into_view_if_needed()
        await expect(console.page.locator(f"#{name}-rows tr")).to_have_count(1)
    await console.evaluate("scrollTo(0, 0)")


@pytest.mark.parametrize("width", [320, 390, 768, 1024, 1440, 2200])
async def test_nothing_is_wider_than_the_window(
    width: int, gateway: RunningGateway, console: ConsolePage, redis: Redis
) -> None:
    await console.open(width=width)
    async with welcomed(gateway.ws, "/ws/kitchen", staff_token("KITCHEN")):
        await furnish(console, redis)
        assert await console.evaluate("document.documentElement.scrollWidth") <= width
        outside = await console.evaluate(
            """() => [...document.querySelectorAll(".card button, .card input, .card h2, .card .state")]
            .filter((e) => e.checkVisibility() && !e.closest(".scroll"))
            .filter((e) => e.getBoundingClientRect().right > e.closest(".card").getBoundingClientRect().right + 0.5)
            .map((e) => e.outerHTML)"""
        )
        assert outside == []


@pytest.mark.parametrize("context", [{"color_scheme": "light"}, {"color_scheme": "dark"}], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440], ids=["phone", "desktop"])
async def test_every_text_can_be_read(
    width: int, context: dict[str, Any], gateway: RunningGateway, console: ConsolePage, redis: Redis
) -> None:
    await console.open(width=width)
    async with welcomed(gateway.ws, "/ws/kitchen", staff_token("KITCHEN")):
        await furnish(console, redis)
        SHOTS.mkdir(parents=True, exist_ok=True)
        name = f"console-{context['color_scheme']}-{width}.png"
        await console.page.screenshot(path=SHOTS / name, full_page=True)
        await console.page.evaluate("document.querySelectorAll('noscript').forEach((e) => e.remove())")
        assert await console.evaluate(CONTRAST) == []


async def test_the_theme_is_chosen_and_kept(console: ConsolePage) -> None:
    await console.open()
    ground = "getComputedStyle(document.body).backgroundColor"
    light = await console.evaluate(ground)
    await console.page.get_by_label("Theme").select_option("Dark")
    dark = await console.evaluate(ground)
    assert dark != light
    await console.page.reload()
    await console.live()
    assert await console.evaluate(ground) == dark
    await console.page.get_by_label("Theme").select_option("System")
    assert await console.evaluate(ground) == light


async def test_everything_has_a_name(gateway: RunningGateway, console: ConsolePage, redis: Redis) -> None:
    await console.open()
    async with welcomed(gateway.ws, "/ws/kitchen", staff_token("KITCHEN")):
        await furnish(console, redis)
        page = console.page
        await expect(page.locator("h1")).to_have_count(1)
        assert await console.evaluate("document.documentElement.lang") == "en"
        for section in await page.locator("section:not([hidden])").all():
            await expect(section).to_have_accessible_name(_ANYTHING)
        for role in ("button", "textbox", "spinbutton", "combobox", "radio", "checkbox", "slider", "table"):
            found = await page.get_by_role(role).all()  # type: ignore[arg-type]
            assert found, role
            for control in found:
                await expect(control).to_have_accessible_name(_ANYTHING)


async def test_the_keyboard_reaches_everything_and_sees_where_it_is(
    gateway: RunningGateway, console: ConsolePage, redis: Redis
) -> None:
    await console.open()
    page = console.page
    async with welcomed(gateway.ws, "/ws/kitchen", staff_token("KITCHEN")):
        await page.keyboard.press("Tab")
        await expect(page.locator(":focus")).to_have_text("Skip to the numbers")
        await furnish(console, redis)
        await page.locator(".skip").focus()
        await console.evaluate(f"window.nameOf = {NAME_OF}; window.reached = new Set(); 0")
        for _ in range(2 * len(await console.evaluate(f"({REACHABLE})().map(nameOf)"))):
            await page.keyboard.press("Tab")
            outline = await console.evaluate(
                "reached.add(nameOf(document.activeElement)) && getComputedStyle(document.activeElement).outlineStyle"
            )
            if await console.evaluate("document.activeElement === document.body"):
                break
            assert outline != "none"
        assert await console.evaluate(f"({REACHABLE})().map(nameOf).filter((name) => !reached.has(name))") == [
            "Skip to the numbers"
        ]


async def test_a_chart_is_read_by_arrow_keys(console: ConsolePage) -> None:
    await console.open()
    chart = console.page.get_by_role("slider", name="Connections")
    await chart.focus()
    await console.page.keyboard.press("ArrowLeft")
    await expect(chart).to_have_attribute("aria-valuetext", _ANYTHING)
    assert "kitchen 0" in str(await chart.get_attribute("aria-valuetext"))
    await expect(console.page.locator("#chart-connections .at")).to_be_visible()
    await console.page.keyboard.press("Escape")
    await expect(console.page.locator("#chart-connections .at")).to_be_hidden()


async def test_the_focus_stays_with_a_list_that_is_fetched_anew(gateway: RunningGateway, console: ConsolePage) -> None:
    await console.open()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(welcomed(gateway.ws, "/ws/kitchen", staff_token("KITCHEN")))
        watch = console.section("Rooms").get_by_role("button", name="Watch events of tenant 1, branch 5")
        await watch.focus()
        await stack.enter_async_context(welcomed(gateway.ws, "/ws/kitchen", staff_token("KITCHEN", branches=(6,))))
        await expect(console.section("Rooms").locator("tbody tr")).to_have_count(2)
        await expect(watch).to_be_focused()


async def test_it_says_that_the_gateway_is_away_and_comes_back_by_itself(
    browser: Browser, own_valkey: ValkeyServer, tmp_path: Path
) -> None:
    port = free_port()
    page = await (await browser.new_context()).new_page()
    console = ConsolePage(page, f"http://127.0.0.1:{port}")
    banner = page.get_by_role("alert")
    with serve(tmp_path, port=port, GATEWAY_REDIS_URL=own_valkey.url):
        await console.open()
        first = await page.locator("#node").inner_text()
    await expect(banner).to_contain_text("Trying again")
    await expect(page.locator("#link")).to_have_text("Not connected")
    with serve(tmp_path, port=port, GATEWAY_REDIS_URL=own_valkey.url):
        await expect(page.locator("#link")).to_have_text("Live")
        await expect(page.locator("#node")).not_to_have_text(first)
        await expect(banner).to_be_hidden()
