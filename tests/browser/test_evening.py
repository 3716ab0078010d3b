"""An order through all its states: each pane hears what it may, and no other does."""

from __future__ import annotations

from playwright.async_api import Browser, expect

from tests.support.browser import DemoPage

OF_THE_TABLE = ["ROUND_IN_KITCHEN", "ROUND_READY", "ROUND_SERVED"]
BILL = ["CHECK_REQUESTED", "CHECK_PAID", "TABLE_CLEARED"]
CALL = ["SERVICE_CALL_CREATED", "SERVICE_CALL_ACKED", "SERVICE_CALL_CLOSED"]
STAFF = ["ROUND_PENDING", "ROUND_CONFIRMED", "ROUND_SUBMITTED", *OF_THE_TABLE, *CALL, *BILL]
HEARD = {
    "ana": STAFF,
    "bruno": ["ROUND_PENDING", "TABLE_CLEARED"],
    "kitchen": ["ROUND_SUBMITTED", *OF_THE_TABLE],
    "manager": STAFF,
    "t2": ["CART_ITEM_ADDED", "CART_ITEM_ADDED", "CART_CLEARED", *OF_THE_TABLE, *BILL],
    "t6": [],
}
"""What the routing table gives each of them of table 2, which stands in Ana's sector."""


async def serve(demo: DemoPage, table: int, waiter: str) -> None:
    """Take a pending round to its table."""
    for pane, action in ((waiter, "confirm"), (waiter, "submit"), ("kitchen", "start"), ("kitchen", "ready")):
        await demo.press(pane, action, table)
    await demo.press(waiter, "serve", table)


async def test_every_pane_hears_what_it_may_and_nothing_else(demo: DemoPage) -> None:
    await demo.open()
    await demo.order(2, "flan", "malbec")
    await serve(demo, 2, "ana")
    await expect(demo.pane("t2").locator("article [aria-current=step]")).to_have_text("Served")
    await demo.press("t2", "call")
    await demo.press("ana", "acknowledge", 2)
    await demo.press("ana", "close", 2)
    await demo.hears("ana", "SERVICE_CALL_CLOSED", table=2)
    await demo.press("t2", "bill")
    await demo.press("ana", "pay", 2)
    await demo.press("ana", "clear", 2)
    for pane in ("ana", "bruno", "manager", "t2"):
        await demo.hears(pane, "TABLE_CLEARED", table=2)
    # What was for nobody else has had its time: an event of their own follows it.
    await demo.order(6, "trout")
    await serve(demo, 6, "bruno")
    await demo.hears("t6", "ROUND_SERVED", table=6)
    assert {pane: await demo.heard(pane, table=2) for pane in HEARD} == HEARD
    await expect(demo.pane("manager")).to_contain_text("€16.00")


async def test_the_next_party_has_a_phone_of_its_own(demo: DemoPage) -> None:
    await demo.open()
    await demo.order(2, "flan")
    await serve(demo, 2, "ana")
    await demo.hears("t2", "ROUND_SERVED", table=2)
    await demo.press("t2", "bill")
    await demo.press("ana", "pay", 2)
    await demo.press("ana", "clear", 2)
    await expect(demo.pane("t2")).to_contain_text("good night")
    await demo.press("t2", "sit")
    await demo.online("t2")
    await expect(demo.pane("t2")).to_contain_text("Choose from the menu")
    await expect(demo.pane("t2").locator("article")).to_have_count(0)
    await demo.order(2, "gnocchi")
    await expect(demo.button("ana", "confirm", 2)).to_be_visible()
    await expect(demo.pane("t2").locator("article")).to_have_count(1)


async def test_a_manager_cancels_and_the_table_hears_of_it(demo: DemoPage) -> None:
    await demo.open()
    await demo.order(6, "flan")
    await demo.press("manager", "cancel", 6)
    await expect(demo.pane("t6").locator("article .chip")).to_have_text("Canceled")
    await expect(demo.pane("bruno").locator("button[data-action=confirm]")).to_have_count(0)


async def test_a_second_window_begins_with_what_has_happened_and_each_hears_the_other(
    demo: DemoPage, browser: Browser
) -> None:
    await demo.open()
    await demo.order(2, "flan")
    await expect(demo.button("ana", "confirm", 2)).to_be_visible()
    other = DemoPage(await (await browser.new_context()).new_page(), demo.url)
    await other.open()
    await other.press("ana", "confirm", 2)
    await demo.press("ana", "submit", 2)
    await expect(other.button("kitchen", "start", 2)).to_be_visible()
    await demo.press("kitchen", "start", 2)
    # The phone of the second window is of the same party.
    await expect(other.pane("t2").locator("article [aria-current=step]")).to_have_text("In the kitchen")
    assert other.faults == []


async def test_the_evening_plays_itself_from_seat_to_bill(demo: DemoPage) -> None:
    await demo.open(fragment="#play")
    paid = demo.pane("manager").locator(".events code", has_text="CHECK_PAID").first
    await expect(paid).to_be_visible(timeout=100_000)
    pause = demo.page.get_by_role("button", name="Pause the evening")
    await pause.click()
    await expect(demo.page.get_by_role("button", name="Play the evening")).to_have_attribute("aria-pressed", "false")
    takings = demo.pane("manager").locator("dd").nth(3)
    await expect(takings).not_to_have_text("€0.00")
