"""Who a client is, and what it may see: worked out from the product's table, never from the gateway's code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.routing_oracle import ROUTES
from tests.support.tokens import staff_token, table_token

TENANT = 1
BRANCHES = (5, 6)
"""Two rooms, which can be seen to keep apart."""
SECTOR = 9
SESSION = 77


@dataclass(frozen=True, slots=True)
class Seat:
    """A place in the house.

    Attributes:
        name: unique in a world; the user of staff.
        endpoint: `admin`, `kitchen`, `waiter` or `diner`.
        branches: those of the token.
        sectors: of a waiter.
        session: of a diner.
    """

    name: str
    endpoint: str
    branches: tuple[int, ...]
    sectors: tuple[int, ...] = ()
    session: int = 0

    @property
    def path(self) -> str:
        """Of the endpoint."""
        return f"/ws/{self.endpoint}"

    def query(self) -> dict[str, str]:
        """The token, as a query parameter."""
        if self.endpoint == "diner":
            return {"table_token": table_token(tenant=TENANT, branch=self.branches[0], session=self.session)}
        role = self.endpoint.upper()
        return {"token": staff_token(role, tenant=TENANT, user=self.name, branches=self.branches, sectors=self.sectors)}

    def may_see(self, event: Mapping[str, Any]) -> bool:
        """Whether a critical event is for it."""
        if event["branch_id"] not in self.branches:
            return False
        admin, kitchen, waiters, session = ROUTES[event["type"]]
        match self.endpoint:
            case "admin":
                return admin
            case "kitchen":
                return kitchen
            case "diner":
                return session and event.get("session_id") == self.session
        if waiters == "sector" and "sector_id" in event:
            return event["sector_id"] in self.sectors
        return bool(waiters)

    def hears(self, channel: str) -> bool:
        """Whether best-effort events on a channel are for it; producers here send none that would be narrowed."""
        scope, number, *rest = channel.split(":")
        match scope:
            case "session":
                return self.endpoint == "diner" and self.session == int(number)
            case "sector":
                return self.endpoint == "waiter" and int(number) in self.sectors
        endpoint = {"waiters": "waiter"}.get(rest[0], rest[0])
        return self.endpoint == endpoint and int(number) in self.branches


def seats(suffix: str) -> list[Seat]:
    """One of each kind: all that a node of the world has."""
    return [
        Seat(f"admin-{suffix}", "admin", BRANCHES),
        Seat(f"kitchen-{suffix}", "kitchen", (5,)),
        Seat(f"waiter-{suffix}", "waiter", BRANCHES, (SECTOR,)),
        Seat(f"elsewhere-{suffix}", "waiter", (5,), (8,)),
        Seat(f"diner-{suffix}", "diner", (5,), session=SESSION),
    ]
