"""The four WebSocket endpoints as data: whom each admits, and into which audiences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.auth.identity import Identity, Role
from gateway.errors import ForbiddenError
from gateway.fanout.base import Membership
from gateway.protocol.audiences import AudienceKind
from gateway.types import Room

MANAGEMENT = frozenset({Role.MANAGER, Role.ADMIN})
"""Roles that are in their branch's admin audience on whatever staff endpoint they connect to."""


@dataclass(frozen=True, slots=True)
class EndpointProfile:
    """One endpoint.

    Attributes:
        name: the last part of `/ws/<name>`, in metrics and logs.
        audience: the branch audience, or the session audience, that a connection joins.
        roles: at least one is needed; empty means the endpoint of table tokens.
        token_parameter: the query parameter that carries the token.
        sectors: whether a connection joins the audiences of its user's sectors.
    """

    name: str
    audience: AudienceKind
    roles: frozenset[Role]
    token_parameter: str
    sectors: bool = False

    @property
    def path(self) -> str:
        """The URL path."""
        return f"/ws/{self.name}"

    @property
    def is_staff(self) -> bool:
        """Whether it takes a JWT; otherwise a table token."""
        return bool(self.roles)

    def check_role(self, identity: Identity) -> None:
        """Refuse who has none of the endpoint's roles.

        Raises:
            ForbiddenError: close code 4003.
        """
        if self.roles and not self.roles & identity.roles:
            raise ForbiddenError(f"{self.path} needs one of the roles {', '.join(sorted(self.roles))}")

    def memberships(self, identity: Identity, sectors: Sequence[int]) -> tuple[Membership, ...]:
        """The rooms of an identity, and its audiences in each. `check_role` comes first."""
        if self.audience is AudienceKind.SESSION:
            if identity.session is None:
                raise ForbiddenError(f"{self.path} needs a token that is bound to a table session")
            audience = AudienceKind.SESSION.of(identity.session)
            return tuple(Membership(Room(identity.tenant, branch), (audience,)) for branch in identity.branches)
        sector_audiences = tuple(AudienceKind.SECTOR.of(sector) for sector in sectors) if self.sectors else ()
        result = []
        for branch in identity.branches:
            own = [self.audience.of(branch)]
            if self.audience is not AudienceKind.ADMIN and identity.roles & MANAGEMENT:
                own.append(AudienceKind.ADMIN.of(branch))
            result.append(Membership(Room(identity.tenant, branch), (*own, *sector_audiences)))
        return tuple(result)


WAITER = EndpointProfile("waiter", AudienceKind.WAITERS, MANAGEMENT | {Role.WAITER}, "token", sectors=True)
KITCHEN = EndpointProfile("kitchen", AudienceKind.KITCHEN, MANAGEMENT | {Role.KITCHEN}, "token")
ADMIN = EndpointProfile("admin", AudienceKind.ADMIN, MANAGEMENT, "token")
DINER = EndpointProfile("diner", AudienceKind.SESSION, frozenset(), "table_token")

STAFF_PROFILES = (WAITER, KITCHEN, ADMIN)
"""Those that take a JWT."""

PROFILES: dict[str, EndpointProfile] = {profile.name: profile for profile in (*STAFF_PROFILES, DINER)}
"""The endpoints by name."""


def channels_of(memberships: Iterable[Membership]) -> tuple[str, ...]:
    """The Pub/Sub channels that bring the events of these audiences, each once: they are spelled the same."""
    return tuple(dict.fromkeys(name for membership in memberships for name in membership.audiences))
