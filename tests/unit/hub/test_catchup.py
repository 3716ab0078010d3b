"""What one answer holds: whose events, how many, and from where it goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from gateway.auth.identity import Identity, Role
from gateway.errors import BrokerError, ForbiddenError, PositionUnknownError, TokenError
from gateway.hub.authenticator import Authenticator
from gateway.hub.catchup import CONCURRENT, MAX_EVENTS, Catchup
from gateway.hub.history_page import MAX_BYTES, MAX_READS
from gateway.hub.sectors import CachedSectorDirectory
from gateway.ingest.resume_base import PAGE_BYTES
from gateway.ingest.shared_reads import SharedReads
from gateway.protocol.positions import ZERO, Position
from gateway.telemetry.metrics import Metrics
from gateway.types import Room
from tests.support.clock import FakeClock
from tests.support.memory_history import MemoryRoomHistory
from tests.support.settle import settle

ROOM = Room(1, 5)
ADMIN, KITCHEN, WAITERS, SECTOR, SESSION = (
    "branch:5:admin",
    "branch:5:kitchen",
    "branch:5:waiters",
    "sector:9:waiters",
    "session:77",
)


def staff(*roles: Role, sectors: tuple[int, ...] | None = (9,)) -> Identity:
    return Identity("staff", 1, "12", (5, 6), frozenset(roles), sectors, None, None, None, "j", 0, 9e9)


DINER = Identity("diner", 1, "77", (5,), frozenset(), None, 77, 42, None, None, 0, 9e9)


class Tokens:
    """Keeps `TokenVerifier` and the check of revocations: a token is the name of an identity."""

    def __init__(self) -> None:
        self.known: dict[str, Identity] = {"diner": DINER}
        self.away = False

    def verify(self, token: str) -> Identity:
        if token not in self.known:
            raise TokenError("bad")
        return self.known[token]

    async def check(self, identity: Identity) -> None:
        if self.away:
            raise BrokerError("Redis is away")


class Directory:
    """Keeps `SectorDirectory`."""

    async def sectors_of(self, tenant: int, user: str) -> tuple[int, ...]:
        return (9,)


class Rig:
    def __init__(self) -> None:
        self.history = MemoryRoomHistory()
        self.tokens = Tokens()
        self.reads = SharedReads(self.history)
        sectors = CachedSectorDirectory(Directory(), FakeClock(), Metrics())
        authenticator = Authenticator(self.tokens, self.tokens, self.tokens)  # type: ignore[arg-type]  # what is used
        self.catchup = Catchup(authenticator, sectors, self.reads)
        self._number = 0

    def relay(self, count: int, *audiences: str, size: int = 0, room: Room = ROOM) -> list[Position]:
        positions = []
        for _ in range(count):
            self._number += 1
            payload = b'{"n":%d,"x":"%s"}' % (self._number, b"x" * size)
            positions.append(self.history.relay(room, f"{self._number}-0", payload, *audiences).position)
        return positions

    async def numbers(self, identity: Identity, since: Position | None = None) -> Sequence[Position]:
        self.tokens.known["staff"] = identity
        return [event.position for event in (await self.catchup.branch("staff", 5, since)).events]


@pytest.fixture
def rig() -> Rig:
    return Rig()


@pytest.mark.parametrize(
    ("identity", "audiences"),
    [
        (staff(Role.WAITER), {WAITERS, SECTOR}),
        (staff(Role.WAITER, sectors=(8,)), {WAITERS}),
        (staff(Role.WAITER, sectors=None), {WAITERS, SECTOR}),
        (staff(Role.KITCHEN), {KITCHEN}),
        (staff(Role.WAITER, Role.KITCHEN), {WAITERS, SECTOR, KITCHEN}),
        (staff(Role.MANAGER), {ADMIN, KITCHEN, WAITERS, SECTOR}),
        (staff(Role.ADMIN, sectors=()), {ADMIN, KITCHEN, WAITERS}),
    ],
)
async def test_staff_see_the_union_of_what_they_could_join(rig: Rig, identity: Identity, audiences: set[str]) -> None:
    one_each = {name: rig.relay(1, name)[0] for name in (ADMIN, KITCHEN, WAITERS, SECTOR, SESSION)}
    rig.relay(1, "branch:6:admin", room=Room(1, 6))
    rig.relay(1, "branch:5:admin", room=Room(2, 5))
    assert set(await rig.numbers(identity)) == {one_each[name] for name in audiences}


async def test_a_diner_sees_its_own_session_alone(rig: Rig) -> None:
    [own] = rig.relay(1, ADMIN, SESSION)
    [last] = rig.relay(1, ADMIN, "session:78")
    caught_up = await rig.catchup.session("diner", 77, None)
    assert [event.position for event in caught_up.events] == [own]
    assert caught_up.position == last, "up to where was looked, whosever it was"
    assert not caught_up.more
    with pytest.raises(ForbiddenError):
        await rig.catchup.session("diner", 78, None)


async def test_a_room_without_events_gives_the_position_to_begin_with(rig: Rig) -> None:
    rig.tokens.known["staff"] = staff(Role.ADMIN)
    assert await rig.catchup.branch("staff", 5, None) == ([], ZERO, False)
    assert await rig.catchup.branch("staff", 5, ZERO) == ([], ZERO, False)
    [position] = rig.relay(1)
    rig.history.trim(ROOM, 0)
    assert await rig.catchup.branch("staff", 5, None) == ([], position, False)
    assert await rig.catchup.branch("staff", 5, position) == ([], position, False)


async def test_answers_go_on_where_the_last_one_ended(rig: Rig) -> None:
    rig.tokens.known["staff"] = staff(Role.ADMIN)
    expected = rig.relay(MAX_EVENTS, ADMIN) + rig.relay(MAX_EVENTS, ADMIN) + rig.relay(1, ADMIN)
    since, got, sizes = None, [], []
    while True:
        caught_up = await rig.catchup.branch("staff", 5, since)
        since = caught_up.position
        got += [event.position for event in caught_up.events]
        sizes.append(len(caught_up.events))
        if not caught_up.more:
            break
    assert got == expected
    assert sizes == [MAX_EVENTS, MAX_EVENTS, 1]


async def test_an_answer_is_bounded_in_bytes_and_in_reads(rig: Rig) -> None:
    rig.tokens.known["staff"] = staff(Role.ADMIN)
    large = rig.relay(40, ADMIN, size=PAGE_BYTES - 100)
    first = await rig.catchup.branch("staff", 5, None)
    assert sum(len(event.payload) for event in first.events) <= MAX_BYTES
    assert first.more
    assert first.position == first.events[-1].position
    rig.relay(MAX_READS + 20, SESSION, size=PAGE_BYTES - 100)
    barren = await rig.catchup.branch("staff", 5, large[-1])
    assert barren.events == []
    assert barren.more, "nothing of it was the asker's, and there is more to look at"
    assert await rig.catchup.branch("staff", 5, barren.position) == ([], rig.history.head[ROOM], False)


async def test_a_position_that_is_forgotten_is_told(rig: Rig) -> None:
    rig.tokens.known["staff"] = staff(Role.ADMIN)
    positions = rig.relay(10, ADMIN)
    rig.history.trim(ROOM, 3)
    with pytest.raises(PositionUnknownError):
        await rig.catchup.branch("staff", 5, positions[2])
    assert len((await rig.catchup.branch("staff", 5, positions[6])).events) == 3
    assert len((await rig.catchup.branch("staff", 5, None)).events) == 3


async def test_what_is_forgotten_while_it_is_read_is_told_when_the_asker_goes_on(rig: Rig) -> None:
    rig.tokens.known["staff"] = staff(Role.ADMIN)
    positions = rig.relay(100, ADMIN)
    rig.history.hold_back()
    task = asyncio.create_task(rig.catchup.branch("staff", 5, positions[0]))
    await settle()
    rig.history.trim(ROOM, 0)
    rig.history.let_go()
    caught_up = await task
    assert caught_up.more
    assert caught_up.position == caught_up.events[-1].position
    with pytest.raises(PositionUnknownError):
        await rig.catchup.branch("staff", 5, caught_up.position)


async def test_who_may_not_is_refused(rig: Rig) -> None:
    rig.tokens.known["staff"] = staff(Role.ADMIN)
    rig.tokens.known["nobody"] = staff()
    with pytest.raises(TokenError):
        await rig.catchup.branch("unknown", 5, None)
    with pytest.raises(ForbiddenError):
        await rig.catchup.branch("staff", 7, None)
    with pytest.raises(ForbiddenError):
        await rig.catchup.branch("nobody", 5, None)
    rig.tokens.away = True
    with pytest.raises(BrokerError):
        await rig.catchup.branch("staff", 5, None)
    with pytest.raises(BrokerError):
        await rig.catchup.session("diner", 77, None)


async def test_no_more_than_some_are_put_together_at_a_time(rig: Rig) -> None:
    rig.tokens.known["staff"] = staff(Role.ADMIN)
    positions = rig.relay(3 * CONCURRENT, ADMIN)
    rig.history.hold_back()
    tasks = [asyncio.create_task(rig.catchup.branch("staff", 5, position)) for position in positions]
    await settle()
    assert rig.catchup._turns.locked()
    rig.history.let_go()
    answers = await asyncio.gather(*tasks)
    assert [len(answer.events) for answer in answers] == list(range(3 * CONCURRENT - 1, -1, -1))
