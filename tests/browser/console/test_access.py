"""Who gets in: nobody without the key, and the key stays where it is entered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.async_api import expect

from tests.support.console_page import ConsolePage
from tests.support.gateway import RunningGateway, run_gateway
from tests.support.valkey import ValkeyServer

KEY = "the key of the operator: = / + ñ and so on"
READING = "a key that may read and nothing else at all"


@pytest.fixture
def gateway(own_valkey: ValkeyServer) -> Iterator[RunningGateway]:
    with run_gateway(own_valkey.url, operator_key=KEY, api_read_keys=f"dashboard:{READING}") as running:
        yield running


async def enter(console: ConsolePage, key: str) -> None:
    await console.page.locator("#key-input").fill(key)
    await console.page.get_by_role("button", name="Open the console").click()


async def test_a_wrong_key_is_refused_and_the_right_one_opens(console: ConsolePage) -> None:
    await console.open(live=False)
    dialog = console.page.get_by_role("dialog", name="Key")
    await expect(dialog).to_be_visible()
    await console.page.keyboard.press("Escape")
    await expect(dialog).to_be_visible()
    await enter(console, "not the key")
    await expect(dialog).to_contain_text("That key was refused.")
    await expect(console.tile("State")).to_have_text("–")
    await enter(console, KEY)
    await console.live()
    await expect(dialog).to_have_count(0)


async def test_the_key_is_in_no_address_and_in_this_tab_alone(console: ConsolePage) -> None:
    await console.open(live=False)
    await enter(console, KEY)
    await console.live()
    assert await console.evaluate("Object.values(sessionStorage)") == [KEY]
    assert KEY not in await console.evaluate("JSON.stringify([localStorage, document.cookie, location.href])")
    assert [address.partition("/ws/")[2] for address in console.sockets] == ["console"]
    await console.page.reload()
    await console.live()
    other = ConsolePage(await console.page.context.new_page(), console.url)
    await other.open(live=False)
    await expect(other.page.get_by_role("dialog", name="Key")).to_be_visible()
    await console.page.get_by_role("button", name="Forget key").click()
    await expect(console.page.get_by_role("dialog", name="Key")).to_be_visible()
    assert await console.evaluate("sessionStorage.length") == 0


async def test_a_key_that_may_only_read_can_do_nothing(console: ConsolePage) -> None:
    await console.open(live=False)
    await enter(console, READING)
    await console.live()
    await expect(console.section("Send a test event").get_by_role("button", name="Send")).to_be_disabled()
    await expect(console.section("Dead letters").get_by_role("button", name="Replay all")).to_be_disabled()
    await expect(console.page.locator("#token")).to_be_hidden()


@pytest.mark.parametrize("path", ["/console/", "/console/main.js", "/console/access"])
async def test_what_is_served_to_everybody_has_no_secret(path: str, console: ConsolePage) -> None:
    response: Any = await console.page.request.get(console.url + path)
    assert response.status == 200
    assert KEY not in await response.text()
