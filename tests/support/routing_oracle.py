"""The routing rules a second time, written from the product's table and not from the code, as the tests' oracle."""

from __future__ import annotations

# type: (admin, kitchen, waiters, session), one line per row of the product's table.
_TABLE = """
ROUND_PENDING                                          | yes |     | all    |
ROUND_CONFIRMED                                        | yes |     | sector |
ROUND_SUBMITTED                                        | yes | yes | sector |
ROUND_IN_KITCHEN, ROUND_READY, ROUND_SERVED            | yes | yes | sector | yes
ROUND_CANCELED                                         | yes |     | sector | yes
TICKET_IN_PROGRESS, TICKET_READY, TICKET_DELIVERED     | yes | yes | sector |
CART_ITEM_ADDED, CART_ITEM_UPDATED, CART_ITEM_REMOVED  |     |     |        | yes
CART_CLEARED, CART_SYNC                                |     |     |        | yes
SERVICE_CALL_CREATED, SERVICE_CALL_ACKED               | yes |     | sector |
SERVICE_CALL_CLOSED                                    | yes |     | sector |
CHECK_REQUESTED, CHECK_PAID                            | yes |     | sector | yes
PAYMENT_APPROVED, PAYMENT_REJECTED, PAYMENT_FAILED     | yes |     | sector | yes
TABLE_SESSION_STARTED                                  | yes |     | all    |
TABLE_CLEARED, TABLE_STATUS_CHANGED                    | yes |     | all    | yes
PRODUCT_AVAILABILITY_CHANGED                           | yes | yes | sector | yes
ENTITY_CREATED, ENTITY_UPDATED                         | yes |     |        |
ENTITY_DELETED, CASCADE_DELETE                         | yes |     |        |
"""


def _parse() -> dict[str, tuple[bool, bool, str, bool]]:
    table = {}
    for line in _TABLE.strip().splitlines():
        names, admin, kitchen, waiters, session = (cell.strip() for cell in line.split("|"))
        for name in names.split(","):
            table[name.strip()] = (admin == "yes", kitchen == "yes", waiters, session == "yes")
    return table


ROUTES = _parse()
"""Event type to (admin, kitchen, waiters, session)."""


def audience_on_channel(channel: str, event: dict[str, object]) -> str | None:
    """The audience that an event on a channel reaches; None when it is dropped."""
    admin, kitchen, waiters, session = ROUTES[str(event["type"])]
    scope, number, *rest = channel.split(":")
    if scope == "session":
        return channel if session and event.get("session_id") == int(number) else None
    if scope == "sector":
        return channel if waiters and event.get("sector_id", int(number)) == int(number) else None
    if event["branch_id"] != int(number):
        return None
    if rest != ["waiters"]:
        return channel if {"admin": admin, "kitchen": kitchen}[rest[0]] else None
    if not waiters:
        return None
    narrowed = waiters == "sector" and "sector_id" in event
    return f"sector:{event['sector_id']}:waiters" if narrowed else channel
