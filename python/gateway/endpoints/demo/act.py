"""What somebody in the restaurant can do, and which event tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gateway.endpoints.demo.restaurant import ROOM, TABLES
from gateway.protocol.audiences import AudienceKind
from gateway.types import MAX_ID

CRITICAL: Final[Mapping[str, str]] = {
    "order": "ROUND_PENDING",
    "confirm": "ROUND_CONFIRMED",
    "submit": "ROUND_SUBMITTED",
    "start": "ROUND_IN_KITCHEN",
    "ready": "ROUND_READY",
    "serve": "ROUND_SERVED",
    "cancel": "ROUND_CANCELED",
    "call": "SERVICE_CALL_CREATED",
    "acknowledge": "SERVICE_CALL_ACKED",
    "close": "SERVICE_CALL_CLOSED",
    "bill": "CHECK_REQUESTED",
    "pay": "CHECK_PAID",
    "clear": "TABLE_CLEARED",
}
"""Action to event type, for what must reach everybody whom it concerns: it goes through the stream."""

BEST_EFFORT: Final[Mapping[str, str]] = {
    "add": "CART_ITEM_ADDED",
    "remove": "CART_ITEM_REMOVED",
    "empty": "CART_CLEARED",
}
"""The same for what may be lost: it is published on the table session's channel."""

_SUBJECTS: Final[Mapping[str, str]] = {"ROUND": "round", "SERVICE": "call", "CHECK": "amount", "CART": "dish"}
"""What an action is about, by the first word of its event's type; other events, and an emptied cart, need nothing."""

_Id = Annotated[int, Field(ge=1, le=MAX_ID)]
_Name = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Item(_Strict):
    """A dish of a round, so many times."""

    dish: _Name
    quantity: Annotated[int, Field(ge=1, le=20)]


class Round(_Strict):
    """A round of orders. Each of its events carries all of it, so that whoever hears one of them knows it."""

    id: _Name
    number: Annotated[int, Field(ge=1, le=99)]
    items: Annotated[list[Item], Field(min_length=1, max_length=20)]
    total: Annotated[int, Field(ge=0, le=1_000_000)]


class Act(_Strict):
    """One thing that somebody does at a table.

    Attributes:
        action: one of `CRITICAL` or `BEST_EFFORT`.
        table: a table of the restaurant.
        session: the party that sits there.
        round: for what happens to a round.
        call: the id of a call for service.
        dish: for what happens to the cart.
        amount: of a bill, in cents.
    """

    action: Literal[
        "order", "confirm", "submit", "start", "ready", "serve", "cancel",
        "call", "acknowledge", "close", "bill", "pay", "clear", "add", "remove", "empty",
    ]  # fmt: skip
    table: Annotated[int, Field(ge=1, le=len(TABLES))]
    session: _Id
    round: Round | None = None
    call: _Name | None = None
    dish: _Name | None = None
    amount: Annotated[int, Field(ge=0, le=10_000_000)] | None = None

    @model_validator(mode="after")
    def _has_its_subject(self) -> Self:
        subject = _SUBJECTS.get(self.type.partition("_")[0])
        if self.action != "empty" and subject is not None and getattr(self, subject) is None:
            raise ValueError(f"`{self.action}` needs `{subject}`")
        return self

    @property
    def type(self) -> str:
        """The event's type."""
        return CRITICAL.get(self.action) or BEST_EFFORT[self.action]

    @property
    def key(self) -> str:
        """The idempotency key: two windows that do the same thing do it once."""
        subject = self.round.id if self.round is not None else self.call or "-"
        return f"demo:{self.session}:{self.type}:{subject}"

    @property
    def channel(self) -> str:
        """Where a best-effort event goes."""
        return AudienceKind.SESSION.of(self.session)

    def event(self, at: int) -> dict[str, object]:
        """The event that tells of it; `at` is the time in Unix milliseconds."""
        told = self.model_dump(include={"table", "round", "call", "dish", "amount"}, exclude_none=True)
        return event(self.type, self.table, self.session, at) | told


def event(kind: str, table: int, session: int, at: int) -> dict[str, object]:
    """What every event of a table says."""
    return {
        "type": kind,
        "tenant_id": ROOM.tenant,
        "branch_id": ROOM.branch,
        "sector_id": TABLES[table].sector,
        "session_id": session,
        "table": table,
        "at": at,
    }
