"""What an operator sees and does: connections, rooms, the tail, dead letters, test events, tokens."""

from __future__ import annotations

import json
import re
from contextlib import AsyncExitStack

from playwright.async_api import expect
from redis.asyncio import Redis

from tests.support.clients import Client, welcomed
from tests.support.console_page import ConsolePage
from tests.support.critical import emit_all
from tests.support.gateway import RunningGateway
from tests.support.tokens import staff_token, table_token

READY = {"type": "ROUND_READY", "tenant_id": 1, "branch_id": 5, "round_id": 4711}


async def kitchen(stack: AsyncExitStack, gateway: RunningGateway, tenant: int = 1, user: str = "12") -> Client:
    return await stack.enter_async_context(
        welcomed(gateway.ws, "/ws/kitchen", staff_token("KITCHEN", tenant=tenant, user=user))
    )


async def test_it_shows_who_is_connected_and_follows_them(gateway: RunningGateway, console: ConsolePage) -> None:
    await console.open()
    chart = console.page.locator("#chart-connections")
    await expect(chart.locator(".figure strong")).to_have_text("0")
    async with AsyncExitStack() as stack:
        await kitchen(stack, gateway)
        await stack.enter_async_context(welcomed(gateway.ws, "/ws/diner", table_token()))
        await expect(chart.locator(".figure strong")).to_have_text("2")
        await expect(chart.locator(".legend li", has_text="kitchen")).to_have_text("kitchen 1")
        await expect(chart.locator(".legend li", has_text="diner")).to_have_text("diner 1")
        await expect(console.tile("Rooms")).to_have_text("1")
        await expect(console.tile("State")).to_have_text("Ready")

        rooms = console.section("Rooms")
        await rooms.scroll_into_view_if_needed()
        row = rooms.locator("tbody tr")
        await expect(row).to_contain_text("1 / 5")
        await expect(row).to_contain_text("branch:5:kitchen 1")
        connections = console.section("Connections")
        await connections.scroll_into_view_if_needed()
        await expect(connections.locator("tbody tr")).to_have_count(2)
        await connections.get_by_label("Endpoint").select_option("kitchen")
        await expect(connections.locator("tbody tr")).to_have_count(1)
        await expect(connections.locator("tbody tr")).to_contain_text("tenant 1, user:12")
    await expect(chart.locator(".figure strong")).to_have_text("0")
    nodes = console.section("Nodes")
    await nodes.scroll_into_view_if_needed()
    await expect(nodes.locator("tbody tr")).to_contain_text("(this one)")


async def test_a_published_and_a_critical_event_are_in_the_tail(
    gateway: RunningGateway, console: ConsolePage, redis: Redis
) -> None:
    await console.open()
    async with AsyncExitStack() as stack:
        await kitchen(stack, gateway)
        await redis.publish("branch:5:kitchen", json.dumps(READY))
        events = console.section("Live events")
        row = events.locator("tbody tr[data-event]")
        await expect(row).to_have_count(1)
        await expect(row).to_contain_text("ROUND_READY")
        await expect(row).to_contain_text("round_id: 4711")
        await expect(row).not_to_contain_text("critical")
        [event_id] = await emit_all(redis, [{**READY, "type": "CHECK_PAID"}])
        await expect(row).to_have_count(2)
        await expect(row.first).to_contain_text("critical")
        await row.first.get_by_role("button").click()
        await expect(events.locator("tr.detail")).to_contain_text(f"position {event_id}/")
        await expect(events.locator("tr.detail pre")).to_contain_text('"round_id": 4711')


async def test_the_tail_is_filtered_paused_and_emptied(
    gateway: RunningGateway, console: ConsolePage, redis: Redis
) -> None:
    await console.open()
    events = console.section("Live events")
    rows = events.locator("tbody tr[data-event]:not([hidden])")
    async with AsyncExitStack() as stack:
        await kitchen(stack, gateway)
        await kitchen(stack, gateway, tenant=2)

        async def publish(kind: str, tenant: int) -> None:
            await redis.publish("branch:5:kitchen", json.dumps({**READY, "type": kind, "tenant_id": tenant}))

        for tenant in (1, 2):
            await publish("ROUND_READY", tenant)
        await expect(rows).to_have_count(2)
        await events.get_by_label("Tenant").fill("2")
        await expect(rows).to_have_count(1)
        await publish("TICKET_READY", 1)
        await publish("TICKET_READY", 2)
        await expect(rows).to_have_count(2)
        await expect(rows.first).to_contain_text("2 / 5")
        await events.get_by_label("Type").fill("ticket")
        await expect(rows).to_have_count(1)
        await events.get_by_role("button", name="Clear filters").click()
        await expect(rows).to_have_count(3)  # what the filter kept out was not sent
        await events.get_by_role("button", name="Pause").click()
        await expect(events.get_by_role("button", name="Go on")).to_have_attribute("aria-pressed", "true")
        before = await console.page.locator("#chart-events .figure").inner_text()
        await publish("ROUND_READY", 1)
        await expect(console.page.locator("#chart-events .figure")).not_to_have_text(before)
        await expect(rows).to_have_count(3)
        await events.get_by_role("button", name="Go on").click()
        await events.get_by_role("button", name="Empty the list").click()
        await expect(rows).to_have_count(0)
        await publish("ROUND_SUBMITTED", 1)
        await expect(rows).to_have_count(1)


async def test_the_list_of_events_is_bounded_and_an_open_one_leaves_whole(
    gateway: RunningGateway, console: ConsolePage, redis: Redis
) -> None:
    await console.open()
    events = console.section("Live events")
    async with AsyncExitStack() as stack:
        await kitchen(stack, gateway)
        await redis.publish("branch:5:kitchen", json.dumps(READY))
        await events.locator("tbody").get_by_role("button").click()
        await expect(events.locator("tr.detail")).to_have_count(1)
        for _ in range(5):  # seconds, since each shows fifty
            for _ in range(50):
                await redis.publish("branch:5:kitchen", json.dumps(READY))
            await console.page.wait_for_timeout(1_100)
        await expect(events.locator("tr.detail")).to_have_count(0)
        await expect(events.locator("tr.open")).to_have_count(0)
        assert await events.locator("tbody tr").count() == 200


async def test_a_rooms_events_are_watched_alone(gateway: RunningGateway, console: ConsolePage, redis: Redis) -> None:
    await console.open()
    async with AsyncExitStack() as stack:
        for tenant in (1, 2):
            await kitchen(stack, gateway, tenant)
        watch = console.section("Rooms").get_by_role("button", name="Watch events of tenant 2, branch 5")
        await watch.click()
        events = console.section("Live events")
        await expect(events.get_by_label("Tenant")).to_have_value("2")
        for tenant in (1, 2):
            await redis.publish("branch:5:kitchen", json.dumps({**READY, "tenant_id": tenant}))
        rows = events.locator("tbody tr[data-event]")
        await expect(rows).to_have_count(1)
        await expect(rows).to_contain_text("2 / 5")


async def test_a_dead_letter_is_shown_replayed_and_another_discarded(
    gateway: RunningGateway, console: ConsolePage, redis: Redis
) -> None:
    await console.open()
    letter = {"reason": "failed", "error": "the relay did not survive it", "tries": 3, "node": "ab12", "time": 1e9}
    async with AsyncExitStack() as stack:
        client = await kitchen(stack, gateway)
        for number in (1, 2):
            event = json.dumps({**READY, "round_id": number})
            await redis.xadd("events:dlq", {"id": f"17-{number}", "event": event, **letter})
        await expect(console.tile("Dead letters")).to_have_text("2")
        letters = console.section("Dead letters")
        await letters.scroll_into_view_if_needed()
        rows = letters.locator("tbody tr")
        await expect(rows).to_have_count(2)
        await expect(rows.first).to_contain_text("the relay did not survive it")
        dialog = console.page.get_by_role("dialog")

        await rows.last.get_by_role("button", name="Replay").click()
        await expect(dialog).to_contain_text('"round_id": 1')
        await expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
        await dialog.get_by_role("button", name="Cancel").click()
        assert await redis.xlen("events:dlq") == 2
        await rows.last.get_by_role("button", name="Replay").click()
        await dialog.get_by_role("button", name="Replay").click()
        await expect(console.page.locator("#notices")).to_contain_text(re.compile(r"Replayed as \d+-\d+\."))
        delivered = await client.json()
        assert (delivered["round_id"], "position" in delivered) == (1, True)
        await expect(rows).to_have_count(1)

        await rows.get_by_role("button", name="Discard").click()
        await console.page.keyboard.press("Escape")
        await expect(dialog).to_have_count(0)
        assert await redis.xlen("events:dlq") == 1
        await rows.get_by_role("button", name="Discard").click()
        await dialog.get_by_role("button", name="Discard").click()
        await expect(letters).to_contain_text("The queue is empty")
        await expect(console.tile("Dead letters")).to_have_text("0")
        assert await redis.xlen("events:dlq") == 0


async def test_all_dead_letters_are_replayed_but_for_those_that_would_come_back(
    console: ConsolePage, redis: Redis
) -> None:
    await console.open()
    good = json.dumps(READY)
    for number, event in enumerate([good, "{oops", good]):
        await redis.xadd("events:dlq", {"id": f"17-{number}", "event": event, "reason": "failed", "time": 1e9})
    letters = console.section("Dead letters")
    await letters.scroll_into_view_if_needed()
    await expect(letters.locator("tbody tr")).to_have_count(3)
    await letters.get_by_role("button", name="Replay all").click()
    await console.page.get_by_role("dialog").get_by_role("button", name="Replay all").click()
    await expect(console.page.locator("#notices")).to_contain_text("2 replayed, 1 would be refused again and stay.")
    await expect(letters.locator("tbody tr")).to_have_count(1)


async def test_test_events_reach_real_clients(gateway: RunningGateway, console: ConsolePage) -> None:
    await console.open()
    send = console.section("Send a test event")
    outcome = send.locator("#send-outcome")
    button = send.get_by_role("button", name="Send")
    await button.click()
    await expect(outcome).to_contain_text("nobody whom it is for is connected")
    async with AsyncExitStack() as stack:
        client = await kitchen(stack, gateway)
        await button.click()
        await expect(outcome).to_have_text("Heard by 1 node.")
        assert (await client.json())["note"] == "a test from the console"
        await send.get_by_label("Emit, critical").check()
        await button.click()
        await expect(outcome).to_have_text(re.compile(r"Accepted as \d+-\d+\."))
        assert (await client.json())["event_id"]
        await send.get_by_label("Event").fill('{"type":"NONSENSE","tenant_id":1,"branch_id":5}')
        await button.click()
        await expect(outcome).to_contain_text("a type that the routing table does not know")
        await send.get_by_label("Event").fill("{")
        await button.click()
        await expect(outcome).to_contain_text("This is no JSON")


async def test_a_client_is_disconnected(gateway: RunningGateway, console: ConsolePage) -> None:
    await console.open()
    async with AsyncExitStack() as stack:
        client = await kitchen(stack, gateway)
        connections = console.section("Connections")
        await connections.scroll_into_view_if_needed()
        await connections.get_by_role("button", name="Disconnect").click()
        await console.page.get_by_role("dialog").get_by_role("button", name="Disconnect").click()
        assert await client.close_code() == 1001
    await expect(connections.locator("tbody tr")).to_have_count(0)


async def test_tokens_are_made_that_open_the_gateway(gateway: RunningGateway, console: ConsolePage) -> None:
    await console.open()
    maker = console.page.locator("#token")
    await maker.get_by_label("Role").select_option("KITCHEN")
    await maker.get_by_role("button", name="Make").click()
    await expect(maker.locator("#token-outcome")).to_have_text("Good for 1 h.")
    token = await maker.get_by_label("Token").input_value()
    async with welcomed(gateway.ws, "/ws/kitchen", token) as client:
        assert client.welcome["type"] == "welcome"
    await maker.get_by_label("A table").check()
    await maker.get_by_role("button", name="Make").click()
    await expect(maker.get_by_label("Token")).to_have_value(re.compile(r"^v1\."))
