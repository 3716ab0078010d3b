"""What happens at a table, as state machines without any I/O.

A party's evening is a stream of steps; whoever plays it waits, publishes, seats and dismisses as the steps say.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing happens for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Seat:
    """So many guests sit down and connect."""

    guests: int


@dataclass(frozen=True, slots=True)
class Happen:
    """The back end has something to tell.

    Attributes:
        type: the event's type.
        members: what the event carries beside its ids.
    """

    type: str
    members: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Leave:
    """The guests disconnect; what was told before must have reached them."""


Step = Wait | Seat | Happen | Leave


class RoundState(StrEnum):
    """States of a round of orders; the event of a state is `ROUND_<state>`."""

    PENDING = "PENDING"
    CONFIRMED = "CONFIRMED"
    SUBMITTED = "SUBMITTED"
    IN_KITCHEN = "IN_KITCHEN"
    READY = "READY"
    SERVED = "SERVED"
    CANCELED = "CANCELED"


ROUND_COURSE: Mapping[RoundState, Mapping[RoundState, float]] = {
    RoundState.PENDING: {RoundState.CONFIRMED: 0.95, RoundState.CANCELED: 0.05},
    RoundState.CONFIRMED: {RoundState.SUBMITTED: 1.0},
    RoundState.SUBMITTED: {RoundState.IN_KITCHEN: 0.97, RoundState.CANCELED: 0.03},
    RoundState.IN_KITCHEN: {RoundState.READY: 1.0},
    RoundState.READY: {RoundState.SERVED: 1.0},
    RoundState.SERVED: {},
    RoundState.CANCELED: {},
}
"""From each state of a round to the next ones, with their weights."""

TICKET_OF_ROUND: Mapping[RoundState, str] = {
    RoundState.IN_KITCHEN: "TICKET_IN_PROGRESS",
    RoundState.READY: "TICKET_READY",
    RoundState.SERVED: "TICKET_DELIVERED",
}
"""What the kitchen's ticket does when its round gets there."""

DISHES = ("empanadas", "gnocchi", "grilled trout", "provoleta", "risotto", "flan", "malbec", "lemonade")

# Real minutes are played in tenths of a second: a party's whole evening takes about eight seconds, so that a demo
# of five seconds already shows dishes served.
_SHORTEST, _LONGEST = 0.1, 0.5


def party(rng: random.Random) -> Iterator[Step]:
    """One party from its arrival to the cleared table."""
    yield Happen("TABLE_SESSION_STARTED")
    yield Seat(rng.randint(1, 3))
    yield _pause(rng)
    for course in range(1, rng.randint(1, 2) + 1):
        yield from _cart(rng)
        yield from _round(rng, course)
        if rng.random() < 0.4:  # noqa: PLR2004 - two parties of five call a waiter between the courses
            yield from _service_call(rng)
    yield from _bill(rng)
    yield Happen("TABLE_CLEARED")
    yield Leave()
    yield Happen("TABLE_STATUS_CHANGED", {"status": "FREE"})
    yield _pause(rng)


def parties(rng: random.Random) -> Iterator[Iterator[Step]]:
    """One party after another, for as long as the restaurant is open."""
    while True:
        yield party(rng)


def _pause(rng: random.Random) -> Wait:
    return Wait(rng.uniform(_SHORTEST, _LONGEST))


def _cart(rng: random.Random) -> Iterator[Step]:
    """The guests fill the shared cart, and change their minds."""
    dishes = rng.sample(DISHES, k=rng.randint(1, 3))
    for dish in dishes:
        yield Happen("CART_ITEM_ADDED", {"item": dish, "quantity": 1})
        yield _pause(rng)
    if len(dishes) > 1:
        changed = rng.choice(("CART_ITEM_UPDATED", "CART_ITEM_REMOVED"))
        yield Happen(changed, {"item": dishes[-1], "quantity": 2 if changed == "CART_ITEM_UPDATED" else 0})
        yield _pause(rng)


def _round(rng: random.Random, course: int) -> Iterator[Step]:
    """A round of orders on its course, with the kitchen's ticket beside it."""
    state: RoundState | None = RoundState.PENDING
    while state is not None:
        if (ticket := TICKET_OF_ROUND.get(state)) is not None:
            yield Happen(ticket, {"round": course})
        yield Happen(f"ROUND_{state}", {"round": course})
        yield _pause(rng)
        following = ROUND_COURSE[state]
        state = rng.choices(list(following), weights=list(following.values()))[0] if following else None
    yield Happen("CART_CLEARED")


def _service_call(rng: random.Random) -> Iterator[Step]:
    for step in ("CREATED", "ACKED", "CLOSED"):
        yield Happen(f"SERVICE_CALL_{step}", {"call": "WAITER"})
        yield _pause(rng)


def _bill(rng: random.Random) -> Iterator[Step]:
    yield Happen("CHECK_REQUESTED")
    yield _pause(rng)
    if rng.random() < 0.1:  # noqa: PLR2004 - one card of ten is refused first
        yield Happen("PAYMENT_REJECTED", {"method": "card"})
        yield _pause(rng)
    yield Happen("PAYMENT_APPROVED", {"method": rng.choice(("card", "cash"))})
    yield Happen("CHECK_PAID")
    yield _pause(rng)
