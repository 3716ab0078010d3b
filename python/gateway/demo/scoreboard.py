"""What was published, who had to receive it, and who did."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from gateway.demo.entitlement import Publication
from gateway.demo.latency import Latency, Quantiles
from gateway.demo.world import Persona, Post
from gateway.types import Room

# A fault is shown in words; after so many the numbers say enough.
MAX_FAULTS = 20
_LATEST = 8


class Arrival(NamedTuple):
    """What a client found in an event that it received."""

    number: int
    type: str
    room: Room


@dataclass(frozen=True, slots=True)
class Summary:
    """The evening in numbers.

    Attributes:
        published: publications, one for each event and channel.
        strays: publications that the routing table gives to nobody; they are among `published`.
        expected: deliveries that the routing table asks for.
        delivered: deliveries that were asked for and came, once and in order.
        lost: deliveries that were asked for and have not come.
        wrong: deliveries that nobody asked for: another tenant, branch or audience, twice, or out of order.
        troubles: connections that ended by themselves, and announced gaps.
        latency: from publish to client; None when nothing arrived.
    """

    published: int
    strays: int
    expected: int
    delivered: int
    lost: int
    wrong: int
    troubles: int
    latency: Quantiles | None

    @property
    def perfect(self) -> bool:
        """Something was expected, and exactly that came."""
        return self.expected > 0 and self.delivered == self.expected and not (self.lost or self.wrong or self.troubles)


@dataclass(slots=True)
class _Open:
    """A publication that somebody has yet to receive."""

    at: float
    waiting: set[int]


class Scoreboard:
    """Holds deliveries against expectations. For one thread; times are seconds of one monotonic clock.

    A guest is known by a number that is never given twice. A publication is remembered only until everybody has it:
    that a guest gets one twice, or late, shows in the order instead, since numbers grow within a room.
    """

    def __init__(self) -> None:
        self.published = 0
        self.strays = 0
        self.expected = 0
        self.delivered = 0
        self.wrong = 0
        self.troubles = 0
        self.by_post: Counter[Post] = Counter()
        self.connections: Counter[Post] = Counter()
        self.last_event: dict[Post, str] = {}
        self.latest: deque[tuple[Publication, int]] = deque(maxlen=_LATEST)
        self.faults: list[str] = []
        self._latency = Latency()
        self._open: dict[int, _Open] = {}
        self._owed: Counter[int] = Counter()
        self._seen: dict[int, dict[Room, int]] = {}

    @property
    def outstanding(self) -> int:
        """Deliveries that are still awaited."""
        return self.expected - self.delivered

    def owed(self, guest: int) -> int:
        """Deliveries that one guest still awaits."""
        return self._owed[guest]

    def joined(self, guest: int, persona: Persona) -> None:
        """A guest is connected."""
        self._seen[guest] = {}
        self.connections[persona.post] += 1

    def left(self, guest: int, persona: Persona) -> None:
        """A guest is gone."""
        self._seen.pop(guest, None)
        self.connections[persona.post] -= 1

    def publishing(self, publication: Publication, guests: Iterable[int], now: float) -> None:
        """Say who must receive a publication; to be called before it is published."""
        waiting = set(guests)
        self.published += 1
        self.strays += publication.stray
        self.expected += len(waiting)
        self.latest.append((publication, len(waiting)))
        if not waiting:
            return
        self._open[publication.number] = _Open(now, waiting)
        self._owed.update(waiting)

    def received(self, guest: int, persona: Persona, arrival: Arrival, now: float) -> None:
        """Count what a guest received: as delivered, or as wrong with the reason."""
        if (complaint := self._complaint(guest, persona, arrival)) is not None:
            self.wrong += 1
            self.fault(f"{persona.name} received {arrival.type} of {_place(arrival.room)}: {complaint}")
            return
        publication = self._open[arrival.number]
        publication.waiting.discard(guest)
        if not publication.waiting:
            del self._open[arrival.number]
        self._settle(guest)
        self._seen[guest][arrival.room] = arrival.number
        self._latency.add(now - publication.at)
        self.delivered += 1
        self.by_post[persona.post] += 1
        self.last_event[persona.post] = arrival.type

    def trouble(self, text: str) -> None:
        """A connection ended by itself, or the gateway said that events are missing."""
        self.troubles += 1
        self.fault(text)

    def fault(self, text: str) -> None:
        """Keep a fault's words for the summary, up to `MAX_FAULTS`."""
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(text)

    def latency(self) -> Quantiles | None:
        """Of the latest deliveries."""
        return self._latency.quantiles()

    def summary(self) -> Summary:
        """The numbers as they stand; what is outstanding counts as lost."""
        return Summary(
            published=self.published,
            strays=self.strays,
            expected=self.expected,
            delivered=self.delivered,
            lost=self.outstanding,
            wrong=self.wrong,
            troubles=self.troubles,
            latency=self.latency(),
        )

    def _complaint(self, guest: int, persona: Persona, arrival: Arrival) -> str | None:
        if arrival.room.tenant != persona.tenant:
            return "it belongs to another tenant"
        if arrival.room.branch not in persona.branches:
            return "it belongs to another branch"
        if arrival.number <= self._seen.get(guest, {}).get(arrival.room, 0):
            return "it came twice, or after a later one"
        publication = self._open.get(arrival.number)
        if publication is None or guest not in publication.waiting:
            return "the routing table does not give it to this person"
        return None

    def _settle(self, guest: int) -> None:
        self._owed[guest] -= 1
        if not self._owed[guest]:
            # A Counter keeps its zeros, and diners come and go all evening.
            del self._owed[guest]


def _place(room: Room) -> str:
    return f"tenant {room.tenant}, branch {room.branch}"
