"""The restaurant of the demo page: its floor, its people and its menu, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final

from gateway.auth.identity import Role
from gateway.types import Room

ROOM: Final = Room(9000, 1)
"""A tenant of its own, far from those that anybody begins to count with."""


@dataclass(frozen=True, slots=True)
class Sector:
    """A zone of the floor."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table; `seats` is for its picture."""

    number: int
    sector: int
    seats: int


@dataclass(frozen=True, slots=True)
class Employee:
    """Somebody of the staff.

    Attributes:
        id: the user id in the token begins with it.
        name: for people.
        endpoint: the last part of `/ws/<endpoint>`.
        role: the one role in the token.
        sectors: in the token, so that nothing has to be looked up.
    """

    id: str
    name: str
    endpoint: str
    role: Role
    sectors: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Dish:
    """Something on the menu; `price` is in cents."""

    id: str
    name: str
    about: str
    price: int


SECTORS: Final = (Sector(1, "Terrace"), Sector(2, "Hall"))

TABLES: Final[Mapping[int, Table]] = {
    table.number: table
    for table in (
        Table(1, 1, 2),
        Table(2, 1, 4),
        Table(3, 1, 2),
        Table(4, 1, 6),
        Table(5, 2, 4),
        Table(6, 2, 2),
        Table(7, 2, 8),
        Table(8, 2, 4),
    )
}

STAFF: Final[Mapping[str, Employee]] = {
    employee.id: employee
    for employee in (
        Employee("ana", "Ana", "waiter", Role.WAITER, (1,)),
        Employee("bruno", "Bruno", "waiter", Role.WAITER, (2,)),
        Employee("kitchen", "Kitchen", "kitchen", Role.KITCHEN),
        Employee("manager", "Clara", "admin", Role.MANAGER),
    )
}

PHONES: Final = (2, 6)
"""The tables whose diners' phones are shown: one in each sector."""

MENU: Final = (
    Dish("empanadas", "Empanadas", "Beef, cumin, olive", 850),
    Dish("provoleta", "Provoleta", "Grilled cheese, oregano", 1100),
    Dish("gnocchi", "Gnocchi", "Sage butter, parmesan", 1650),
    Dish("trout", "Grilled trout", "Lemon, fennel, potatoes", 2200),
    Dish("flan", "Flan", "Dulce de leche", 700),
    Dish("malbec", "Malbec", "Glass, Mendoza", 900),
)


def as_json() -> dict[str, object]:
    """What the page is told about it."""
    return {
        "name": "La Luna",
        "tenant": ROOM.tenant,
        "branch": ROOM.branch,
        "sectors": [asdict(sector) for sector in SECTORS],
        "tables": [asdict(table) for table in TABLES.values()],
        "staff": [asdict(employee) for employee in STAFF.values()],
        "phones": list(PHONES),
        "menu": [asdict(dish) for dish in MENU],
    }
