"""The restaurants of the simulated evening: tenants, branches, tables, and the people who connect.

Every tenant numbers its branches, sectors, tables and sessions from the same small numbers, so that tenant 1's
`branch:1:kitchen` and tenant 2's are the same Redis channel. If the gateway mixed tenants up, this would show it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.auth.identity import Role
from gateway.types import Room

TENANT_NAMES = ("Luna", "Brasa", "Olivo")
BRANCHES_PER_TENANT = 2
SECTORS_PER_BRANCH = 2
TABLES_PER_BRANCH = 5


class Post(StrEnum):
    """Where somebody connects; the value is the last part of the endpoint's path."""

    WAITER = "waiter"
    KITCHEN = "kitchen"
    ADMIN = "admin"
    DINER = "diner"


@dataclass(frozen=True, slots=True)
class Table:
    """A table of one branch; `number` is unique in the tenant."""

    room: Room
    sector: int
    number: int


@dataclass(frozen=True, slots=True)
class Branch:
    """One restaurant. Sector numbers are unique in the tenant, as in a real back end."""

    room: Room
    name: str
    sectors: tuple[int, ...]
    tables: tuple[Table, ...]


@dataclass(frozen=True, slots=True)
class Persona:
    """Somebody who connects.

    Attributes:
        name: for messages to people.
        post: the endpoint.
        tenant: the tenant that the token names.
        branches: the branches that the token names.
        user: the user id of staff; empty for a diner.
        roles: the roles of staff.
        sectors: the sectors of staff; in the token, so that nothing has to be looked up.
        session: the table session of a diner.
        table: the table of a diner.
    """

    name: str
    post: Post
    tenant: int
    branches: tuple[int, ...]
    user: str = ""
    roles: tuple[Role, ...] = ()
    sectors: tuple[int, ...] = ()
    session: int | None = None
    table: int | None = None


@dataclass(frozen=True, slots=True)
class World:
    """Everything that is there before the first guest comes."""

    branches: tuple[Branch, ...]
    staff: tuple[Persona, ...]


def build_world(tenants: int = len(TENANT_NAMES)) -> World:
    """The first `tenants` restaurants with their staff."""
    branches: list[Branch] = []
    staff: list[Persona] = []
    for tenant, name in enumerate(TENANT_NAMES[:tenants], start=1):
        own = [_branch(tenant, name, number) for number in range(1, BRANCHES_PER_TENANT + 1)]
        branches += own
        for branch in own:
            staff += _staff(branch)
        # One person in several rooms: events of all branches reach the one connection, each once.
        staff.append(
            Persona(
                name=f"{name}: owner",
                post=Post.ADMIN,
                tenant=tenant,
                branches=tuple(branch.room.branch for branch in own),
                user="owner",
                roles=(Role.ADMIN,),
            )
        )
    return World(tuple(branches), tuple(staff))


def diner(branch: Branch, table: Table, session: int, seat: int) -> Persona:
    """A guest at a table."""
    return Persona(
        name=f"{branch.name}: table {table.number}, seat {seat}",
        post=Post.DINER,
        tenant=table.room.tenant,
        branches=(table.room.branch,),
        session=session,
        table=table.number,
    )


def _branch(tenant: int, name: str, number: int) -> Branch:
    room = Room(tenant, number)
    first = (number - 1) * SECTORS_PER_BRANCH + 1
    sectors = tuple(range(first, first + SECTORS_PER_BRANCH))
    tables = tuple(
        Table(room, sectors[index % SECTORS_PER_BRANCH], (number - 1) * TABLES_PER_BRANCH + index + 1)
        for index in range(TABLES_PER_BRANCH)
    )
    return Branch(room, f"{name} {number}", sectors, tables)


def _staff(branch: Branch) -> list[Persona]:
    """Two waiters in a sector each, one in all sectors, two screens in the kitchen, and two managers."""
    number = branch.room.branch

    def persona(post: Post, user: str, role: Role, sectors: tuple[int, ...] = ()) -> Persona:
        return Persona(
            name=f"{branch.name}: {user}",
            post=post,
            tenant=branch.room.tenant,
            branches=(number,),
            user=f"{user}-{number}",
            roles=(role,),
            sectors=sectors,
        )

    waiters = [persona(Post.WAITER, f"waiter-{sector}", Role.WAITER, (sector,)) for sector in branch.sectors]
    return [
        *waiters,
        persona(Post.WAITER, "head-waiter", Role.WAITER, branch.sectors),
        persona(Post.KITCHEN, "grill", Role.KITCHEN),
        persona(Post.KITCHEN, "pass", Role.KITCHEN),
        persona(Post.ADMIN, "manager", Role.MANAGER),
        # A manager with the waiters' screen in hand is in the admin audience as well.
        persona(Post.WAITER, "floor-manager", Role.MANAGER),
    ]
