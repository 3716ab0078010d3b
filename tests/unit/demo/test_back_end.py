"""The back end: one publication per audience, in order within a room, announced before it is made."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import pytest

from gateway.auth.identity import Role
from gateway.demo.attendance import Attendance
from gateway.demo.back_end import NUMBER, BackEnd
from gateway.demo.scenario import Happen
from gateway.demo.scoreboard import Scoreboard
from gateway.demo.world import Persona, Post, Table
from gateway.errors import EventRefusedError
from gateway.protocol.audiences import parse_channel
from gateway.protocol.events import DropReason, parse_event
from gateway.protocol.routing import DEFAULT_RULES, RoutingTable
from gateway.types import Room

TABLE = Table(Room(1, 2), 3, 7)
COOK = Persona("cook", Post.KITCHEN, 1, (2,), "cook", (Role.KITCHEN,))


class RecordingBroker:
    """Remembers what is published, and what was expected at that moment; slow enough to be overtaken."""

    def __init__(self, scoreboard: Scoreboard) -> None:
        self.published: list[tuple[str, dict[str, Any]]] = []
        self.expected: list[int] = []
        self._scoreboard = scoreboard

    async def publish(self, channel: str, payload: bytes) -> int:
        self.expected.append(self._scoreboard.expected)
        await asyncio.sleep(0)
        self.published.append((channel, json.loads(payload)))
        return 1


class FixedRandom(random.Random):
    """Every draw is the same."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self._value = value

    def random(self) -> float:
        return self._value


def _back_end(draw: float) -> tuple[BackEnd, RecordingBroker, Scoreboard, Attendance]:
    scoreboard, attendance = Scoreboard(), Attendance(DEFAULT_RULES)
    broker = RecordingBroker(scoreboard)
    back_end = BackEnd(broker, DEFAULT_RULES, attendance, scoreboard, FixedRandom(draw))  # type: ignore[arg-type]
    return back_end, broker, scoreboard, attendance


async def test_an_event_goes_to_each_audience_of_its_type() -> None:
    back_end, broker, _, _ = _back_end(0.9)
    await back_end.tell(TABLE, 77, Happen("ROUND_READY", {"round": 1}))
    assert [channel for channel, _ in broker.published] == [
        "branch:2:admin",
        "branch:2:kitchen",
        "branch:2:waiters",
        "session:77",
    ]
    numbers = [event.pop(NUMBER) for _, event in broker.published]
    assert numbers == [1, 2, 3, 4]
    assert broker.published[0][1] == {
        "type": "ROUND_READY",
        "tenant_id": 1,
        "branch_id": 2,
        "sector_id": 3,
        "session_id": 77,
        "table": 7,
        "round": 1,
    }


async def test_a_sector_event_may_go_to_the_sectors_channel() -> None:
    back_end, broker, _, _ = _back_end(0.1)
    await back_end.tell(TABLE, 77, Happen("SERVICE_CALL_ACKED"))
    assert [channel for channel, _ in broker.published] == ["branch:2:admin", "sector:3:waiters"]


@pytest.mark.parametrize("name", DEFAULT_RULES)
async def test_what_is_published_the_gateway_accepts(name: str) -> None:
    back_end, broker, _, _ = _back_end(0.9)
    await back_end.tell(TABLE, 77, Happen(name))
    assert broker.published
    for channel, event in broker.published:
        parsed = parse_channel(channel)
        assert parsed is not None
        assert RoutingTable().route_channel(parse_event(json.dumps(event).encode()), parsed)


@pytest.mark.parametrize("name", DEFAULT_RULES)
async def test_a_mistake_on_purpose_is_one_that_the_gateway_refuses(name: str) -> None:
    back_end, broker, scoreboard, attendance = _back_end(0.0)
    attendance.enter(attendance.new_number(), COOK)
    await back_end.tell(TABLE, 77, Happen(name))
    channel, event = broker.published[-1]
    parsed = parse_channel(channel)
    assert parsed is not None
    with pytest.raises(EventRefusedError) as refused:
        RoutingTable().route_channel(parse_event(json.dumps(event).encode()), parsed)
    assert refused.value.reason in (DropReason.NOT_FOR_AUDIENCE, DropReason.CHANNEL_MISMATCH)
    assert scoreboard.strays == 1
    assert scoreboard.expected == sum(channel == "branch:2:kitchen" for channel, _ in broker.published[:-1])


async def test_who_must_receive_it_is_said_before_it_is_published() -> None:
    back_end, broker, scoreboard, attendance = _back_end(0.9)
    guest = attendance.new_number()
    attendance.enter(guest, COOK)
    await back_end.tell(TABLE, 77, Happen("ROUND_READY"))
    assert broker.expected == [0, 1, 1, 1]
    attendance.leave(guest)
    await back_end.tell(TABLE, 77, Happen("ROUND_READY"))
    assert scoreboard.expected == 1


async def test_publications_of_a_room_do_not_overtake_each_other() -> None:
    back_end, broker, _, _ = _back_end(0.9)
    await asyncio.gather(*(back_end.tell(TABLE, session, Happen("ROUND_READY")) for session in range(1, 20)))
    numbers = [event[NUMBER] for _, event in broker.published]
    assert numbers == sorted(numbers)


async def test_a_type_that_the_table_does_not_know_is_not_published() -> None:
    back_end, broker, scoreboard, _ = _back_end(0.0)
    await back_end.tell(TABLE, 77, Happen("NO_SUCH_TYPE"))
    assert broker.published == []
    assert scoreboard.published == 0
