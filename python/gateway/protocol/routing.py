"""The routing table: which event type reaches which audience. Data, so that a deployment can extend it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from gateway.errors import RoutingError
from gateway.protocol.audiences import AudienceKind, Channel
from gateway.protocol.events import DropReason, Event, refuse


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The audiences of one event type.

    Attributes:
        admin: `branch:<b>:admin`.
        kitchen: `branch:<b>:kitchen`.
        waiters: "sector" is `sector:<s>:waiters` where the event has a sector, otherwise `branch:<b>:waiters`;
            "all" is `branch:<b>:waiters` whatever the sector.
        session: `session:<s>`.
    """

    admin: bool = False
    kitchen: bool = False
    waiters: str | bool = False
    session: bool = False

    def __post_init__(self) -> None:
        if self.waiters not in ("sector", "all", False):
            raise ValueError('waiters must be "sector", "all" or false')


def _rules(rule: Rule, *types: str) -> dict[str, Rule]:
    return dict.fromkeys(types, rule)


DEFAULT_RULES: Mapping[str, Rule] = {
    **_rules(Rule(admin=True, waiters="all"), "ROUND_PENDING"),
    **_rules(Rule(admin=True, waiters="sector"), "ROUND_CONFIRMED"),
    **_rules(Rule(admin=True, kitchen=True, waiters="sector"), "ROUND_SUBMITTED"),
    **_rules(
        Rule(admin=True, kitchen=True, waiters="sector", session=True),
        "ROUND_IN_KITCHEN",
        "ROUND_READY",
        "ROUND_SERVED",
    ),
    **_rules(Rule(admin=True, waiters="sector", session=True), "ROUND_CANCELED"),
    **_rules(
        Rule(admin=True, kitchen=True, waiters="sector"),
        "TICKET_IN_PROGRESS",
        "TICKET_READY",
        "TICKET_DELIVERED",
    ),
    **_rules(
        Rule(session=True),
        "CART_ITEM_ADDED",
        "CART_ITEM_UPDATED",
        "CART_ITEM_REMOVED",
        "CART_CLEARED",
        "CART_SYNC",
    ),
    **_rules(
        Rule(admin=True, waiters="sector"),
        "SERVICE_CALL_CREATED",
        "SERVICE_CALL_ACKED",
        "SERVICE_CALL_CLOSED",
    ),
    **_rules(Rule(admin=True, waiters="sector", session=True), "CHECK_REQUESTED", "CHECK_PAID"),
    **_rules(
        Rule(admin=True, waiters="sector", session=True),
        "PAYMENT_APPROVED",
        "PAYMENT_REJECTED",
        "PAYMENT_FAILED",
    ),
    **_rules(Rule(admin=True, waiters="all"), "TABLE_SESSION_STARTED"),
    **_rules(Rule(admin=True, waiters="all", session=True), "TABLE_CLEARED", "TABLE_STATUS_CHANGED"),
    **_rules(Rule(admin=True, kitchen=True, waiters="sector", session=True), "PRODUCT_AVAILABILITY_CHANGED"),
    **_rules(Rule(admin=True), "ENTITY_CREATED", "ENTITY_UPDATED", "ENTITY_DELETED", "CASCADE_DELETE"),
}
"""The restaurant profile that the gateway comes with."""


class _File(msgspec.Struct, forbid_unknown_fields=True):
    events: dict[str, Rule] = {}
    replace: bool = False


class RoutingTable:
    """Rules by event type. Immutable, thread-safe."""

    def __init__(self, rules: Mapping[str, Rule] = DEFAULT_RULES) -> None:
        self._rules = dict(rules)

    @property
    def rules(self) -> Mapping[str, Rule]:
        """Every rule, by event type."""
        return self._rules

    @classmethod
    def load(cls, path: Path) -> RoutingTable:
        """The default table, extended by a TOML file, or replaced where it says `replace = true`.

        Raises:
            RoutingError: the file cannot be read, is not TOML, or holds something else than rules.
        """
        try:
            parsed = msgspec.convert(tomllib.loads(path.read_text("utf-8")), _File)
        except OSError as error:
            raise RoutingError(f"the routing file {path} cannot be read: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise RoutingError(f"the routing file {path} is not TOML: {error}") from None
        except (msgspec.ValidationError, ValueError) as error:
            raise RoutingError(
                f"the routing file {path} is not a routing table: {error}; expected sections like"
                ' [events.ROUND_READY] with admin = true, kitchen = true, waiters = "sector" | "all" | false,'
                " session = true"
            ) from None
        base = {} if parsed.replace else DEFAULT_RULES
        return cls({**base, **parsed.events})

    def route(self, event: Event) -> tuple[str, ...]:
        """Every audience of an event that carries no channel; one whose id the event lacks is left out.

        Raises:
            EventRefusedError: `unknown_type`; `not_for_audience` when no audience is left.
        """
        rule = self._rule(event)
        audiences = []
        if rule.admin:
            audiences.append(AudienceKind.ADMIN.of(event.branch_id))
        if rule.kitchen:
            audiences.append(AudienceKind.KITCHEN.of(event.branch_id))
        if rule.waiters:
            audiences.append(self._waiters(rule, event))
        if rule.session and event.session_id is not None:
            audiences.append(AudienceKind.SESSION.of(event.session_id))
        if not audiences:
            raise refuse(DropReason.NOT_FOR_AUDIENCE, f"{event.type} reaches no audience without the ids that it lacks")
        return tuple(audiences)

    def route_channel(self, event: Event, channel: Channel) -> tuple[str, ...]:
        """The one audience of an event that came on a Pub/Sub channel.

        Raises:
            EventRefusedError: `unknown_type`, `channel_mismatch` or `not_for_audience`.
        """
        rule = self._rule(event)
        kind, number = channel
        match kind:
            case AudienceKind.SESSION:
                # Only a missing sector may be filled in from the channel: a session's events name their session.
                allowed, actual = rule.session, event.session_id
            case AudienceKind.SECTOR:
                allowed, actual = bool(rule.waiters), number if event.sector_id is None else event.sector_id
            case AudienceKind.WAITERS:
                allowed, actual = bool(rule.waiters), event.branch_id
            case AudienceKind.KITCHEN:
                allowed, actual = rule.kitchen, event.branch_id
            case AudienceKind.ADMIN:
                allowed, actual = rule.admin, event.branch_id
        if actual != number:
            raise refuse(DropReason.CHANNEL_MISMATCH, f"channel {kind.of(number)}, event {kind.of(actual or 0)}")
        if not allowed:
            raise refuse(DropReason.NOT_FOR_AUDIENCE, f"{event.type} on {kind.of(number)}")
        return (self._waiters(rule, event) if kind is AudienceKind.WAITERS else kind.of(number),)

    def _rule(self, event: Event) -> Rule:
        rule = self._rules.get(event.type)
        if rule is None:
            raise refuse(DropReason.UNKNOWN_TYPE, event.type)
        return rule

    @staticmethod
    def _waiters(rule: Rule, event: Event) -> str:
        if rule.waiters == "sector" and event.sector_id is not None:
            return AudienceKind.SECTOR.of(event.sector_id)
        return AudienceKind.WAITERS.of(event.branch_id)
