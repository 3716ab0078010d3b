"""How many rooms, on how many nodes, and who is in which room."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from gateway.auth.jwt import issue_staff_token
from gateway.settings import DEVELOPMENT_SECRET
from gateway.types import SystemClock

RECIPIENTS = 10
"""Of each event, over all nodes together."""

ROOMS_OF_A_CLIENT = 250
"""At most, where there are many rooms: a token names at most 256 branches."""


class Shape(NamedTuple):
    """One arrangement that is measured."""

    rooms: int
    nodes: int

    @property
    def rooms_of_a_client(self) -> int:
        """A client is in one room, until there would be more clients than a machine of two cores can serve."""
        return 1 if self.rooms <= 100 else ROOMS_OF_A_CLIENT

    @property
    def clients(self) -> int:
        """How many there are."""
        return -(-self.rooms // self.rooms_of_a_client) * RECIPIENTS

    @property
    def window(self) -> int:
        """Events under way while the most is looked for: fewer than what is there has permits for.

        All of them may wait in one node, since it is deliveries that are counted.
        """
        return (400 if self.rooms == 1 else 2_000) // self.nodes

    def members(self, ports: Sequence[int]) -> Iterator[str]:
        """The lines that `relay-load` wants; the members of a room are spread over the nodes in turn."""
        nodes = itertools.cycle(ports)
        clock, users = SystemClock(), itertools.count(1)
        for first in range(1, self.rooms + 1, self.rooms_of_a_client):
            branches = range(first, min(first + self.rooms_of_a_client, self.rooms + 1))
            for _ in range(RECIPIENTS):
                token = issue_staff_token(
                    DEVELOPMENT_SECRET,
                    tenant=1,
                    user=str(next(users)),
                    branches=list(branches),
                    roles=["KITCHEN"],
                    sectors=[],
                    expires_in=7_200,
                    clock=clock,
                )
                yield f"{next(nodes)} {branches[0]} {branches[-1]} /ws/kitchen?token={token}"


SHAPES = tuple(Shape(rooms, nodes) for nodes in (1, 2, 4) for rooms in (1, 100, 10_000))
