"""A client that does not read: it delays nobody, and is told exactly how much it missed."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.integration.conftest import Producer
from tests.support.clients import welcomed
from tests.support.gateway import RunningGateway
from tests.support.tokens import staff_token

EVENTS = 400
PADDING = "x" * 60_000
"""24 MB in all: several times what the kernel's buffers and the outbox together hold."""


def event(number: int, **members: Any) -> dict[str, Any]:
    return {"type": "ENTITY_UPDATED", "tenant_id": 41, "branch_id": 5, "n": number, "x": PADDING, **members}


async def test_others_get_everything_and_the_slow_one_a_gap_of_the_right_size(
    gateway: RunningGateway, producer: Producer
) -> None:
    token = staff_token("ADMIN", tenant=41)
    async with (
        # The client library stops reading the socket when one message waits for us.
        welcomed(gateway.ws, "/ws/admin", token, max_queue=1) as slow,
        welcomed(gateway.ws, "/ws/admin", token) as quick,
    ):
        for number in range(EVENTS):
            await producer.publish("branch:5:admin", event(number))
            # Read as it comes: the quick one is quick, while the slow one reads nothing at all.
            assert (await quick.json())["n"] == number
        await producer.publish("branch:5:admin", event(EVENTS, fence="end"))
        assert await quick.until("end") == []

        messages = [json.loads(text) for text in await slow.until("end")]
        gaps = [message["dropped"] for message in messages if message["type"] == "gap"]
        numbers = [message["n"] for message in messages if message["type"] != "gap"]
        assert len(gaps) == 1, "one hole, since what was dropped stood side by side"
        assert numbers == sorted(numbers)
        assert len(numbers) + sum(gaps) == EVENTS
        # The gap stands where the events are missing, not at the end.
        hole = next(index for index, message in enumerate(messages) if message["type"] == "gap")
        before, after = messages[hole - 1]["n"], messages[hole + 1]["n"]
        assert after - before - 1 == gaps[0]
        # And the connection is as good as new.
        await slow.send("ping")
        assert (await slow.json())["type"] == "pong"


async def test_a_slow_client_costs_the_others_no_time(gateway: RunningGateway, producer: Producer) -> None:
    token = staff_token("ADMIN", tenant=42)

    async def rounds(peer: Any) -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number in range(100):
            await producer.publish("branch:5:admin", event(number) | {"tenant_id": 42})
            assert (await peer.json())["n"] == number
        return loop.time() - began

    async with welcomed(gateway.ws, "/ws/admin", token) as quick:
        alone = await rounds(quick)
        async with welcomed(gateway.ws, "/ws/admin", token, max_queue=1) as slow:
            beside = await rounds(quick)
            assert slow.connection.state.name == "OPEN"
            # Twice as many sends, and a shared machine; one that waited for the slow one would take until its time-out.
            assert beside < 5 * alone + 1
            slow.connection.transport.abort()
